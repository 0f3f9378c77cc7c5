import {
  calculateJwkThumbprint,
  EmbeddedJWK,
  type JWK,
  type JWTHeaderParameters,
  type JWTPayload,
  jwtVerify,
} from 'jose'
import type { Clock } from '../clock.ts'
import { sha256Base64url } from '../crypto/hash.ts'
import { type DpopNonces, nonceLifetime, serverClockTolerance } from './dpop-nonce.ts'

/** The proof does not show that the caller has the key. `message` contains no secret and may be shown. */
export class InvalidDpopProof extends Error {
  override readonly name = 'InvalidDpopProof'
}

/** The proof needs a nonce: the caller makes another one with it (RFC 9449 8, 9). `message` may be shown. */
export class DpopNonceNeeded extends Error {
  override readonly name = 'DpopNonceNeeded'
  readonly nonce: string

  constructor(nonce: string) {
    super('The DPoP proof needs a nonce of this server')
    this.nonce = nonce
  }
}

/** The request for which a proof was made. */
export interface ProvenRequest {
  method: string
  /** Without query and fragment. */
  url: string
  /** The access token that comes with the proof, if one does. */
  accessToken?: string
}

/**
 * Verifies a DPoP proof (RFC 9449 4.3); returns the JWK thumbprint of its key.
 *
 * @throws InvalidDpopProof
 * @throws DpopNonceNeeded where another proof, with the nonce, would be accepted
 */
export type VerifyDpopProof = (proof: string, request: ProvenRequest) => Promise<string>

interface DpopVerifierOptions {
  clock: Clock
  /**
   * Resolves to true the first time within `lifetime` milliseconds that it is called with a key, then to
   * false.
   */
  reserveOnce(key: string, lifetime: number): Promise<boolean>
  /** Nonces for callers whose clock is wrong, or for all; without them, only `iat` shows a proof's age. */
  nonces?: DpopNonces
}

/** Signature algorithms that a proof may have (`dpop_signing_alg_values_supported`). */
export const dpopAlgorithms = ['ES256', 'ES384', 'ES512', 'EdDSA', 'RS256', 'PS256']

/** Seconds for which a proof is accepted after it was made. */
const maxAge = 60
/** Seconds by which a client's clock may differ. */
const clockTolerance = 30
/**
 * Milliseconds between the earliest and the latest moment at which a proof can pass, in whole seconds: by its
 * `iat` or by its nonce, never by both in turn.
 */
const proofLifetime =
  (Math.max(maxAge + 2 * clockTolerance, nonceLifetime + 2 * serverClockTolerance) + 1) * 1000

/** Creates the verifier of DPoP proofs. Each proof is accepted once, which `reserveOnce` keeps track of. */
export function createDpopVerifier({ clock, reserveOnce, nonces }: DpopVerifierOptions): VerifyDpopProof {
  return async (proof, request) => {
    const { payload, protectedHeader } = await jwtVerify(proof, readEmbeddedKey, {
      typ: 'dpop+jwt',
      algorithms: dpopAlgorithms,
      requiredClaims: ['iat'],
      clockTolerance,
      currentDate: new Date(clock.now()),
    }).catch((cause: unknown) => {
      if (cause instanceof InvalidDpopProof) throw cause
      // Nothing is fetched here, so every other error is the
      // proof's fault, also a key that cannot be imported.
      throw new InvalidDpopProof('The DPoP proof does not verify', { cause })
    })
    for (const check of checks) {
      const problem = check(payload, request)
      if (problem !== undefined) throw new InvalidDpopProof(`The DPoP proof's ${problem}`)
    }
    if (!isFresh(payload)) {
      if (nonces !== undefined) throw new DpopNonceNeeded(nonces.issue())
      throw new InvalidDpopProof('The DPoP proof is too old, or from the future')
    }
    const thumbprint = await calculateJwkThumbprint(protectedHeader.jwk ?? {})
    const proofId = sha256Base64url(`${thumbprint}.${payload.jti}`)
    if (!(await reserveOnce(`dpop.${proofId}`, proofLifetime))) {
      throw new InvalidDpopProof('The DPoP proof was used before')
    }
    return thumbprint
  }

  /**
   * Whether a proof was made just now (RFC 9449 4.3, 10 and 11). A nonce is the server's own time: with one,
   * `iat` is not compared, because the clocks of many browsers are wrong.
   */
  function isFresh({ iat = Number.NaN, nonce }: JWTPayload): boolean {
    if (nonces !== undefined && nonce !== undefined) return nonces.isValid(nonce)
    const age = Math.floor(clock.now() / 1000) - iat
    return !nonces?.isRequired && age <= maxAge + clockTolerance && age >= -clockTolerance
  }
}

/** Returns what is wrong with a proof's claims; undefined where nothing is. */
type Check = (claims: JWTPayload, request: ProvenRequest) => string | undefined

const methodMatches: Check = ({ htm }, { method }) => (htm === method ? undefined : 'htm is another method')

const addressMatches: Check = ({ htu }, { url }) => {
  const given = typeof htu === 'string' ? URL.parse(htu) : null
  return given !== null && given.origin + given.pathname === url ? undefined : 'htu is another address'
}

const tokenMatches: Check = ({ ath }, { accessToken }) =>
  accessToken === undefined || ath === sha256Base64url(accessToken)
    ? undefined
    : 'ath is not the hash of the token that comes with it'

const hasId: Check = ({ jti }) => (typeof jti === 'string' && jti !== '' ? undefined : 'jti is missing')

const checks: readonly Check[] = [methodMatches, addressMatches, tokenMatches, hasId]

/** Bytes that the RSA modulus (4096 bits) and the public exponent of a proof's key may have. */
const maxModulusLength = 512
const maxExponentLength = 4

/**
 * Reads the key in the proof's header. The caller chooses that key: with a huge modulus or exponent, one
 * verification would take milliseconds.
 */
function readEmbeddedKey(header: JWTHeaderParameters & { jwk?: JWK }): ReturnType<typeof EmbeddedJWK> {
  const { n, e } = header.jwk ?? {}
  if (toByteLength(n) > maxModulusLength || toByteLength(e) > maxExponentLength) {
    throw new InvalidDpopProof("The DPoP proof's key is larger than RSA of 4096 bits")
  }
  return EmbeddedJWK(header)
}

const toByteLength = (base64url = '') => Buffer.from(base64url, 'base64url').length
