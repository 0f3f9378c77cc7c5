import type { JWK } from 'jose'
import { z } from 'zod'
import type { Clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import { createSealer, type Sealer } from '../crypto/sealer.ts'
import { AppError } from '../errors.ts'
import type { SharedState } from '../session/store.ts'
import type { Log } from '../telemetry/logger.ts'
import { dropExpired, findActive, planNext, type ScheduledKey } from './key-schedule.ts'
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

/** The name of the ring in the store, and the context its seal is bound to. */
const name = 'signing-keys'

/** Older rings are used on, and read again beside the request: another replica may have made the next key. */
const freshFor = 60_000

const storedKeys = z.array(
  z.object({
    alg: z.enum(['ES256', 'EdDSA', 'RS256']),
    signsFrom: z.number(),
    jwk: z.looseObject({ kty: z.string() }),
  }),
)
type StoredKey = z.infer<typeof storedKeys>[number]

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
  const sealers = secrets.map((secret) => createSealer([secret], 'signing-keys'))
  let known: { keys: RingKey[]; readAt: number } | undefined
  let inFlight: Promise<RingKey[]> | undefined

  /** One replica's change wins; the others read what it wrote. */
  async function readRing(): Promise<StoredKey[]> {
    for (;;) {
      const found = await store.readShared(name)
      const kept = found === undefined ? [] : openRing(found.text)
      const now = clock.now()
      // Only a server that starts may bring in another algorithm: in a rolling restart, the others go on as before.
      const isStarting = known === undefined
      const alg = isStarting ? config.alg : (kept.at(-1)?.alg ?? config.alg)
      const schedule = { alg, rotation: config.rotation }
      const keys = dropExpired(kept, now, config.ttl).filter(
        (key) => !isStarting || key.alg === alg || key.signsFrom <= now,
      )
      for (
        let next = planNext(keys, now, schedule);
        next !== undefined;
        next = planNext(keys, now, schedule)
      ) {
        const jwk = await generatePrivateJwk(alg)
        keys.push({ alg, signsFrom: next, jwk: { ...jwk, kty: jwk.kty ?? '' } })
      }
      const isChanged = keys.length !== kept.length || keys.at(-1) !== kept.at(-1)
      if (found !== undefined && !isChanged && isSealedForUs(found.text, isStarting)) return keys
      if (await store.writeShared(name, found?.version ?? 0, sealRing(keys))) {
        log('signing_keys_changed', { keys: keys.length })
        return keys
      }
    }
  }

  /** One copy for each master secret: whichever of them a replica knows, also after a rollback, it finds its own. */
  const sealRing = (keys: StoredKey[]) =>
    sealers.map((sealer) => sealer.seal(JSON.stringify(keys), name)).join()

  const openCopy = (sealer: Sealer, sealed: string) =>
    sealed
      .split(',')
      .map((copy) => sealer.open(copy, name))
      .find((text) => text !== undefined)

  /** A server that starts also drops the copies of secrets that it no longer knows. */
  function isSealedForUs(sealed: string, isStarting: boolean): boolean {
    const isComplete = sealers.every((sealer) => openCopy(sealer, sealed) !== undefined)
    return isComplete && !(isStarting && sealed.split(',').length > sealers.length)
  }

  /** Keys that another secret wrapped are not overwritten: other replicas may sign with them right now. */
  function openRing(sealed: string): StoredKey[] {
    const text = sealers.map((sealer) => openCopy(sealer, sealed)).find((found) => found !== undefined)
    const keys = text === undefined ? undefined : storedKeys.safeParse(JSON.parse(text)).data
    if (keys !== undefined) return keys
    throw new AppError('store_unavailable', 'The signing keys cannot be read right now.', {
      reason:
        'the signing keys in the store are of another format, or wrapped with a secret that BFF_SECRETS does not hold',
    })
  }

  async function load(): Promise<RingKey[]> {
    const stored = await readRing()
    const keys = await Promise.all(
      stored.map(async ({ jwk, ...schedule }) => ({
        ...schedule,
        key: await toSigningKey(jwk, schedule.alg),
      })),
    )
    known = { keys, readAt: clock.now() }
    return keys
  }

  function loadOnce(): Promise<RingKey[]> {
    inFlight ??= load()
      .catch((error: unknown) => {
        log('signing_keys_unavailable', {
          reason: error instanceof AppError ? error.reason : 'a key cannot be used',
        })
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
