import {
  createLocalJWKSet,
  decodeProtectedHeader,
  errors,
  type JSONWebKeySet,
  type JWTPayload,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
  jwtVerify,
} from 'jose'
import type { Clock } from '../clock.ts'
import type { Log } from '../telemetry/logger.ts'

/** Verifies JWTs with an issuer's signing keys, which it fetches and keeps up to date. */
export interface JwksCache {
  /** Fetches the keys if none were ever fetched; throws what `fetchKeys` throws. */
  prepare(): Promise<void>
  /**
   * Verifies a JWT that one of the keys signed, with `options` as jose takes them.
   *
   * @throws jose's errors where the token does not verify, and what `fetchKeys` throws if it never succeeded
   */
  verify(token: string, options: JWTVerifyOptions & { algorithms: string[] }): Promise<JWTPayload>
}

interface JwksCacheOptions {
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
export function createJwksCache({ fetchKeys, clock, log }: JwksCacheOptions): JwksCache {
  let known: { resolve: JWTVerifyGetKey; fetchedAt: number } | undefined
  let inFlight: Promise<JWTVerifyGetKey> | undefined
  /** Until when no fetch is made for each reason; a flood for one reason does not delay the others. */
  const noFetchUntil = { staleness: 0, unknownKid: 0, badSignature: 0 }
  let lastFailure: unknown

  async function fetchResolver(): Promise<JWTVerifyGetKey> {
    const keySet = await fetchKeys()
    const resolve = toKeyResolver(keySet)
    known = { resolve, fetchedAt: clock.now() }
    lastFailure = undefined
    log('provider_keys_fetched', { kids: keySet.keys.map(({ kid }) => kid ?? '(none)') })
    return resolve
  }

  function fetchOnce(): Promise<JWTVerifyGetKey> {
    inFlight ??= fetchResolver()
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

  async function currentKeys(): Promise<JWTVerifyGetKey> {
    const mayFetch = clock.now() >= noFetchUntil.staleness
    if (known === undefined) {
      if (mayFetch || inFlight !== undefined) return fetchOnce()
      throw lastFailure
    }
    // In the background, and a failure is logged above: the known keys still verify.
    if (clock.now() - known.fetchedAt > freshFor && mayFetch) fetchOnce().catch(() => {})
    return known.resolve
  }

  return {
    async prepare() {
      await currentKeys()
    },

    async verify(token, options) {
      assertLooksSigned(token)
      const keys = await currentKeys()
      try {
        return await verifyWithKeys(token, keys, options)
      } catch (error) {
        const reason = toFetchReason(error)
        if (reason === undefined) throw error
        if (clock.now() < noFetchUntil[reason]) {
          // The last fetch failed, so an unknown kid may still be valid: report unavailability, not an
          // invalid token.
          throw reason === 'unknownKid' && lastFailure !== undefined ? lastFailure : error
        }
        const newKeys = await fetchOnce()
        return await verifyWithKeys(token, newKeys, options).catch((secondError: unknown) => {
          if (toFetchReason(secondError) !== undefined) noFetchUntil[reason] = clock.now() + missCooldown
          throw secondError
        })
      }
    },
  }
}

/** Refuses a text that is no JWS before any key is fetched for it. */
function assertLooksSigned(token: string): void {
  try {
    decodeProtectedHeader(token)
  } catch (cause) {
    throw new errors.JWSInvalid('not a JWS', { cause })
  }
}

/**
 * Why newer keys may verify a token: its kid is unknown, or a new key has no kid or took over an old one's.
 */
function toFetchReason(error: unknown): 'unknownKid' | 'badSignature' | undefined {
  if (error instanceof errors.JWKSNoMatchingKey) return 'unknownKid'
  return error instanceof errors.JWSSignatureVerificationFailed ? 'badSignature' : undefined
}

/** Finds the key that a token names. If no key has its kid, a key without a kid may have signed it. */
function toKeyResolver(keySet: JSONWebKeySet): JWTVerifyGetKey {
  const kids = new Set(keySet.keys.map(({ kid }) => kid))
  const all = createLocalJWKSet(keySet)
  const withoutKid = createLocalJWKSet({ keys: keySet.keys.filter(({ kid }) => kid === undefined) })
  return (header, token) => {
    if (header.kid === undefined || kids.has(header.kid)) return all(header, token)
    const { kid: _, ...rest } = header
    return withoutKid(rest, token)
  }
}

/** Verifies with the key that the header names; if kids are missing or not unique, with each possible key. */
async function verifyWithKeys(
  token: string,
  keys: JWTVerifyGetKey,
  options: JWTVerifyOptions,
): Promise<JWTPayload> {
  try {
    return (await jwtVerify(token, keys, options)).payload
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error
    for await (const key of error) {
      try {
        return (await jwtVerify(token, key, options)).payload
      } catch (candidateError) {
        if (!isKeysFault(candidateError)) throw candidateError
      }
    }
    throw new errors.JWSSignatureVerificationFailed()
  }
}

/**
 * Whether another key may verify the token: this one did not sign it, or cannot be used at all, for which
 * jose throws errors that are no JOSEError.
 */
const isKeysFault = (error: unknown) =>
  error instanceof errors.JWSSignatureVerificationFailed || !(error instanceof errors.JOSEError)
