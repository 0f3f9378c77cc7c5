import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Express, RequestHandler, Response } from 'express'
import helmet, { contentSecurityPolicy, type HelmetOptions } from 'helmet'
import { pageStyleHash, submitScriptHash } from '../pages.ts'

/**
 * Adds headers to every response of the app: Helmet's (OWASP ASVS 5.0, 3.4), that no cache may store the
 * response, because it is about one user, and those in `res.locals.headers`. A header of the same name that a
 * handler sets wins. A response with `res.locals.appHeaders` has those in place of Helmet's.
 *
 * They are written with the head of the response, all at once. Set one by one, they cost as much as half a
 * session check.
 */
export function addResponseHeaders(app: Express): void {
  const fixed = [...listHelmetHeaders(ownPages), 'Cache-Control', 'no-store']
  const framable = without('X-Frame-Options', fixed)
  const cacheable = without('Cache-Control', fixed)

  app.response.writeHead = function (this: Response, status: number, ...more: unknown[]) {
    const { headers, mayBeFramed, appHeaders, hostWriteHead } = this.locals
    const [own] = more
    // Node takes a list as it is only where no header was set before.
    if (
      hostWriteHead === undefined &&
      this.getHeaderNames().length === 0 &&
      (own === undefined || Array.isArray(own))
    ) {
      const ours = mayBeFramed
        ? framable
        : own !== undefined && hasName('Cache-Control', own)
          ? cacheable
          : fixed
      return writeHead.call(this, status, [...(appHeaders ?? ours), ...headers, ...(own ?? [])])
    }
    const fixedHere = appHeaders ?? (mayBeFramed ? framable : fixed)
    if (hostWriteHead !== undefined) {
      setGiven(this, own)
      setMissing(this, [...fixedHere, ...headers])
      return hostWriteHead.call(this, status)
    }
    setMissing(this, [...fixedHere, ...headers])
    return Reflect.apply(writeHead, this, [status, ...more])
  }
}

const { writeHead } = ServerResponse.prototype

/** Headers of which a response may have several. */
const repeatable: ReadonlySet<string> = new Set(['Vary', 'Set-Cookie'])

/** Sets those headers of a flat list that the response does not have yet. */
function setMissing(res: Response, headers: readonly string[]): void {
  for (let at = 0; at < headers.length; at += 2) {
    const [name = '', value = ''] = headers.slice(at, at + 2)
    if (repeatable.has(name)) res.appendHeader(name, value)
    else if (!res.hasHeader(name)) res.setHeader(name, value)
  }
}

/** Sets the headers that a handler gave with the head: a flat list, or an object. */
function setGiven(res: Response, given: unknown): void {
  const pairs = Array.isArray(given)
    ? given.flatMap((name, at) => (at % 2 === 0 ? [[name, given[at + 1]] as const] : []))
    : Object.entries(given ?? {})
  const names = new Set<string>()
  for (const [name, value] of pairs) {
    // Of what a handler gives several times, all count; what was set before does not.
    if (names.has(name)) res.appendHeader(name, value)
    else res.setHeader(name, value)
    names.add(name)
  }
}

/**
 * Whether a header, by its name in small letters, says what only this server decides of its own addresses:
 * who may read, frame and cache an answer, and how a request is named.
 */
export const isOwnHeader = (name: string): boolean =>
  // `CDN-Cache-Control` and alike: a cache that knows one ignores Cache-Control (RFC 9213 2.2).
  name.startsWith('access-control-') || name.endsWith('-cache-control') || decided.has(name)

const decided: ReadonlySet<string> = new Set([
  'cache-control',
  'content-security-policy',
  'content-security-policy-report-only',
  'cross-origin-embedder-policy',
  'cross-origin-opener-policy',
  'cross-origin-resource-policy',
  'edge-control',
  'expires',
  'origin-agent-cluster',
  'permissions-policy',
  'referrer-policy',
  'strict-transport-security',
  'surrogate-control',
  'x-accel-expires',
  'x-content-type-options',
  'x-dns-prefetch-control',
  'x-download-options',
  'x-frame-options',
  'x-permitted-cross-domain-policies',
  'x-powered-by',
  'x-request-id',
  'x-xss-protection',
])

const hasName = (name: string, headers: readonly unknown[]): boolean =>
  headers.some((text, at) => at % 2 === 0 && text === name)

const without = (name: string, headers: readonly string[]): string[] =>
  headers.filter((_text, at) => headers[at - (at % 2)] !== name)

const directives = {
  defaultSrc: ["'none'"],
  styleSrc: [`'${pageStyleHash}'`],
  objectSrc: ["'none'"],
  baseUri: ["'none'"],
  formAction: ["'none'"],
  frameAncestors: ["'none'"],
}

/** Allows a page the pictures that it contains itself. */
export const allowDataImages: RequestHandler = contentSecurityPolicy({
  useDefaults: false,
  directives: { ...directives, imgSrc: ['data:'] },
})

/** Allows a page to post its form to this server, by its own script as well. */
export const allowOwnForm: RequestHandler = contentSecurityPolicy({
  useDefaults: false,
  directives: { ...directives, scriptSrc: [`'${submitScriptHash}'`], formAction: ["'self'"] },
})

/** Strict-Transport-Security (RFC 6797), the same for all that browsers get of this server. */
export const strictTransportSecurity = { maxAge: 365 * 24 * 60 * 60, includeSubDomains: true }

/** Helmet's options for Portico's own answers: its pages need nothing but their style. */
const ownPages: HelmetOptions = {
  contentSecurityPolicy: { useDefaults: false, directives },
  strictTransportSecurity,
  referrerPolicy: { policy: 'no-referrer' },
  xFrameOptions: { action: 'deny' },
  // A SPA on another origin of the same site reads these responses.
  crossOriginResourcePolicy: { policy: 'same-site' },
}

/** Helmet's headers as a flat list of names and values: they never change. */
export function listHelmetHeaders(options: HelmetOptions): string[] {
  const headers: string[] = []
  const recorder = {
    setHeader: (name: string, value: string) => headers.push(name, value),
    removeHeader: () => {},
  }
  helmet(options)({} as IncomingMessage, recorder as unknown as ServerResponse, () => {})
  return headers
}
