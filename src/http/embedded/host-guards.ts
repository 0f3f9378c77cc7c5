import type { Request, RequestHandler, Response } from 'express'
import type { Config } from '../../config/config.ts'
import type { AccessOptions, PorticoSession } from '../../embedding/types.ts'
import { AppError } from '../../errors.ts'
import { assertAccess } from '../../proxy/access.ts'
import type { UpstreamTokens } from '../../proxy/tokens/upstream-token.ts'
import type { Session } from '../../session/session.ts'
import type { Log } from '../../telemetry/events.ts'
import { toUserView } from '../browser-endpoints/session.ts'
import { assertFromAllowedPage } from '../middleware/csrf.ts'
import { toProblem } from '../middleware/problem-details.ts'
import { noSession } from '../middleware/require-session.ts'
import { createLoginAddress } from '../request/login-address.ts'
import { isNavigation } from '../request/navigation.ts'
import type { BrowserSessions, FoundSession } from '../session/browser-sessions.ts'
import { readAccess } from './access-options.ts'

/** What a host app uses for addresses of its own; its requests have passed nothing of this server. */
export interface HostGuards {
  /** Creates the middleware that lets a request pass with a living session only. */
  requireSession(access?: AccessOptions): RequestHandler
  /** The session of a request; undefined where the user is not signed in. */
  session(req: Request, isActivity?: boolean): Promise<PorticoSession | undefined>
  /** The provider's access token of a session, refreshed where it has expired. */
  accessToken(req: Request): Promise<string>
}

interface HostGuardsOptions {
  config: Config
  sessions: Pick<BrowserSessions, 'use' | 'mayBeWithheld'>
  upstreamTokens: Pick<UpstreamTokens, 'get'>
  log: Log
}

/** Creates what a host app uses. */
export function createHostGuards({ config, sessions, upstreamTokens, log }: HostGuardsOptions): HostGuards {
  const toLogin = createLoginAddress(config, sessions)
  /** What was found for a request: its guard, its handler and its token ask for the same. */
  const found = new WeakMap<Request, Promise<FoundSession>>()

  function find(req: Request, isActivity = true): Promise<FoundSession> {
    const known = found.get(req)
    if (known !== undefined) return known
    const asked = sessions.use(req, isActivity)
    found.set(req, asked)
    // An outage of the store may be over at the next call.
    asked.catch(() => found.delete(req))
    return asked
  }

  async function findActive(req: Request): Promise<Session> {
    const { cookie, session } = await find(req)
    if (session === undefined) throw noSession(cookie)
    return session
  }

  return {
    requireSession(access) {
      const rule = readAccess(access)
      return async (req, res, next) => {
        try {
          const isWebSocket = req.headers.upgrade?.toLowerCase() === 'websocket'
          assertFromAllowedPage(req, { method: req.method, isWebSocket }, config)
          assertAccess(await findActive(req), rule)
        } catch (error) {
          // Express 4 handles no rejection, which would end the process: all errors go to `next`, also those
          // of an answer that cannot be written, because the host has answered already.
          try {
            if (!(error instanceof AppError) || !refuse(error, req, res)) next(error)
          } catch (failure) {
            next(failure)
          }
          return
        }
        next()
      }
    },

    async session(req, isActivity) {
      const { session } = await find(req, isActivity)
      return session && toView(session)
    },

    async accessToken(req) {
      const choice = { kind: 'provider', audience: undefined, scopes: undefined } as const
      const authorized = await upstreamTokens.get(await findActive(req), choice)
      found.set(req, Promise.resolve({ cookie: 'valid', session: authorized.session }))
      const { token } = authorized
      if (token !== undefined && token.prove === undefined) return token.token
      throw new AppError(
        'unprocessable',
        "The provider's token is bound to a key of this server (DPoP): call the API by a proxy route, or set OIDC_DPOP=off.",
      )
    },
  }

  /**
   * Sends a user who opens a page to the login, and answers a script. All else is a page of the host app:
   * returns false, and writes nothing.
   */
  function refuse(refusal: AppError, req: Request, res: Response): boolean {
    if (refusal.code === 'csrf_check_failed') {
      log('csrf_check_failed', { path: (req.originalUrl.split('?', 1)[0] ?? '').slice(0, 200) })
    }
    const isPage = isNavigation(req)
    const isSafe = req.method === 'GET' || req.method === 'HEAD'
    if (isPage && !(isSafe && refusal.status === 401)) return false
    res.setHeader('Cache-Control', 'no-store')
    if (isPage) {
      res.statusCode = 302
      res.setHeader('Location', config.basePath + toLogin(req, req.method === 'GET' ? req.originalUrl : ''))
      res.end()
      return true
    }
    for (const [name, value] of Object.entries(refusal.headers)) res.setHeader(name, value)
    res.statusCode = refusal.status
    res.setHeader('Content-Type', 'application/problem+json')
    res.end(JSON.stringify(toProblem(refusal)))
    return true
  }
}

function toView(session: Session): PorticoSession {
  const { handle, identity, tokens } = session
  return {
    id: handle,
    user: toUserView(session),
    provider: identity.providerName,
    scope: tokens.scope,
    createdAt: new Date(session.createdAt),
    idleExpiresAt: new Date(session.idleExpiresAt),
    absoluteExpiresAt: new Date(session.absoluteExpiresAt),
  }
}
