import type { ProviderTokens } from '../../provider/types.ts'

/** Tokens are refreshed early, in the last fifth of their life, but at most this many milliseconds early. */
const longestAhead = 60_000
/**
 * Tokens are not used in their last moments, because they must be valid on arrival: at most this many
 * milliseconds.
 */
const longestReserve = 5_000

/**
 * Returns how fresh tokens are. Without a refresh token they always count as fresh, because nothing can be
 * done.
 */
export function toTokenFreshness(tokens: ProviderTokens, now: number): 'fresh' | 'expiring' | 'expired' {
  const { refreshToken, accessTokenExpiresAt: expiresAt, obtainedAt } = tokens
  if (refreshToken === undefined || expiresAt === undefined) return 'fresh'
  const lifetime = expiresAt - obtainedAt
  if (now >= expiresAt - Math.min(longestReserve, lifetime / 20)) return 'expired'
  return now >= expiresAt - Math.min(longestAhead, lifetime / 5) ? 'expiring' : 'fresh'
}
