import { createPrivateKey, X509Certificate } from 'node:crypto'
import { type Parser, parser } from '../values/parsers.ts'
import { type PrivateJwk, privateJwkSet, toPrivateJwk } from '../values/private-jwk-set.ts'

/** The client's private keys (private_key_jwt), from a JWK, a JWK Set or PEM; the first one signs. */
export const clientKeys: Parser<PrivateJwk[]> = parser((text) => {
  if (isPem(text)) return [readPemKey(text)]
  const json = readJwk(text)
  const isObject = typeof json === 'object' && json !== null
  const isSet = isObject && 'keys' in json
  if (isObject && !isSet && !('d' in json)) {
    throw new Error('must be the private key, not the public one ("d" is missing)')
  }
  const parsed = privateJwkSet.safeParse(isSet ? text : JSON.stringify({ keys: [json] }))
  if (parsed.success) return parsed.data
  throw new Error(parsed.error.issues[0]?.message ?? 'must be a private key: a JWK, a JWK Set or PEM')
})

/** The Team ID of an Apple developer account. */
export const appleTeamId: Parser<string> = parser((text) => {
  if (/^[A-Z0-9]{10}$/.test(text)) return text
  throw new Error('must be a Team ID of Apple: ten letters and digits')
})

/** A certificate in PEM, followed by the other certificates of its chain. */
export const certificate: Parser<string> = parser((text) => {
  try {
    new X509Certificate(toLines(text))
  } catch {
    throw new Error('must be a certificate in PEM')
  }
  return toLines(text)
})

/** The private key of a certificate, in PEM. */
export const certificateKey: Parser<string> = parser((text) => {
  try {
    createPrivateKey(toLines(text))
  } catch {
    throw new Error('must be an unencrypted private key in PEM')
  }
  return toLines(text)
})

/** Whether a private key belongs to a certificate. */
export function isKeyOf(certificatePem: string, keyPem: string): boolean {
  return new X509Certificate(certificatePem).checkPrivateKey(createPrivateKey(keyPem))
}

/** PEM has several lines; in a variable that cannot have them, they are written as `\n`. */
const toLines = (text: string) => text.replaceAll('\\n', '\n')

const isPem = (text: string) => text.trimStart().startsWith('-----BEGIN ')

function readPemKey(text: string): PrivateJwk {
  if (/-----BEGIN (PUBLIC KEY|CERTIFICATE)/.test(text))
    throw new Error('must be the private key, not the public one')
  if (/ENCRYPTED/.test(text)) throw new Error('must be a private key without a password')
  const jwk = toPrivateJwk(() => createPrivateKey(toLines(text)).export({ format: 'jwk' }))
  if (jwk !== undefined) return jwk
  throw new Error(
    'must be a private key of P-256 (ES256), Ed25519 (EdDSA) or RSA of 2048 bits or more (RS256)',
  )
}

function readJwk(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Error('must be a private key: a JWK, a JWK Set or PEM')
  }
}
