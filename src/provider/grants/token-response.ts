import type { TokenEndpointResponse } from 'openid-client'
import { isApple } from '../../config/providers/apple.ts'
import type { ProviderConfig } from '../../config/providers/provider-config.ts'
import type { DpopKey } from '../client/dpop-keys.ts'
import { readUserId } from '../identity/user-id.ts'
import { tokenError } from '../transport/errors.ts'
import type { ProviderTokens } from '../types.ts'
import { unverifiedIdTokenMember } from './normalize-token-response.ts'

/**
 * The tokens of a response received at `obtainedAt`, not verified; their scope is not known yet.
 *
 * @throws AppError `invalid_token_response` where the token type is not DPoP with a key, Bearer without one
 */
export function readTokens(
  response: TokenEndpointResponse,
  dpop: DpopKey | undefined,
  obtainedAt: number,
): ProviderTokens {
  assertTokenType(response.token_type, dpop)
  const { expires_in: expiresIn } = response
  return {
    accessToken: response.access_token,
    obtainedAt,
    accessTokenExpiresAt: expiresIn === undefined ? undefined : obtainedAt + expiresIn * 1000,
    refreshToken: response.refresh_token,
    idToken: readIdToken(response),
    dpopThumbprint: dpop?.thumbprint,
    scope: [],
  }
}

/**
 * The key that the tokens of a response are bound to, where a key was offered: a provider that supports DPoP
 * may do so only for some of its clients or APIs.
 */
export function toBoundKey(
  { token_type: type }: TokenEndpointResponse,
  offered: DpopKey | undefined,
  { dpop }: Pick<ProviderConfig, 'dpop'>,
): DpopKey | undefined {
  return dpop !== 'required' && type === 'bearer' ? undefined : offered
}

/** The ID token of a response, not verified. */
export function readIdToken(response: TokenEndpointResponse): string | undefined {
  const idToken = response[unverifiedIdTokenMember]
  return typeof idToken === 'string' ? idToken : undefined
}

/** The user id of a response; only a plain OAuth 2.0 provider sends one with its tokens. */
export const readResponseUserId = (
  response: TokenEndpointResponse,
  { endpoints, userIdField }: Pick<ProviderConfig, 'endpoints' | 'userIdField'>,
): string | undefined => (endpoints === undefined ? undefined : readUserId(response, userIdField))

/** The refresh of bound tokens must return bound ones: Bearer would be a downgrade (RFC 9449 5). */
function assertTokenType(type: string, dpop: DpopKey | undefined): void {
  if (type === (dpop === undefined ? 'bearer' : 'dpop')) return
  const reason = dpop === undefined ? 'token_type is not Bearer' : 'token_type is not DPoP'
  throw tokenError('invalid_token_response', reason)
}

/**
 * Milliseconds for which a token is used at least: one that is expired when it arrives must not cause a
 * refresh for each call.
 */
const minLifetime = 10_000

/**
 * Milliseconds between two refreshes at Apple, which may throttle those that are more than one a day. Its
 * access tokens live an hour, but no API takes them.
 */
const appleRefreshInterval = 24 * 60 * 60_000

/** When the access token of a session counts as expired and is renewed, in milliseconds since the epoch. */
export const toSessionTokenExpiry = (
  tokens: ProviderTokens,
  jwtExpiry: number | undefined,
  config: Pick<ProviderConfig, 'clientAuth' | 'accessTokenLifetime'>,
): number =>
  isApple(config)
    ? tokens.obtainedAt + appleRefreshInterval
    : toExpiry(tokens, jwtExpiry, config.accessTokenLifetime)

/**
 * When the access token expires, in milliseconds since the epoch: by the response, or by the `exp` of a JWT,
 * or else `assumedLifetime` milliseconds after it was obtained.
 */
export function toExpiry(
  { accessTokenExpiresAt, obtainedAt }: ProviderTokens,
  jwtExpiry: number | undefined,
  assumedLifetime: number,
): number {
  if (accessTokenExpiresAt !== undefined) return accessTokenExpiresAt
  return Math.max(jwtExpiry ?? obtainedAt + assumedLifetime, obtainedAt + minLifetime)
}

/** The scopes of a response, separated by spaces (RFC 6749 3.3) or, by GitHub, by commas. */
export const splitScope = (scope: string | undefined): string[] | undefined =>
  scope?.split(/[ ,]+/).filter((item) => item !== '')
