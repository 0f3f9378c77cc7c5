import { Pool } from 'undici'
import type { ProxyRoute } from '../config/proxy/proxy-route.ts'
import type { OwnAddress } from './headers/cookies.ts'
import { createRequestHeaderSelection, type SelectRequestHeaders } from './headers/request-headers.ts'
import { createResponseHeaderSelection, type SelectResponseHeaders } from './headers/response-headers.ts'

/** An upstream, with its connections. */
export interface Upstream {
  readonly pool: Pool
  readonly selectRequestHeaders: { ofCall: SelectRequestHeaders; ofHandshake: SelectRequestHeaders }
  readonly selectResponseHeaders: SelectResponseHeaders
  /** The latest nonce that it sent for DPoP proofs (RFC 9449 9). */
  dpopNonce: string | undefined
}

/** The upstreams of all routes. */
export interface Upstreams {
  of(route: ProxyRoute): Upstream
  /** Closes all connections, also those in use. */
  close(): Promise<void>
}

/** Creates the upstreams; none is connected before its first call. */
export function createUpstreams(routes: readonly ProxyRoute[], own: OwnAddress): Upstreams {
  const upstreams = new Map(routes.map((route) => [route, createUpstream(route, own)]))
  return {
    of(route) {
      const upstream = upstreams.get(route)
      if (upstream === undefined) throw new TypeError(`no upstream for ${route.name}`)
      return upstream
    },
    async close() {
      await Promise.all([...upstreams.values()].map(({ pool }) => pool.destroy()))
    },
  }
}

function createUpstream(route: ProxyRoute, own: OwnAddress): Upstream {
  return {
    pool: new Pool(route.origin, {
      // As many as there are calls: each event stream holds one, and calls that wait for another to end would
      // be late for no reason.
      connections: null,
      // The deadline of the call comes first; it covers all of it.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: { timeout: route.timeout },
      // WebSocket connections need HTTP/1.1.
      allowH2: false,
    }),
    selectRequestHeaders: createRequestHeaderSelection(route),
    selectResponseHeaders: createResponseHeaderSelection(route, own),
    dpopNonce: undefined,
  }
}
