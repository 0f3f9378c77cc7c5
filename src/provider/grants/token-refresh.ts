import * as client from 'openid-client'
import { AppError } from '../../errors.ts'
import { toClientSecret } from '../client/client-authentication.ts'
import { type DpopKey, toDpopOption } from '../client/dpop-keys.ts'
import { UserinfoSubjectMismatch } from '../identity/userinfo.ts'
import type { AuthorizationServer } from '../metadata/discovery.ts'
import { readUnverifiedClaims } from '../tokens/unverified-claims.ts'
import type { CircuitBreaker } from '../transport/circuit-breaker.ts'
import {
  isFinalRefreshRefusal,
  isKeyMissing,
  tokenError,
  translateProviderError,
} from '../transport/errors.ts'
import { findCause } from '../transport/find-cause.ts'
import { notAnOAuthResponse, providerUnavailable } from '../transport/unavailable.ts'
import type { AuthenticatedUser, ProviderIdentity } from '../types.ts'
import type { GrantOptions } from './code-exchange.ts'
import { toResourceParameters } from './configured-parameters.ts'
import {
  readIdToken,
  readResponseUserId,
  readTokens,
  splitScope,
  toSessionTokenExpiry,
} from './token-response.ts'
import { toRefreshFailure, UnverifiedRefresh } from './unverified-refresh.ts'

/** The provider no longer accepts the refresh token. */
export interface RefusedRefresh {
  /** The provider's error, for the log. */
  refused: string
}

interface TokenRefreshOptions extends GrantOptions {
  breaker: CircuitBreaker
}

/**
 * Creates the refresh grant of one provider (RFC 6749 6, OpenID Connect Core 12), with every check of the
 * response.
 */
export function createTokenRefresh({ breaker, ...options }: TokenRefreshOptions) {
  const { config, discovery, dpopKeys, verifier } = options
  const clientSecret = toClientSecret(config.clientAuth)

  return {
    /** @throws AppError `provider_unavailable` while the breaker is open */
    assertReachable: () => breaker.assertClosed(),

    refresh: (user: AuthenticatedUser): Promise<AuthenticatedUser | RefusedRefresh> =>
      breaker.guard(() =>
        requestTokens(user).catch((error: unknown) => {
          const translated = translateProviderError(error, 'token endpoint', [
            user.tokens.refreshToken ?? '',
            clientSecret,
          ])
          if (isFinalRefreshRefusal(error)) return { refused: translated.reason ?? 'unknown' }
          throw findCause(error, UnverifiedRefresh) ?? toRefreshError(error, translated)
        }),
      ),
  }

  async function requestTokens(user: AuthenticatedUser): Promise<AuthenticatedUser> {
    const server = await discovery.server()
    await verifier.prepare()
    // As at the login: bound tokens stay bound, and the grant of an unbound session may not change.
    const { dpopThumbprint, refreshToken = '' } = user.tokens
    const dpop = dpopThumbprint === undefined ? undefined : await dpopKeys.find(dpopThumbprint)
    const response = await client.refreshTokenGrant(
      server.configuration,
      refreshToken,
      toResourceParameters(config),
      toDpopOption(dpop),
    )
    return verifyResponse(options, { server, user, response, dpop }).catch((error: unknown) => {
      throw toRefusal(error, response, user.identity, config)
    })
  }
}

interface RefreshResponse {
  server: AuthorizationServer
  /** As before the refresh. */
  user: AuthenticatedUser
  response: client.TokenEndpointResponse
  dpop: DpopKey | undefined
}

/** Verifies the tokens of a response, and renews the user claims. */
async function verifyResponse(
  { config, verifier, identityResolver, clock }: GrantOptions,
  { server, user: { identity, tokens: old }, response, dpop }: RefreshResponse,
): Promise<AuthenticatedUser> {
  const tokens = readTokens(response, dpop, clock.now())
  const { accessToken, idToken } = tokens
  const idTokenClaims =
    idToken === undefined
      ? undefined
      : await verifier.verifyRefreshedIdToken(idToken, { accessToken, identity })
  if (hasOtherUserId(response, identity, config)) {
    throw tokenError('invalid_token_response', 'OAUTH_USER_ID_FIELD is another one than at the login')
  }
  const { scopes, expiresAt } = await verifier.verifyAccessToken(accessToken, dpop?.thumbprint)
  const granted = scopes ?? splitScope(response.scope)
  const access = { accessToken, dpop }
  const claims = await identityResolver.renewClaims(server, identity, idTokenClaims, access)
  return {
    identity: { ...identity, claims },
    tokens: {
      ...tokens,
      // If the response has no new refresh token or ID token, the old one stays (RFC 6749 6).
      refreshToken: tokens.refreshToken ?? old.refreshToken,
      idToken: idToken ?? old.idToken,
      accessTokenExpiresAt: toSessionTokenExpiry(tokens, expiresAt, config),
      // Never wider than before, whatever the response says.
      scope: granted === undefined ? old.scope : old.scope.filter((scope) => granted.includes(scope)),
    },
  }
}

/** What to throw instead of using a response: its new refresh token is kept, unless it is another user's. */
function toRefusal(
  error: unknown,
  response: client.TokenEndpointResponse,
  identity: ProviderIdentity,
  config: GrantOptions['config'],
): AppError | UnverifiedRefresh {
  const { refresh_token: newRefreshToken } = response
  const failure = toRefreshFailure(error)
  // For the breaker, missing keys are an outage: refresh tokens must not be rotated again and again.
  const refusal = isKeyMissing(failure) ? keysMissing(failure) : failure
  const isOfAnotherUser =
    error instanceof UserinfoSubjectMismatch ||
    hasOtherUserId(response, identity, config) ||
    namesOtherUser(response, identity, config)
  return newRefreshToken === undefined || isOfAnotherUser
    ? refusal
    : new UnverifiedRefresh(newRefreshToken, refusal)
}

/** Whether the response contains a user id, and it is not that of the login. */
function hasOtherUserId(
  response: client.TokenEndpointResponse,
  { userId: expected }: ProviderIdentity,
  config: GrantOptions['config'],
): boolean {
  const userId = readResponseUserId(response, config)
  return expected !== undefined && userId !== undefined && userId !== expected
}

/**
 * Whether the response contains an ID token, verified or not, of another user than at the login: with another
 * `sub` or, of many tenants, of another one, where the same `sub` is another user.
 */
function namesOtherUser(
  response: client.TokenEndpointResponse,
  { issuer, providerSub }: ProviderIdentity,
  { tenants }: GrantOptions['config'],
): boolean {
  const { iss, sub } = readUnverifiedClaims(readIdToken(response) ?? '') ?? {}
  const isOfOtherTenant = tenants !== undefined && iss !== undefined && iss !== issuer
  return isOfOtherTenant || (sub !== undefined && sub !== providerSub)
}

const keysMissing = (cause: AppError): AppError =>
  providerUnavailable(`keys to verify the refreshed tokens: ${cause.reason ?? cause.code}`, {
    outage: 'overloaded',
    cause,
  })

/** The error of a refresh; a response that OAuth does not define, such as a proxy's page, is an outage. */
function toRefreshError(error: unknown, translated: AppError): AppError {
  const isForeign = !(error instanceof AppError) && translated.code === 'invalid_token_response'
  return isForeign ? notAnOAuthResponse(translated) : translated
}
