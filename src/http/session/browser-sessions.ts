import { unsign } from 'cookie-signature'
import type { CookieOptions, Request, RequestHandler, Response } from 'express'
import session from 'express-session'
import type { Config } from '../../config/config.ts'
import { deriveKeys } from '../../crypto/derive-key.ts'
import { AppError, signedOut } from '../../errors.ts'
import {
  createSessionId,
  type NewSession,
  type PendingRevocation,
  type Session,
  toSessionHandle,
} from '../../session/session.ts'
import type { SessionStore } from '../../session/store.ts'
import type { SessionTermination } from '../../session/termination/session-termination.ts'
import { createCookieNames, readCookies } from '../request/cookies.ts'
import { ExpressStore } from './express-session-adapter.ts'

/** The session of the browser in front of us. All methods may throw AppError `store_unavailable`. */
export interface BrowserSessions {
  /** express-session, for the one place where a session begins: the callback. */
  writable: RequestHandler
  /** Whether the request brings a session cookie, good or not. */
  hasCookie(req: Request): boolean
  /** Reads the session without express-session, which costs more than all the rest of a session check. */
  read(req: Request): Promise<{ cookie: 'absent' | 'valid'; session: Session | undefined }>
  /**
   * Whether a session cookie may exist that this request could not bring: a strict one does not come with a
   * navigation from another site (RFC 6265bis 5.6.7.1).
   */
  mayBeWithheld(req: Request): boolean
  /** Starts a new session under a new id, which it returns, then ends the one the browser had (ASVS 7.2.4). */
  start(req: Request, login: NewSession): Promise<string>
  /** Gives the browser the cookie of a session that already exists. */
  adopt(req: Request, sessionId: string): void
  /**
   * Undoes what this request began: no cookie goes out, nothing is saved again, and a session it started ends, as far
   * as the store can.
   */
  abandon(req: Request): Promise<void>
  /** Tells the browser to forget its cookie. */
  dropCookie(res: Response): void
  /**
   * Ends the session for good, then drops the cookie if there was one. What the session left tells where to sign out at the
   * provider; a session that took its place meanwhile ends as well, and tells nothing.
   */
  end(req: Request, res: Response): Promise<PendingRevocation | undefined>
}

interface BrowserSessionOptions {
  config: Config
  store: SessionStore
  termination: Pick<
    SessionTermination,
    'end' | 'endWithoutRevoking' | 'endWithSuccessors' | 'replace' | 'restorePrevious' | 'revokePending'
  >
}

/** Creates the browser sessions: a signed cookie that holds nothing but a random id. */
export function createBrowserSessions({
  config,
  store,
  termination,
}: BrowserSessionOptions): BrowserSessions {
  const { session: name } = createCookieNames(config.secureCookies)
  const secrets = deriveKeys(config.secrets, 'session-cookie').map((key) => key.toString('base64url'))
  const cookie: CookieOptions & { path: string } = {
    httpOnly: true,
    secure: config.secureCookies,
    sameSite: config.session.sameSite,
    path: '/',
  }

  /** Ids of sessions by the requests that started them. */
  const started = new WeakMap<Request, string>()

  const hasCookie = (req: Request) => readCookies(req)[name] !== undefined
  const dropCookie = (res: Response) => void res.clearCookie(name, cookie)

  /** The id in the signed cookie, as express-session writes it: `s:{id}.{signature}`. */
  function readSessionId(req: Request): string | undefined {
    const value = readCookies(req)[name]
    if (value === undefined || !value.startsWith('s:')) return undefined
    for (const secret of secrets) {
      const id = unsign(value.slice(2), secret)
      if (id !== false) return id
    }
    return undefined
  }

  return {
    writable: session({
      name,
      secret: secrets,
      store: new ExpressStore(store),
      genid: createSessionId,
      cookie,
      resave: false,
      saveUninitialized: false,
      rolling: false,
    }),

    hasCookie,

    async read(req) {
      const id = readSessionId(req)
      if (id === undefined) return { cookie: 'absent', session: undefined }
      return { cookie: 'valid', session: await store.read(toSessionHandle(id)) }
    },

    // In a frame no page of ours is shown, and a silent login there has no strict cookie to lose.
    mayBeWithheld: (req) =>
      config.session.sameSite === 'strict' &&
      req.get('sec-fetch-dest') === 'document' &&
      req.get('sec-fetch-site') === 'cross-site' &&
      !hasCookie(req),

    async start(req, login) {
      const previousId = readSessionId(req)
      // regenerate() would end the old session first: a login that the store refuses must not cost the one that was.
      req.sessionStore.generate(req)
      req.session.login = login
      const sessionId = req.sessionID
      started.set(req, sessionId)
      const handle = toSessionHandle(sessionId)
      try {
        await settle((done) => req.session.save(done))
      } catch (error) {
        if (error instanceof AppError && error.code === 'signed_out') await termination.revokePending(handle)
        throw error
      }
      // express-session saves a regenerated session once more at the end of the response: with nothing to write then.
      Reflect.deleteProperty(req.session, 'login')
      if (previousId === undefined) return sessionId
      const previous = toSessionHandle(previousId)
      const own = { ...login, handle }
      const signedOutAt = await termination.replace(previous, own).catch(async (error: unknown) => {
        await termination.restorePrevious(own, previous).catch(() => {})
        throw error
      })
      if (signedOutAt === undefined || signedOutAt <= login.identity.login.startedAt) return sessionId
      // The browser was told to drop that cookie while this login was under way: a logout wins.
      await termination.end(handle)
      throw signedOut()
    },

    async abandon(req) {
      Reflect.deleteProperty(req, 'session')
      const sessionId = started.get(req)
      if (sessionId === undefined) return
      // Its id goes to no browser: where the store cannot end it now, it times out.
      await termination.endWithoutRevoking(toSessionHandle(sessionId)).catch(() => {})
    },

    adopt(req, sessionId) {
      req.sessionID = sessionId
      req.sessionStore.createSession(req, { cookie: Object.assign(new session.Cookie(), cookie) })
    },

    async end(req, res) {
      const id = readSessionId(req)
      // By its id, not by what can be read of it: a session of a newer format ends as well.
      const left =
        id === undefined
          ? undefined
          : await termination.endWithSuccessors(toSessionHandle(id), { byBrowser: true })
      // Without one, there may be one by the time this answer arrives: of a login that is under way.
      if (hasCookie(req)) dropCookie(res)
      return left
    },

    dropCookie,
  }
}

/** Middleware: lets a request pass with a living session, which it puts on `res.locals.session`, and moves its idle timeout. */
export function createRequireSession(sessions: BrowserSessions, store: SessionStore): RequestHandler {
  return async (req, res, next) => {
    const { cookie, session } = await sessions.read(req)
    if (session === undefined) {
      throw cookie === 'absent'
        ? new AppError('session_required', 'Sign in first: GET /api/login tells where.')
        : sessionExpired()
    }
    const touched = await store.touch(session)
    if (touched === undefined) throw sessionExpired()
    res.locals.session = touched
    next()
  }
}

/** The session that `requireSession` let pass. */
export function currentSession({ locals: { session } }: Response): Session {
  if (session === undefined) throw new TypeError('requireSession must stand before this')
  return session
}

/** Of whom has a cookie, but no session any more. */
export const sessionExpired = (): AppError =>
  new AppError('session_expired', 'This session has ended. GET /api/login begins another.')

/** Awaits a Node-style call of express-session. */
function settle(call: (done: (error?: unknown) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    call((error) => (error ? reject(error) : resolve()))
  })
}
