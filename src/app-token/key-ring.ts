import type { JWK } from 'jose'
import type { Clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import { AppError } from '../errors.ts'
import type { SharedState } from '../session/store.ts'
import type { Log } from '../telemetry/logger.ts'
import { dropExpired, findActive, planNext, type ScheduledKey } from './key-schedule.ts'
import { createRingSeal, ringName, type StoredKey, unreadableRing } from './ring-seal.ts'
import { generatePrivateJwk, type SigningKey, toSigningKey } from './signing-key.ts'

/**
 * The keys that sign app tokens: one signs, the next is published already, retired ones still verify.
 *
 * Both methods throw AppError `store_unavailable` where the keys were never read and cannot be.
 */
export interface KeyRing {
  /** The key that signs now. */
  signingKey(): Promise<SigningKey>
  /** Every public key that a verifier may meet, in a JWK Set (RFC 7517 5). */
  publicKeys(): Promise<{ keys: JWK[] }>
}

interface KeyRingOptions {
  config: Config['appToken']
  store: Pick<SharedState, 'readShared' | 'writeShared'>
  /** Master secrets, newest first: they wrap the keys in the store. */
  secrets: readonly Uint8Array[]
  clock: Clock
  log: Log
}

/** Older rings are used on, and read again beside the request: another replica may have made the next key. */
const freshFor = 60_000

/** A ring that nobody has changed for so long is not in the middle of a rotation of the master secrets. */
const settledAfter = 10 * 60_000

/** How often a replica tries again after another one changed the ring first. */
const maxRounds = 10

interface RingKey extends ScheduledKey {
  key: SigningKey
}

/**
 * Creates the ring that all replicas share through the store, or the one of the operator's own keys (APP_TOKEN_KEYS).
 * Which key signs follows from the times in the ring alone; replicas write to it only to add the next key or to drop old
 * ones, by compare-and-set.
 */
export function createKeyRing(options: KeyRingOptions): KeyRing {
  const { keys } = options.config
  return keys === undefined ? createSharedRing(options) : createFixedRing(keys)
}

function createFixedRing(jwks: NonNullable<Config['appToken']['keys']>): KeyRing {
  let keys: Promise<SigningKey[]> | undefined
  const load = () => {
    keys ??= Promise.all(jwks.map((jwk) => toSigningKey(jwk, jwk.alg)))
    return keys
  }
  return {
    async signingKey() {
      const [first] = await load()
      if (first === undefined) throw new TypeError('a ring needs a key')
      return first
    },
    publicKeys: async () => ({ keys: (await load()).map(({ publicJwk }) => publicJwk) }),
  }
}

function createSharedRing({ config, store, secrets, clock, log }: KeyRingOptions): KeyRing {
  const seal = createRingSeal(secrets)
  let known: { keys: RingKey[]; stored: StoredKey[]; readAt: number } | undefined
  /** Since when the ring in the store is this version of it. */
  let unchanged = { version: 0, since: 0 }
  let inFlight: Promise<RingKey[]> | undefined

  /** One replica's change wins; the others read what it wrote. */
  async function readRing(): Promise<StoredKey[]> {
    for (let round = 0; round < maxRounds; round += 1) {
      const found = await store.readShared(ringName)
      const inStore = found === undefined ? [] : seal.open(found.text)
      const now = clock.now()
      // Only a server that starts may bring in another algorithm: in a rolling restart, the others go on as before.
      const isStarting = known === undefined
      const ours =
        found === undefined ? (known?.stored ?? []) : addForgotten(inStore, known?.stored ?? [], now)
      const alg = isStarting ? config.alg : (ours.at(-1)?.alg ?? config.alg)
      const keys = dropExpired(ours, now, config.ttl).filter(
        (key) => !isStarting || key.alg === alg || key.signsFrom <= now + 2 * freshFor,
      )
      const schedule = { alg, rotation: config.rotation }
      for (
        let next = planNext(keys, now, schedule);
        next !== undefined;
        next = planNext(keys, now, schedule)
      ) {
        keys.push({ alg, signsFrom: next, jwk: await generatePrivateJwk(alg) })
      }
      const isSettled = JSON.stringify(keys) === JSON.stringify(inStore)
      if (found?.version !== unchanged.version) unchanged = { version: found?.version ?? 0, since: now }
      const dropsSurplus = isStarting || now - unchanged.since > settledAfter
      if (found !== undefined && isSettled && seal.isCurrent(found.text, dropsSurplus)) return keys
      if (await store.writeShared(ringName, found?.version ?? 0, seal.close(keys))) {
        log('signing_keys_changed', {
          keys: keys.length,
          because: found === undefined ? 'none in store' : 'due',
        })
        return keys
      }
    }
    throw new AppError('store_unavailable', 'The signing keys cannot be agreed on right now.', {
      reason: 'the signing keys in the store change all the time',
    })
  }

  async function load(): Promise<RingKey[]> {
    const stored = await readRing()
    const keys = await Promise.all(
      stored.map(async ({ jwk, alg, signsFrom }) => ({ alg, signsFrom, key: await toSigningKey(jwk, alg) })),
    )
    known = { keys, stored, readAt: clock.now() }
    return keys
  }

  function loadOnce(): Promise<RingKey[]> {
    inFlight ??= load()
      .catch((error: unknown) => {
        // The store tells of its own outages.
        if (!(error instanceof AppError) || error.reason === unreadableRing) {
          log('signing_keys_unavailable', {
            reason: error instanceof AppError ? error.reason : 'a key cannot be used',
          })
        }
        throw error
      })
      .finally(() => {
        inFlight = undefined
      })
    return inFlight
  }

  async function current(): Promise<RingKey[]> {
    if (known === undefined) return loadOnce()
    const age = clock.now() - known.readAt
    if (age > freshFor) {
      // Nobody waits, and a failure is logged above: which key signs does not depend on it.
      known.readAt = clock.now()
      loadOnce().catch(() => {})
    }
    return known.keys
  }

  return {
    async signingKey() {
      const keys = await current()
      const active = keys[findActive(keys, clock.now())]
      if (active === undefined) throw new AppError('store_unavailable', 'There is no key to sign with yet.')
      return active.key
    },
    async publicKeys() {
      const keys = dropExpired(await current(), clock.now(), config.ttl)
      return { keys: keys.map(({ key }) => key.publicJwk) }
    },
  }
}

/**
 * A store that lost the ring may have got another one since: keys of ours that signed already are added to it, so that
 * their tokens stay good until they expire.
 */
function addForgotten(inStore: StoredKey[], ours: StoredKey[], now: number): StoredKey[] {
  const known = new Set(inStore.map(({ jwk }) => JSON.stringify(jwk)))
  // Two states of one ring always share a key.
  if (ours.some(({ jwk }) => known.has(JSON.stringify(jwk)))) return inStore
  const forgotten = ours.filter(({ signsFrom }) => signsFrom <= now)
  return [...forgotten, ...inStore].sort((a, b) => a.signsFrom - b.signsFrom)
}
