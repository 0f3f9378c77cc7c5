import type { JSONWebKeySet } from 'jose'
import { z } from 'zod'
import type { Clock } from '../../clock.ts'
import type { ProviderConfig } from '../../config/providers/provider-config.ts'
import { AppError } from '../../errors.ts'
import { createJwksCache, type JwksCache } from '../../jwks/jwks-cache.ts'
import type { Log } from '../../telemetry/logger.ts'
import { tokenError, translateTokenError } from '../transport/errors.ts'
import type { ProviderFetch } from '../transport/fetch.ts'
import { providerUnavailable } from '../transport/unavailable.ts'
import { fetchJson, fetchJwks } from './fetch-jwks.ts'
import { maxOneTimeTokenLifetime } from './logout-token.ts'
import { asymmetricAlgs } from './token-verifier.ts'

/** A verified call of Universal Logout; its token is good once. */
export interface VerifiedUniversalLogoutToken {
  /** Tells the token from all others of its issuer, and is the same however its signature is written. */
  name: string
  /** Milliseconds since the epoch. */
  goodUntil: number
}

interface RevocationCallerVerifierOptions {
  config: ProviderConfig
  /** The keys of the provider's own issuer. */
  keys: JwksCache
  fetch: ProviderFetch
  clock: Clock
  log: Log
}

const discoveryDocument = z.object({ issuer: z.string(), jwks_uri: z.url({ protocol: /^https?$/ }) })

/**
 * Creates the check of who calls Universal Logout (Global Token Revocation, draft-parecki-oauth-global-token-revocation):
 * a JWT of the provider, or of the Okta org behind it, for this address and this client.
 *
 * @throws AppError `invalid_token`, `insufficient_authorization` where it was made for another client
 */
export function createUniversalLogoutTokenVerifier({
  config,
  keys: ownKeys,
  fetch,
  clock,
  log,
}: RevocationCallerVerifierOptions) {
  const { universalLogoutIssuer: issuer, clientId } = config
  const clockTolerance = config.clockTolerance / 1000
  const keys = issuer === config.issuer ? ownKeys : createJwksCache({ fetchKeys: fetchOrgKeys, clock, log })

  async function fetchOrgKeys(): Promise<JSONWebKeySet> {
    const { status, body } = await fetchJson(fetch, `${issuer}/.well-known/openid-configuration`)
    const { data } = discoveryDocument.safeParse(body)
    if (data === undefined || data.issuer !== issuer) {
      throw providerUnavailable(`keys of ${issuer}: status ${status}, no discovery document of its own`)
    }
    if (new URL(data.jwks_uri).protocol !== new URL(issuer).protocol) {
      throw providerUnavailable(`keys of ${issuer}: jwks_uri has another protocol`)
    }
    return fetchJwks(fetch, data.jwks_uri)
  }

  return async (token: string, audience: string): Promise<VerifiedUniversalLogoutToken> => {
    const claims = await keys
      .verify(token, {
        issuer: issuer ?? '',
        audience,
        algorithms: asymmetricAlgs,
        typ: 'global-token-revocation+jwt',
        requiredClaims: ['exp', 'sub'],
        clockTolerance,
        currentDate: new Date(clock.now()),
      })
      .catch((error: unknown) => {
        throw translateTokenError(error, 'invalid_token')
      })
    if (claims.sub !== clientId) {
      throw new AppError('insufficient_authorization', 'The token was made for another client.')
    }
    const { jti, exp = 0 } = claims
    if (exp > clock.now() / 1000 + maxOneTimeTokenLifetime) {
      throw tokenError('invalid_token', 'exp lies more than a day ahead')
    }
    return { name: jti || toSigningInput(token), goodUntil: (Math.ceil(exp) + clockTolerance) * 1000 }
  }
}

/**
 * Header and payload as they were signed (RFC 7515 2), which name a token that has no `jti`. The text of the
 * signature does not: padding, spare bits of base64url and the second form of an ECDSA signature change it at will.
 */
const toSigningInput = (token: string) => token.slice(0, token.lastIndexOf('.'))
