import cors from 'cors'
import type { RequestHandler } from 'express'
import type { Config } from '../../config/config.ts'
import { listSendableRequestHeaders } from '../../proxy/headers/request-headers.ts'
import { listPassingResponseHeaders } from '../../proxy/headers/response-headers.ts'
import { toProxyPrefix } from '../../proxy/route-match.ts'

/** What a page of another origin may send, and what it may read of the response. */
interface Exposure {
  methods: readonly string[]
  requestHeaders: readonly string[]
  responseHeaders: readonly string[]
}

/** For the endpoints of this server. */
const ofEndpoints: Exposure = {
  methods: ['GET', 'POST', 'DELETE'],
  requestHeaders: ['Content-Type', 'X-CSRF', 'DPoP'],
  responseHeaders: ['X-Request-Id', 'Retry-After', 'RateLimit', 'RateLimit-Policy', 'DPoP-Nonce'],
}

/** For the APIs behind the session: what their routes allow. */
function ofRoutes(proxyRoutes: Config['proxyRoutes']): Exposure {
  return {
    methods: [...new Set(proxyRoutes.flatMap(({ methods }) => methods))],
    requestHeaders: ['X-CSRF', 'X-Slide', ...listSendableRequestHeaders(proxyRoutes)],
    responseHeaders: ['X-Request-Id', 'Proxy-Status', ...listPassingResponseHeaders(proxyRoutes)],
  }
}

/**
 * Lets pages of exactly these origins call with credentials (Fetch standard, 3.2). Pages of other origins get
 * no CORS header.
 */
export function createCors({
  allowedOrigins,
  proxyRoutes,
  apiPath,
}: Pick<Config, 'allowedOrigins' | 'proxyRoutes' | 'apiPath'>): RequestHandler {
  const endpoints = createHandler(allowedOrigins, ofEndpoints)
  const apis = createHandler(allowedOrigins, ofRoutes(proxyRoutes))
  const prefix = toProxyPrefix({ apiPath })
  return (req, res, next) => (req.originalUrl.startsWith(prefix) ? apis : endpoints)(req, res, next)
}

function createHandler(allowedOrigins: readonly string[], exposure: Exposure): RequestHandler {
  const preflight = cors({
    origin: [...allowedOrigins],
    credentials: true,
    methods: [...exposure.methods],
    allowedHeaders: [...exposure.requestHeaders],
    maxAge: 600,
  })
  const headersOf = new Map(allowedOrigins.map((origin) => [origin, toHeaders(origin, exposure)]))
  return (req, res, next) => {
    if (req.method === 'OPTIONS') return preflight(req, res, next)
    // The headers of a call are the same for each origin, and the library would compute them each time.
    res.locals.headers.push(...(headersOf.get(req.headers.origin ?? '') ?? forOthers))
    next()
  }
}

/** A flat list of names and values. */
const toHeaders = (origin: string, { responseHeaders }: Exposure) => [
  'Access-Control-Allow-Origin',
  origin,
  'Access-Control-Allow-Credentials',
  'true',
  'Access-Control-Expose-Headers',
  responseHeaders.join(','),
  ...forOthers,
]

const forOthers = ['Vary', 'Origin']
