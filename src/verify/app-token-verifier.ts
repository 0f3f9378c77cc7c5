import { errors, type JSONWebKeySet, type JWTPayload } from 'jose'
import type { Clock } from '../clock.ts'
import { systemClock } from '../clock.ts'
import { createKeySource } from '../provider/key-source.ts'

/** The claims of a verified app token (RFC 9068 2.2). */
export interface AppTokenClaims extends JWTPayload {
  iss: string
  sub: string
  exp: number
  iat: number
  jti: string
  client_id: string
  /** Space-separated. */
  scope: string
  /** Public handle of the session the token speaks for. */
  sid: string
  groups?: string[]
}

export interface AppTokenVerifierOptions {
  /** Portico's PUBLIC_URL. */
  issuer: string
  /** The name this API goes by, one of APP_TOKEN_AUDIENCE; the issuer by default. */
  audience?: string
  /** Where the keys are; `{issuer}/.well-known/jwks.json` by default. */
  jwksUri?: string
  /** ES256 by default; name another where APP_TOKEN_ALG does. */
  algorithms?: string[]
  clock?: Clock
}

/** The token is not a valid app token for this API. `message` is safe to show. */
export class InvalidAppToken extends Error {
  override readonly name = 'InvalidAppToken'
}

/** Verifies an app token. Throws InvalidAppToken, or another error where the keys cannot be fetched. */
export type VerifyAppToken = (token: string) => Promise<AppTokenClaims>

const keyTimeout = 3_000

/** Creates the check a resource server makes: typ, signature, iss, aud, exp (RFC 9068 4). */
export function createAppTokenVerifier(options: AppTokenVerifierOptions): VerifyAppToken {
  const { issuer, audience = issuer, algorithms = ['ES256'], clock = systemClock } = options
  const jwksUri = options.jwksUri ?? `${issuer}/.well-known/jwks.json`
  const keys = createKeySource({
    clock,
    log: () => {},
    async fetchKeys() {
      const response = await fetch(jwksUri, { signal: AbortSignal.timeout(keyTimeout), redirect: 'error' })
      if (!response.ok) throw new Error(`The keys of ${issuer} answered with status ${response.status}`)
      return (await response.json()) as JSONWebKeySet
    },
  })

  return async (token) => {
    try {
      const claims = await keys.verify(token, {
        issuer,
        audience,
        algorithms,
        typ: 'at+jwt',
        requiredClaims: ['sub', 'exp', 'iat', 'jti', 'client_id', 'sid', 'scope'],
        clockTolerance: 5,
        currentDate: new Date(clock.now()),
      })
      return claims as AppTokenClaims
    } catch (error) {
      if (error instanceof errors.JOSEError) throw new InvalidAppToken(toMessage(error), { cause: error })
      throw error
    }
  }
}

function toMessage(error: errors.JOSEError): string {
  if (error instanceof errors.JWTExpired) return 'The token has expired'
  if (error instanceof errors.JWTClaimValidationFailed)
    return `The token's ${error.claim} is not accepted here`
  return 'The token does not verify'
}
