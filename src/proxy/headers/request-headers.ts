import type { ProxyRoute } from '../../config/proxy/proxy-route.ts'
import { AppError } from '../../errors.ts'

/**
 * The request headers that pass to every upstream, in small letters. All others stay here: cookies, tokens,
 * what a client says of its identity and address, and what belongs to one connection (RFC 9110 7.6.1).
 */
const passing = [
  'accept',
  'accept-encoding',
  'accept-language',
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-type',
  'idempotency-key',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'last-event-id',
  'prefer',
  'range',
  'user-agent',
] as const

/**
 * The trace of the browser (W3C Trace Context 3). A page may send it, and does where it is instrumented; what
 * an upstream receives is Portico's own, because anyone can send anything in the name of a trace.
 */
const ofTraces = ['traceparent', 'tracestate', 'baggage'] as const

/** Of a WebSocket handshake (RFC 6455 4.1); the names of its other headers come from undici. */
const ofHandshake = [
  'sec-websocket-extensions',
  'sec-websocket-key',
  'sec-websocket-protocol',
  'sec-websocket-version',
] as const

/**
 * Headers that may come in several lines, which have the same meaning as one line with commas (RFC 9110
 * 5.3).
 */
const lists: ReadonlySet<string> = new Set([
  'accept',
  'accept-encoding',
  'accept-language',
  'cache-control',
  'content-encoding',
  'content-language',
  'if-match',
  'if-none-match',
  'prefer',
  'sec-websocket-extensions',
  'sec-websocket-protocol',
])

/** The request headers that a page may send in a call of one of these routes. */
export const listSendableRequestHeaders = (routes: readonly ProxyRoute[]): string[] => [
  ...new Set([...passing, ...ofTraces, ...routes.flatMap(({ requestHeaders }) => requestHeaders)]),
]

/** Takes from the raw headers of a request those that pass: a flat list of names and values. */
export type SelectRequestHeaders = (rawHeaders: readonly string[]) => string[]

/**
 * Creates the selection for one route.
 *
 * The returned function throws AppError `invalid_request` where a header came twice that has only one value:
 * servers would not agree on which one counts.
 */
export function createRequestHeaderSelection({ requestHeaders }: ProxyRoute): {
  ofCall: SelectRequestHeaders
  ofHandshake: SelectRequestHeaders
} {
  const ofCall = new Set<string>([...passing, ...requestHeaders])
  const all = new Set<string>([...ofCall, ...ofHandshake])
  return { ofCall: (raw) => select(raw, ofCall), ofHandshake: (raw) => select(raw, all) }
}

function select(rawHeaders: readonly string[], names: ReadonlySet<string>): string[] {
  const selected: string[] = []
  const seen = new Set<string>()
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]?.toLowerCase() ?? ''
    if (!names.has(name)) continue
    if (seen.has(name) && !lists.has(name)) {
      throw new AppError('invalid_request', `The header ${name} came twice.`, { reason: 'header twice' })
    }
    seen.add(name)
    selected.push(name, rawHeaders[at + 1] ?? '')
  }
  return selected
}
