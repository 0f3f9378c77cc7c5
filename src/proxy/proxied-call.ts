import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AppError } from '../errors.ts'
import type { Session } from '../session/session.ts'
import type { TraceContext } from '../telemetry/tracing/tracing.ts'
import type { UpstreamTarget } from './route-match.ts'

/** A call of the browser that has passed every guard. */
export interface ProxiedCall {
  req: IncomingMessage
  res: ServerResponse
  target: UpstreamTarget
  /** Undefined only where the route's token is optional. */
  session: Session | undefined
  requestId: string
  /** The trace that the upstream continues; undefined where there is none. */
  traceContext?: TraceContext
  /** The value of the `Forwarded` header, where the route wants one (RFC 7239). */
  forwarded: string | undefined
  /** What came after the handshake of a WebSocket connection; undefined for any other call. */
  upgradeHead: Buffer | undefined
  /** Called where the body takes as long as it needs, as long as it moves. */
  onStreamedBody(): void
  /** Called where the response breaks off: the browser cannot receive the reason any more. */
  onBrokenOff(reason: AppError): void
}
