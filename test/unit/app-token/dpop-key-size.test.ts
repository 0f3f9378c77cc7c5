import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomUUID,
} from 'node:crypto'
import { SignJWT } from 'jose'
import { expect, test } from 'vitest'
import { createDpopVerifier } from '../../../src/app-token/dpop-proof.ts'
import { systemClock } from '../../../src/clock.ts'

const request = { method: 'POST', url: 'https://app.example.com/api/token' }
const verify = createDpopVerifier({ clock: systemClock, reserveOnce: async () => true })

const prove = (privateKey: KeyObject, alg: string) =>
  new SignJWT({ htm: request.method, htu: request.url, jti: randomUUID() })
    .setProtectedHeader({ typ: 'dpop+jwt', alg, jwk: createPublicKey(privateKey).export({ format: 'jwk' }) })
    .setIssuedAt()
    .sign(privateKey)

const toNumber = (base64url = '') => BigInt(`0x${Buffer.from(base64url, 'base64url').toString('hex')}`)
function toBase64url(number: bigint): string {
  const hex = number.toString(16)
  return Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex').toString('base64url')
}

/** The inverse of a number, by Euclid's extended algorithm. */
function invert(number: bigint, modulus: bigint): bigint {
  let [remainder, next, factor, nextFactor] = [modulus, number, 0n, 1n]
  while (next !== 0n) {
    const quotient = remainder / next
    ;[remainder, next] = [next, remainder - quotient * next]
    ;[factor, nextFactor] = [nextFactor, factor - quotient * nextFactor]
  }
  return ((factor % modulus) + modulus) % modulus
}

/** A good key whose public exponent is as long as its modulus: to verify is then as slow as to sign. */
function createSlowKey(): KeyObject {
  const jwk = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' })
  const [p, q] = [toNumber(jwk.p), toNumber(jwk.q)]
  // Its own inverse is the usual exponent, so the two have changed places.
  const [e, d] = [invert(65_537n, (p - 1n) * (q - 1n)), 65_537n]
  const parts = { e, d, dp: d % (p - 1n), dq: d % (q - 1n), qi: invert(q, p) }
  const texts = Object.entries(parts).map(([name, value]) => [name, toBase64url(value)])
  return createPrivateKey({ key: { ...jwk, ...Object.fromEntries(texts) }, format: 'jwk' })
}

const generateKey = (modulusLength: number) => generateKeyPairSync('rsa', { modulusLength }).privateKey
/** Made once: that takes seconds. */
const [usual, large] = [generateKey(4096), generateKey(4104)]

test.each(['RS256', 'PS256'])(
  'a proof (%s) by RSA of 4096 bits is accepted, one of more is not',
  async (alg) => {
    await expect(verify(await prove(usual, alg), request)).resolves.toMatch(/^[\w-]{43}$/)
    await expect(verify(await prove(large, alg), request)).rejects.toThrow('larger than RSA of 4096 bits')
  },
)

test('a proof by RSA with a huge exponent is not accepted', async () => {
  await expect(verify(await prove(createSlowKey(), 'RS256'), request)).rejects.toThrow('larger than RSA')
})

test.each([
  ['no text', { n: 5, e: 'AQAB' }],
  ['none', undefined],
])('a proof whose key is %s is refused like any other', async (_name, key) => {
  const head = { typ: 'dpop+jwt', alg: 'RS256', jwk: key && { kty: 'RSA', ...key } }
  const proof = [head, {}].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
  await expect(verify([...proof, 'AA'].join('.'), request)).rejects.toThrow('does not verify')
})

test.each(['RS384', 'RS512', 'PS384', 'PS512'])(
  'a proof by %s is not accepted: metadata does not list it',
  async (alg) => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    await expect(verify(await prove(privateKey, alg), request)).rejects.toThrow()
  },
)
