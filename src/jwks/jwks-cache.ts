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

interface JwksCacheOptions {
  /**
   * Fetches the key set; rejects where it cannot, and where the set is empty: that is a fault of the endpoint, and must
   * not replace keys that verify.
   */
  fetchKeys: () => Promise<JSONWebKeySet>
  clock: Clock
  log: Log
}

/** The issuer's signing keys, and the one way to verify a token against them. */
export interface JwksCache {
  /** Fetches the keys where none was ever fetched; throws what `fetchKeys` throws. */
  prepare(): Promise<void>
  /**
   * Verifies a JWS signed by one of the keys, with `options` as jose takes them.
   *
   * @throws jose's errors where the token does not verify, and what `fetchKeys` throws where no key was ever fetched
   */
  verify(token: string, options: JWTVerifyOptions & { algorithms: string[] }): Promise<JWTPayload>
}

/** Older keys are used on, and fetched again beside the request. */
const freshFor = 5 * 60_000
/** After a fetch that did not bring the wanted key, or failed, none is made for this long, whatever anyone sends. */
const missCooldown = 30_000
/** The same while there is no key at all yet: nothing verifies until there is one. */
const coldCooldown = 1_000

/**
 * Creates a source of keys that survives rotation and outages: keys known once are served while the endpoint is
 * down; a token that no known key verifies fetches at once, also when the last fetch was a second ago (OpenID Connect
 * Core 10.1.1); one fetch is in flight at the most; and a flood of unknown kids costs one fetch in 30 s.
 */
export function createJwksCache({ fetchKeys, clock, log }: JwksCacheOptions): JwksCache {
  let known: { resolve: JWTVerifyGetKey; fetchedAt: number } | undefined
  let inFlight: Promise<JWTVerifyGetKey> | undefined
  /** Until when each reason to fetch has to wait; a flood for one reason does not delay the other. */
  const coolUntil = { staleness: 0, unknownKid: 0, badSignature: 0 }
  let lastFailure: unknown

  async function fetchResolver(): Promise<JWTVerifyGetKey> {
    const keySet = await fetchKeys()
    const resolve = createKeyResolver(keySet)
    known = { resolve, fetchedAt: clock.now() }
    lastFailure = undefined
    log('provider_keys_fetched', { kids: keySet.keys.map(({ kid }) => kid ?? '(none)') })
    return resolve
  }

  function fetchOnce(): Promise<JWTVerifyGetKey> {
    inFlight ??= fetchResolver()
      .catch((error: unknown) => {
        const until = clock.now() + (known === undefined ? coldCooldown : missCooldown)
        Object.assign(coolUntil, { staleness: until, unknownKid: until, badSignature: until })
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
    const mayFetch = clock.now() >= coolUntil.staleness
    if (known === undefined) {
      if (mayFetch || inFlight !== undefined) return fetchOnce()
      throw lastFailure
    }
    // Nobody waits for the refresh, and its failure is logged above: the keys we have still verify.
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
        return await verifyWithAny(token, keys, options)
      } catch (error) {
        const reason = toFetchReason(error)
        if (reason === undefined) throw error
        if (clock.now() < coolUntil[reason]) {
          // While the keys cannot be had, nobody knows whether an unknown one is theirs.
          throw reason === 'unknownKid' && lastFailure !== undefined ? lastFailure : error
        }
        const newKeys = await fetchOnce()
        return await verifyWithAny(token, newKeys, options).catch((secondError: unknown) => {
          if (toFetchReason(secondError) !== undefined) coolUntil[reason] = clock.now() + missCooldown
          throw secondError
        })
      }
    },
  }
}

/** No key can be the right one for a text that is no JWS, so that none is fetched for it. */
function assertLooksSigned(token: string): void {
  try {
    decodeProtectedHeader(token)
  } catch (cause) {
    throw new errors.JWSInvalid('not a JWS', { cause })
  }
}

/** Why newer keys may verify what these did not: an unknown kid, or a new key without a kid or under an old one's. */
function toFetchReason(error: unknown): 'unknownKid' | 'badSignature' | undefined {
  if (error instanceof errors.JWKSNoMatchingKey) return 'unknownKid'
  return error instanceof errors.JWSSignatureVerificationFailed ? 'badSignature' : undefined
}

/** Finds the key a token names. A token whose kid no key carries may have been signed by a key without one. */
function createKeyResolver(keySet: JSONWebKeySet): JWTVerifyGetKey {
  const kids = new Set(keySet.keys.map(({ kid }) => kid))
  const all = createLocalJWKSet(keySet)
  const nameless = createLocalJWKSet({ keys: keySet.keys.filter(({ kid }) => kid === undefined) })
  return (header, token) => {
    if (header.kid === undefined || kids.has(header.kid)) return all(header, token)
    const { kid: _, ...rest } = header
    return nameless(rest, token)
  }
}

/** Verifies with the key the header names; where kids are missing or doubled, with each key of fitting kty, use, alg. */
async function verifyWithAny(
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
        if (!mayBeTheKeysFault(candidateError)) throw candidateError
      }
    }
    throw new errors.JWSSignatureVerificationFailed()
  }
}

/** Another key may do: this one did not sign the token, or cannot be used at all, which jose tells by errors of other kinds. */
const mayBeTheKeysFault = (error: unknown) =>
  error instanceof errors.JWSSignatureVerificationFailed || !(error instanceof errors.JOSEError)
