import type { IncomingMessage } from 'node:http'
import { AppError, toErrorCode } from '../../errors.ts'

/**
 * The error of a call that an upstream did not answer. Its reason is an error code, never a message, which
 * may name an inner host; `Proxy-Status` says the same to the client in the words of RFC 9209.
 */
export function toUpstreamFailure(error: unknown, routeName: string): AppError {
  if (error instanceof AppError) return error
  const reason = error instanceof Error ? toErrorCode(error) : 'unknown'
  const status = proxyErrors.get(reason) ?? 'connection_terminated'
  const headers = { 'Proxy-Status': `portico; error=${status}` }
  const isLate = status === 'connection_timeout' || status === 'http_response_timeout'
  const code = isLate ? 'upstream_timeout' : 'upstream_unavailable'
  const detail = isLate
    ? `The API ${routeName} did not answer in time.`
    : `The API ${routeName} cannot be reached.`
  return new AppError(code, detail, { reason: `${routeName}: ${reason}`, headers, cause: error })
}

/** The browser has gone, or this server ends: there is no more call to answer. */
export class CallEnded extends Error {
  override readonly name = 'CallEnded'
}

/** The deadline of a call has passed. */
class UpstreamTimeout extends Error {
  override readonly name = 'UpstreamTimeout'
  readonly code = 'TIMEOUT'
}

/**
 * The error of a call in which nothing has moved for too long, by whose turn it is: `isBlocked` says that the
 * browser takes nothing. While the upstream takes nothing, the body of the request is not read either.
 */
export function toLateness({ complete, readableFlowing }: IncomingMessage, isBlocked: boolean): Error {
  if (isBlocked) return new AppError('request_timeout', 'The response was not read in time.')
  return complete || !readableFlowing
    ? new UpstreamTimeout()
    : new AppError('request_timeout', 'The rest of the request did not arrive in time.')
}

/** Error types of RFC 9209 2.3, by the error codes of Node and undici. */
const proxyErrors = new Map([
  ['TIMEOUT', 'http_response_timeout'],
  ['UND_ERR_CONNECT_TIMEOUT', 'connection_timeout'],
  ['ETIMEDOUT', 'connection_timeout'],
  ['ECONNREFUSED', 'connection_refused'],
  ['ENOTFOUND', 'dns_error'],
  ['EAI_AGAIN', 'dns_timeout'],
  ['EHOSTUNREACH', 'destination_ip_unroutable'],
  ['ENETUNREACH', 'destination_ip_unroutable'],
  ['UND_ERR_HEADERS_OVERFLOW', 'http_response_header_section_size'],
  ['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', 'http_response_incomplete'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'tls_certificate_error'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'tls_certificate_error'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'tls_certificate_error'],
  ['CERT_HAS_EXPIRED', 'tls_certificate_error'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'tls_certificate_error'],
])
