import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK } from 'jose'

/** Signature algorithms that app tokens may have. */
export type SigningAlg = 'ES256' | 'EdDSA' | 'RS256'

/** A key that signs app tokens. One key has one algorithm (RFC 8725 3.1). */
export interface SigningKey {
  kid: string
  alg: SigningAlg
  privateKey: CryptoKey
  publicJwk: JWK
}

/** Makes a fresh private key, as the JWK that is kept. */
export async function generatePrivateJwk(alg: SigningAlg): Promise<JWK & { kty: string }> {
  const options = { extractable: true, ...(alg === 'RS256' ? { modulusLength: 2048 } : {}) }
  const { privateKey } = await generateKeyPair(alg, options)
  const jwk = await exportJWK(privateKey)
  return { ...jwk, kty: jwk.kty ?? '' }
}

/** The members of a public key, by its type (RFC 7518 6, RFC 8037 2): all others are private. */
export function toPublicMembers({ kty, crv, x, y, n, e }: JWK): JWK {
  if (kty === 'RSA') return { kty, n: n ?? '', e: e ?? '' }
  return { kty: kty ?? '', crv: crv ?? '', x: x ?? '', ...(y === undefined ? {} : { y }) }
}

/** The signing key of a private JWK; a key without a `kid` is named by its thumbprint (RFC 7638). */
export async function toSigningKey(jwk: JWK, alg: SigningAlg): Promise<SigningKey> {
  const publicMembers = toPublicMembers(jwk)
  const kid = jwk.kid ?? (await calculateJwkThumbprint(publicMembers))
  const privateKey = await importJWK({ ...jwk, key_ops: ['sign'], ext: false }, alg)
  if (privateKey instanceof Uint8Array) throw new TypeError('a signing key is asymmetric')
  return { kid, alg, privateKey, publicJwk: { ...publicMembers, kid, alg, use: 'sig' } }
}
