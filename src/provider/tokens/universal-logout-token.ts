import type { JSONWebKeySet } from 'jose'
import { z } from 'zod'
import type { Clock } from '../../clock.ts'
import type { ProviderConfig } from '../../config/providers/provider-config.ts'
import { AppError } from '../../errors.ts'
import { createJwksCache, type JwksCache } from '../../jwks/jwks-cache.ts'
import type { Log } from '../../telemetry/events.ts'
import { tokenError, translateTokenError } from '../transport/errors.ts'
import type { ProviderFetch } from '../transport/fetch.ts'
import { fetchJson } from '../transport/fetch-json.ts'
import { providerUnavailable } from '../transport/unavailable.ts'
import { fetchJwks } from './fetch-jwks.ts'
import { maxOneTimeTokenLifetime } from './logout-token.ts'
import { asymmetricAlgs } from './token-verifier.ts'

/** The verified token of a Universal Logout call; it may be used once. */
export interface VerifiedUniversalLogoutToken {
  /** Identifies the token among all of its issuer, however its signature is encoded. */
  id: string
  /** When the token expires, clock tolerance included, in milliseconds since the epoch. */
  expiresAt: number
}

interface UniversalLogoutTokenVerifierOptions {
  config: ProviderConfig
  /** The keys of the provider's own issuer. */
  keys: JwksCache
  fetch: ProviderFetch
  clock: Clock
  log: Log
}

/**
 * Creates the verification of the token that a Universal Logout call carries (Global Token Revocation,
 * draft-parecki-oauth-global-token-revocation): a JWT for the called address and this client, signed by the
 * provider or, for a custom authorization server of Okta, by its org.
 *
 * @throws AppError `invalid_token`, `insufficient_authorization` where it was made for another client
 */
export function createUniversalLogoutTokenVerifier({
  config,
  keys: providerKeys,
  fetch,
  clock,
  log,
}: UniversalLogoutTokenVerifierOptions) {
  const { universalLogoutIssuer: issuer = '', clientId } = config
  const clockTolerance = config.clockTolerance / 1000
  const keys =
    issuer === config.issuer
      ? providerKeys
      : createJwksCache({ fetchKeys: () => discoverKeys(fetch, issuer), clock, log })

  return async (token: string, audience: string): Promise<VerifiedUniversalLogoutToken> => {
    const claims = await keys
      .verify(token, {
        issuer,
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
    return { id: jti || toSigningInput(token), expiresAt: (Math.ceil(exp) + clockTolerance) * 1000 }
  }
}

const discoveryDocument = z.object({ issuer: z.string(), jwks_uri: z.url({ protocol: /^https?$/ }) })

/** Fetches the keys of an issuer that is not the provider's own, by the discovery document of that issuer. */
async function discoverKeys(fetch: ProviderFetch, issuer: string): Promise<JSONWebKeySet> {
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

/**
 * The signed part of a JWT, header and payload (RFC 7515 2), which identifies a token without `jti`. The
 * signature does not: padding, unused bits of base64url and the second form of an ECDSA signature change its
 * text at will.
 */
const toSigningInput = (token: string) => token.slice(0, token.lastIndexOf('.'))
