import { randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import type { Request, RequestHandler, Response } from 'express'
import type { Clock } from '../../clock.ts'
import type { Config } from '../../config/config.ts'
import type { UpstreamTarget } from '../../proxy/route-match.ts'
import type { Session } from '../../session/session.ts'
import { type Log, type LogEvent, withFields } from '../../telemetry/events.ts'
import { noObserver, type Observer } from '../../telemetry/observer.ts'
import { isFromTrustedProxy, readClientAddress } from '../request/address.ts'
import { toRoutePattern } from '../route.ts'

declare global {
  namespace Express {
    interface Locals {
      requestId: string
      /** The client's address, for what every request needs it for: the log and rate limits. */
      address: string | undefined
      /** The log; it adds to every event the request's id and, once it is known, the login's. */
      log: Log
      /** The error that the request was refused with, for its log line. */
      refusal?: { code: string; reason: string | undefined }
      /** Set by `requireSession`. */
      session?: Session
      /** The login that a "try again" link on an error page begins. */
      retry?: Retry
      /** Headers that go out with the response: a flat list of names and values. */
      headers: string[]
      /** The upstream that a call of an API is for; set by `matchProxyRoute`. */
      target?: UpstreamTarget
      /** What came after the handshake of a WebSocket connection. */
      upgradeHead?: Buffer
      /** Whether the request may take as long as its handler lets it, instead of the server's deadline. */
      hasOwnDeadline?: boolean
      /** What middleware of a host app has put in the place of `writeHead`. */
      hostWriteHead?: ServerResponse['writeHead']
      /** Whether another site may show the response in a frame: its own policy says which. */
      mayBeFramed?: boolean
      /**
       * The headers that a part of the app has, in place of those of Portico's own answers: a flat list of
       * names and values.
       */
      appHeaders?: readonly string[] | undefined
    }
  }
}

/**
 * The login that a user can begin again: where it leads in the end, its provider where one was chosen, and
 * what the provider needs to know.
 */
export interface Retry {
  returnTo: string
  provider?: string | undefined
  loginHint?: string | undefined
}

/**
 * The paths that monitoring asks every few seconds, and that are of no interest to anyone who looks for a
 * request.
 */
export const listProbes = (basePath: string): ReadonlySet<string> =>
  new Set(['/livez', '/readyz', '/metrics'].flatMap((path) => [path, basePath + path]))

interface RequestContextOptions {
  config: Pick<Config, 'basePath'>
  log: Log
  observer: Observer
  clock: Clock
}

/** What a proxy may call a request. It becomes a part of pages, headers and log lines. */
const acceptableId = /^[\w.:=+/@-]{8,128}$/

/**
 * Gives each request an id and a log that adds it. The id is the one that a trusted proxy has given it, so
 * that the proxy's log and this one agree, or a new one: anyone else could hide a request behind the id of
 * another. When the response is complete, one line is written, and the request is observed.
 */
export function createRequestContext({
  config,
  log,
  observer,
  clock,
}: RequestContextOptions): RequestHandler {
  const probes = listProbes(config.basePath)
  return (req, res, next) => {
    const requestId = readProxyId(req) ?? randomUUID()
    res.locals.requestId = requestId
    res.locals.headers = ['X-Request-Id', requestId]
    const address = readClientAddress(req)
    res.locals.address = address
    res.locals.log = withFields(log, { request_id: requestId, address })
    if (log.isWritten?.('request_completed') !== false) logCompletion(req, res)
    if (observer !== noObserver) observeCompletion(req, res)
    next()
  }

  function observeCompletion(req: Request, res: Response): void {
    const startedAt = performance.now()
    const { method } = req
    res.on('close', () => {
      const status = toSentStatus(res)
      observer.httpRequest({
        method,
        route: toRoutePattern(req),
        status,
        startedAt,
        endedAt: performance.now(),
      })
    })
  }

  function logCompletion(req: Request, res: Response): void {
    const startedAt = clock.now()
    // The path without its query, which may contain a code. Read now, because routers rewrite it.
    const { path, method } = req
    res.once('close', () => {
      const isProbe = probes.has(path)
      res.locals.log(toCompletionEvent(isProbe, res), {
        method,
        path: withoutSubject(path).slice(0, 200),
        status: toSentStatus(res),
        duration_ms: clock.now() - startedAt,
        ...res.locals.refusal,
      })
    })
  }
}

/**
 * The event of a completed request. Probes come every few seconds, and the files of the app by the dozen:
 * those that succeed are logged at debug level.
 */
function toCompletionEvent(isProbe: boolean, { statusCode, locals }: Response): LogEvent {
  if (isProbe && statusCode === 200) return 'probe_completed'
  return locals.appHeaders !== undefined && statusCode < 400 ? 'app_request_completed' : 'request_completed'
}

/** The status that the client got; 0 where it has gone before. */
const toSentStatus = (res: Response): number => (res.headersSent ? res.statusCode : 0)

function readProxyId(req: Request): string | undefined {
  const id = req.headers['x-request-id']
  if (typeof id !== 'string' || !acceptableId.test(id)) return undefined
  return isFromTrustedProxy(req) ? id : undefined
}

/** The path without the user whom a call of the operator API names: LOG_SUBJECT says how users are named. */
function withoutSubject(path: string): string {
  // Up to the end, and with a slash too many: then it is no address, but the log has it all the same.
  if (!/^\/+operator\//.test(path)) return path
  const [before = '', ...rest] = path.split('/subjects/')
  return rest.length === 0 ? path : `${before}/subjects/:sub${path.endsWith('/sessions') ? '/sessions' : ''}`
}
