/**
 * Every refusal Portico can answer with: its HTTP status and its title (RFC 9457). The codes are part of the
 * contract with SPA and API developers: branch on them, never on texts.
 */
const errors = {
  invalid_dpop_proof: { status: 400, title: 'The DPoP proof is not accepted' },
  invalid_logout_token: { status: 400, title: 'The logout token is not accepted' },
  invalid_request: { status: 400, title: 'The request is malformed' },
  invalid_scope: { status: 400, title: 'The requested scope was not granted' },
  invalid_target: { status: 400, title: 'The requested audience is unknown' },
  issuer_mismatch: { status: 400, title: 'The answer came from another provider' },
  login_transaction_expired: { status: 400, title: 'This sign-in took too long' },
  login_transaction_missing: { status: 400, title: 'No such sign-in is in progress here' },
  invalid_client: { status: 401, title: 'The caller is not known' },
  invalid_token: { status: 401, title: 'The token of the call is not accepted' },
  consent_required: { status: 401, title: 'The provider needs your consent' },
  interaction_required: { status: 401, title: 'The provider needs you to interact with it' },
  login_required: { status: 401, title: 'You need to sign in' },
  session_expired: { status: 401, title: 'Your session has ended' },
  session_required: { status: 401, title: 'You are not signed in' },
  signed_out: { status: 401, title: 'You were signed out meanwhile' },
  unmet_authentication_requirements: { status: 401, title: 'A stronger or fresh sign-in is needed' },
  access_denied: { status: 403, title: 'The provider denied access' },
  insufficient_authorization: { status: 403, title: 'The caller may not do this' },
  csrf_check_failed: { status: 403, title: 'The request may come from another site' },
  not_found: { status: 404, title: 'There is nothing here' },
  method_not_allowed: { status: 405, title: 'This address does not take that method' },
  request_timeout: { status: 408, title: 'The request took too long' },
  payload_too_large: { status: 413, title: 'The request body is too large' },
  unsupported_media_type: { status: 415, title: 'The request body has an unsupported type' },
  unprocessable: { status: 422, title: 'The request cannot be fulfilled here' },
  too_many_requests: { status: 429, title: 'Too many requests' },
  headers_too_large: { status: 431, title: 'The request headers are too large' },
  internal_error: { status: 500, title: 'Something went wrong on our side' },
  invalid_access_token: { status: 502, title: 'The provider sent an access token that does not verify' },
  invalid_id_token: { status: 502, title: 'The provider sent an ID token that does not verify' },
  invalid_userinfo: { status: 502, title: 'The provider sent userinfo that cannot be trusted' },
  invalid_token_response: { status: 502, title: 'The provider sent a malformed answer' },
  provider_error: { status: 502, title: 'The provider refused the request' },
  provider_unavailable: { status: 503, title: 'The provider cannot be used right now' },
  store_unavailable: { status: 503, title: 'The session store does not answer' },
} as const satisfies Record<string, { status: number; title: string }>

/** A stable error code of the HTTP contract. */
export type ErrorCode = keyof typeof errors

export const isErrorCode = (code: unknown): code is ErrorCode =>
  typeof code === 'string' && Object.hasOwn(errors, code)

interface AppErrorOptions {
  /** What the log may say: words of ours or a sanitized remark, never a token, a code or a provider's raw text. */
  reason?: string | undefined
  /** Seconds to wait before another try (the Retry-After header, RFC 9110 10.2.3). */
  retryAfter?: number | undefined
  /** Headers the answer carries beside the problem document, such as Allow. */
  headers?: Record<string, string>
  cause?: unknown
}

/** A refusal with a stable code. `detail` is shown to the caller; `reason` and `cause` never leave the server. */
export class AppError extends Error {
  override readonly name: string = 'AppError'
  readonly code: ErrorCode
  readonly status: number
  readonly title: string
  readonly detail: string
  readonly reason: string | undefined
  readonly headers: Record<string, string>
  /** Seconds, where the one who refused us said so. */
  readonly retryAfter: number | undefined

  constructor(code: ErrorCode, detail: string, { reason, retryAfter, headers, cause }: AppErrorOptions = {}) {
    super(detail, { cause })
    this.code = code
    this.status = errors[code].status
    this.title = errors[code].title
    this.detail = detail
    this.reason = reason
    this.retryAfter = retryAfter
    const wait = retryAfter ?? (this.status === 503 ? 5 : undefined)
    this.headers = { ...headers, ...(wait === undefined ? {} : { 'Retry-After': String(wait) }) }
  }
}

/** A logout of the same browser or person came while this sign-in was under way, and wins. */
export const signedOut = (): AppError =>
  new AppError('signed_out', 'You were signed out while this sign-in was under way. Please sign in again.')
