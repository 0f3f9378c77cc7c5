import type { RequestHandler } from 'express'
import type { RefreshResult, TokenRefresher } from '../../session/refresh/token-refresher.ts'
import type { Session } from '../../session/session.ts'
import { currentSession, sessionExpired } from '../session/require-session.ts'

/**
 * Middleware, after `requireSession`: lets a request pass while the provider stands behind the session, whose tokens are
 * renewed first where they have run out.
 */
export function createRequireFreshTokens(tokenRefresher: TokenRefresher): RequestHandler {
  return async (_req, res, next) => {
    res.locals.session = toFreshSession(await tokenRefresher.ensureFresh(currentSession(res)))
    next()
  }
}

/**
 * The session with fresh tokens.
 *
 * @throws AppError `session_expired` where it is over; `provider_unavailable` or `store_unavailable` where nobody knows
 */
export function toFreshSession(freshness: RefreshResult): Session {
  if (freshness.outcome === 'ok') return freshness.session
  throw freshness.outcome === 'ended' ? sessionExpired() : freshness.error
}
