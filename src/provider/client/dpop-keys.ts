import { createECDH, createHash } from 'node:crypto'
import { generateProof } from 'dpop'
import { calculateJwkThumbprint, importJWK, type JWK } from 'jose'
import * as client from 'openid-client'
import { deriveKeys } from '../../crypto/derive-key.ts'

/** A key pair that the provider's tokens are bound to (RFC 9449). */
export interface DpopKey {
  /** Its JWK thumbprint (RFC 7638), the `jkt` of tokens bound to it. */
  thumbprint: string
  /** Makes openid-client's proofs, with the latest nonce of the provider. */
  dpopHandle: client.DPoPHandle
  /** Makes a proof for a call to an API with a token that is bound to the key. */
  prove(call: ProtectedCall): Promise<string>
}

/** A call to an API with a token that is bound to a key (RFC 9449 7.1). */
export interface ProtectedCall {
  method: string
  /** Without query and fragment. */
  url: string
  accessToken: string
  /** The latest that the API sent. */
  nonce: string | undefined
}

/** The DPoP keys for one provider; derived from the master secrets, so that all replicas have the same. */
export interface DpopKeys {
  /** The key with this thumbprint; the newest one if there is none, because its secret was removed. */
  find(thumbprint?: string): Promise<DpopKey>
}

/** The signature algorithm of the proofs; a provider must support it for DPoP to be used. */
export const dpopAlg = 'ES256'

/** The option by which openid-client proves possession of a key in a call; undefined without a key. */
export const toDpopOption = (key: DpopKey | undefined): client.DPoPOptions | undefined =>
  key && { DPoP: key.dpopHandle }

/** Creates the keys of one provider: one for each master secret, newest first. */
export function createDpopKeys(secrets: readonly Uint8Array[]): DpopKeys {
  let keys: Promise<DpopKey[]> | undefined
  const load = () => {
    keys ??= Promise.all(deriveKeys(secrets, 'provider-dpop').map(toDpopKey))
    return keys
  }
  return {
    async find(thumbprint) {
      const [newest, ...older] = await load()
      if (newest === undefined) throw new TypeError('DPoP needs at least one secret')
      return older.find((key) => key.thumbprint === thumbprint) ?? newest
    },
  }
}

async function toDpopKey(seed: Buffer): Promise<DpopKey> {
  const jwk = toP256Jwk(seed)
  const { d: _, ...publicJwk } = jwk
  const [privateKey, publicKey] = await Promise.all([
    importJWK({ ...jwk, ext: false }, dpopAlg),
    importJWK(publicJwk, dpopAlg),
  ])
  if (privateKey instanceof Uint8Array || publicKey instanceof Uint8Array)
    throw new TypeError('not a key pair')
  // It reads only the clock skew of the configuration, which is zero by default.
  const configuration = new client.Configuration({ issuer: 'https://none' }, 'none')
  return {
    thumbprint: await calculateJwkThumbprint(publicJwk),
    dpopHandle: client.getDPoPHandle(configuration, { privateKey, publicKey }),
    prove: ({ method, url, accessToken, nonce }) =>
      generateProof({ privateKey, publicKey }, url, method, nonce, accessToken),
  }
}

/** The P-256 key pair with this private key of 32 bytes, or their hash where they are no valid one. */
export function toP256Jwk(seed: Buffer): JWK {
  const pair = createECDH('prime256v1')
  try {
    pair.setPrivateKey(seed)
  } catch {
    return toP256Jwk(createHash('sha256').update(seed).digest())
  }
  const point = pair.getPublicKey()
  return {
    kty: 'EC',
    crv: 'P-256',
    x: point.subarray(1, 33).toString('base64url'),
    y: point.subarray(33).toString('base64url'),
    d: seed.toString('base64url'),
  }
}
