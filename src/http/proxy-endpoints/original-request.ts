import type { Request } from 'express'
import { AppError } from '../../errors.ts'
import { asteriskForm, toOriginForm } from '../wire/request-target.ts'

/** The request that a reverse proxy asks about, as the proxy describes it. */
export interface OriginalRequest {
  readonly method: string
  /** Path and query; undefined where the proxy does not send them. */
  readonly target: string | undefined
}

/** The headers by which proxies describe it; nginx's by convention, the others Traefik's and Caddy's. */
const described: ReadonlyMap<string, 'method' | 'target'> = new Map([
  ['x-original-method', 'method'],
  ['x-forwarded-method', 'method'],
  ['x-original-uri', 'target'],
  ['x-original-url', 'target'],
  ['x-forwarded-uri', 'target'],
])

/** A method name (RFC 9110 9.1); two in one header, with a comma between them, are none. */
const methodName = /^[\w!#$%&'*+.^`|~-]{1,32}$/

/**
 * Reads the request that a proxy asks about from its headers. What the caller knows of it already, by the
 * request line, has to agree with them.
 *
 * @throws AppError `invalid_request` where the method is missing, or two statements contradict each other: a
 * client may have made one of them
 */
export function readOriginalRequest(req: Request, known: Partial<OriginalRequest>): OriginalRequest {
  const found: { method?: string | undefined; target?: string | undefined } = { ...known }
  const { rawHeaders } = req
  const seen = new Set<string>()
  // Not from `req.headers`, which joins repeated headers and cuts long values.
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]?.toLowerCase() ?? ''
    const part = described.get(name)
    const value = rawHeaders[at + 1] ?? ''
    if (part === undefined || value === '') continue
    if (seen.has(name)) throw contradictory(part)
    seen.add(name)
    const stated = part === 'method' ? value : toTarget(value)
    if (found[part] !== undefined && found[part] !== stated) throw contradictory(part)
    found[part] = stated
  }
  const { method, target } = found
  if (method === undefined || !methodName.test(method)) {
    throw new AppError(
      'invalid_request',
      'The reverse proxy has to send the method of the original request, as X-Original-Method or X-Forwarded-Method.',
    )
  }
  return { method, target: target === asteriskForm ? undefined : target }
}

/** Path and query of an address, in ASCII: Node reads each byte of a header as one character. */
const toTarget = (value: string) =>
  toOriginForm(value.replace(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase()}`))

const contradictory = (part: 'method' | 'target') =>
  new AppError(
    'invalid_request',
    part === 'method'
      ? 'The headers X-Original-Method and X-Forwarded-Method do not say the same, or say it twice: remove those that the client sent.'
      : 'The headers X-Original-URI, X-Original-URL and X-Forwarded-Uri do not say the same, or say it twice: remove those that the client sent.',
  )

/**
 * Whether the original request opens a WebSocket. Proxies drop `Upgrade` when they ask, because it is about
 * one connection; the version comes with every handshake (RFC 6455 4.1, RFC 8441 5), and no script can remove
 * it.
 */
export const isWebSocket = (req: Request): boolean =>
  req.headers['sec-websocket-version'] !== undefined || /websocket/i.test(req.headers.upgrade ?? '')
