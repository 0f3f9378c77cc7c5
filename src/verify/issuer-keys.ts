import type { JSONWebKeySet } from 'jose'
import type { Clock } from '../clock.ts'
import { createJwksCache, type JwksCache } from '../jwks/jwks-cache.ts'

/** Milliseconds that fetching the keys may take. */
const keyTimeout = 3_000

/**
 * Tokens whose signature is checked once: an API sees each for five minutes, and the signature is most of
 * what a check costs.
 */
const remembered = 10_000

/** Creates the cache of the keys with which an issuer signs its app tokens. */
export function createIssuerKeys(issuer: string, jwksUri: string, clock: Clock): JwksCache {
  return createJwksCache({
    clock,
    log: () => {},
    remembered,
    async fetchKeys() {
      const options = { signal: AbortSignal.timeout(keyTimeout), redirect: 'error' } as const
      const response = await fetch(jwksUri, options).catch((cause: unknown) => {
        throw new Error(`${jwksUri} does not answer`, { cause })
      })
      if (!response.ok) throw new Error(`The JWKS of ${issuer} answered with status ${response.status}`)
      const keySet = (await response.json()) as JSONWebKeySet
      if (keySet.keys.length === 0) throw new Error(`The JWKS of ${issuer} is empty`)
      return keySet
    },
  })
}
