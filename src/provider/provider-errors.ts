import { errors as jose } from 'jose'
import { ClientError, ResponseBodyError, WWWAuthenticateChallengeError } from 'openid-client'
import { AppError, type ErrorCode } from '../errors.ts'
import { toLogText } from '../telemetry/logger.ts'

const clocks = 'Check the clocks of this server and of the provider: they may differ by 30 seconds at most.'

const details: Partial<Record<ErrorCode, string>> = {
  invalid_id_token: 'The ID token the provider sent did not pass verification, so nobody was signed in.',
  invalid_access_token:
    'The access token the provider sent did not pass verification, so nobody was signed in.',
  invalid_token_response:
    'The provider answered with something that its protocol does not allow, so nobody was signed in.',
}

/** A token that failed one of our own checks; `reason` says which, in words of ours. */
export function createTokenError(
  code: 'invalid_id_token' | 'invalid_access_token' | 'invalid_token_response',
  reason: string,
  { isClockProblem = false, cause }: { isClockProblem?: boolean; cause?: unknown } = {},
): AppError {
  const detail = [details[code] ?? '', ...(isClockProblem ? [clocks] : [])].join(' ')
  return new AppError(code, detail, { reason, cause })
}

/** Translates what jose throws while it verifies a token. */
export function toTokenError(error: unknown, code: 'invalid_id_token' | 'invalid_access_token'): AppError {
  if (error instanceof AppError) return error
  if (!(error instanceof jose.JOSEError))
    return new AppError('internal_error', 'Verification failed.', { cause: error })
  const claim = 'claim' in error && typeof error.claim === 'string' ? ` ${error.claim}` : ''
  const isClockProblem = claim === ' exp' || claim === ' nbf' || claim === ' iat'
  return createTokenError(code, `${error.code}${claim}`, { isClockProblem, cause: error })
}

/**
 * Translates what openid-client throws while it exchanges a code; the only place that knows its errors. Their
 * texts and causes hold tokens, so nothing of them goes into `reason` but codes.
 */
export function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error
  // openid-client wraps whatever our own fetch throws.
  if (error instanceof Error && error.cause instanceof AppError) return error.cause
  if (error instanceof ResponseBodyError) return toProviderError(error)
  if (error instanceof WWWAuthenticateChallengeError) {
    return new AppError('provider_error', 'The provider refused to finish this sign-in.', {
      reason: `refused its own access token with status ${error.status}`,
      cause: error,
    })
  }
  if (!(error instanceof ClientError)) {
    return new AppError('internal_error', 'The sign-in failed.', { cause: error })
  }
  const facts = toFacts(error)
  if (error.code === 'OAUTH_JWT_TIMESTAMP_CHECK_FAILED') {
    return createTokenError('invalid_id_token', error.code, { isClockProblem: true, cause: error })
  }
  const code = 'claims' in facts || 'header' in facts ? 'invalid_id_token' : 'invalid_token_response'
  return createTokenError(code, error.code ?? 'unknown', { cause: error })
}

/** openid-client tells a bad token from a bad answer only by what it attaches to the cause. */
function toFacts(error: ClientError): object {
  const { cause } = error
  const facts = cause instanceof Error ? cause.cause : cause
  return typeof facts === 'object' && facts !== null ? facts : {}
}

function toProviderError(error: ResponseBodyError): AppError {
  const description = error.error_description === undefined ? '' : `: ${error.error_description}`
  const detail =
    error.error === 'invalid_grant'
      ? 'The provider no longer accepts this code: it expired or was used already. Please sign in again.'
      : 'The provider refused to finish this sign-in.'
  return new AppError('provider_error', detail, {
    reason: toLogText(`${error.error}${description}`),
    cause: error,
  })
}
