import { errors as jose } from 'jose'
import { ClientError, ResponseBodyError, WWWAuthenticateChallengeError } from 'openid-client'
import { AppError } from '../../errors.ts'
import { toLogText } from '../../telemetry/events.ts'
import { isClientRejection, isTemporary, requiresNewLogin } from './oauth-errors.ts'
import { redactProviderMessage } from './redact.ts'
import { ProviderUnavailable, prefixReason, providerUnavailable } from './unavailable.ts'

type TokenErrorCode =
  | 'invalid_id_token'
  | 'invalid_authorization_response'
  | 'invalid_access_token'
  | 'invalid_token_response'
  | 'invalid_userinfo'
  | 'invalid_logout_token'
  | 'invalid_token'

const details: Record<TokenErrorCode, string> = {
  invalid_id_token: 'The ID token the provider sent did not pass verification, so it was not used.',
  invalid_authorization_response:
    'The answer with which you came back from the provider did not pass verification, so it was not used.',
  invalid_access_token: 'The access token the provider sent did not pass verification, so it was not used.',
  invalid_token_response:
    'The provider sent a response that its protocol does not allow, so it was not used.',
  invalid_logout_token: 'The logout token did not pass verification, so no user was signed out.',
  invalid_token: 'The token of this call did not pass verification, so no user was signed out.',
  invalid_userinfo: 'The userinfo the provider sent did not pass verification, so it was not used.',
}

const clocks = 'The clocks of this server and of the provider may differ too much (OIDC_CLOCK_TOLERANCE).'

const checkCredentials = 'check OIDC_CLIENT_ID, OIDC_CLIENT_SECRET and OIDC_CLIENT_AUTH'

/** A token or response that failed a check of this server; `reason` names the check. */
export function tokenError(
  code: TokenErrorCode,
  reason: string,
  { isClockProblem = false, cause }: { isClockProblem?: boolean; cause?: unknown } = {},
): AppError {
  const detail = isClockProblem ? `${details[code]} ${clocks}` : details[code]
  return new AppError(code, detail, { reason, cause })
}

/** Translates what jose throws while it verifies a token. */
export function translateTokenError(
  error: unknown,
  code: Exclude<TokenErrorCode, 'invalid_token_response'>,
): AppError {
  if (error instanceof AppError) return error
  // Every other error there comes from key material that cannot be used.
  if (!(error instanceof jose.JOSEError)) {
    return tokenError(code, 'a published key cannot be used', { cause: error })
  }
  const claim = 'claim' in error && typeof error.claim === 'string' ? ` ${error.claim}` : ''
  const isMissing = 'reason' in error && error.reason === 'missing'
  const isClockProblem = !isMissing && (claim === ' exp' || claim === ' nbf' || claim === ' iat')
  const hint =
    error instanceof jose.JWSInvalid && code === 'invalid_access_token'
      ? ' (no JWT? then OIDC_ACCESS_TOKEN=opaque)'
      : ''
  return tokenError(code, `${error.code}${claim}${hint}`, { isClockProblem, cause: error })
}

/** A call to the provider, as the log names it. */
export type ProviderCall =
  | 'discovery'
  | 'pushed authorization request'
  | 'token endpoint'
  | 'token exchange'
  | 'userinfo'
  | 'revocation'

/**
 * Translates what openid-client throws in a call. The messages and causes of those errors contain tokens, so
 * `reason` takes over only codes, and the provider's own message without any of `secrets`.
 */
export function translateProviderError(
  error: unknown,
  call: ProviderCall,
  secrets: readonly string[] = [],
): AppError {
  if (error instanceof AppError) return error
  // openid-client wraps every error of the custom fetch.
  const cause = error instanceof Error ? error.cause : undefined
  if (cause instanceof ProviderUnavailable) return prefixReason(cause, call)
  if (cause instanceof AppError) return cause
  if (error instanceof ResponseBodyError) return translateErrorResponse(error, call, secrets)
  if (error instanceof WWWAuthenticateChallengeError) return translateChallenge(error, call, secrets)
  if (!(error instanceof ClientError)) {
    return new AppError('internal_error', 'The sign-in failed.', { cause: error })
  }
  const reason = `${call}: ${error.code ?? 'unknown'}${toHint(toFacts(error))}`
  const code = call === 'userinfo' ? 'invalid_userinfo' : 'invalid_token_response'
  return tokenError(code, reason, { cause: error })
}

/** Translates an error response (RFC 6749 5.2). */
function translateErrorResponse(
  error: ResponseBodyError,
  call: ProviderCall,
  secrets: readonly string[],
): AppError {
  const message = `${call}: ${redactProviderMessage(error.error, error.error_description, secrets)}`
  // For an exchange, it may mean an unknown audience (Keycloak): the same client has signed the user in.
  const isRejected =
    call !== 'token exchange' &&
    (isClientRejection(error.error) || (error.status === 401 && call !== 'userinfo'))
  const reason = isRejected && !requiresNewLogin(error.error) ? `${message}: ${checkCredentials}` : message
  if (isTemporary(error.error)) return providerUnavailable(reason, { outage: 'overloaded', cause: error })
  return providerRefusal(reason, error, error.error === 'invalid_grant')
}

/**
 * Translates a challenge (RFC 9110 11.6.1): userinfo rejects the access token, every other endpoint this
 * client's credentials (RFC 6749 5.2).
 */
function translateChallenge(
  error: WWWAuthenticateChallengeError,
  call: ProviderCall,
  secrets: readonly string[],
): AppError {
  const [{ scheme, parameters } = { scheme: 'unknown', parameters: {} }] = error.cause
  const message = redactProviderMessage(parameters.error, parameters.error_description, secrets)
  const hint = call === 'userinfo' ? message : checkCredentials
  const reason = `${call}: status ${error.status}, ${toLogText(scheme)} challenge`
  return providerRefusal(hint === '' ? reason : `${reason}: ${hint}`, error)
}

const providerRefusal = (reason: string, cause: Error, isCodeSpent = false) =>
  new AppError(
    'provider_error',
    isCodeSpent
      ? 'The provider no longer accepts this code: it expired or was used already. Please sign in again.'
      : 'The provider refused to finish this sign-in.',
    { reason, cause },
  )

/**
 * Whether the provider refuses a refresh permanently, so that the user has to sign in again (RFC 6749 5.2).
 */
export const isFinalRefreshRefusal = (error: unknown): boolean =>
  error instanceof ResponseBodyError && requiresNewLogin(error.error)

/** Errors for a token that the provider will never revoke: unknown, or of the wrong kind (RFC 7009 2.2.1). */
const finalRevocationRefusals = [
  'unsupported_token_type',
  'invalid_token',
  'invalid_grant',
  'invalid_request',
]

/** Whether the provider refuses a revocation permanently, so that trying again is of no use. */
export const isFinalRevocationRefusal = (error: unknown): boolean =>
  error instanceof ResponseBodyError && finalRevocationRefusals.includes(error.error)

/** Whether a signature could not be checked: the JWKS is unreachable or does not contain the key (yet). */
export const isKeyMissing = (error: AppError): boolean =>
  error.code === 'provider_unavailable' || error.cause instanceof jose.JWKSNoMatchingKey

/** The HTTP status of a response that openid-client refused for its status, or for the error in it. */
export function readStatus(error: unknown): number | undefined {
  if (error instanceof ResponseBodyError) return error.status
  if (!(error instanceof ClientError)) return undefined
  const facts = toFacts(error)
  return 'status' in facts && typeof facts.status === 'number' ? facts.status : undefined
}

/** Whether a response that openid-client refused contains neither an OAuth error nor a challenge. */
export const hasNoOAuthError = (error: unknown): boolean => error instanceof ClientError

/** What openid-client attaches to the cause of an error: the response, or the value that it refused. */
function toFacts(error: ClientError): object {
  const { cause } = error
  const facts = cause instanceof Error ? cause.cause : cause
  return typeof facts === 'object' && facts !== null ? facts : {}
}

function toHint(facts: object): string {
  if ('status' in facts) return ` (status ${String(facts.status)})`
  if (!('attribute' in facts)) return ''
  const { attribute } = facts
  const body = 'body' in facts && typeof facts.body === 'object' && facts.body !== null ? facts.body : {}
  return attribute === 'issuer' && 'issuer' in body
    ? ` (the document says issuer is ${toLogText(String(body.issuer))})`
    : ` (${String(attribute)})`
}
