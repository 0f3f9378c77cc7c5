import type { SpanAttributes } from './tracing.ts'

/** What spans say of the server at an origin (OpenTelemetry's conventions for HTTP). */
export function toServerAttributes(origin = ''): SpanAttributes {
  const { hostname, port, protocol } = URL.parse(origin) ?? {}
  if (hostname === undefined) return {}
  return { 'server.address': hostname, 'server.port': Number(port) || (protocol === 'https:' ? 443 : 80) }
}
