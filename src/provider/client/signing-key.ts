import { type CryptoKey, importJWK } from 'jose'
import type { PrivateJwk } from '../../config/values/private-jwk-set.ts'

/** A key of this client that signs JWTs for the provider. */
export interface SigningKey {
  /** The members of the JOSE header that name it. */
  header: { alg: string; kid?: string }
  privateKey: Promise<CryptoKey>
}

/** Imports a key of the client. */
export function importSigningKey(jwk: PrivateJwk): SigningKey {
  const { alg, use: _use, ...members } = jwk
  return {
    header: jwk.kid === undefined ? { alg } : { alg, kid: jwk.kid },
    // A JWK with `kty` of a key pair is never imported as bytes.
    privateKey: importJWK({ ...members, key_ops: ['sign'], ext: false }, alg) as Promise<CryptoKey>,
  }
}
