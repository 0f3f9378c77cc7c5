import type { IncomingHttpHeaders } from 'node:http'
import type { Clock } from '../../clock.ts'
import type { ClientAuth, ForwardProxies, ProviderConfig } from '../../config/providers/provider-config.ts'
import { AppError, isConnectionLost, toErrorCode } from '../../errors.ts'
import { isInvalidGrant } from './oauth-errors.ts'
import { type ClientCertificate, createOutgoingAgent } from './outgoing-agent.ts'
import { createResponse, type ProviderResponse } from './response.ts'
import { sendRequest } from './send-request.ts'
import { providerUnavailable } from './unavailable.ts'

/** The part of `fetch` that requests to a provider need. */
export type ProviderFetch = (url: string, init: ProviderRequest) => Promise<ProviderResponse>

/** What openid-client passes to a custom fetch, except for its signal: the deadline here comes first. */
export interface ProviderRequest {
  method?: string
  headers?: Record<string, string>
  body?: unknown
}

interface ProviderFetchOptions {
  /** Deadline of one call in milliseconds, from its start to the last byte of the response. */
  timeout: number
  clock: Clock
  /** The certificate that this client authenticates with, if any. */
  certificate?: ClientCertificate | undefined
  /** The proxies that calls go through, if any. */
  forwardProxies?: ForwardProxies | undefined
}

/** More than any discovery document, key set or token response needs. */
const maxBytes = 1_000_000

/** More than any useful error response needs. */
const maxFailureBytes = 16_384

/** Seconds; a longer wait that a provider asks for counts as this. */
const maxRetryAfter = 300

/**
 * Creates the only way in which this server calls a provider: a pool of kept-alive connections, a deadline
 * and a size limit for every call, redirects never followed. A response of 429 or 5xx is an error, unless it
 * says `invalid_grant`.
 *
 * The returned function throws AppError `provider_unavailable`.
 */
export function createProviderFetch({ timeout, clock, certificate, forwardProxies }: ProviderFetchOptions): {
  fetch: ProviderFetch
  /** Host and port of each forward proxy that was tried so far. */
  triedProxies: ReadonlySet<string>
  close(): Promise<void>
} {
  const { dispatcher, triedProxies } = createOutgoingAgent({ timeout, certificate, forwardProxies })

  const call: ProviderFetch = async (
    url,
    { method = 'GET', headers: requestHeaders = {}, body: content },
  ) => {
    const { status, headers, body, bodyError } = await sendRequest(dispatcher, {
      url,
      method,
      headers: requestHeaders,
      body: content === undefined || content === null ? null : String(content),
      timeout,
      maxBytes: (status) => (isFailure(status) ? maxFailureBytes : maxBytes),
    })
    const text = body === undefined ? '' : decoder.decode(body)
    if (isFailure(status) && !saysInvalidGrant(text)) {
      const retryAfter = readRetryAfter(headers, clock)
      throw providerUnavailable(`status ${status}`, { outage: 'overloaded', retryAfter })
    }
    if (body === undefined) throw bodyError
    return createResponse({
      status,
      getHeader: (name) => readHeader(headers, name),
      readText: () => text,
      readJson: () => JSON.parse(text),
    })
  }

  return {
    fetch: (url, init) =>
      call(url, init).catch((error: unknown) => {
        throw translateFetchError(error)
      }),
    triedProxies,
    close: () => dispatcher.close(),
  }
}

/** How the calls of a provider are made. */
export const toTransport = ({ clientAuth, timeout, forwardProxies }: ProviderConfig) => ({
  timeout,
  forwardProxies,
  certificate: toClientCertificate(clientAuth),
})

/** The certificate of a client that authenticates by mutual TLS (RFC 8705 2). */
const toClientCertificate = (clientAuth: ClientAuth): ClientCertificate | undefined =>
  clientAuth.method === 'tls_client_auth' ? { cert: clientAuth.certificate, key: clientAuth.key } : undefined

function translateFetchError(error: unknown): AppError {
  if (error instanceof AppError) return error
  const reason = toNetworkReason(error)
  // A firewall may end a connection because of what a single user sent.
  const outage = isConnectionLost(error) ? 'connection-lost' : 'no-answer'
  return providerUnavailable(reason, { outage, cause: error })
}

/** What the log says of a failed call: an error code or name, never a message, which may contain secrets. */
function toNetworkReason(error: unknown): string {
  if (error instanceof DOMException) return error.name === 'TimeoutError' ? 'deadline passed' : error.name
  return error instanceof Error ? toErrorCode(error) : 'unknown'
}

/** Whether a response means that the provider cannot answer now. */
const isFailure = (status: number) => status === 429 || status >= 500

/** Removes a byte order mark, as `Response` does. */
const decoder = new TextDecoder()

/** The value of a header; several are joined, as by `Headers`. */
function readHeader(headers: IncomingHttpHeaders, name: string): string | null {
  const value = headers[name]
  return Array.isArray(value) ? value.join(', ') : (value ?? null)
}

/** Whether a failure response says `invalid_grant` (RFC 6749 5.2): some providers do so with status 500. */
function saysInvalidGrant(text: string): boolean {
  try {
    const body: unknown = JSON.parse(text)
    const error = typeof body === 'object' && body !== null && 'error' in body ? body.error : undefined
    return typeof error === 'string' && isInvalidGrant(error)
  } catch {
    return false
  }
}

/** Seconds that the provider asks to wait: Retry-After (RFC 9110 10.2.3), or Okta's X-Rate-Limit-Reset. */
function readRetryAfter(headers: IncomingHttpHeaders, clock: Clock): number | undefined {
  const seconds = Number(headers['retry-after'] ?? Number.NaN)
  if (Number.isInteger(seconds) && seconds >= 0) return Math.min(seconds, maxRetryAfter)
  const reset = Number(headers['x-rate-limit-reset'] ?? Number.NaN)
  if (!Number.isInteger(reset)) return undefined
  return Math.min(Math.max(1, reset - Math.floor(clock.now() / 1000)), maxRetryAfter)
}
