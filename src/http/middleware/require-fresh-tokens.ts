import type { RequestHandler } from 'express'
import type { RefreshResult } from '../../session/refresh/refresh-result.ts'
import type { TokenRefresher } from '../../session/refresh/token-refresher.ts'
import type { Session } from '../../session/session.ts'
import { currentSession, sessionExpired } from './require-session.ts'

/**
 * Middleware, after `requireSession`: lets a request pass while the session's tokens are valid, and refreshes
 * them first where they have expired.
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
 * @throws AppError `session_expired` where the session has ended; `provider_unavailable` or
 * `store_unavailable` where the tokens could not be refreshed, although the session may live on
 */
export function toFreshSession(result: RefreshResult): Session {
  if (result.outcome === 'ok') return result.session
  throw result.outcome === 'ended' ? sessionExpired() : result.error
}
