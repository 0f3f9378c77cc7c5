import type { ProviderTokens } from '../../provider/types.ts'
import { aheadShare, longestAhead, longestReserve, reserveShare } from './refresh-timing.ts'

/**
 * Returns how fresh tokens are. Without a refresh token they always count as fresh, because nothing can be
 * done.
 */
export function toTokenFreshness(tokens: ProviderTokens, now: number): 'fresh' | 'expiring' | 'expired' {
  const { refreshToken, accessTokenExpiresAt: expiresAt, obtainedAt } = tokens
  if (refreshToken === undefined || expiresAt === undefined) return 'fresh'
  const lifetime = expiresAt - obtainedAt
  if (now >= expiresAt - Math.min(longestReserve, lifetime * reserveShare)) return 'expired'
  return now >= expiresAt - Math.min(longestAhead, lifetime * aheadShare) ? 'expiring' : 'fresh'
}
