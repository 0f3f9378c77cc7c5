import { PorticoError } from './errors.ts'
import type { GetDpopKey } from './lazy-key.ts'

/** A call of Portico's HTTP API. */
export interface CallOptions {
  method?: 'GET' | 'POST' | 'DELETE'
  /** Sent as JSON. */
  body?: object
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

/** Creates the function that calls the Portico at an origin; an empty one is the page's own. */
export function createCall(origin: string): Call {
  return async function call<Answer>(
    path: string,
    { method = 'GET', body, getKey }: CallOptions = {},
  ): Promise<Answer> {
    const url = new URL(`/api/${path}`, origin || location.href)
    const key = await getKey?.()
    const send = async () => {
      const proof = await key?.prove(url, method)
      const response = await fetch(url, {
        method,
        credentials: 'include',
        headers: {
          'X-CSRF': '1',
          ...(body && { 'Content-Type': 'application/json' }),
          ...(proof && { DPoP: proof }),
        },
        body: body ? JSON.stringify(body) : null,
        signal: AbortSignal.timeout(timeout),
      }).catch(throwNetworkError)
      key?.noteNonce(url, response)
      return readAnswer<Answer>(response)
    }
    return send().catch((error: PorticoError) => {
      // The server wants its own time in the proof (RFC 9449 8); the answer brought it.
      if (key && error.code === 'use_dpop_nonce') return send()
      throw error
    })
  }
}

async function readAnswer<Answer>(response: Response): Promise<Answer> {
  const { status, ok, headers } = response
  if (status === 204) return undefined as Answer
  const text = await response.text().catch(throwNetworkError)
  const answer = parseObject(text)
  if (ok && answer) return answer as Answer
  const isRefusal = typeof answer?.code === 'string'
  throw new PorticoError(
    isRefusal ? String(answer.code) : 'unexpected_response',
    isRefusal
      ? String(answer.detail ?? answer.title)
      : `The answer (status ${status}) is not Portico's: a proxy may be in between, or /api may not lead to Portico.`,
    {
      status,
      requestId: headers.get('X-Request-Id') ?? undefined,
      retryAfter: Number(headers.get('Retry-After')) || undefined,
    },
  )
}

/** Returns the object in a JSON text; undefined for anything else, such as HTML. */
function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

function throwNetworkError(cause: unknown): never {
  throw new PorticoError('network_error', 'Portico does not answer, or this browser is offline.', { cause })
}
