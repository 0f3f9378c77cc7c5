/** What a `PorticoError` is made of. */
interface PorticoErrorOptions {
  status?: number
  requestId?: string | undefined
  retryAfter?: number | undefined
  cause?: unknown
}

/**
 * The only error of this client. `code` is stable: one of the server's (docs/http-api.md, Errors), or one of
 * the client's own:
 *
 * - `network_error`: no answer; the server or the network is down, or the page may not call it (CORS)
 * - `unexpected_response`: an answer that is not Portico's, such as the empty or HTML error of a proxy
 * - `user_changed`: another user signed in in this browser while the call was in progress
 * - `key_unavailable`: this browser cannot keep a key for `dpop`
 */
export class PorticoError extends Error {
  override readonly name = 'PorticoError'
  declare readonly code: string
  /** The HTTP status; 0 where no answer came. */
  declare readonly status: number
  /** By this id the operator finds out why: show it with the error. */
  declare readonly requestId: string | undefined
  /** Seconds to wait before the next attempt, where the server says so (RFC 9110 10.2.3). */
  declare readonly retryAfter: number | undefined

  constructor(code: string, message: string, { cause, ...details }: PorticoErrorOptions = {}) {
    super(message, { cause })
    Object.assign(this, { code, status: 0, ...details })
  }
}
