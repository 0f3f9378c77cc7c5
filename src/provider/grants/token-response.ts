import type { TokenEndpointResponse } from 'openid-client'
import type { DpopKey } from '../client/dpop-keys.ts'
import { tokenError } from '../transport/errors.ts'
import { unverifiedIdTokenMember } from '../transport/normalize-token-response.ts'
import type { ProviderTokens } from '../types.ts'

/**
 * The tokens of an answer that came at `obtainedAt`, before any of them is verified; their scope is not known yet.
 *
 * @throws AppError `invalid_token_response` where they are bound to no key, and should be, or to one that is not ours
 */
export function readTokens(
  answer: TokenEndpointResponse,
  dpop: DpopKey | undefined,
  obtainedAt: number,
): ProviderTokens {
  const {
    access_token: accessToken,
    [unverifiedIdTokenMember]: idToken,
    refresh_token: refreshToken,
    expires_in: lifetime,
  } = answer
  assertTokenType(answer.token_type, dpop)
  return {
    accessToken,
    obtainedAt,
    scope: [],
    ...(dpop === undefined ? {} : { dpopThumbprint: dpop.thumbprint }),
    ...(typeof idToken === 'string' ? { idToken } : {}),
    ...(refreshToken === undefined ? {} : { refreshToken }),
    ...(lifetime === undefined ? {} : { accessTokenExpiresAt: obtainedAt + lifetime * 1000 }),
  }
}

/** A refresh of bound tokens must bring bound ones: Bearer would be a downgrade (RFC 9449 5). */
function assertTokenType(type: string, dpop: DpopKey | undefined): void {
  if (type === (dpop === undefined ? 'bearer' : 'dpop')) return
  const reason = dpop === undefined ? 'token_type is not Bearer' : 'token_type is not DPoP'
  throw tokenError('invalid_token_response', reason)
}

/** Milliseconds that a token counts as good at least: one that has run out already must not be renewed for each call. */
const shortestLife = 10_000

/**
 * When the access token ends, in milliseconds since the epoch: by the answer, or by what a JWT says of itself, or else after
 * `assumedLife` milliseconds.
 */
export function toExpiry(
  { accessTokenExpiresAt, obtainedAt }: ProviderTokens,
  ownExpiry: number | undefined,
  assumedLife: number,
): number {
  if (accessTokenExpiresAt !== undefined) return accessTokenExpiresAt
  return Math.max(ownExpiry ?? obtainedAt + assumedLife, obtainedAt + shortestLife)
}

/** RFC 6749 3.3 puts spaces between scopes; GitHub, commas, which hardly any scope has in it. */
export const toScope = (scope: string | undefined) => scope?.split(/[ ,]+/).filter((item) => item !== '')
