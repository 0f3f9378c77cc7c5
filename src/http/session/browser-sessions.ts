import type { Request, Response } from 'express'
import type { Config } from '../../config/config.ts'
import { AppError, signedOut } from '../../errors.ts'
import type { Providers } from '../../provider/providers.ts'
import {
  createSessionId,
  type NewSession,
  type PendingRevocation,
  type Session,
  toSessionHandle,
} from '../../session/session.ts'
import type { SessionStore } from '../../session/store.ts'
import type { SessionTermination } from '../../session/termination/session-termination.ts'
import { createSessionCookie } from './session-cookie.ts'

/**
 * Starts, finds and ends the session of the browser that sends a request. `read`, `use`, `start` and `end`
 * may throw AppError `store_unavailable`.
 */
export interface BrowserSessions {
  /** Whether the request brings a session cookie, good or not. */
  hasCookie(req: Request): boolean
  /** Whether a session cookie may exist that this request could not bring. */
  mayBeWithheld(req: Request): boolean
  /** Reads the session, if it has not ended. A cookie with a wrong signature counts as absent. */
  read(req: Request): Promise<FoundSession>
  /**
   * As `read`, and extends the session's idle timeout, unless the call is no activity of the user: by
   * default, one with `?slide=false`, such as that of a timer that renews a token.
   */
  use(req: Request, isActivity?: boolean): Promise<FoundSession>
  /**
   * Starts a new session under a new id, which it returns, then ends the one that the browser had (OWASP ASVS
   * 5.0, 7.2.4).
   *
   * @throws AppError `signed_out` where a logout of the same browser or user came meanwhile
   */
  start(req: Request, session: NewSession): Promise<string>
  /** Gives the browser the cookie of a session, which may live on for so many milliseconds. */
  giveCookie(res: Response, sessionId: string, lifetime: number): void
  /** Ends the session that this request started, as far as the store can. */
  abandon(req: Request): Promise<void>
  /**
   * Ends the session permanently, and drops the cookie if the request brought one. Returns what is left to
   * revoke, which also says where to sign out at the provider. A session that superseded it meanwhile ends as
   * well; nothing of that one is returned.
   */
  end(req: Request, res: Response): Promise<PendingRevocation | undefined>
}

/** The session that a request names by its cookie. */
export interface FoundSession {
  readonly cookie: 'absent' | 'valid'
  readonly session: Session | undefined
}

interface BrowserSessionsOptions {
  config: Config
  store: Pick<SessionStore, 'create' | 'read' | 'touch'>
  providers: Pick<Providers, 'findConfigured'>
  termination: Pick<
    SessionTermination,
    'end' | 'endWithoutRevoking' | 'endChain' | 'supersedeChain' | 'restorePrevious' | 'revokePending'
  >
}

/** Creates the browser sessions. */
export function createBrowserSessions({
  config,
  store,
  providers,
  termination,
}: BrowserSessionsOptions): BrowserSessions {
  const cookie = createSessionCookie(config)
  /** Ids of sessions by the requests that started them. */
  const started = new WeakMap<Request, string>()

  return {
    hasCookie: cookie.isPresent,
    mayBeWithheld: cookie.mayBeWithheld,

    read: (req) => find(req, store.read),
    use: (req, isActivity = req.query.slide !== 'false') => find(req, isActivity ? store.touch : store.read),

    async start(req, session) {
      const previousId = cookie.readId(req)
      const sessionId = createSessionId()
      started.set(req, sessionId)
      // Created before the old one ends: a login that the store refuses must not cost the session that was.
      await create(toSessionHandle(sessionId), session)
      if (previousId !== undefined) await replace(previousId, sessionId, session)
      return sessionId
    },

    giveCookie: cookie.set,

    async abandon(req) {
      const sessionId = started.get(req)
      if (sessionId === undefined) return
      // No browser gets its id: where the store cannot end it now, it times out.
      await termination.endWithoutRevoking(toSessionHandle(sessionId)).catch(() => {})
    },

    async end(req, res) {
      const id = cookie.readId(req)
      // By its id, without reading it: a session of a newer format ends as well.
      const pendingRevocation =
        id === undefined ? undefined : await termination.endChain(toSessionHandle(id), { byBrowser: true })
      // Only if the request brought one: otherwise a login in progress may have set a new cookie by the time
      // this response arrives.
      if (cookie.isPresent(req)) cookie.drop(res)
      return pendingRevocation
    },
  }

  /**
   * Finds the session of the cookie, by `read` or `touch` of the store. One whose provider or tenant is no
   * longer configured counts as ended, but is left to its timeout, because another replica may still have it.
   */
  async function find(req: Request, look: SessionStore['read']): Promise<FoundSession> {
    const id = cookie.readId(req)
    if (id === undefined) return { cookie: 'absent', session: undefined }
    const session = await look(toSessionHandle(id))
    const isOfProvider = session !== undefined && providers.findConfigured(session.identity) !== undefined
    return { cookie: 'valid', session: isOfProvider ? session : undefined }
  }

  async function create(handle: string, session: NewSession): Promise<void> {
    const outcome = await store.create(handle, session)
    if (outcome === 'created') return
    if (outcome === 'rejected') {
      await termination.revokePending(handle)
      throw signedOut()
    }
    const detail = 'The new session could not be stored.'
    throw new AppError('store_unavailable', detail, { reason: 'handle is in use' })
  }

  /** Ends the session that the browser had before. */
  async function replace(previousId: string, sessionId: string, session: NewSession): Promise<void> {
    const previous = toSessionHandle(previousId)
    const successor = { ...session, handle: toSessionHandle(sessionId) }
    const signedOutAt = await termination
      .supersedeChain(previous, successor)
      .catch(async (error: unknown) => {
        await termination.restorePrevious(successor, previous).catch(() => {})
        throw error
      })
    if (signedOutAt === undefined || signedOutAt <= session.identity.login.startedAt) return
    // The browser has signed out since this login began: a logout wins.
    await termination.end(successor.handle)
    throw signedOut()
  }
}
