import { PorticoError } from './errors.ts'
import type { GetDpopKey } from './tokens/lazy-key.ts'

/** A call of Portico's HTTP API. */
export interface CallOptions {
  method?: 'GET' | 'POST' | 'DELETE'
  /** Sent as JSON. */
  body?: object
  /** What each answer of Portico to this call has: without it, the answer is that of another server. */
  has?: string
  /** The key whose proof goes with the call (RFC 9449 4.1). */
  getKey?: GetDpopKey | undefined
}

/**
 * Calls Portico's HTTP API and returns the JSON of the answer.
 *
 * @throws PorticoError
 */
export type Call = <Answer>(path: string, options?: CallOptions) => Promise<Answer>

/** Milliseconds after which a call counts as unanswered: a hanging one must not block the other tabs. */
const timeout = 60_000

/** Creates the function that calls the Portico whose addresses begin with `api`. */
export function createCall(api: string): Call {
  return async function call<Answer>(
    path: string,
    { method = 'GET', body, has, getKey }: CallOptions = {},
  ): Promise<Answer> {
    const url = new URL(`${api}/${path}`, location.href)
    const key = await getKey?.()
    const send = async () => {
      const proof = await key?.prove(url, method)
      const response = await fetch(url, {
        method,
        credentials: 'include',
        // For its cache, Chromium lets a request wait for one of the same address, also in another tab.
        cache: 'no-store',
        headers: {
          'X-CSRF': '1',
          ...(body && { 'Content-Type': 'application/json' }),
          ...(proof && { DPoP: proof }),
        },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(timeout),
      }).catch(throwNetworkError)
      key?.noteNonce(url, response)
      return readAnswer<Answer>(response, has)
    }
    return send().catch((error: PorticoError) => {
      // The server wants its own time in the proof (RFC 9449 8); the answer brought it.
      if (key && error.code === 'use_dpop_nonce') return send()
      throw error
    })
  }
}

async function readAnswer<Answer>(response: Response, has: string | undefined): Promise<Answer> {
  const { status, ok, headers } = response
  if (status === 204) return undefined as Answer
  const text = await response.text().catch(throwNetworkError)
  const answer = parseObject(text)
  if (ok && answer && (!has || has in answer)) return answer as Answer
  const { code, detail } = answer ?? {}
  const details = {
    status,
    requestId: headers.get('X-Request-Id') ?? undefined,
    retryAfter: Number(headers.get('Retry-After')) || undefined,
  }
  if (typeof code !== 'string') {
    // Below 500, a web server has answered in Portico's place, mostly with the page of the app.
    const problem = status < 500 ? 'Another server answers here' : 'The server is not available'
    throw new PorticoError('unexpected_response', `${problem} (status ${status}).`, details)
  }
  throw new PorticoError(code, String(detail), details)
}

/** Returns the object in a JSON text; null for anything else, such as HTML. */
function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' ? (value as Record<string, unknown> | null) : null
  } catch {
    return null
  }
}

/** Nothing answered, unless the app itself has aborted the request. */
export function throwNetworkError(cause: Error): never {
  if (cause.name === 'AbortError') throw cause
  throw new PorticoError('network_error', 'The server is not available, or you are offline.', { cause })
}
