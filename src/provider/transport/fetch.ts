import { Agent, request } from 'undici'
import type { Clock } from '../../clock.ts'
import type { ProviderConfig } from '../../config/providers/provider-config.ts'
import { AppError } from '../../errors.ts'
import { isInvalidGrant } from './oauth-errors.ts'
import { providerUnavailable } from './unavailable.ts'

/** The part of `fetch` that talking with a provider needs. */
export type ProviderFetch = (url: string, init: ProviderRequest) => Promise<Response>

/** What openid-client hands to a custom fetch. */
export interface ProviderRequest {
  method?: string
  headers?: Record<string, string>
  body?: unknown
  signal?: AbortSignal | undefined
}

interface ProviderFetchOptions {
  /** Deadline of one call in milliseconds, from its start to the last byte of the answer. */
  timeout: number
  clock: Clock
  /** A certificate to show to the provider, and its key, in PEM. */
  tls?: { cert: string; key: string }
}

/** The codes of a connection that ended before an answer: a filter in between may do so for what one person sent. */
const cuts: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'])

/** More than any discovery document, key set or token response needs. */
const maxBytes = 1_000_000

/** More than any error that says something. */
const maxFailureBytes = 16_384

/** Whether a failure says in the words of OAuth that a grant is over: some providers do with a status of 500. */
function endsGrant(bytes: Uint8Array): boolean {
  try {
    const body: unknown = JSON.parse(Buffer.from(bytes).toString())
    const error = typeof body === 'object' && body !== null && 'error' in body ? body.error : undefined
    return typeof error === 'string' && isInvalidGrant(error)
  } catch {
    return false
  }
}

/** Seconds a provider asks us to wait: Retry-After in seconds (RFC 9110 10.2.3) or Okta's X-Rate-Limit-Reset. */
function readRetryAfter(headers: Headers, clock: Clock): number | undefined {
  const seconds = Number(headers.get('retry-after') ?? Number.NaN)
  if (Number.isInteger(seconds) && seconds >= 0) return Math.min(seconds, 300)
  const reset = Number(headers.get('x-rate-limit-reset') ?? Number.NaN)
  if (!Number.isInteger(reset)) return undefined
  return Math.min(Math.max(1, reset - Math.floor(clock.now() / 1000)), 300)
}

async function readCapped(body: AsyncIterable<Uint8Array>, limit: number): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of body) {
    length += chunk.length
    if (length > limit) throw providerUnavailable(`answer larger than ${limit} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** The remark a failed call leaves in the log: an error code where there is one, never a text with contents. */
function toReason(error: unknown): string {
  if (error instanceof DOMException) return error.name === 'TimeoutError' ? 'deadline passed' : error.name
  if (error instanceof Error) {
    return 'code' in error && typeof error.code === 'string' ? error.code : error.name
  }
  return 'unknown'
}

/**
 * Creates the one way this server talks with a provider: a pool of kept-alive connections, a deadline and a size cap
 * for every call, redirects never followed. An answer of 429 or 5xx is no answer, unless it says that a grant is over.
 *
 * The returned function throws AppError `provider_unavailable`.
 */
export function createProviderFetch({ timeout, clock, tls }: ProviderFetchOptions): {
  fetch: ProviderFetch
  close(): Promise<void>
} {
  const agent = new Agent({ connections: 128, keepAliveTimeout: 30_000, connect: { timeout, ...tls } })

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
    const answerHeaders = new Headers(
      Object.entries(response.headers).flatMap(([name, value]) =>
        [value ?? []].flat().map((item): [string, string] => [name, item]),
      ),
    )
    const isFailure = status === 429 || status >= 500
    const bytes = await readCapped(response.body, isFailure ? maxFailureBytes : maxBytes).catch((error) => {
      if (isFailure) return Buffer.of()
      throw error
    })
    if (isFailure && !endsGrant(bytes)) {
      const retryAfter = readRetryAfter(answerHeaders, clock)
      throw providerUnavailable(`status ${status}`, {
        outage: 'overloaded',
        ...(retryAfter === undefined ? {} : { retryAfter }),
      })
    }
    const hasBody = status !== 204 && status !== 304
    return new Response(hasBody ? bytes : null, { status, headers: answerHeaders })
  }

  return {
    fetch: async (url, init) => {
      try {
        return await call(url, init)
      } catch (error) {
        if (error instanceof AppError) throw error
        const reason = toReason(error)
        throw providerUnavailable(reason, {
          outage: cuts.has(reason) ? 'connection-lost' : 'no-answer',
          cause: error,
        })
      }
    },
    close: () => agent.close(),
  }
}

/** The certificate that proves who we are where the client authenticates by mutual TLS (RFC 8705 2). */
export function toTls({ clientAuth }: ProviderConfig): { tls?: { cert: string; key: string } } {
  if (clientAuth.method !== 'tls_client_auth') return {}
  return { tls: { cert: clientAuth.certificate, key: clientAuth.key } }
}
