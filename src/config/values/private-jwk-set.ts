import { createPrivateKey } from 'node:crypto'
import { z } from 'zod'
import type { SigningAlg } from '../../crypto/app-token-header.ts'
import { type Parser, parseJson, parser } from './parsers.ts'

const signingKey = z.looseObject({
  kty: z.enum(['EC', 'OKP', 'RSA']),
  d: z.string(),
  kid: z.string().min(1).exactOptional(),
  use: z.literal('sig').exactOptional(),
})

/** A private key as a JWK, with the algorithm it signs with. */
export type PrivateJwk = z.infer<typeof signingKey> & { alg: SigningAlg }

/** A JWK Set of private keys (RFC 7517 5) that Portico can sign with; their members stay as they are. */
export const privateJwkSet: Parser<PrivateJwk[]> = parser((text) => {
  const set = z.object({ keys: z.array(signingKey).min(1) }).safeParse(parseJson(text))
  if (!set.success) throw new Error('must be a JWK Set of private keys: {"keys":[{"kty":"EC","d":"..."}]}')
  const kids = set.data.keys.flatMap(({ kid }) => kid ?? [])
  if (new Set(kids).size < kids.length) throw new Error('contains two keys with the same kid')
  return set.data.keys.map((jwk, index) => {
    const alg = toSigningAlg(jwk)
    if (alg === undefined)
      throw new Error(`contains a key that fits none of ES256, EdDSA, RS256 (number ${index + 1})`)
    return { ...jwk, alg }
  })
})

/** The JWK that `makeJwk` returns, with its algorithm; undefined where it throws or fits no algorithm. */
export function toPrivateJwk(makeJwk: () => unknown): PrivateJwk | undefined {
  try {
    const jwk = signingKey.parse(makeJwk())
    const alg = toSigningAlg(jwk)
    return alg === undefined ? undefined : { ...jwk, alg }
  } catch {
    return undefined
  }
}

/** The algorithm that a private key signs with; undefined where it fits none that Portico uses. */
function toSigningAlg(jwk: z.infer<typeof signingKey>): SigningAlg | undefined {
  try {
    const { asymmetricKeyType: type, asymmetricKeyDetails: details } = createPrivateKey({
      key: jwk,
      format: 'jwk',
    })
    const isStrongRsa = type === 'rsa' && (details?.modulusLength ?? 0) >= 2048
    const isP256 = type === 'ec' && details?.namedCurve === 'prime256v1'
    const alg = isP256 ? 'ES256' : type === 'ed25519' ? 'EdDSA' : isStrongRsa ? 'RS256' : undefined
    return jwk.alg === undefined || jwk.alg === alg ? alg : undefined
  } catch {
    return undefined
  }
}
