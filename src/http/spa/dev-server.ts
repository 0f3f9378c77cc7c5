import type { IncomingHttpHeaders } from 'node:http'
import type { RequestHandler } from 'express'
import { Pool } from 'undici'
import type { ProxyRoute } from '../../config/proxy/proxy-route.ts'
import { AppError } from '../../errors.ts'
import { createForward } from '../../proxy/forward.ts'
import type { OpenCalls } from '../../proxy/open-calls.ts'
import type { Upstream } from '../../proxy/upstreams.ts'
import { noObserver } from '../../telemetry/observer.ts'
import { createIsAppPath } from './app-addresses.ts'

interface DevServerOptions {
  origin: string
  apiPrefix: string
  openCalls: OpenCalls
}

/**
 * Creates the handler that passes what belongs to the app on to its dev server, WebSocket connections
 * included, as the proxy passes calls on to upstreams. Almost all headers pass in both directions, but no
 * cookie: those of this server are secrets. `Host` passes, so that the dev server refuses the names that it
 * does not know (DNS rebinding). No security headers are added, because hot reloading needs what a policy
 * would refuse.
 */
export function createDevServer({ origin, apiPrefix, openCalls }: DevServerOptions): {
  handler: RequestHandler
  close(): Promise<void>
} {
  const pool = new Pool(origin, {
    connections: null,
    headersTimeout: 0,
    bodyTimeout: 0,
    // On this machine, a certificate that the dev server made for itself is as good as any.
    connect: { timeout: 5_000, rejectUnauthorized: false },
    allowH2: false,
  })
  const upstream: Upstream = {
    pool,
    selectRequestHeaders: { ofCall: selectRequestHeaders, ofHandshake: selectRequestHeaders },
    selectResponseHeaders: (_status, headers) => selectResponseHeaders(headers),
    dpopNonce: undefined,
  }
  const upstreams = { of: () => upstream, close: () => pool.destroy() }
  const forward = createForward({ upstreams, tokens: noTokens, openCalls, observer: noObserver })
  const route = toRoute(origin)
  const isAppPath = createIsAppPath(apiPrefix)

  return {
    close: upstreams.close,
    async handler(req, res, next) {
      if (!isAppPath(req.path)) return next()
      const { locals } = res
      locals.appHeaders = []
      try {
        await forward({
          req,
          res,
          // With the path of PUBLIC_URL, which the dev server has as its base, too.
          target: { route, path: req.originalUrl },
          session: undefined,
          requestId: locals.requestId,
          forwarded: undefined,
          upgradeHead: locals.upgradeHead,
          onStreamedBody() {
            locals.hasOwnDeadline = true
          },
          onBrokenOff({ code, reason }) {
            locals.refusal = { code, reason }
          },
        })
      } catch (error) {
        locals.appHeaders = undefined
        throw toRefusal(error, origin)
      }
    },
  }
}

/** No call is made for a session. */
const noTokens = {
  get: () => Promise.reject(new TypeError('the dev server gets no token')),
  renew: () => Promise.resolve(undefined),
}

/** How calls to the dev server run: it may take its time, because it may build the app first. */
const toRoute = (origin: string): ProxyRoute => ({
  name: 'dev server',
  origin,
  basePath: '',
  methods: [],
  paths: ['/'],
  access: { scopes: [], groups: [], providers: [] },
  token: { kind: 'none', audience: undefined, scopes: undefined },
  timeout: 120_000,
  maxBody: 1024 ** 3,
  websocket: true,
  cache: 'private',
  requestHeaders: [],
  responseHeaders: [],
  cookies: [],
  forwarded: false,
})

/** Headers of one connection (RFC 9110 7.6.1), and those that the proxy writes itself. */
const ofConnection = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]

const withheldOfRequests: ReadonlySet<string> = new Set([
  ...ofConnection,
  'content-length',
  'cookie',
  'expect',
  'x-request-id',
])

function selectRequestHeaders(rawHeaders: readonly string[]): string[] {
  return rawHeaders.filter((_text, at) => {
    const name = rawHeaders[at - (at % 2)] ?? ''
    return !withheldOfRequests.has(name.toLowerCase())
  })
}

const withheldOfResponses: ReadonlySet<string> = new Set([
  ...ofConnection,
  'set-cookie',
  // It would be in effect for all servers of this host, such as localhost.
  'strict-transport-security',
])

function selectResponseHeaders(headers: IncomingHttpHeaders): string[] {
  return Object.entries(headers).flatMap(([name, value]) =>
    withheldOfResponses.has(name) ? [] : [value ?? []].flat().flatMap((one) => [name, one]),
  )
}

/** The error of a call that the dev server did not answer, with what to do. */
function toRefusal(error: unknown, origin: string): unknown {
  if (!(error instanceof AppError) || !/^upstream_/.test(error.code)) return error
  const { reason } = error
  const detail = `There is no answer from ${origin} (SPA_DEV_URL). Start the dev server of the app (npm run dev), then load this page again.`
  return new AppError('dev_server_unavailable', detail, { reason, cause: error })
}
