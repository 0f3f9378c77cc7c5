import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import { providerUnavailable } from './unavailable.ts'

/** A request of this server; redirects are not followed. */
export interface OutgoingRequest {
  url: string
  method: string
  headers: Record<string, string>
  body: string | null
  /** Milliseconds from now to the last byte of the response. */
  timeout: number
  /** Bytes that a body may have, by the status of its response. */
  maxBytes(status: number): number
}

/** A response that has arrived. */
export interface ReceivedResponse {
  status: number
  headers: IncomingHttpHeaders
  /** Undefined where it is too large, or did not arrive as a whole in time; then `bodyError` says why. */
  body: Buffer | undefined
  bodyError?: unknown
}

/**
 * Sends a request and collects the response. On undici's lowest level, with one timer: its own `request`
 * makes a stream of each body, and an AbortSignal with a timeout costs more than sending the request.
 *
 * Rejects with undici's errors, and ProviderUnavailable where the deadline passes before the response starts.
 */
export function sendRequest(
  dispatcher: Dispatcher,
  { url, method, headers, body, timeout, maxBytes }: OutgoingRequest,
): Promise<ReceivedResponse> {
  const { promise, resolve, reject } = Promise.withResolvers<ReceivedResponse>()
  const { origin, pathname, search } = new URL(url)
  let controller: Dispatcher.DispatchController | undefined
  let started: Pick<ReceivedResponse, 'status' | 'headers'> | undefined
  let limit = 0
  let length = 0
  const chunks: Buffer[] = []
  let failure: Error | undefined

  const deadline = setTimeout(() => {
    // Before the request is sent, a firewall, a forward proxy or a full pool keeps it.
    const reason = controller === undefined ? 'deadline passed without a connection' : 'deadline passed'
    fail(providerUnavailable(reason, { outage: 'no-answer' }))
  }, timeout)

  /**
   * Gives up, and closes the connection: the rest of the response must not become that of another request.
   */
  function fail(error: Error): void {
    if (failure !== undefined) return
    failure = error
    clearTimeout(deadline)
    if (started === undefined) reject(error)
    else resolve({ ...started, body: undefined, bodyError: error })
    controller?.abort(error)
  }

  dispatcher.dispatch(
    { origin, path: `${pathname}${search}`, method, headers, body, headersTimeout: 0, bodyTimeout: 0 },
    {
      onRequestStart(startedController) {
        controller = startedController
        // It waited for a connection until the deadline: it must not be sent any more.
        if (failure !== undefined) controller.abort(failure)
      },
      onResponseStart(_controller, status, responseHeaders) {
        // Informational responses come first (RFC 9110 15.2); the last one counts.
        started = { status, headers: responseHeaders }
        limit = maxBytes(status)
      },
      onResponseData(_controller, chunk) {
        length += chunk.length
        if (length > limit) fail(providerUnavailable(`response larger than ${limit} bytes`))
        else chunks.push(chunk)
      },
      onResponseEnd() {
        clearTimeout(deadline)
        if (started !== undefined) resolve({ ...started, body: Buffer.concat(chunks, length) })
      },
      onResponseError: (_controller, error) => fail(error),
    },
  )
  return promise
}
