import type { Clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import { AppError } from '../errors.ts'
import type { SharedState } from '../session/shared-state.ts'
import type { Log } from '../telemetry/events.ts'
import { createKeyRingSeal, keyRingName, type StoredKey } from './key-ring-seal.ts'
import {
  bringForward,
  dropExpired,
  findEarliestRotation,
  type KeySchedule,
  planNext,
} from './key-schedule.ts'
import { generatePrivateJwk } from './signing-key.ts'

/** The key ring in the store, which all replicas share. */
export interface KeyRingStore {
  /**
   * Brings the key ring in the store up to date: generates the next key where it is due, drops expired ones,
   * and restores keys that the store has lost.
   *
   * @param known the keys that this replica read last; undefined while it starts
   * @returns the keys as they are now in the store
   * @throws AppError `store_unavailable`
   */
  update(known: readonly StoredKey[] | undefined): Promise<StoredKey[]>
  /**
   * Lets the next key sign as soon as every replica knows.
   *
   * @throws AppError `conflict` where some verifier may not know it by then, `store_unavailable`
   */
  rotate(known: readonly StoredKey[]): Promise<StoredKey[]>
}

interface KeyRingStoreOptions {
  config: Pick<Config['appToken'], 'alg' | 'rotation' | 'ttl'>
  store: Pick<SharedState, 'readVersioned' | 'writeVersioned'>
  /** Master secrets, newest first: they seal the keys in the store. */
  secrets: readonly Uint8Array[]
  clock: Clock
  log: Log
}

/**
 * Milliseconds after which a replica reads the key ring again: another replica may have added the next key.
 */
export const keyRingFreshFor = 60_000

/** Milliseconds without a change after which no rotation of the master secrets is in progress any more. */
const settledAfter = 10 * 60_000

/** How often a replica tries again after another one has changed the key ring first. */
const maxAttempts = 10

/** Creates the shared key ring. Replicas write to it by compare-and-set only. */
export function createKeyRingStore({
  config,
  store,
  secrets,
  clock,
  log,
}: KeyRingStoreOptions): KeyRingStore {
  const seal = createKeyRingSeal(secrets)
  /** The version of the key ring in the store, and when this replica first saw it. */
  let unchanged = { version: 0, since: 0 }

  return {
    update: (known) => untilWritten(() => tryUpdate(known ?? [], { isStarting: known === undefined })),
    rotate: (known) => untilWritten(() => tryUpdate(known, { isStarting: false, change: letNextSign })),
  }

  async function untilWritten(attempt: () => Promise<StoredKey[] | undefined>): Promise<StoredKey[]> {
    for (let count = 0; count < maxAttempts; count += 1) {
      const keys = await attempt()
      if (keys !== undefined) return keys
    }
    throw new AppError('store_unavailable', 'The signing keys cannot be read right now.', {
      reason: 'other replicas changed the signing keys in the store at every attempt',
    })
  }

  /** Undefined where another replica changed the key ring first; the next attempt reads what it wrote. */
  async function tryUpdate(
    known: readonly StoredKey[],
    { isStarting, change }: { isStarting: boolean; change?: typeof letNextSign },
  ): Promise<StoredKey[] | undefined> {
    const found = await store.readVersioned(keyRingName)
    const inStore = found === undefined ? [] : seal.open(found.text)
    const version = found?.version ?? 0
    const now = clock.now()
    const present = found === undefined ? known : withLost(inStore, known, now)
    const planned = await plan(present, isStarting, now)
    const keys = change?.(planned, now) ?? planned
    if (found?.version !== unchanged.version) unchanged = { version, since: now }
    const isSettled = isStarting || now - unchanged.since > settledAfter
    const isUpToDate = JSON.stringify(keys) === JSON.stringify(inStore)
    if (found !== undefined && isUpToDate && seal.isCurrent(found.text, isSettled)) return keys
    if (!(await store.writeVersioned(keyRingName, version, seal.close(keys)))) return undefined
    log('signing_keys_changed', {
      keys: keys.length,
      because: found === undefined ? 'none in store' : change === undefined ? 'due' : 'operator',
    })
    return keys
  }

  /** The keys without expired ones, and with those that are due. */
  function plan(present: readonly StoredKey[], isStarting: boolean, now: number): Promise<StoredKey[]> {
    const { alg: configured, rotation, ttl } = config
    const unexpired = dropExpired(present, now, ttl)
    // In a rolling restart, only the replicas that start bring in
    // another algorithm; the others keep the present one.
    if (!isStarting) {
      return withMissingKeys(unexpired, now, { alg: present.at(-1)?.alg ?? configured, rotation })
    }
    // A key of another algorithm stays if it signs before all replicas could have read that it is gone.
    const fitting = unexpired.filter(
      ({ alg, signsFrom }) => alg === configured || signsFrom <= now + 2 * keyRingFreshFor,
    )
    return withMissingKeys(fitting, now, { alg: configured, rotation })
  }
}

/** The keys, and new ones for those that the schedule lacks. */
async function withMissingKeys(
  keys: readonly StoredKey[],
  now: number,
  schedule: KeySchedule,
): Promise<StoredKey[]> {
  const complete = [...keys]
  for (;;) {
    const signsFrom = planNext(complete, now, schedule)
    if (signsFrom === undefined) return complete
    complete.push({
      alg: schedule.alg,
      signsFrom,
      publishedFrom: now,
      jwk: await generatePrivateJwk(schedule.alg),
    })
  }
}

/** The keys, of which the next one signs soon. */
function letNextSign(keys: readonly StoredKey[], now: number): StoredKey[] {
  const rotated = bringForward(keys, now)
  if (rotated !== undefined) return rotated
  const from = findEarliestRotation(keys, now)
  throw new AppError(
    'conflict',
    `The next key was published too recently: APIs may still cache keys without it. Rotate after ${new Date(from).toISOString()}.`,
    { retryAfter: Math.ceil((from - now) / 1000) },
  )
}

/**
 * The keys in the store, and the known ones that it has lost. A store may lose the key ring and get another
 * one from another replica: keys that have signed are added to that one, so that their tokens stay valid
 * until they expire.
 */
function withLost(
  inStore: readonly StoredKey[],
  known: readonly StoredKey[],
  now: number,
): readonly StoredKey[] {
  const stored = new Set(inStore.map(({ jwk }) => JSON.stringify(jwk)))
  // Two states of the same key ring always have a key in common.
  if (known.some(({ jwk }) => stored.has(JSON.stringify(jwk)))) return inStore
  const lost = known.filter(({ signsFrom }) => signsFrom <= now)
  return [...lost, ...inStore].sort((a, b) => a.signsFrom - b.signsFrom)
}
