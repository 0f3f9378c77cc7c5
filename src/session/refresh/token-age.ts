import type { ProviderTokens } from '../../provider/types.ts'

/** Tokens are renewed ahead in the last fifth of their life, at most this many milliseconds before it ends. */
const longestAhead = 60_000
/** A token is not used in its last moments: it must still be good when it arrives. At most so many milliseconds. */
const longestReserve = 5_000

/** How far tokens are from their end. Without a refresh token nothing can be done, so that they count as fresh. */
export function toAge(tokens: ProviderTokens, now: number): 'fresh' | 'aging' | 'expired' {
  const { refreshToken, accessTokenExpiresAt: expiresAt, obtainedAt } = tokens
  if (refreshToken === undefined || expiresAt === undefined) return 'fresh'
  const lifetime = expiresAt - obtainedAt
  if (now >= expiresAt - Math.min(longestReserve, lifetime / 20)) return 'expired'
  return now >= expiresAt - Math.min(longestAhead, lifetime / 5) ? 'aging' : 'fresh'
}
