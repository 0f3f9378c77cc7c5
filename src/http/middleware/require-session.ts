import type { RequestHandler, Response } from 'express'
import { AppError, sessionExpired } from '../../errors.ts'
import type { Session } from '../../session/session.ts'
import type { BrowserSessions } from '../session/browser-sessions.ts'

/**
 * Creates the middleware that lets a request pass with a living session only. It puts the session on
 * `res.locals.session` and extends its idle timeout, except with `?slide=false`.
 *
 * The middleware throws AppError `session_required`, `session_expired`, `store_unavailable`.
 */
export function createRequireSession(sessions: Pick<BrowserSessions, 'use'>): RequestHandler {
  return async (req, res, next) => {
    const { cookie, session } = await sessions.use(req)
    if (session === undefined) throw noSession(cookie)
    res.locals.session = session
    next()
  }
}

/** The session that `requireSession` let pass. */
export function currentSession({ locals: { session } }: Response): Session {
  if (session === undefined) throw new TypeError('requireSession must run before this')
  return session
}

/** Why a browser has no session: it sent no cookie, or that of a session that has ended. */
export const noSession = (cookie: 'absent' | 'valid'): AppError =>
  cookie === 'absent' ? new AppError('session_required', 'Sign in first.') : sessionExpired()
