import { errors as jose } from 'jose'
import { ClientError, ResponseBodyError, WWWAuthenticateChallengeError } from 'openid-client'
import { AppError } from '../errors.ts'
import { toLogText } from '../telemetry/logger.ts'
import { toRemark } from './remark.ts'

const clocks = 'Check the clocks of this server and of the provider: they may differ by 30 seconds at most.'

type TokenErrorCode =
  | 'invalid_id_token'
  | 'invalid_access_token'
  | 'invalid_token_response'
  | 'invalid_userinfo'
  | 'invalid_logout_token'
  | 'invalid_token'

const details: Record<TokenErrorCode, string> = {
  invalid_id_token: 'The ID token the provider sent did not pass verification, so nobody was signed in.',
  invalid_access_token:
    'The access token the provider sent did not pass verification, so nobody was signed in.',
  invalid_token_response:
    'The provider answered with something that its protocol does not allow, so nobody was signed in.',
  invalid_logout_token: 'The logout token did not pass verification, so nobody was signed out.',
  invalid_token: 'The token of this call did not pass verification, so nobody was signed out.',
  invalid_userinfo: 'What the provider said about the person did not pass verification, so it was not used.',
}

/** A token that failed one of our own checks; `reason` says which, in words of ours. */
export function createTokenError(
  code: TokenErrorCode,
  reason: string,
  { isClockProblem = false, cause }: { isClockProblem?: boolean; cause?: unknown } = {},
): AppError {
  const detail = isClockProblem ? `${details[code]} ${clocks}` : details[code]
  return new AppError(code, detail, { reason, cause })
}

/** Translates what jose throws while it verifies a token. */
export function toTokenError(
  error: unknown,
  code: Exclude<TokenErrorCode, 'invalid_token_response'>,
): AppError {
  if (error instanceof AppError) return error
  // Everything else that can be thrown there comes from key material that no one can use.
  if (!(error instanceof jose.JOSEError)) {
    return createTokenError(code, 'a published key cannot be used', { cause: error })
  }
  const claim = 'claim' in error && typeof error.claim === 'string' ? ` ${error.claim}` : ''
  const isClockProblem = claim === ' exp' || claim === ' nbf' || claim === ' iat'
  const hint =
    error instanceof jose.JWSInvalid && code === 'invalid_access_token'
      ? ' (no JWT? then OIDC_ACCESS_TOKEN=opaque)'
      : ''
  return createTokenError(code, `${error.code}${claim}${hint}`, { isClockProblem, cause: error })
}

/**
 * Translates what openid-client throws; the only place that knows its errors. Their texts and causes hold tokens, so
 * nothing of them goes into `reason` but codes, and the provider's own remark without any of `secrets`.
 */
export function toAppError(error: unknown, secrets: readonly string[] = []): AppError {
  if (error instanceof AppError) return error
  // openid-client wraps whatever our own fetch throws.
  if (error instanceof Error && error.cause instanceof AppError) return error.cause
  if (error instanceof ResponseBodyError) return toProviderError(error, secrets)
  if (error instanceof WWWAuthenticateChallengeError) return toChallengeError(error)
  if (!(error instanceof ClientError)) {
    return new AppError('internal_error', 'The sign-in failed.', { cause: error })
  }
  const facts = toFacts(error)
  if (error.code === 'OAUTH_JWT_TIMESTAMP_CHECK_FAILED') {
    return createTokenError('invalid_id_token', error.code, { isClockProblem: true, cause: error })
  }
  if ('header' in facts) {
    return createTokenError('invalid_id_token', 'its alg is not OIDC_ID_TOKEN_ALG', { cause: error })
  }
  const code = 'claims' in facts ? 'invalid_id_token' : 'invalid_token_response'
  return createTokenError(code, `${error.code ?? 'unknown'}${toHint(facts)}`, { cause: error })
}

/** Whether the provider refuses a refresh token for good: expired, revoked, or used before (RFC 6749 5.2). */
export const isInvalidGrant = (error: unknown): boolean =>
  error instanceof ResponseBodyError && error.error === 'invalid_grant'

/** What a provider says of a token that it will never revoke: of the wrong kind (RFC 7009 2.2.1), or not known to it. */
const finalRefusals = ['unsupported_token_type', 'invalid_token', 'invalid_grant', 'invalid_request']

/** Whether asking the provider to revoke a token is of no use, now or later. */
export const isUnrevocable = (error: unknown): boolean =>
  error instanceof ResponseBodyError && finalRefusals.includes(error.error)

/** Whether nobody can tell if a token is good: the keys cannot be had, or do not (yet) hold the one it names. */
export const isKeyMissing = (error: unknown): error is AppError =>
  error instanceof AppError &&
  (error.code === 'provider_unavailable' || error.cause instanceof jose.JWKSNoMatchingKey)

/** openid-client tells a bad token from a bad answer only by what it attaches to the cause. */
function toFacts(error: ClientError): object {
  const { cause } = error
  const facts = cause instanceof Error ? cause.cause : cause
  return typeof facts === 'object' && facts !== null ? facts : {}
}

function toHint(facts: object): string {
  if ('claim' in facts) return ` (${String(facts.claim)})`
  if ('status' in facts) return ` (status ${String(facts.status)})`
  const body = 'body' in facts && typeof facts.body === 'object' && facts.body !== null ? facts.body : {}
  if ('access_token' in body && !('id_token' in body)) return ' (no id_token: is openid allowed?)'
  if (!('attribute' in facts)) return ''
  const { attribute } = facts
  return attribute === 'issuer' && 'issuer' in body
    ? ` (the document says issuer is ${toLogText(String(body.issuer))})`
    : ` (${String(attribute)})`
}

/** A 401 with a challenge, of the token endpoint to our credentials (RFC 6749 5.2). */
function toChallengeError(error: WWWAuthenticateChallengeError): AppError {
  const scheme = error.cause[0]?.scheme ?? 'unknown'
  const hint = 'check OIDC_CLIENT_ID, OIDC_CLIENT_SECRET and OIDC_CLIENT_AUTH'
  return new AppError('provider_error', 'The provider refused to finish this sign-in.', {
    reason: `status ${error.status}, ${toLogText(scheme)} challenge: ${hint}`,
    cause: error,
  })
}

function toProviderError(error: ResponseBodyError, secrets: readonly string[]): AppError {
  const detail =
    error.error === 'invalid_grant'
      ? 'The provider no longer accepts this code: it expired or was used already. Please sign in again.'
      : 'The provider refused to finish this sign-in.'
  return new AppError('provider_error', detail, {
    reason: toRemark(error.error, error.error_description, secrets),
    cause: error,
  })
}
