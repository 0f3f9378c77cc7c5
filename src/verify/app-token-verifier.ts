import { errors, type JSONWebKeySet, type JWTPayload } from 'jose'
import { createDpopVerifier, InvalidDpopProof, type ProvenRequest } from '../app-token/dpop-proof.ts'
import { type Clock, systemClock } from '../clock.ts'
import { createExpiringMap } from '../expiring-map.ts'
import { createJwksCache } from '../jwks/jwks-cache.ts'
import { createIntrospectionClient, type IntrospectionOptions } from './introspection.ts'

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
  /** The provider whose word the user claims are, `groups` too: its name in PROVIDERS_FILE, or `default`. */
  idp?: string
  groups?: string[]
  /** The key the token is bound to, if it is (RFC 9449 6.1). */
  cnf?: { jkt?: string }
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
  /**
   * Remembers DPoP proofs: true the first time a key is seen within `lifetime` milliseconds. By default this process
   * does; several replicas of an API share it through a store of theirs.
   */
  reserveProof?: (key: string, lifetime: number) => Promise<boolean>
  /** Asks Portico whether the session is still alive, so that a logout counts at once; without it, a token is good until it expires. */
  introspection?: IntrospectionOptions
  clock?: Clock
}

/** The token, or the proof that came with it, is not valid for this API. `message` is safe to show. */
export class InvalidAppToken extends Error {
  override readonly name = 'InvalidAppToken'
  /** The error code of the challenge (RFC 6750 3.1, RFC 9449 7.1). */
  readonly code: 'invalid_token' | 'invalid_dpop_proof'

  constructor(
    message: string,
    { code = 'invalid_token', cause }: { code?: InvalidAppToken['code']; cause?: unknown } = {},
  ) {
    super(message, { cause })
    this.code = code
  }
}

/** A DPoP proof and the request it was made for: its method, and its address without query. */
export interface PresentedProof extends Pick<ProvenRequest, 'method' | 'url'> {
  proof: string
}

/**
 * Verifies an app token. A token that is bound to a key passes only with a proof of that key, and a proof only with a
 * token bound to its key (RFC 9449 7.1). Throws InvalidAppToken, or another error where the keys, or an introspection that
 * was asked for, cannot be had.
 */
export type VerifyAppToken = (token: string, presented?: PresentedProof) => Promise<AppTokenClaims>

const keyTimeout = 3_000

/** Creates the check a resource server makes: typ, signature, iss, aud, exp (RFC 9068 4). */
export function createAppTokenVerifier(options: AppTokenVerifierOptions): VerifyAppToken {
  assertOrigin('issuer', options.issuer)
  const { issuer, audience = issuer, algorithms = ['ES256'], clock = systemClock } = options
  const jwksUri = options.jwksUri ?? `${issuer}/.well-known/jwks.json`
  const keys = createJwksCache({
    clock,
    log: () => {},
    async fetchKeys() {
      const response = await fetch(jwksUri, { signal: AbortSignal.timeout(keyTimeout), redirect: 'error' })
      if (!response.ok) throw new Error(`The keys of ${issuer} answered with status ${response.status}`)
      const keySet = (await response.json()) as JSONWebKeySet
      if (keySet.keys.length === 0) throw new Error(`The key set of ${issuer} is empty`)
      return keySet
    },
  })

  const verifyProof = createDpopVerifier({ clock, reserveOnce: options.reserveProof ?? rememberHere(clock) })

  const askIfAlive =
    options.introspection && createIntrospectionClient(options.introspection, { issuer, clock })

  async function verifyToken(token: string): Promise<AppTokenClaims> {
    const claims = await keys.verify(token, {
      issuer,
      audience,
      algorithms,
      typ: 'at+jwt',
      clockTolerance: 5,
      currentDate: new Date(clock.now()),
    })
    if (!isAppToken(claims)) throw new InvalidAppToken('The token does not have the claims of an app token')
    return claims
  }

  async function assertHolder(
    { cnf }: AppTokenClaims,
    token: string,
    presented?: PresentedProof,
  ): Promise<void> {
    if (cnf?.jkt === undefined && presented === undefined) return
    if (presented === undefined) {
      throw new InvalidAppToken('The token is bound to a key, and no DPoP proof came with it')
    }
    const { proof, method, url } = presented
    const thumbprint = await verifyProof(proof, { method, url, accessToken: token })
    if (thumbprint !== cnf?.jkt) {
      throw new InvalidAppToken('The token is not bound to the key of the DPoP proof')
    }
  }

  return async (token, presented) => {
    try {
      const claims = await verifyToken(token)
      await assertHolder(claims, token, presented)
      if (askIfAlive !== undefined && !(await askIfAlive(token, claims))) {
        throw new InvalidAppToken('The session of the token has ended')
      }
      return claims
    } catch (error) {
      if (error instanceof InvalidDpopProof)
        throw new InvalidAppToken(error.message, { code: 'invalid_dpop_proof', cause: error })
      // A key set that is none is a fault of the issuer, not of the token.
      if (error instanceof errors.JOSEError && !(error instanceof errors.JWKSInvalid))
        throw new InvalidAppToken(toMessage(error), { cause: error })
      throw error
    }
  }
}

/** DPoP proofs that one process remembers; beyond, proofs are refused until older ones are too old anyway. */
const maxRemembered = 1_000_000

/** @throws TypeError where the text is not an origin such as `https://app.example.com` */
export function assertOrigin(name: string, text: unknown): void {
  if (typeof text === 'string' && URL.parse(text)?.origin === text) return
  throw new TypeError(`${name} must be an origin such as https://app.example.com, without a slash at its end`)
}

function rememberHere(clock: Clock) {
  const seen = createExpiringMap<true>(clock, maxRemembered)
  return async (key: string, lifetime: number) => {
    return seen.get(key) === undefined && seen.set(key, true, clock.now() + lifetime)
  }
}

/** The claims RFC 9068 2.2 and this project's tokens always have, each of its type. */
function isAppToken(claims: JWTPayload): claims is AppTokenClaims {
  const texts = [claims.sub, claims.jti, claims.client_id, claims.sid]
  const areTexts = texts.every((text) => typeof text === 'string' && text !== '')
  return (
    areTexts &&
    typeof claims.scope === 'string' &&
    typeof claims.exp === 'number' &&
    typeof claims.iat === 'number'
  )
}

function toMessage(error: errors.JOSEError): string {
  if (error instanceof errors.JWTExpired) return 'The token has expired'
  if (error instanceof errors.JWTClaimValidationFailed) {
    return `The token's ${error.claim} is not accepted here`
  }
  return 'The token does not verify'
}
