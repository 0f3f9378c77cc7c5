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
  const privateKey = await importJWK({ ...jwk, key_ops: ['sign'], ext: false }, alg)
  if (privateKey instanceof Uint8Array) throw new TypeError('a signing key must be asymmetric')
  return { kid, alg, privateKey, publicJwk: { ...publicMembers, kid, alg, use: 'sig' } }
}
