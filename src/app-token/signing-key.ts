import { createPrivateKey, sign } from 'node:crypto'
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, type JWTPayload } from 'jose'
import type { SigningAlg } from '../crypto/app-token-header.ts'

/** A key that signs app tokens. One key has one algorithm (RFC 8725 3.1). */
export interface SigningKey {
  kid: string
  alg: SigningAlg
  publicJwk: JWK
  /** Makes a signed JWT of this `typ`. */
  signJwt(typ: string, claims: JWTPayload): string
}

/** Generates a private key, as the JWK that is stored. */
export async function generatePrivateJwk(alg: SigningAlg): Promise<JWK & { kty: string }> {
  const options = { extractable: true, ...(alg === 'RS256' ? { modulusLength: 2048 } : {}) }
  const { privateKey } = await generateKeyPair(alg, options)
  const jwk = await exportJWK(privateKey)
  return { ...jwk, kty: jwk.kty ?? '' }
}

/** The public members of a key, by its type (RFC 7518 6, RFC 8037 2); all other members are private. */
export function toPublicMembers({ kty, crv, x, y, n, e }: JWK): JWK {
  if (kty === 'RSA') return { kty, n: n ?? '', e: e ?? '' }
  if (kty === 'EC') return { kty, crv: crv ?? '', x: x ?? '', y: y ?? '' }
  return { kty: kty ?? '', crv: crv ?? '', x: x ?? '' }
}

/** Reads the signing key of a private JWK. A key without a `kid` gets its thumbprint as one (RFC 7638). */
export async function toSigningKey(jwk: JWK, alg: SigningAlg): Promise<SigningKey> {
  const publicMembers = toPublicMembers(jwk)
  const kid = jwk.kid ?? (await calculateJwkThumbprint(publicMembers))
  return {
    kid,
    alg,
    publicJwk: { ...publicMembers, kid, alg, use: 'sig' },
    signJwt: createJwtSigner(jwk, { alg, kid }),
  }
}

/**
 * Creates the signer of one key. It signs in the calling thread, with the key imported once: jose would copy
 * the claims and wait for WebCrypto's thread pool, which costs twice as much.
 */
function createJwtSigner(jwk: JWK, { alg, kid }: Pick<SigningKey, 'alg' | 'kid'>): SigningKey['signJwt'] {
  const hash = alg === 'EdDSA' ? null : 'sha256'
  const key = createPrivateKey({ key: jwk, format: 'jwk' })
  return (typ, claims) => {
    const input = `${encode({ alg, typ, kid })}.${encode(claims)}`
    // The form of an ECDSA signature in a JWS (RFC 7518 3.4); other algorithms have only one.
    const signature = sign(hash, Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' })
    return `${input}.${signature.toString('base64url')}`
  }
}

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
