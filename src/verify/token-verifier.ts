import { createDpopNonces, type DpopNonces } from '../app-token/dpop-nonce.ts'
import { createDpopVerifier } from '../app-token/dpop-proof.ts'
import { type Clock, systemClock } from '../clock.ts'
import type { AppTokenType, SigningAlg } from '../crypto/app-token-header.ts'
import { randomBytes } from '../crypto/random.ts'
import { createExpiringMap } from '../expiring-map.ts'
import type { Scheme } from './challenge.ts'
import { type AppTokenClaims, isAppTokenClaims, withScope } from './claims.ts'
import { createIntrospectionClient, type IntrospectionOptions } from './introspection.ts'
import { createIssuerKeys } from './issuer-keys.ts'
import { type PresentedToken, readPath, readPresentedToken, type TokenRequest } from './presented-token.ts'
import { readBaseUrl, readExpected } from './read-options.ts'
import { readRequirements, type TokenRequirements } from './requirements.ts'
import { refuseAnonymous, refuseToken, toRefusal } from './token-refused.ts'

/** How an API verifies app tokens. Only `issuer` is required. */
export interface TokenVerifierOptions extends TokenRequirements {
  /** Portico's PUBLIC_URL, such as `https://app.example.com`. */
  issuer: string
  /** The audience that names this API, one of APP_TOKEN_AUDIENCE; the issuer by default. */
  audience?: string
  /** The `typ` of the tokens, as APP_TOKEN_TYP says; `at+jwt` by default. */
  typ?: AppTokenType
  /**
   * The signature algorithms to accept; all that Portico can sign with by default. Each published key is used
   * with its own algorithm only.
   */
  algorithms?: readonly SigningAlg[]
  /** The address of the public keys; `{issuer}/.well-known/jwks.json` by default. */
  jwksUri?: string
  /**
   * The address at which clients reach this API, such as `https://api.example.com`: DPoP proofs have to name
   * it, with the path of the request behind it. Without it, DPoP-bound tokens are refused.
   */
  publicUrl?: string
  /**
   * Replay protection for DPoP proofs: resolves to true the first time within `lifetime` milliseconds that it
   * is called with a key, then to false. By default, each process remembers the proofs that it has seen.
   * Where an API has several replicas, they have to share this memory.
   *
   * @example
   * reserveProof: async (key, lifetime) =>
   *   (await redis.set(key, '1', { condition: 'NX', expiration: { type: 'PX', value: lifetime } })) === 'OK'
   */
  reserveProof?: (key: string, lifetime: number) => Promise<boolean>
  /**
   * Whether DPoP proofs need a nonce of this API (RFC 9449 9): `auto`, the default, asks for one only where
   * the clock of the client is wrong; `required` asks for one in each proof.
   */
  dpopNonce?: 'auto' | 'required'
  /**
   * The secret of the nonces, at least 32 characters or bytes; a random one by default. Where an API has
   * several replicas, it must be the same for all.
   */
  nonceSecret?: string | Uint8Array
  /**
   * Asks Portico whether the session of each token is alive, so that a logout takes effect at once. Without
   * it, a token is accepted until it expires.
   */
  introspection?: IntrospectionOptions
  /**
   * Called with the reason each time that a token could not be checked, and the request is refused with 503.
   */
  onUnavailable?: (error: unknown) => void
  /** The time, for tests; the system's clock by default. */
  clock?: Clock
}

/**
 * Verifies the app token of a request (RFC 6750 2.1; with a DPoP proof, RFC 9449 7.1), and that it has what
 * the options and the second parameter require. Resolves to its claims.
 *
 * @throws TokenRefused whose `status`, `headers` and `body` are the answer: 401 where the token is missing or
 * not valid, 403 where it lacks something, 503 where it could not be checked
 * @throws TypeError where the second parameter is not valid
 */
export type VerifyToken = (request: TokenRequest, requirements?: TokenRequirements) => Promise<AppTokenClaims>

/**
 * Creates the verification that RFC 9068 4 asks of an API: type, signature, issuer, audience and expiry of a
 * token, then its DPoP proof and, where configured, its session. `requireToken` does this for Express; use
 * this one with any other framework. Create it once: it holds the keys, and the proofs that it has seen.
 *
 * @throws TypeError where an option is not valid
 *
 * @example
 * const verifyToken = createTokenVerifier({ issuer: 'https://app.example.com' })
 *
 * async function handle(request: Request): Promise<Response> {
 *   try {
 *     const { sub } = await verifyToken(request, { scope: 'orders:read' })
 *     return Response.json(ordersOf(sub))
 *   } catch (error) {
 *     if (error instanceof TokenRefused) return new Response(error.body, error)
 *     throw error
 *   }
 * }
 */
export function createTokenVerifier(options: TokenVerifierOptions): VerifyToken {
  const { clock = systemClock, onUnavailable } = options
  const expected = readExpected(options)
  const { issuer } = expected
  const publicUrl = options.publicUrl === undefined ? undefined : readBaseUrl('publicUrl', options.publicUrl)
  const schemes: readonly Scheme[] = publicUrl === undefined ? ['Bearer'] : ['Bearer', 'DPoP']
  const findUnmet = readRequirements(options, clock)
  const keys = createIssuerKeys(issuer, options.jwksUri ?? `${issuer}/.well-known/jwks.json`, clock)
  const reserveOnce = options.reserveProof ?? createLocalReservation(clock)
  const verifyProof = createDpopVerifier({ clock, reserveOnce, nonces: createNonces(options, clock) })
  const isSessionActive =
    options.introspection && createIntrospectionClient(options.introspection, { issuer, clock })

  return async (request, requirements = {}) => {
    const findMoreUnmet = readRequirements(requirements, clock)
    const presented = readPresentedToken(request)
    if (presented === undefined) throw refuseAnonymous(schemes)
    const claims = await verify(presented, request)
    const refusal = findUnmet(claims) ?? findMoreUnmet(claims)
    if (refusal !== undefined) throw refusal
    return claims
  }

  async function verify(presented: PresentedToken, request: TokenRequest): Promise<AppTokenClaims> {
    const { token } = presented
    // The challenge names a scheme that this API accepts.
    const scheme = publicUrl === undefined ? 'Bearer' : presented.scheme
    const invalid = (message: string) => refuseToken('invalid_token', message, { scheme })
    try {
      const claims = withScope(await keys.verify(token, { ...expected, currentDate: new Date(clock.now()) }))
      if (!isAppTokenClaims(claims)) throw invalid('The token does not have the claims of an app token')
      const problem = await findBindingProblem(claims, presented, request)
      if (problem !== undefined) throw invalid(problem)
      if (isSessionActive !== undefined && !(await isSessionActive(token, claims))) {
        throw invalid('The session of the token has ended')
      }
      return claims
    } catch (error) {
      const refusal = toRefusal(error, { scheme, issuer })
      if (refusal.status === 503) onUnavailable?.(error)
      throw refusal
    }
  }

  /**
   * A bound token needs a proof by its key, and a proof needs a token that is bound to its key (RFC 9449
   * 7.1).
   */
  async function findBindingProblem(
    { cnf }: AppTokenClaims,
    { scheme, token, proof }: PresentedToken,
    request: TokenRequest,
  ): Promise<string | undefined> {
    if (scheme === 'Bearer') {
      const isBound = cnf?.jkt !== undefined
      return isBound ? 'The token is bound to a key, but no DPoP proof came with it' : undefined
    }
    if (publicUrl === undefined) return 'This API does not accept DPoP-bound tokens'
    const proven = { method: request.method ?? '', url: publicUrl + readPath(request), accessToken: token }
    const thumbprint = await verifyProof(proof, proven)
    return thumbprint === cnf?.jkt ? undefined : 'The token is not bound to the key of the DPoP proof'
  }
}

/** @throws TypeError where an option is not valid */
function createNonces(options: TokenVerifierOptions, clock: Clock): DpopNonces {
  const { dpopNonce: mode = 'auto', nonceSecret = randomBytes(32) } = options
  if (mode !== 'auto' && mode !== 'required') throw new TypeError('dpopNonce must be auto or required')
  if (nonceSecret.length < 32) throw new TypeError('nonceSecret must have at least 32 characters')
  const secret = typeof nonceSecret === 'string' ? Buffer.from(nonceSecret) : nonceSecret
  return createDpopNonces({ secrets: [secret], mode, clock })
}

/**
 * DPoP proofs that one process remembers. When it has that many, it refuses new ones until older ones have
 * expired.
 */
const maxRememberedProofs = 1_000_000

function createLocalReservation(clock: Clock) {
  const seen = createExpiringMap<true>(clock, maxRememberedProofs)
  return async (key: string, lifetime: number) =>
    seen.get(key) === undefined && seen.set(key, true, clock.now() + lifetime)
}
