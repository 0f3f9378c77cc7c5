import type { JWK } from 'jose'
import type { Clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import type { SigningAlg } from '../crypto/app-token-header.ts'
import { AppError } from '../errors.ts'
import type { SharedState } from '../session/shared-state.ts'
import type { Log } from '../telemetry/events.ts'
import { type StoredKey, unreadableKeyRing } from './key-ring-seal.ts'
import { createKeyRingStore, keyRingFreshFor } from './key-ring-store.ts'
import { dropExpired, findActive, keyRingKnownFor, type ScheduledKey } from './key-schedule.ts'
import { type SigningKey, toSigningKey } from './signing-key.ts'

/**
 * The keys that sign app tokens: one signs, the next one is published already, and retired ones still verify.
 *
 * Every method throws AppError `store_unavailable` where the keys were never read and the store does not
 * answer.
 */
export interface KeyRing {
  /** The key that signs now. */
  signingKey(): Promise<SigningKey>
  /** Every public key that a verifier may need, in a JWK Set (RFC 7517 5). */
  publicKeys(): Promise<{ keys: JWK[] }>
  /** The published keys, in the order in which they sign. */
  list(): Promise<ListedKey[]>
  /**
   * Lets the next key sign as soon as every replica knows of it; returns the keys as `list` does.
   *
   * @throws AppError `conflict` where some verifier may not know the next key by then, `unprocessable` where
   *   the keys are the operator's own, `store_unavailable`
   */
  rotate(): Promise<ListedKey[]>
}

/** What an operator may know of a key. */
export interface ListedKey {
  readonly kid: string
  readonly alg: SigningAlg
  /** Whether it signs, will sign, has signed, or, among keys of the operator's own, is only published. */
  readonly state: 'signing' | 'next' | 'retired' | 'published'
  /** Milliseconds since the epoch; undefined for keys of the operator's own. */
  readonly signsFrom?: number | undefined
}

interface KeyRingOptions {
  config: Config['appToken']
  store: Pick<SharedState, 'readVersioned' | 'writeVersioned'>
  /** Master secrets, newest first: they seal the keys in the store. */
  secrets: readonly Uint8Array[]
  clock: Clock
  log: Log
}

/**
 * Creates the key ring: that of the operator's own keys (APP_TOKEN_KEYS), or one that all replicas share
 * through the store. The times in the key ring alone decide which key signs.
 */
export function createKeyRing(options: KeyRingOptions): KeyRing {
  const { keys } = options.config
  return keys === undefined ? createSharedKeyRing(options) : createFixedKeyRing(keys)
}

function createFixedKeyRing(jwks: NonNullable<Config['appToken']['keys']>): KeyRing {
  let keys: Promise<SigningKey[]> | undefined
  const load = () => {
    keys ??= Promise.all(jwks.map((jwk) => toSigningKey(jwk, jwk.alg)))
    return keys
  }
  return {
    async signingKey() {
      const [first] = await load()
      if (first === undefined) throw new TypeError('a key ring needs a key')
      return first
    },
    publicKeys: async () => ({ keys: (await load()).map(({ publicJwk }) => publicJwk) }),
    list: async () =>
      (await load()).map(({ kid, alg }, at) => ({ kid, alg, state: at === 0 ? 'signing' : 'published' })),
    async rotate() {
      throw new AppError(
        'unprocessable',
        'The keys are in APP_TOKEN_KEYS: add a key there, wait five minutes, then move it to the front.',
      )
    },
  }
}

/** Milliseconds between two attempts to read the key ring, while the store does not answer. */
const askPause = 1_000

interface RingKey extends ScheduledKey {
  key: SigningKey
}

function createSharedKeyRing(options: KeyRingOptions): KeyRing {
  const { config, clock, log } = options
  const keyRingStore = createKeyRingStore(options)
  let known: { keys: RingKey[]; stored: StoredKey[]; readAt: number } | undefined
  let inFlight: Promise<RingKey[]> | undefined
  /** When the store was asked last, whether or not it answered. */
  let askedAt = 0

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
    list: async () => describeKeys(await current()),
    async rotate() {
      await current()
      const readAt = clock.now()
      return describeKeys(await use(await keyRingStore.rotate(known?.stored ?? []), readAt))
    },
  }

  async function current(): Promise<RingKey[]> {
    if (known === undefined) return loadOnce()
    const age = clock.now() - known.readAt
    if (age <= keyRingFreshFor) return known.keys
    // A failure is logged there: the known keys say which one signs.
    const isDue = inFlight !== undefined || clock.now() - askedAt > askPause
    const update = isDue ? loadOnce().catch(() => {}) : undefined
    // Read in the background, until an operator may have brought the next key forward without this replica's
    // knowledge.
    if (age > keyRingKnownFor) await update
    return known.keys
  }

  function describeKeys(all: readonly RingKey[]): ListedKey[] {
    const now = clock.now()
    const keys = dropExpired(all, now, config.ttl)
    const active = findActive(keys, now)
    return keys.map(({ key: { kid }, alg, signsFrom }, at) => ({
      kid,
      alg,
      signsFrom,
      state: at === active ? 'signing' : at < active ? 'retired' : 'next',
    }))
  }

  function loadOnce(): Promise<RingKey[]> {
    if (inFlight === undefined) askedAt = clock.now()
    inFlight ??= load()
      .catch((error: unknown) => {
        // The store logs its own outages.
        if (!(error instanceof AppError) || error.reason === unreadableKeyRing) {
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

  async function load(): Promise<RingKey[]> {
    const readAt = clock.now()
    return use(await keyRingStore.update(known?.stored), readAt)
  }

  async function use(stored: StoredKey[], readAt: number): Promise<RingKey[]> {
    const keys = await Promise.all(
      stored.map(async ({ jwk, alg, signsFrom }) => ({ alg, signsFrom, key: await toSigningKey(jwk, alg) })),
    )
    known = { keys, stored, readAt }
    return keys
  }
}
