import {
  createLocalJWKSet,
  errors,
  type JSONWebKeySet,
  type JWTPayload,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
  jwtVerify,
} from 'jose'
import type { Clock } from '../clock.ts'
import type { Log } from '../telemetry/logger.ts'

/** Fetches a key set; rejects where it cannot. */
export type FetchKeys = () => Promise<JSONWebKeySet>

/** The issuer's signing keys, and the one way to verify a token against them. */
export interface KeySource {
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

/**
 * Creates a source of keys that survives rotation and outages: keys known once are served while the endpoint is
 * down; an unknown `kid` fetches at once, also when the last fetch was a second ago (OpenID Connect Core 10.1.1);
 * one fetch is in flight at the most; and a flood of unknown kids costs one fetch in 30 s.
 */
export function createKeySource({
  fetchKeys,
  clock,
  log,
}: {
  fetchKeys: FetchKeys
  clock: Clock
  log: Log
}): KeySource {
  let known: { resolve: KeyResolver; fetchedAt: number } | undefined
  let inFlight: Promise<KeyResolver> | undefined
  let coolUntil = 0

  function fetchOnce(): Promise<KeyResolver> {
    inFlight ??= fetchKeys()
      .then((keys) => {
        const resolve = createKeyResolver(keys)
        known = { resolve, fetchedAt: clock.now() }
        log('provider_keys_fetched', { kids: keys.keys.map(({ kid }) => kid ?? '(none)') })
        return resolve
      })
      .catch((error: unknown) => {
        coolUntil = clock.now() + missCooldown
        log('provider_keys_unavailable', { stale_keys_serve: known !== undefined })
        throw error
      })
      .finally(() => {
        inFlight = undefined
      })
    return inFlight
  }

  async function currentKeys(): Promise<KeyResolver> {
    if (known === undefined) return fetchOnce()
    const isStale = clock.now() - known.fetchedAt > freshFor
    // Nobody waits for the refresh, and its failure is logged above: the keys we have still verify.
    if (isStale && clock.now() >= coolUntil) fetchOnce().catch(() => {})
    return known.resolve
  }

  return {
    async verify(token, options) {
      const keys = await currentKeys()
      try {
        return await verifyWithAny(token, keys, options)
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey) || clock.now() < coolUntil) throw error
        const newKeys = await fetchOnce()
        return await verifyWithAny(token, newKeys, options).catch((secondError: unknown) => {
          if (secondError instanceof errors.JWKSNoMatchingKey) coolUntil = clock.now() + missCooldown
          throw secondError
        })
      }
    },
  }
}

type KeyResolver = JWTVerifyGetKey

/** Finds the key a token names. A token whose kid no key carries may have been signed by a key without one. */
function createKeyResolver(keySet: JSONWebKeySet): KeyResolver {
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
  keys: KeyResolver,
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
        if (!(candidateError instanceof errors.JWSSignatureVerificationFailed)) throw candidateError
      }
    }
    throw new errors.JWSSignatureVerificationFailed()
  }
}
