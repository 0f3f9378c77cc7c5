import { errors, type JSONWebKeySet, type JWTPayload } from 'jose'
import type { Clock } from '../clock.ts'
import { type Log, toLogText } from '../telemetry/events.ts'
import { createKeySet, type ExpectedJwt, type KeySet, type KeySetOptions, parseSignedJwt } from './key-set.ts'

/** Verifies JWTs with an issuer's signing keys, which it fetches and keeps up to date. */
export interface JwksCache {
  /** Fetches the keys if none were ever fetched; throws what `fetchKeys` throws. */
  prepare(): Promise<void>
  /**
   * Verifies a JWT that one of the keys signed.
   *
   * @throws jose's errors where the token does not verify, and what `fetchKeys` throws if it never succeeded
   */
  verify(token: string, expected: ExpectedJwt): Promise<JWTPayload>
}

interface JwksCacheOptions extends KeySetOptions {
  /**
   * Fetches the key set; rejects where it cannot, and where the set is empty: that is a fault of the
   * endpoint, and must not replace keys that verify.
   */
  fetchKeys: () => Promise<JSONWebKeySet>
  clock: Clock
  log: Log
}

/** Milliseconds; older keys are still used, while new ones are fetched in the background. */
const freshFor = 5 * 60_000
/** Milliseconds without a fetch after one that failed or lacked the key, whatever tokens are sent. */
const missCooldown = 30_000
/** The same while no key is known at all: nothing verifies until there is one. */
const coldCooldown = 1_000

/**
 * Creates a cache of keys that survives rotation and outages: known keys are used while the endpoint is down;
 * a token that no known key verifies causes a fetch at once, even when the last one was a second ago (OpenID
 * Connect Core 10.1.1); at most one fetch is in flight; and a flood of unknown kids costs one fetch in 30 s.
 */
export function createJwksCache({ fetchKeys, clock, log, remembered = 0 }: JwksCacheOptions): JwksCache {
  let known: { keys: KeySet; fetchedAt: number } | undefined
  let inFlight: Promise<KeySet> | undefined
  /** Until when no fetch is made for each reason; a flood for one reason does not delay the others. */
  const noFetchUntil = { staleness: 0, unknownKid: 0, badSignature: 0 }
  let lastFailure: unknown

  async function fetchKeySet(): Promise<KeySet> {
    const keySet = await fetchKeys()
    const keys = createKeySet(keySet, { remembered })
    known = { keys, fetchedAt: clock.now() }
    lastFailure = undefined
    log('provider_keys_fetched', { kids: keySet.keys.map(({ kid }) => toLogText(String(kid ?? '(none)'))) })
    return keys
  }

  function fetchOnce(): Promise<KeySet> {
    inFlight ??= fetchKeySet()
      .catch((error: unknown) => {
        const until = clock.now() + (known === undefined ? coldCooldown : missCooldown)
        Object.assign(noFetchUntil, { staleness: until, unknownKid: until, badSignature: until })
        lastFailure = error
        log('provider_keys_unavailable', { stale_keys_serve: known !== undefined })
        throw error
      })
      .finally(() => {
        inFlight = undefined
      })
    return inFlight
  }

  async function currentKeys(): Promise<KeySet> {
    const mayFetch = clock.now() >= noFetchUntil.staleness
    if (known === undefined) {
      if (mayFetch || inFlight !== undefined) return fetchOnce()
      throw lastFailure
    }
    // In the background, and a failure is logged above: the known keys still verify.
    if (clock.now() - known.fetchedAt > freshFor && mayFetch) fetchOnce().catch(() => {})
    return known.keys
  }

  return {
    async prepare() {
      await currentKeys()
    },

    async verify(token, expected) {
      // First, so that no key is fetched for a text that is no JWT.
      const jwt = parseSignedJwt(token)
      const keys = await currentKeys()
      try {
        return keys.verify(jwt, expected)
      } catch (error) {
        const reason = toFetchReason(error)
        if (reason === undefined) throw error
        if (clock.now() < noFetchUntil[reason]) {
          // The last fetch failed, so an unknown kid may still be valid: report unavailability, not an
          // invalid token.
          throw reason === 'unknownKid' && lastFailure !== undefined ? lastFailure : error
        }
        const newKeys = await fetchOnce()
        try {
          return newKeys.verify(jwt, expected)
        } catch (secondError) {
          if (toFetchReason(secondError) !== undefined) noFetchUntil[reason] = clock.now() + missCooldown
          throw secondError
        }
      }
    },
  }
}

/**
 * Why newer keys may verify a token: its kid is unknown, or a new key has no kid or took over an old one's.
 */
function toFetchReason(error: unknown): 'unknownKid' | 'badSignature' | undefined {
  if (error instanceof errors.JWKSNoMatchingKey) return 'unknownKid'
  return error instanceof errors.JWSSignatureVerificationFailed ? 'badSignature' : undefined
}
