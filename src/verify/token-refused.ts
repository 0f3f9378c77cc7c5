import { errors } from 'jose'
import { DpopNonceNeeded, InvalidDpopProof } from '../app-token/dpop-proof.ts'
import { type Scheme, toChallenge } from './challenge.ts'

/** Why a request is refused, with the status of the answer. */
const statuses = {
  missing_token: 401,
  /** RFC 6750 3.1. */
  invalid_token: 401,
  /** RFC 9449 7.1. */
  invalid_dpop_proof: 401,
  /** RFC 9449 9. */
  use_dpop_nonce: 401,
  /** RFC 9470 3. */
  insufficient_user_authentication: 401,
  /** RFC 6750 3.1. */
  insufficient_scope: 403,
  missing_group: 403,
  /** The issuer's keys, or its introspection, could not be reached. */
  temporarily_unavailable: 503,
} as const

interface TokenRefusedOptions {
  challenges?: readonly string[]
  /** For the header `DPoP-Nonce`. */
  nonce?: string
  cause?: unknown
}

/**
 * The request must not pass: `status`, `headers` and `body` are the answer, ready to be sent. Nothing in it
 * is secret. `cause` says more to the developer, and is not for the answer.
 */
export class TokenRefused extends Error {
  override readonly name = 'TokenRefused'
  readonly status: 401 | 403 | 503
  readonly code: keyof typeof statuses
  /** With a challenge in `WWW-Authenticate` where another token or another sign-in would help. */
  readonly headers: Readonly<Record<string, string>>
  /** A problem document, as JSON (RFC 9457). */
  readonly body: string

  constructor(
    code: keyof typeof statuses,
    title: string,
    { challenges = [], nonce, cause }: TokenRefusedOptions = {},
  ) {
    super(title, { cause })
    this.code = code
    this.status = statuses[code]
    this.headers = {
      'Content-Type': 'application/problem+json',
      ...(challenges.length === 0 ? {} : { 'WWW-Authenticate': challenges.join(', ') }),
      ...(nonce === undefined ? {} : { 'DPoP-Nonce': nonce }),
    }
    this.body = JSON.stringify({ type: 'about:blank', title, status: this.status, code })
  }
}

/** Refuses a request without a token: with the schemes that this API accepts, and no error (RFC 6750 3.1). */
export function refuseAnonymous(schemes: readonly Scheme[]): TokenRefused {
  const challenges = schemes.map((scheme) => toChallenge(scheme))
  return new TokenRefused('missing_token', 'An app token is required', { challenges })
}

/** Refuses a token, with a challenge that says why; `parameters` are added to it. */
export function refuseToken(
  code: TokenRefused['code'],
  title: string,
  {
    scheme,
    parameters = {},
    ...options
  }: { scheme: Scheme; parameters?: Record<string, string>; nonce?: string; cause?: unknown },
): TokenRefused {
  const challenge = toChallenge(scheme, { error: code, error_description: title, ...parameters })
  return new TokenRefused(code, title, { challenges: [challenge], ...options })
}

/**
 * Translates what a verification threw. What is no fault of the token or of its proof is one of the issuer,
 * or of the way to it.
 */
export function toRefusal(
  error: unknown,
  { scheme, issuer }: { scheme: Scheme; issuer: string },
): TokenRefused {
  if (error instanceof TokenRefused) return error
  if (error instanceof DpopNonceNeeded) {
    return refuseToken('use_dpop_nonce', error.message, { scheme, nonce: error.nonce, cause: error })
  }
  if (error instanceof InvalidDpopProof) {
    return refuseToken('invalid_dpop_proof', error.message, { scheme, cause: error })
  }
  // A malformed JWKS is the issuer's fault, not the token's.
  if (error instanceof errors.JOSEError && !(error instanceof errors.JWKSInvalid)) {
    return refuseToken('invalid_token', describe(error, issuer), { scheme, cause: error })
  }
  return new TokenRefused('temporarily_unavailable', 'The token cannot be checked right now', {
    cause: error,
  })
}

function describe(error: errors.JOSEError, issuer: string): string {
  if (error instanceof errors.JWTExpired) return 'The token has expired'
  if (error instanceof errors.JWTClaimValidationFailed) {
    // Mostly a setting of the API: the issuer is PUBLIC_URL, as browsers know it.
    if (error.claim === 'iss') return `The token's iss is not ${issuer}`
    return `The token's ${error.claim} is not accepted here`
  }
  return 'The token does not verify'
}
