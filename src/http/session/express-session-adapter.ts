import type { Request, RequestHandler } from 'express'
import session, { type SessionData, Store } from 'express-session'
import { createSessionId } from '../../session/session.ts'
import type { SessionCookie } from './session-cookie.ts'

/**
 * express-session, used for one thing: it sets the session cookie of a login. Everything else of a session is
 * read and written through `SessionStore`, so that no request in flight can bring an ended session back, nor
 * overwrite tokens that were refreshed meanwhile.
 */
export interface ExpressSessionAdapter {
  /** Must run before the methods below. */
  middleware: RequestHandler
  /** Makes a new session id, which it returns; its cookie goes out with the response. */
  issueCookie(req: Request): string
  /** Sends the cookie of a session that exists already. */
  reissueCookie(req: Request, sessionId: string): void
  /** Sends no cookie after all, because the login failed. */
  cancelCookie(req: Request): void
}

/** Creates the adapter. */
export function createExpressSessionAdapter({
  name,
  secrets,
  attributes,
}: SessionCookie): ExpressSessionAdapter {
  return {
    middleware: session({
      name,
      secret: secrets,
      store: new EmptyStore(),
      genid: createSessionId,
      cookie: attributes,
      resave: false,
      saveUninitialized: false,
      rolling: false,
    }),

    issueCookie(req) {
      // A cookie goes out for every session id that express-session did not find in the request or make by
      // itself.
      req.sessionStore.generate(req)
      return req.sessionID
    },

    reissueCookie(req, sessionId) {
      req.sessionID = sessionId
      req.sessionStore.createSession(req, { cookie: Object.assign(new session.Cookie(), attributes) })
    },

    cancelCookie: (req) => void Reflect.deleteProperty(req, 'session'),
  }
}

/** A store that keeps nothing, and finds nothing. */
class EmptyStore extends Store {
  override get(_id: string, callback: (error: unknown, session?: SessionData | null) => void): void {
    callback(null, null)
  }

  override set(_id: string, _session: SessionData, callback: (error?: unknown) => void = () => {}): void {
    callback()
  }

  override destroy(_id: string, callback: (error?: unknown) => void = () => {}): void {
    callback()
  }
}
