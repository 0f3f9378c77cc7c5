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

/** The proof does not show that the caller holds the key. `message` is safe to show. */
export class InvalidDpopProof extends Error {
  override readonly name = 'InvalidDpopProof'
}

/** The request a proof was made for. */
export interface ProvenRequest {
  method: string
  /** Without query and fragment. */
  url: string
  /** The token the proof comes with, where it comes with one. */
  accessToken?: string
}

/** Checks a DPoP proof (RFC 9449 4.3); returns the thumbprint of its key. Throws InvalidDpopProof. */
export type VerifyDpopProof = (proof: string, request: ProvenRequest) => Promise<string>

interface DpopVerifierOptions {
  clock: Clock
  /** True the first time a key is seen within `lifetime` milliseconds: a proof is good once. */
  reserveOnce(key: string, lifetime: number): Promise<boolean>
}

/** Signature algorithms a proof may have (`dpop_signing_alg_values_supported`). */
export const dpopAlgorithms = ['ES256', 'ES384', 'ES512', 'EdDSA', 'RS256', 'PS256']
/** Seconds a proof is good for, and how far a browser's clock may be ahead. */
const maxAge = 60
const clockTolerance = 30
/** Milliseconds from the earliest to the latest moment at which one proof could pass, whole seconds rounded up. */
const proofLifetime = (maxAge + 2 * clockTolerance + 1) * 1000

type Check = (claims: JWTPayload, request: ProvenRequest) => string | undefined

const methodFits: Check = ({ htm }, { method }) => (htm === method ? undefined : 'htm is another method')

const addressFits: Check = ({ htu }, { url }) => {
  const given = typeof htu === 'string' ? URL.parse(htu) : null
  return given !== null && given.origin + given.pathname === url ? undefined : 'htu is another address'
}

const tokenFits: Check = ({ ath }, { accessToken }) =>
  accessToken === undefined || ath === sha256Base64url(accessToken)
    ? undefined
    : 'ath is not of the token it comes with'

const hasAnId: Check = ({ jti }) => (typeof jti === 'string' && jti !== '' ? undefined : 'jti is missing')

const checks: readonly Check[] = [methodFits, addressFits, tokenFits, hasAnId]

/** Bytes of the largest RSA modulus (4096 bits) and public exponent that a proof's key may have. */
const longestModulus = 512
const longestExponent = 4

const lengthOf = (base64url = '') => Buffer.from(base64url, 'base64url').length

/** The key in a proof is the caller's choice: a huge modulus or exponent makes its one check cost milliseconds. */
function readSmallKey(header: JWTHeaderParameters & { jwk?: JWK }): ReturnType<typeof EmbeddedJWK> {
  const { n, e } = header.jwk ?? {}
  if (lengthOf(n) > longestModulus || lengthOf(e) > longestExponent) {
    throw new InvalidDpopProof("The DPoP proof's key is larger than RSA of 4096 bits")
  }
  return EmbeddedJWK(header)
}

/** Creates the check of DPoP proofs; what was seen is remembered by `claimOnce`. */
export function createDpopVerifier({ clock, reserveOnce }: DpopVerifierOptions): VerifyDpopProof {
  return async (proof, request) => {
    const { payload, protectedHeader } = await jwtVerify(proof, readSmallKey, {
      typ: 'dpop+jwt',
      algorithms: dpopAlgorithms,
      maxTokenAge: maxAge,
      clockTolerance,
      currentDate: new Date(clock.now()),
    }).catch((cause: unknown) => {
      if (cause instanceof InvalidDpopProof) throw cause
      // Nothing is fetched here: whatever else is thrown comes from the proof, also where its key cannot be imported.
      throw new InvalidDpopProof('The DPoP proof does not verify, or is too old', { cause })
    })
    for (const check of checks) {
      const problem = check(payload, request)
      if (problem !== undefined) throw new InvalidDpopProof(`The DPoP proof's ${problem}`)
    }
    const thumbprint = await calculateJwkThumbprint(protectedHeader.jwk ?? {})
    const seen = sha256Base64url(`${thumbprint}.${payload.jti}`)
    if (!(await reserveOnce(`dpop.${seen}`, proofLifetime))) {
      throw new InvalidDpopProof('The DPoP proof was used before')
    }
    return thumbprint
  }
}
