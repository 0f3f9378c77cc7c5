import { randomUUID } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { AppError } from '../../errors.ts'
import type { Log } from '../../telemetry/events.ts'
import { toProblem } from '../middleware/problem-details.ts'
import { normalizeIpAddress } from '../request/address.ts'

/** Milliseconds that a client has to read the response before its connection is closed. */
const lingering = 1_000

/** Translates an error of Node's HTTP parser. Its reason is Node's error code, never the bytes that came. */
export function translateParserError({ code = 'unknown' }: NodeJS.ErrnoException): AppError {
  const options = { reason: code }
  if (code === 'HPE_HEADER_OVERFLOW') {
    const detail =
      'The headers may be at most 16 kB in total. Delete old cookies of this site, then try again.'
    return new AppError('headers_too_large', detail, options)
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    const detail = 'The headers must arrive within 10 seconds, the whole request within 30 seconds.'
    return new AppError('request_timeout', detail, options)
  }
  return new AppError('invalid_request', 'The HTTP request could not be parsed.', options)
}

/** The refusal of CONNECT, which asks for a tunnel to another server (RFC 9110 9.3.6). */
export const tunnelRefused = () =>
  new AppError('method_not_allowed', 'This server is not a proxy.', {
    reason: 'CONNECT',
    headers: { Allow: 'GET, POST, DELETE' },
  })

/** The refusal of an upgrade on a connection whose last request is not answered yet (RFC 9110 7.8). */
export const upgradeRefused = () =>
  new AppError('invalid_request', 'A WebSocket connection cannot begin behind another request.', {
    reason: 'upgrade behind a request',
  })

/** Writes the log line of a request that does not reach Express; returns its request id. */
export function logRefusal(socket: Socket, { status, code, reason }: AppError, log: Log): string {
  const requestId = randomUUID()
  const address = normalizeIpAddress(socket.remoteAddress ?? '')
  log('request_refused', { request_id: requestId, status, code, reason, address })
  return requestId
}

/**
 * Answers a request that does not reach Express with problem details (RFC 9457), and closes the connection.
 */
export function refuseConnection(socket: Socket, refusal: AppError, log: Log): void {
  const { status } = refusal
  const requestId = logRefusal(socket, refusal, log)
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
  // After CONNECT, Node no longer handles errors of the
  // connection, and an unhandled one would end the process.
  socket.on('error', () => {})
  socket.end([`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...lines, '', body].join('\r\n'))
  // Closed later: a client that still sends could not read its response after a reset (RFC 9112 9.6).
  setTimeout(() => socket.destroy(), lingering).unref()
}
