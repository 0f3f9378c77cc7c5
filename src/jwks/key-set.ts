import { constants, createPublicKey, type KeyObject, type SigningOptions, verify } from 'node:crypto'
import {
  decodeProtectedHeader,
  errors,
  type JSONWebKeySet,
  type JWK,
  type JWTClaimVerificationOptions,
  type JWTPayload,
  UnsecuredJWT,
} from 'jose'
import { createTokenMemory } from './token-memory.ts'

/** What a JWT is compared with. */
export interface ExpectedJwt extends JWTClaimVerificationOptions {
  /** The algorithms that its signature may have. */
  algorithms: readonly string[]
  /** Which of the keys may sign it; all of them where it is undefined. */
  mayBeSignedBy?: (jwk: JWK) => boolean
}

/** The public keys of one issuer, imported once. */
export interface KeySet {
  /**
   * Verifies a JWT and returns its claims.
   *
   * @throws jose's errors; another error where the key that the token names cannot be used
   */
  verify(jwt: SignedJwt, expected: ExpectedJwt): JWTPayload
}

/** How to check a signature, and which keys can make it (RFC 7518 3.1, RFC 8037 3.1). */
interface Algorithm {
  kty: string
  crv?: string
  hash: string | null
  options?: SigningOptions
}

const pkcs1 = (bits: number): Algorithm => ({ kty: 'RSA', hash: `sha${bits}` })
const pss = (bits: number): Algorithm => ({
  ...pkcs1(bits),
  options: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: bits / 8 },
})
const ecdsa = (crv: string, bits: number): Algorithm => ({
  kty: 'EC',
  crv,
  hash: `sha${bits}`,
  options: { dsaEncoding: 'ieee-p1363' },
})

/** The asymmetric algorithms. A key set is public: with HS256, everybody could sign. */
const algorithms: ReadonlyMap<string, Algorithm> = new Map([
  ['RS256', pkcs1(256)],
  ['RS384', pkcs1(384)],
  ['RS512', pkcs1(512)],
  ['PS256', pss(256)],
  ['PS384', pss(384)],
  ['PS512', pss(512)],
  ['ES256', ecdsa('P-256', 256)],
  ['ES384', ecdsa('P-384', 384)],
  ['ES512', ecdsa('P-521', 512)],
  ['EdDSA', { kty: 'OKP', crv: 'Ed25519', hash: null }],
])

/** A key of the set; `publicKey` is what importing it threw, where it cannot be used. */
interface ImportedKey {
  jwk: JWK
  publicKey: KeyObject | Error
}

/** The parts of a signed JWT. Nothing of it is verified. */
export interface SignedJwt {
  token: string
  header: ReturnType<typeof decodeProtectedHeader>
  /** Header and payload, over which the signature is made (RFC 7515 5.2). */
  signingInput: Buffer
  payload: string
  signature: Buffer
}

export interface KeySetOptions {
  /**
   * How many tokens to remember whose signature was verified, for callers that see a token again and again; 0
   * by default. Only the signature is not checked again, everything else is.
   */
  remembered?: number
}

/**
 * Creates a key set. It checks signatures by itself and leaves the claims to jose: for each signature, jose
 * waits for WebCrypto's thread pool, which costs more than the check.
 *
 * @throws JWKSInvalid where an entry is no object
 */
export function createKeySet({ keys: jwks }: JSONWebKeySet, { remembered = 0 }: KeySetOptions = {}): KeySet {
  if (!jwks.every((jwk) => typeof jwk === 'object' && jwk !== null)) {
    throw new errors.JWKSInvalid('JSON Web Key Set malformed')
  }
  const keys = jwks.map((jwk): ImportedKey => ({ jwk, publicKey: importPublicKey(jwk) }))
  const kids = new Set(jwks.map(({ kid }) => kid))
  // Of this key set alone: a key that is withdrawn takes what it has verified with it.
  const verified = createTokenMemory(remembered)

  return {
    verify(jwt, expected) {
      const algorithm = chooseAlgorithm(jwt, expected.algorithms)
      const candidates = findKeys(jwt, algorithm, expected)
      const [first, ...others] = candidates
      if (first === undefined) throw new errors.JWKSNoMatchingKey()
      // One that cannot be used is a fault of the key set; but if others fit, they may have signed.
      if (others.length === 0 && first.publicKey instanceof Error) throw first.publicKey
      verified.checkOnce(jwt.token, () => {
        const isSigned = candidates.some(({ publicKey }) => isSignedBy(publicKey, jwt, algorithm))
        if (!isSigned) throw new errors.JWSSignatureVerificationFailed()
      })
      return readClaims(jwt, expected)
    },
  }

  /**
   * The keys that a token names, of those that may sign it. If no key has its kid, a key without a kid may
   * have signed it.
   */
  function findKeys(
    { header: { alg, kid } }: SignedJwt,
    { kty, crv }: Algorithm,
    { mayBeSignedBy }: ExpectedJwt,
  ): ImportedKey[] {
    const named = kid === undefined || kids.has(kid) ? kid : null
    return keys.filter(
      ({ jwk }) =>
        jwk.kty === kty &&
        (crv === undefined || jwk.crv === crv) &&
        (named === undefined || (jwk.kid ?? null) === named) &&
        (jwk.alg === undefined || jwk.alg === alg) &&
        (jwk.use === undefined || jwk.use === 'sig') &&
        (jwk.key_ops === undefined || (Array.isArray(jwk.key_ops) && jwk.key_ops.includes('verify'))) &&
        (mayBeSignedBy === undefined || mayBeSignedBy(jwk)),
    )
  }
}

/** Bits that the modulus of an RSA key needs at least (RFC 7518 3.3). */
const shortestModulus = 2048

function importPublicKey(jwk: JWK): KeyObject | Error {
  if (jwk.d !== undefined) return new errors.JWKSInvalid('JSON Web Key Set members must be public keys')
  try {
    const publicKey = createPublicKey({ key: jwk, format: 'jwk' })
    const { modulusLength = shortestModulus } = publicKey.asymmetricKeyDetails ?? {}
    return modulusLength < shortestModulus ? new TypeError('the RSA key is too short') : publicKey
  } catch (error) {
    return error instanceof Error ? error : new TypeError('the key cannot be imported', { cause: error })
  }
}

const base64url = /^[\w-]*={0,2}$/

/**
 * Splits a JWT that is not encrypted (RFC 7515 7.1).
 *
 * @throws JWSInvalid where it is none
 */
export function parseSignedJwt(token: string): SignedJwt {
  const [encodedHeader = '', payload = '', signature = '', ...rest] = token.split('.', 4)
  if (rest.length > 0 || !base64url.test(signature)) throw new errors.JWSInvalid('Invalid Compact JWS')
  return {
    token,
    header: decodeHeader(token),
    // In UTF-8, so that no character outside of base64url has the bytes of one inside.
    signingInput: Buffer.from(`${encodedHeader}.${payload}`, 'utf8'),
    payload,
    signature: Buffer.from(signature, 'base64url'),
  }
}

function decodeHeader(token: string): ReturnType<typeof decodeProtectedHeader> {
  try {
    return decodeProtectedHeader(token)
  } catch (cause) {
    throw new errors.JWSInvalid('not a JWS', { cause })
  }
}

/**
 * The algorithm of a token. A token with `crit` is refused: what it names would have to be understood, and
 * the one extension that jose knows, `b64`, must not be used in a JWT (RFC 7515 4.1.11, RFC 7797 7).
 */
function chooseAlgorithm({ header: { alg, crit } }: SignedJwt, allowed: readonly string[]): Algorithm {
  if (crit !== undefined) throw new errors.JOSENotSupported('Extension Header Parameters are not recognized')
  if (typeof alg !== 'string' || alg === '') throw new errors.JWSInvalid('alg is missing or invalid')
  if (!allowed.includes(alg)) throw new errors.JOSEAlgNotAllowed('alg is not allowed')
  const algorithm = algorithms.get(alg)
  if (algorithm === undefined) throw new errors.JOSENotSupported('Unsupported alg for a JSON Web Key Set')
  return algorithm
}

function isSignedBy(
  key: KeyObject | Error,
  { signingInput, signature }: SignedJwt,
  { hash, options }: Algorithm,
): boolean {
  return !(key instanceof Error) && verify(hash, signingInput, { key, ...options }, signature)
}

const toUnsecuredHeader = (typ?: unknown) =>
  Buffer.from(JSON.stringify({ alg: 'none', typ })).toString('base64url')
const unsecuredHeader = toUnsecuredHeader()

/**
 * The claims of a token whose signature is verified, checked by jose. Its checks without those of a signature
 * are public only for JWTs that have none, so it gets the token as one.
 */
function readClaims({ header, payload }: SignedJwt, expected: ExpectedJwt): JWTPayload {
  const encodedHeader = expected.typ === undefined ? unsecuredHeader : toUnsecuredHeader(header.typ)
  return UnsecuredJWT.decode(`${encodedHeader}.${payload}.`, expected).payload
}
