import type { IncomingMessage, ServerResponse } from 'node:http'
import type { RequestHandler } from 'express'
import helmet from 'helmet'
import { pageStyleHash } from '../pages.ts'

/**
 * Sets Helmet's headers (OWASP ASVS 5.0, 3.4). They never change and are computed once, because running
 * helmet for each request costs more than the session check.
 */
export function createSecurityHeaders(): RequestHandler {
  const headers = computeHeaders()
  return (_req, res, next) => {
    for (const [name, value] of headers) res.setHeader(name, value)
    next()
  }
}

function computeHeaders(): [string, string][] {
  const headers: [string, string][] = []
  const recorder = {
    setHeader: (name: string, value: string) => headers.push([name, value]),
    removeHeader: () => {},
  }
  const setHeaders = helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        styleSrc: [`'${pageStyleHash}'`],
        objectSrc: ["'none'"],
        baseUri: ["'none'"],
        formAction: ["'none'"],
        frameAncestors: ["'none'"],
      },
    },
    strictTransportSecurity: { maxAge: 365 * 24 * 60 * 60, includeSubDomains: true },
    referrerPolicy: { policy: 'no-referrer' },
    xFrameOptions: { action: 'deny' },
    // A SPA on another origin of the same site reads these responses.
    crossOriginResourcePolicy: { policy: 'same-site' },
  })
  setHeaders({} as IncomingMessage, recorder as unknown as ServerResponse, () => {})
  return headers
}

/** Middleware: no cache may store the response, because it is about one user. */
export const noStore: RequestHandler = (_req, res, next) => {
  res.set('Cache-Control', 'no-store')
  next()
}
