import { Agent, request } from 'undici'
import type { Clock } from '../../clock.ts'
import type { ProviderConfig } from '../../config/providers/provider-config.ts'
import { AppError } from '../../errors.ts'
import { isInvalidGrant } from './oauth-errors.ts'
import { providerUnavailable } from './unavailable.ts'

/** The part of `fetch` that requests to a provider need. */
export type ProviderFetch = (url: string, init: ProviderRequest) => Promise<Response>

/** What openid-client passes to a custom fetch. */
export interface ProviderRequest {
  method?: string
  headers?: Record<string, string>
  body?: unknown
  signal?: AbortSignal | undefined
}

/** A client certificate and its key, in PEM. */
interface ClientCertificate {
  cert: string
  key: string
}

interface ProviderFetchOptions {
  /** Deadline of one call in milliseconds, from its start to the last byte of the response. */
  timeout: number
  clock: Clock
  /** The certificate that this client authenticates with, if any. */
  certificate?: ClientCertificate | undefined
}

/** More than any discovery document, key set or token response needs. */
const maxBytes = 1_000_000

/** More than any useful error response needs. */
const maxFailureBytes = 16_384

/** Seconds; a longer wait that a provider asks for counts as this. */
const maxRetryAfter = 300

/** Connections that ended before a response: a firewall may do that because of what a single user sent. */
const connectionLost: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'])

/**
 * Creates the only way in which this server calls a provider: a pool of kept-alive connections, a deadline
 * and a size limit for every call, redirects never followed. A response of 429 or 5xx is an error, unless it
 * says `invalid_grant`.
 *
 * The returned function throws AppError `provider_unavailable`.
 */
export function createProviderFetch({ timeout, clock, certificate }: ProviderFetchOptions): {
  fetch: ProviderFetch
  close(): Promise<void>
} {
  const agent = new Agent({
    connections: 128,
    keepAliveTimeout: 30_000,
    connect: { timeout, ...certificate },
  })

  const call: ProviderFetch = async (url, { method = 'GET', headers = {}, body, signal }) => {
    const deadline = AbortSignal.timeout(timeout)
    const response = await request(url, {
      dispatcher: agent,
      method,
      headers,
      body: body === undefined || body === null ? null : String(body),
      signal: signal ? AbortSignal.any([signal, deadline]) : deadline,
    })
    const status = response.statusCode
    const responseHeaders = new Headers(
      Object.entries(response.headers).flatMap(([name, value]) =>
        [value ?? []].flat().map((item): [string, string] => [name, item]),
      ),
    )
    const isFailure = status === 429 || status >= 500
    const bytes = await readCapped(response.body, isFailure ? maxFailureBytes : maxBytes).catch((error) => {
      if (isFailure) return Buffer.of()
      throw error
    })
    if (isFailure && !saysInvalidGrant(bytes)) {
      const retryAfter = readRetryAfter(responseHeaders, clock)
      throw providerUnavailable(`status ${status}`, { outage: 'overloaded', retryAfter })
    }
    const hasBody = status !== 204 && status !== 304
    return new Response(hasBody ? bytes : null, { status, headers: responseHeaders })
  }

  return {
    fetch: (url, init) =>
      call(url, init).catch((error: unknown) => {
        throw translateFetchError(error)
      }),
    close: () => agent.close(),
  }
}

/** The certificate of a client that authenticates by mutual TLS (RFC 8705 2). */
export const toClientCertificate = ({ clientAuth }: ProviderConfig): ClientCertificate | undefined =>
  clientAuth.method === 'tls_client_auth' ? { cert: clientAuth.certificate, key: clientAuth.key } : undefined

function translateFetchError(error: unknown): AppError {
  if (error instanceof AppError) return error
  const reason = toNetworkReason(error)
  const outage = connectionLost.has(reason) ? 'connection-lost' : 'no-answer'
  return providerUnavailable(reason, { outage, cause: error })
}

/** What the log says of a failed call: an error code or name, never a message, which may contain secrets. */
function toNetworkReason(error: unknown): string {
  if (error instanceof DOMException) return error.name === 'TimeoutError' ? 'deadline passed' : error.name
  if (error instanceof Error) {
    return 'code' in error && typeof error.code === 'string' ? error.code : error.name
  }
  return 'unknown'
}

async function readCapped(body: AsyncIterable<Uint8Array>, limit: number): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of body) {
    length += chunk.length
    if (length > limit) throw providerUnavailable(`response larger than ${limit} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** Whether a failure response says `invalid_grant` (RFC 6749 5.2): some providers do so with status 500. */
function saysInvalidGrant(bytes: Uint8Array): boolean {
  try {
    const body: unknown = JSON.parse(Buffer.from(bytes).toString())
    const error = typeof body === 'object' && body !== null && 'error' in body ? body.error : undefined
    return typeof error === 'string' && isInvalidGrant(error)
  } catch {
    return false
  }
}

/** Seconds that the provider asks to wait: Retry-After (RFC 9110 10.2.3), or Okta's X-Rate-Limit-Reset. */
function readRetryAfter(headers: Headers, clock: Clock): number | undefined {
  const seconds = Number(headers.get('retry-after') ?? Number.NaN)
  if (Number.isInteger(seconds) && seconds >= 0) return Math.min(seconds, maxRetryAfter)
  const reset = Number(headers.get('x-rate-limit-reset') ?? Number.NaN)
  if (!Number.isInteger(reset)) return undefined
  return Math.min(Math.max(1, reset - Math.floor(clock.now() / 1000)), maxRetryAfter)
}
