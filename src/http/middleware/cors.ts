import cors from 'cors'
import type { RequestHandler } from 'express'

/**
 * Lets pages of exactly these origins call with credentials (Fetch standard, 3.2). Pages of other origins get
 * no CORS header.
 */
export function createCors(allowedOrigins: readonly string[]): RequestHandler {
  return cors({
    origin: [...allowedOrigins],
    credentials: true,
    methods: ['GET', 'POST', 'DELETE'],
    allowedHeaders: ['Content-Type', 'X-CSRF', 'DPoP'],
    exposedHeaders: ['X-Request-Id', 'Retry-After', 'RateLimit', 'RateLimit-Policy'],
    maxAge: 600,
  })
}
