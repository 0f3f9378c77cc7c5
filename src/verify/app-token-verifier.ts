import { createDpopNonces, type DpopNonces } from '../app-token/dpop-nonce.ts'
import { createDpopVerifier, type ProvenRequest } from '../app-token/dpop-proof.ts'
import { type Clock, systemClock } from '../clock.ts'
import { randomBytes } from '../crypto/random.ts'
import { createExpiringMap } from '../expiring-map.ts'
import { type AppTokenClaims, isAppTokenClaims } from './claims.ts'
import { createIntrospectionClient, type IntrospectionOptions } from './introspection.ts'
import { InvalidAppToken, translateError } from './invalid-app-token.ts'
import { createIssuerKeys } from './issuer-keys.ts'

/** How an API verifies app tokens. Only `issuer` is required. */
export interface AppTokenVerifierOptions {
  /** Portico's PUBLIC_URL, such as `https://app.example.com`. */
  issuer: string
  /** The audience that names this API, one of APP_TOKEN_AUDIENCE; the issuer by default. */
  audience?: string
  /** The address of the public keys; `{issuer}/.well-known/jwks.json` by default. */
  jwksUri?: string
  /** The signature algorithms to accept; ES256 by default. Set it where APP_TOKEN_ALG is another one. */
  algorithms?: string[]
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
  /** The time, for tests; the system's clock by default. */
  clock?: Clock
}

/** A DPoP proof and the request for which it was made: its method, and its address without query. */
export interface PresentedProof extends Pick<ProvenRequest, 'method' | 'url'> {
  /** The value of the DPoP header. */
  proof: string
}

/**
 * Verifies an app token and returns its claims. A DPoP-bound token needs a proof by its key, and a proof
 * needs a token that is bound to its key (RFC 9449 7.1).
 *
 * @throws InvalidAppToken where the token or the proof is not valid for this API: answer 401 and, if it has a
 * `nonce`, the header `DPoP-Nonce`
 * @throws another error where it could not be checked, because the keys or the introspection could not be
 * reached: answer 503
 */
export type VerifyAppToken = (token: string, presented?: PresentedProof) => Promise<AppTokenClaims>

/**
 * Creates the verification that RFC 9068 4 asks of an API: type, signature, issuer, audience and expiry of a
 * token, then its DPoP proof and, where configured, its session. `requireAppToken` does this for Express; use
 * this one with any other framework.
 *
 * @throws TypeError where `issuer` is not an origin, or another option is incomplete or not valid
 *
 * @example
 * const verify = createAppTokenVerifier({ issuer: 'https://app.example.com' })
 *
 * try {
 *   const { sub, scope } = await verify(token)
 * } catch (error) {
 *   if (error instanceof InvalidAppToken) return answer(401, error.message)
 *   throw error
 * }
 */
export function createAppTokenVerifier(options: AppTokenVerifierOptions): VerifyAppToken {
  assertOrigin('issuer', options.issuer)
  const { issuer, audience = issuer, algorithms = ['ES256'], clock = systemClock } = options
  const keys = createIssuerKeys(issuer, options.jwksUri ?? `${issuer}/.well-known/jwks.json`, clock)
  const reserveOnce = options.reserveProof ?? createLocalReservation(clock)
  const verifyProof = createDpopVerifier({ clock, reserveOnce, nonces: createNonces(options, clock) })
  const isSessionActive =
    options.introspection && createIntrospectionClient(options.introspection, { issuer, clock })

  return async (token, presented) => {
    try {
      const claims = await verifyToken(token)
      await verifyBinding(claims, token, presented)
      if (isSessionActive !== undefined && !(await isSessionActive(token, claims))) {
        throw new InvalidAppToken('The session of the token has ended')
      }
      return claims
    } catch (error) {
      throw translateError(error, issuer)
    }
  }

  async function verifyToken(token: string): Promise<AppTokenClaims> {
    const claims = await keys.verify(token, {
      issuer,
      audience,
      algorithms,
      typ: 'at+jwt',
      clockTolerance: 5,
      currentDate: new Date(clock.now()),
    })
    if (isAppTokenClaims(claims)) return claims
    throw new InvalidAppToken('The token does not have the claims of an app token')
  }

  /**
   * Passes where the token is bound to the key of the proof, or where there is neither a binding nor a proof.
   */
  async function verifyBinding(
    { cnf }: AppTokenClaims,
    token: string,
    presented: PresentedProof | undefined,
  ): Promise<void> {
    if (cnf?.jkt === undefined && presented === undefined) return
    if (presented === undefined) {
      throw new InvalidAppToken('The token is bound to a key, but no DPoP proof came with it')
    }
    const { proof, method, url } = presented
    const thumbprint = await verifyProof(proof, { method, url, accessToken: token })
    if (thumbprint !== cnf?.jkt) {
      throw new InvalidAppToken('The token is not bound to the key of the DPoP proof')
    }
  }
}

/** @throws TypeError where the text is not an origin such as `https://app.example.com` */
export function assertOrigin(name: string, text: unknown): void {
  if (typeof text === 'string' && URL.parse(text)?.origin === text) return
  throw new TypeError(`${name} must be an origin such as https://app.example.com, without a slash at its end`)
}

/** @throws TypeError where an option is not valid */
function createNonces(options: AppTokenVerifierOptions, clock: Clock): DpopNonces {
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
