import { randomUUID } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { AppError } from '../../errors.ts'
import type { Log } from '../../telemetry/logger.ts'
import { toProblem } from '../middleware/problem-details.ts'
import { toPlainAddress } from '../request/address.ts'

/** Milliseconds to read the answer, once a connection is given up. */
const lingering = 1_000

/** What Node found wrong with a request, as a refusal; the reason is Node's code, never the bytes that came. */
export function toRefusal({ code = 'unknown' }: NodeJS.ErrnoException): AppError {
  const options = { reason: code }
  if (code === 'HPE_HEADER_OVERFLOW') {
    const detail = 'All headers together may have 16 kB. Old cookies may be in the way.'
    return new AppError('headers_too_large', detail, options)
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    const detail = 'Headers may take 10 seconds to arrive, a whole request 30 seconds.'
    return new AppError('request_timeout', detail, options)
  }
  return new AppError('invalid_request', 'This is no HTTP request that could be understood.', options)
}

/** CONNECT asks for a tunnel to another server (RFC 9110 9.3.6). */
export const noTunnel = () =>
  new AppError('method_not_allowed', 'This server is no proxy.', {
    reason: 'CONNECT',
    headers: { Allow: 'GET, POST, DELETE' },
  })

/** Writes the log line of what never reaches Express; returns its request id. */
export function noteRefusal(socket: Socket, { status, code, reason }: AppError, log: Log): string {
  const requestId = randomUUID()
  const address = toPlainAddress(socket.remoteAddress ?? '')
  log('request_refused', { request_id: requestId, status, code, reason, address })
  return requestId
}

/** Answers what never reaches Express with problem details (RFC 9457), and ends the connection. */
export function refuseConnection(socket: Socket, refusal: AppError, log: Log): void {
  const { status } = refusal
  const requestId = noteRefusal(socket, refusal, log)
  const body = JSON.stringify(toProblem(refusal, requestId))
  const headers = {
    ...refusal.headers,
    'Content-Type': 'application/problem+json; charset=utf-8',
    'Cache-Control': 'no-store',
    Connection: 'close',
    'X-Request-Id': requestId,
    'Content-Length': Buffer.byteLength(body),
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  // Behind CONNECT, Node leaves errors of the connection to this server, and one that goes unheard ends the process.
  socket.on('error', () => {})
  socket.end([`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...lines, '', body].join('\r\n'))
  // A client that goes on sending would not read its answer if the connection were reset at once (RFC 9112 9.6).
  setTimeout(() => socket.destroy(), lingering).unref()
}
