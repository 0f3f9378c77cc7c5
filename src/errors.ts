/**
 * Every error that Portico can respond with: its HTTP status and its title (RFC 9457 3.1). The codes are part
 * of the contract with SPA and API developers: code may depend on them, never on the texts.
 */
export const errors = {
  invalid_authorization_response: { status: 400, title: 'The answer of the provider does not verify' },
  invalid_dpop_proof: { status: 400, title: 'The DPoP proof is not accepted' },
  invalid_logout_token: { status: 400, title: 'The logout token is not accepted' },
  invalid_request: { status: 400, title: 'The request is malformed' },
  invalid_scope: { status: 400, title: 'The requested scope was not granted' },
  invalid_target: { status: 400, title: 'The requested audience is unknown' },
  issuer_mismatch: { status: 400, title: 'The response came from another provider' },
  login_transaction_expired: { status: 400, title: 'This sign-in took too long' },
  unknown_issuer: { status: 400, title: 'The sign-in was begun for an unknown provider' },
  use_dpop_nonce: { status: 400, title: 'The DPoP proof needs a nonce' },
  login_transaction_missing: { status: 400, title: 'No such sign-in is in progress in this browser' },
  invalid_client: { status: 401, title: 'Client authentication failed' },
  invalid_token: { status: 401, title: 'The bearer token is not accepted' },
  dpop_key_mismatch: { status: 401, title: 'This session is bound to another key' },
  consent_required: { status: 401, title: 'The provider needs your consent' },
  interaction_required: { status: 401, title: 'The provider needs you to interact with it' },
  login_required: { status: 401, title: 'You need to sign in' },
  session_expired: { status: 401, title: 'Your session has ended' },
  session_required: { status: 401, title: 'You are not signed in' },
  signed_out: { status: 401, title: 'You were signed out in the meantime' },
  unmet_authentication_requirements: { status: 401, title: 'A stronger or fresh sign-in is needed' },
  access_denied: { status: 403, title: 'The provider denied access' },
  insufficient_group: { status: 403, title: 'You are not in a group that may do this' },
  insufficient_scope: { status: 403, title: 'A required scope was not granted' },
  insufficient_authorization: { status: 403, title: 'The caller is not allowed to do this' },
  sign_in_refused: { status: 403, title: 'You may not sign in here' },
  csrf_check_failed: { status: 403, title: 'The request may come from another site' },
  not_found: { status: 404, title: 'Not found' },
  method_not_allowed: { status: 405, title: 'This address does not accept that method' },
  request_timeout: { status: 408, title: 'The request took too long' },
  conflict: { status: 409, title: 'This cannot be done now' },
  payload_too_large: { status: 413, title: 'The request body is too large' },
  unsupported_media_type: { status: 415, title: 'The request body has an unsupported type' },
  unprocessable: { status: 422, title: 'The request cannot be fulfilled here' },
  too_many_requests: { status: 429, title: 'Too many requests' },
  headers_too_large: { status: 431, title: 'The request headers are too large' },
  internal_error: { status: 500, title: 'Something went wrong on our side' },
  upstream_unavailable: { status: 502, title: 'The API behind this server cannot be reached' },
  dev_server_unavailable: { status: 502, title: 'The dev server of the app does not answer' },
  upstream_timeout: { status: 504, title: 'The API behind this server does not answer' },
  invalid_access_token: { status: 502, title: 'The provider sent an access token that does not verify' },
  invalid_id_token: { status: 502, title: 'The provider sent an ID token that does not verify' },
  invalid_userinfo: { status: 502, title: 'The provider sent userinfo that cannot be trusted' },
  invalid_token_response: { status: 502, title: 'The provider sent a malformed response' },
  provider_error: { status: 502, title: 'The provider refused the request' },
  provider_unavailable: { status: 503, title: 'The provider cannot be used right now' },
  store_unavailable: { status: 503, title: 'The session store does not answer' },
} as const satisfies Record<string, { status: number; title: string }>

/** A stable error code of the HTTP contract. */
export type ErrorCode = keyof typeof errors

/** All codes. */
export const errorCodes = Object.keys(errors) as ErrorCode[]

/** Whether a value, such as one from a sealed record, is one of the codes above. */
export const isErrorCode = (code: unknown): code is ErrorCode =>
  typeof code === 'string' && Object.hasOwn(errors, code)

interface AppErrorOptions {
  /** For the log: our own words or redacted ones of the provider, never a token, a code or a raw text. */
  reason?: string | undefined
  /** Seconds to wait before the next attempt (the Retry-After header, RFC 9110 10.2.3). */
  retryAfter?: number | undefined
  /** Headers that the response carries with the problem document, such as Allow. */
  headers?: Readonly<Record<string, string>> | undefined
  cause?: unknown
}

/**
 * An error with a stable code. `detail` is shown to the caller; `reason` and `cause` never leave the server.
 */
export class AppError extends Error {
  override readonly name: string = 'AppError'
  readonly code: ErrorCode
  readonly status: number
  readonly title: string
  readonly detail: string
  readonly reason: string | undefined
  readonly headers: Record<string, string>
  /** Seconds to wait, where the wait is known. */
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
    this.headers = wait === undefined ? { ...headers } : { ...headers, 'Retry-After': String(wait) }
  }
}

/** For a browser whose cookie is valid but whose session no longer exists. */
export const sessionExpired = (): AppError =>
  new AppError('session_expired', 'This session has ended. Sign in again.')

/** For a user whose access token the provider refuses, while the session has none to replace it. */
export const accessTokenRefused = (): AppError =>
  new AppError('login_required', 'The provider no longer accepts your access token. Sign in again.')

/**
 * What the log may say about an error of Node or of a library: its code, or its name where it has none. Its
 * message may contain secrets, or name an inner host.
 */
export const toErrorCode = (error: Error): string =>
  'code' in error && typeof error.code === 'string' ? error.code : error.name

const lostConnection: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'])

/** Whether a request failed because its connection ended before a response. */
export const isConnectionLost = (error: unknown): boolean =>
  error instanceof Error && lostConnection.has(toErrorCode(error))

/** A logout of the same browser or user happened while this sign-in was in progress; the logout wins. */
export const signedOut = (): AppError =>
  new AppError('signed_out', 'You were signed out while this sign-in was in progress. Please sign in again.')

/**
 * Returns what the log may say about an error: the reason or the code of an AppError. The message of any
 * other error may contain secrets, so that `fallback` takes its place.
 */
export const toLogReason = (error: unknown, fallback: string): string =>
  error instanceof AppError ? (error.reason ?? error.code) : fallback

/** What the log may say about a defect: its name, and where it is. The message may contain secrets. */
export function toLogDefect(error: unknown): { error: string; frames: string[] } {
  const lines = error instanceof Error ? (error.stack ?? '').split('\n') : []
  const frames = lines.filter((line) => /^\s+at /.test(line)).slice(0, 12)
  return {
    error: error instanceof Error ? error.name : typeof error,
    frames: frames.map((line) => line.trim()),
  }
}
