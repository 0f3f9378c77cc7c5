import { createECDH, createHash } from 'node:crypto'
import { calculateJwkThumbprint, importJWK, type JWK } from 'jose'
import * as client from 'openid-client'
import { deriveKeys } from '../../crypto/derive-key.ts'

/** A key that the provider's tokens are bound to (RFC 9449), with the nonces that the provider gave us for it. */
export interface DpopKey {
  /** RFC 7638; the `jkt` of tokens bound to it. */
  thumbprint: string
  handle: client.DPoPHandle
}

/** The keys for DPoP towards a provider. All replicas have the same ones, because they come from the master secrets. */
export interface DpopKeys {
  /** The key of this thumbprint; the newest one where there is none such, as its secret was dropped. */
  find(thumbprint?: string): Promise<DpopKey>
}

/** The signature algorithm of the proofs, which a provider must name for DPoP to be used. */
export const dpopAlg = 'ES256'

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
  // What it reads of a configuration is the clock's skew, which is ours to keep at none.
  const configuration = new client.Configuration({ issuer: 'https://none' }, 'none')
  return {
    thumbprint: await calculateJwkThumbprint(publicJwk),
    handle: client.getDPoPHandle(configuration, { privateKey, publicKey }),
  }
}

/** The P-256 key pair whose private key is these 32 bytes, or, once in 2^32, their hash: not every number is one. */
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
