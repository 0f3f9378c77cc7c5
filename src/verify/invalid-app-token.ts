import { errors } from 'jose'
import { DpopNonceNeeded, InvalidDpopProof } from '../app-token/dpop-proof.ts'

interface InvalidAppTokenOptions {
  code?: InvalidAppToken['code']
  nonce?: string
  cause?: unknown
}

/** The token, or its DPoP proof, is not valid for this API. `message` contains no secret and may be shown. */
export class InvalidAppToken extends Error {
  override readonly name = 'InvalidAppToken'
  /** The error code for the challenge of the response (RFC 6750 3.1, RFC 9449 7.1). */
  readonly code: 'invalid_token' | 'invalid_dpop_proof' | 'use_dpop_nonce'
  /** For the header `DPoP-Nonce` of the response, with the code `use_dpop_nonce`. */
  readonly nonce: string | undefined

  constructor(message: string, { code = 'invalid_token', nonce, cause }: InvalidAppTokenOptions = {}) {
    super(message, { cause })
    this.code = code
    this.nonce = nonce
  }
}

/**
 * Translates an error of the token or the proof. Other errors, such as one of the issuer's keys, stay as they
 * are.
 */
export function translateError(error: unknown, issuer: string): unknown {
  if (error instanceof DpopNonceNeeded) {
    return new InvalidAppToken(error.message, { code: 'use_dpop_nonce', nonce: error.nonce, cause: error })
  }
  if (error instanceof InvalidDpopProof) {
    return new InvalidAppToken(error.message, { code: 'invalid_dpop_proof', cause: error })
  }
  // A malformed JWKS is the issuer's fault, not the token's.
  if (!(error instanceof errors.JOSEError) || error instanceof errors.JWKSInvalid) return error
  return new InvalidAppToken(describe(error, issuer), { cause: error })
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
