import type { ProviderTokens } from '../../provider/types.ts'
import { aheadShare, longestAhead, longestReserve, replacementPause, reserveShare } from './refresh-timing.ts'

/**
 * Returns how fresh tokens are. Without a refresh token they always count as fresh, because nothing can be
 * done.
 */
export function toTokenFreshness(tokens: ProviderTokens, now: number): 'fresh' | 'expiring' | 'expired' {
  const { refreshToken, accessTokenExpiresAt: expiresAt, obtainedAt } = tokens
  if (refreshToken === undefined || expiresAt === undefined) return 'fresh'
  const lifetime = expiresAt - obtainedAt
  if (now >= toLastUse(obtainedAt, expiresAt)) return 'expired'
  return now >= expiresAt - Math.min(longestAhead, lifetime * aheadShare) ? 'expiring' : 'fresh'
}

/** Until when a token is used, in milliseconds since the epoch: it must still be valid on arrival. */
export const toLastUse = (obtainedAt: number, expiresAt: number): number =>
  expiresAt - Math.min(longestReserve, (expiresAt - obtainedAt) * reserveShare)

/** Whether another token is worth asking for, where the receiver of this one refuses it. */
export const isReplaceable = (obtainedAt: number, now: number): boolean =>
  now - obtainedAt >= replacementPause

/** Whether a refresh is worth trying, where the receiver of the access token refuses it. */
export const isRefreshable = ({ refreshToken, obtainedAt }: ProviderTokens, now: number): boolean =>
  refreshToken !== undefined && isReplaceable(obtainedAt, now)
