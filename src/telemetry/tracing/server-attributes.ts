import type { SpanAttributes } from './tracing.ts'

/** What spans say of the server at an origin (OpenTelemetry's conventions for HTTP). */
export function toServerAttributes(origin: string): SpanAttributes {
  const { hostname, port, protocol } = new URL(origin)
  return { 'server.address': hostname, 'server.port': Number(port) || (protocol === 'https:' ? 443 : 80) }
}
