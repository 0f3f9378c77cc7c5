import cors from 'cors'
import type { RequestHandler } from 'express'

/**
 * Lets pages of exactly these origins call with credentials (Fetch standard, 3.2). Pages of other origins get
 * no CORS header.
 */
export function createCors(allowedOrigins: readonly string[]): RequestHandler {
  const preflight = cors({
    origin: [...allowedOrigins],
    credentials: true,
    methods: ['GET', 'POST', 'DELETE'],
    allowedHeaders: ['Content-Type', 'X-CSRF', 'DPoP'],
    maxAge: 600,
  })
  const headersOf = new Map(allowedOrigins.map((origin) => [origin, toHeaders(origin)]))
  return (req, res, next) => {
    if (req.method === 'OPTIONS') return preflight(req, res, next)
    // The headers of a call are the same for each origin, and the library would compute them each time.
    res.locals.headers.push(...(headersOf.get(req.headers.origin ?? '') ?? forOthers))
    next()
  }
}

/** A flat list of names and values. */
const toHeaders = (origin: string) => [
  'Access-Control-Allow-Origin',
  origin,
  'Access-Control-Allow-Credentials',
  'true',
  'Access-Control-Expose-Headers',
  'X-Request-Id,Retry-After,RateLimit,RateLimit-Policy,DPoP-Nonce',
  ...forOthers,
]

const forOthers = ['Vary', 'Origin']
