import type { RequestHandler } from 'express'
import { toFreshSession } from '../../session/refresh/refresh-result.ts'
import type { TokenRefresher } from '../../session/refresh/token-refresher.ts'
import { currentSession } from './require-session.ts'

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
