import type { JWTPayload } from 'jose'
import type { Clock } from '../clock.ts'
import type { ProviderConfig } from '../config/provider-config.ts'
import type { ProviderIdentity } from './identity.ts'
import type { KeySource } from './key-source.ts'
import { toTokenError } from './provider-errors.ts'
import {
  assertBoundToKey,
  assertIdTokenClaims,
  assertIssuedToClient,
  assertRefreshedIdTokenClaims,
  clockTolerance,
  type ExpectedIdToken,
  toScopes,
} from './token-checks.ts'

/** Verifies the provider's tokens against its keys and this client. */
export interface TokenVerifier {
  /** Fetches keys where there are none yet and some are needed. Throws AppError `provider_unavailable` where they cannot be had. */
  prepare(): Promise<void>
  /** @throws AppError `invalid_id_token` */
  verifyIdToken(
    token: string,
    expected: Pick<ExpectedIdToken, 'accessToken' | 'startedAt' | 'acrValues' | 'mustBeFresh'>,
  ): Promise<JWTPayload>
  /**
   * Verifies the ID token of a refresh, which must speak of the same login.
   *
   * @throws AppError `invalid_id_token`
   */
  verifyRefreshedIdToken(
    token: string,
    expected: Pick<ExpectedIdToken, 'accessToken' | 'startedAt'> & { identity: ProviderIdentity },
  ): Promise<JWTPayload>
  /**
   * Verifies a signed userinfo answer (OpenID Connect Core 5.3.2).
   *
   * @throws AppError `invalid_userinfo`
   */
  verifyUserinfo(token: string): Promise<JWTPayload>
  /**
   * The scopes a JWT access token grants, if it names any; an opaque token is never looked into. With a thumbprint, it
   * must be bound to that key (RFC 9449 6.1).
   *
   * @throws AppError `invalid_access_token`
   */
  verifyAccessToken(token: string, dpopKey?: string): Promise<string[] | undefined>
}

interface TokenVerifierOptions {
  config: ProviderConfig
  keys: KeySource
  clock: Clock
}

/** Signature algorithms that a token may have where none is pinned: asymmetric ones; its key fixes which (RFC 8725 3.1). */
export const asymmetricAlgs = 'RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA'.split(' ')

/** Creates the verifier of one provider's tokens. */
export function createTokenVerifier({ config, keys, clock }: TokenVerifierOptions): TokenVerifier {
  const { clientId, idTokenAlg: alg, accessToken: accessTokenFormat } = config
  const time = () => ({ clockTolerance, currentDate: new Date(clock.now()) })

  const verifySignature = (token: string) =>
    keys.verify(token, { algorithms: [alg], ...time() }).catch((error: unknown) => {
      throw toTokenError(error, 'invalid_id_token')
    })

  return {
    async prepare() {
      if (config.verifiesIdToken || accessTokenFormat.format === 'jwt') await keys.prepare()
    },

    async verifyIdToken(token, expected) {
      const claims = await verifySignature(token)
      assertIdTokenClaims(claims, { ...expected, clientId, alg, now: clock.now() })
      return claims
    },

    async verifyRefreshedIdToken(token, expected) {
      const claims = await verifySignature(token)
      assertRefreshedIdTokenClaims(claims, { ...expected, clientId, alg, now: clock.now() })
      return claims
    },

    async verifyUserinfo(token) {
      const options = { issuer: config.issuer, audience: clientId, algorithms: asymmetricAlgs, ...time() }
      return keys.verify(token, options).catch((error: unknown) => {
        throw toTokenError(error, 'invalid_userinfo')
      })
    },

    async verifyAccessToken(token, dpopKey) {
      if (accessTokenFormat.format === 'opaque') return undefined
      const { issuer } = config
      const { audience } = accessTokenFormat
      const options = { issuer, audience, algorithms: asymmetricAlgs, requiredClaims: ['exp'], ...time() }
      const claims = await keys.verify(token, options).catch((error: unknown) => {
        throw toTokenError(error, 'invalid_access_token')
      })
      assertIssuedToClient(claims, clientId)
      if (dpopKey !== undefined) assertBoundToKey(claims, dpopKey)
      return toScopes(claims)
    },
  }
}
