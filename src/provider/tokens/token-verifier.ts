import { decodeProtectedHeader, errors, type JWTPayload } from 'jose'
import type { Clock } from '../../clock.ts'
import type { ProviderConfig } from '../../config/providers/provider-config.ts'
import type { JwksCache } from '../../jwks/jwks-cache.ts'
import { toLogText } from '../../telemetry/events.ts'
import { identifyError } from '../identity/identified-refusal.ts'
import { toStandardClaims } from '../identity/user-claims.ts'
import { tokenError, translateTokenError } from '../transport/errors.ts'
import { assertBoundToKey, assertIssuedToClient, readScopes } from './access-token-checks.ts'
import { assertAuthentication } from './authentication-checks.ts'
import {
  assertIdTokenClaims,
  assertRefreshedIdTokenClaims,
  type ExpectedIdToken,
  type ExpectedRefreshedIdToken,
} from './id-token-checks.ts'
import { assertTenant, expectIssuer, findForeignTenant } from './tenants.ts'

/** Verifies the tokens that one provider issued to this client. */
export interface TokenVerifier {
  /**
   * Fetches the provider's keys if some are needed and none are known.
   *
   * @throws AppError `provider_unavailable`
   */
  prepare(): Promise<void>
  /** @throws AppError `invalid_id_token`, `unmet_authentication_requirements` */
  verifyIdToken(token: string, expected: Omit<ExpectedIdToken, keyof OwnExpectations>): Promise<JWTPayload>
  /**
   * Verifies the ID token of a refresh, which must be of the same login.
   *
   * @throws AppError `invalid_id_token`
   */
  verifyRefreshedIdToken(
    token: string,
    expected: Omit<ExpectedRefreshedIdToken, keyof OwnExpectations>,
  ): Promise<JWTPayload>
  /**
   * Verifies a signed userinfo response (OpenID Connect Core 5.3.2).
   *
   * @throws AppError `invalid_userinfo`
   */
  verifyUserinfo(token: string): Promise<JWTPayload>
  /**
   * Verifies a JWT access token and reads what it says of itself; an opaque one is never looked into. With a
   * thumbprint, the token must be bound to that key (RFC 9449 6.1).
   *
   * @throws AppError `invalid_access_token`
   */
  verifyAccessToken(token: string, dpopThumbprint?: string): Promise<VerifiedAccessToken>
}

/** What a verified access token says of itself; nothing, if it is opaque. */
interface VerifiedAccessToken {
  /** The scopes it grants, if it names any. */
  scopes?: string[] | undefined
  /** Milliseconds since the epoch. */
  expiresAt?: number
}

/** What this client expects of every ID token. */
type OwnExpectations = Pick<
  ExpectedIdToken,
  'clientId' | 'trustedAudiences' | 'alg' | 'clockTolerance' | 'now'
>

interface TokenVerifierOptions {
  config: ProviderConfig
  keys: JwksCache
  clock: Clock
}

/**
 * Signature algorithms that are accepted where none is pinned: asymmetric ones only, so that the key
 * determines which (RFC 8725 3.1).
 */
export const asymmetricAlgs = 'RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA'.split(' ')

/** Creates the verifier of one provider's tokens. */
export function createTokenVerifier({ config, keys, clock }: TokenVerifierOptions): TokenVerifier {
  const { clientId, trustedAudiences, idTokenAlg: alg, accessToken: accessTokenFormat } = config
  const clockTolerance = config.clockTolerance / 1000
  const time = () => ({ clockTolerance, currentDate: new Date(clock.now()) })

  /** Everything that jose checks of an ID token. */
  const verifyIdTokenJws = (token: string) =>
    keys
      .verify(token, {
        ...expectIssuer(config, token),
        audience: clientId,
        algorithms: [alg],
        requiredClaims: ['exp', 'iat'],
        ...time(),
      })
      .catch((error: unknown) => {
        if (error instanceof errors.JOSEAlgNotAllowed) throw wrongAlg(token, alg)
        throw findForeignTenant(error, config) ?? translateTokenError(error, 'invalid_id_token')
      })
      .then((claims) => {
        assertTenant(claims, config)
        return toStandardClaims(claims)
      })

  const ownExpectations = (): OwnExpectations => ({
    clientId,
    trustedAudiences,
    alg,
    clockTolerance,
    now: clock.now(),
  })

  return {
    async prepare() {
      if (config.verifiesIdToken || accessTokenFormat.format === 'jwt') await keys.prepare()
    },

    async verifyIdToken(token, expected) {
      const claims = await verifyIdTokenJws(token)
      const all = { ...expected, ...ownExpectations() }
      assertIdTokenClaims(claims, all)
      try {
        assertAuthentication(claims, all)
      } catch (error) {
        throw identifyError(error, config, claims)
      }
      return claims
    },

    async verifyRefreshedIdToken(token, expected) {
      const claims = await verifyIdTokenJws(token)
      assertRefreshedIdTokenClaims(claims, { ...expected, ...ownExpectations() })
      return claims
    },

    async verifyUserinfo(token) {
      const options = {
        ...expectIssuer(config, token),
        audience: clientId,
        algorithms: asymmetricAlgs,
        ...time(),
      }
      return keys.verify(token, options).catch((error: unknown) => {
        throw translateTokenError(error, 'invalid_userinfo')
      })
    },

    async verifyAccessToken(token, dpopThumbprint) {
      if (accessTokenFormat.format === 'opaque') return {}
      const { audience } = accessTokenFormat
      const expected = { audience, algorithms: asymmetricAlgs, requiredClaims: ['exp'], ...time() }
      const options = { ...expectIssuer(config, token), ...expected }
      const claims = await keys.verify(token, options).catch((error: unknown) => {
        throw translateTokenError(error, 'invalid_access_token')
      })
      assertIssuedToClient(claims, clientId)
      if (dpopThumbprint !== undefined) assertBoundToKey(claims, dpopThumbprint)
      return { scopes: readScopes(claims), expiresAt: (claims.exp ?? 0) * 1000 }
    },
  }
}

const wrongAlg = (token: string, expected: string) =>
  tokenError(
    'invalid_id_token',
    `its alg is not OIDC_ID_TOKEN_ALG: ${toLogText(String(decodeProtectedHeader(token).alg))}, not ${expected}`,
  )
