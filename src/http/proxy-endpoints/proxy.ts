import type { Request, RequestHandler, Response } from 'express'
import type { Config } from '../../config/config.ts'
import { AppError } from '../../errors.ts'
import { assertAccess, needsUser } from '../../proxy/access.ts'
import type { Forward } from '../../proxy/forward.ts'
import { createRouteMatch, toProxyPrefix, type UpstreamTarget } from '../../proxy/route-match.ts'
import { noSession } from '../middleware/require-session.ts'
import { readClientAddress } from '../request/address.ts'
import type { BrowserSessions } from '../session/browser-sessions.ts'

/** Creates the middleware that finds the route of a call, and refuses what no route allows. */
export function createMatchProxyRoute({
  proxyRoutes,
  apiPath,
}: Pick<Config, 'proxyRoutes' | 'apiPath'>): RequestHandler {
  const match = createRouteMatch(proxyRoutes)
  const { length } = toProxyPrefix({ apiPath })
  return (req, res, next) => {
    const target = match(req.method, req.originalUrl.slice(length))
    if (res.locals.upgradeHead !== undefined && !target.route.websocket) {
      const detail = `The API ${target.route.name} takes no WebSocket connections.`
      throw new AppError('invalid_request', detail, { reason: 'route without websocket' })
    }
    res.locals.target = target
    next()
  }
}

/**
 * Creates the middleware, after `matchProxyRoute`, that finds the session and whether it gives access to the
 * route. A call with `X-Slide: false` does not extend the idle timeout; the query belongs to the upstream.
 *
 * The middleware throws AppError `session_required`, `session_expired`, `store_unavailable`, or as
 * `assertAccess`.
 */
export function createRequireRouteAccess(sessions: Pick<BrowserSessions, 'use'>): RequestHandler {
  return async (req, res, next) => {
    const { token, access } = currentTarget(res).route
    const { cookie, session } = await sessions.use(req, req.get('x-slide') !== 'false')
    if (session !== undefined) {
      assertAccess(session, access)
      res.locals.session = session
    } else if (token.kind !== 'optional' || needsUser(access)) {
      throw noSession(cookie)
    }
    next()
  }
}

/** ANY /proxy/{route}/...: the call goes to the upstream with the token of its route. */
export function createProxyHandler(
  forward: Forward,
  { publicUrl }: Pick<Config, 'publicUrl'>,
): RequestHandler {
  return (req, res) => {
    const { locals } = res
    const target = currentTarget(res)
    if (req.readableDidRead) throw bodyIsGone()
    return forward({
      req,
      res,
      target,
      session: locals.session,
      requestId: locals.requestId,
      forwarded: target.route.forwarded ? toForwarded(req, publicUrl) : undefined,
      upgradeHead: locals.upgradeHead,
      onStreamedBody() {
        locals.hasOwnDeadline = true
      },
      onBrokenOff({ code, reason }) {
        locals.refusal = { code, reason }
      },
    })
  }
}

/** Middleware of a host app, such as `express.json()`, has read the body: it cannot be sent on any more. */
const bodyIsGone = () =>
  new AppError('unprocessable', 'The body was read before this server got the call.', {
    reason: 'mount the router of Portico before the body parsers of the app',
  })

/** The target that `matchProxyRoute` found. */
function currentTarget({ locals: { target } }: Response): UpstreamTarget {
  if (target === undefined) throw new TypeError('matchProxyRoute must run before this')
  return target
}

/** A Forwarded header with the client, and the address that it called (RFC 7239 4). */
function toForwarded(req: Request, publicUrl: string): string {
  const address = readClientAddress(req) ?? 'unknown'
  const { protocol, host } = new URL(publicUrl)
  const client = address.includes(':') ? `"[${address}]"` : address
  return `for=${client};host="${host}";proto=${protocol.slice(0, -1)}`
}
