import type { JWK } from 'jose'
import type { Clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import { AppError } from '../errors.ts'
import type { SharedState } from '../session/shared-state.ts'
import type { Log } from '../telemetry/events.ts'
import { type StoredKey, unreadableKeyRing } from './key-ring-seal.ts'
import { createKeyRingStore, keyRingFreshFor } from './key-ring-store.ts'
import { dropExpired, findActive, type ScheduledKey } from './key-schedule.ts'
import { type SigningKey, toSigningKey } from './signing-key.ts'

/**
 * The keys that sign app tokens: one signs, the next one is published already, and retired ones still verify.
 *
 * `signingKey` and `publicKeys` throw AppError `store_unavailable` where the keys were never read and the
 * store does not answer.
 */
export interface KeyRing {
  /** The key that signs now. */
  signingKey(): Promise<SigningKey>
  /** Every public key that a verifier may need, in a JWK Set (RFC 7517 5). */
  publicKeys(): Promise<{ keys: JWK[] }>
  /**
   * When the key that signs began to, and when the next one will, in milliseconds since the epoch; undefined
   * where the keys are not known yet, or are the operator's own.
   */
  schedule(): { signsFrom: number; nextFrom: number | undefined } | undefined
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
    schedule: () => undefined,
  }
}

interface RingKey extends ScheduledKey {
  key: SigningKey
}

function createSharedKeyRing(options: KeyRingOptions): KeyRing {
  const { config, clock, log } = options
  const keyRingStore = createKeyRingStore(options)
  let known: { keys: RingKey[]; stored: StoredKey[]; readAt: number } | undefined
  let inFlight: Promise<RingKey[]> | undefined

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
    schedule() {
      const keys = known?.keys ?? []
      const active = findActive(keys, clock.now())
      const signsFrom = keys[active]?.signsFrom
      return signsFrom === undefined ? undefined : { signsFrom, nextFrom: keys[active + 1]?.signsFrom }
    },
  }

  async function current(): Promise<RingKey[]> {
    if (known === undefined) return loadOnce()
    if (clock.now() - known.readAt > keyRingFreshFor) {
      // Read in the background, and a failure is logged there: the known keys say which one signs.
      known.readAt = clock.now()
      loadOnce().catch(() => {})
    }
    return known.keys
  }

  function loadOnce(): Promise<RingKey[]> {
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
    const stored = await keyRingStore.update(known?.stored)
    const keys = await Promise.all(
      stored.map(async ({ jwk, alg, signsFrom }) => ({ alg, signsFrom, key: await toSigningKey(jwk, alg) })),
    )
    known = { keys, stored, readAt: clock.now() }
    return keys
  }
}
