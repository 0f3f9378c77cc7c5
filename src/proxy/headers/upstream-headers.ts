import type { ProxiedCall } from '../proxied-call.ts'
import type { UpstreamToken } from '../tokens/upstream-token.ts'
import type { Upstream } from '../upstreams.ts'
import { toUpstreamCookies } from './cookies.ts'

/** The headers of a request to an upstream, as a flat list: what passes of the browser's, and our own. */
export async function toUpstreamHeaders(
  { req, target, requestId, traceContext, forwarded, upgradeHead }: ProxiedCall,
  { selectRequestHeaders, dpopNonce }: Upstream,
  token: UpstreamToken | undefined,
): Promise<string[]> {
  const { route, path } = target
  const select = upgradeHead === undefined ? selectRequestHeaders.ofCall : selectRequestHeaders.ofHandshake
  const headers = select(req.rawHeaders)
  headers.push('x-request-id', requestId)
  if (traceContext !== undefined) {
    headers.push('traceparent', traceContext.traceparent)
    if (traceContext.tracestate !== undefined) headers.push('tracestate', traceContext.tracestate)
  }
  const { 'content-length': length, cookie } = req.headers
  if (length !== undefined && length !== '0') headers.push('content-length', length)
  if (forwarded !== undefined) headers.push('forwarded', forwarded)
  const cookies = toUpstreamCookies(cookie, route)
  if (cookies !== undefined) headers.push('cookie', cookies)
  if (token === undefined) return headers
  if (token.prove === undefined) {
    headers.push('authorization', `Bearer ${token.token}`)
    return headers
  }
  const [pathname = ''] = path.split('?', 1)
  const call = { method: req.method ?? 'GET', url: `${route.origin}${pathname}`, nonce: dpopNonce }
  headers.push('authorization', `DPoP ${token.token}`, 'dpop', await token.prove(call))
  return headers
}
