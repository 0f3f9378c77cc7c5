import { hkdfSync } from 'node:crypto'
import { createHmacSha256 } from './hmac.ts'

/** What a derived key is for. A key of one purpose is useless for every other purpose. */
export type KeyPurpose =
  | 'session-cookie'
  | 'login-transaction'
  | 'login-outcome'
  | 'logout-state'
  | 'logout-ticket'
  | 'session-at-rest'
  | 'store-index'
  | 'signing-keys'
  | 'provider-dpop'

/** Derives one 32-byte key from each master secret, in their order, newest first (HKDF-SHA256, RFC 5869). */
export function deriveKeys(secrets: readonly Uint8Array[], purpose: KeyPurpose): Buffer[] {
  return secrets.map((secret) => Buffer.from(hkdfSync('sha256', secret, '', `portico/v1/${purpose}`, 32)))
}

/** The secrets of one login, each of 256 bits in base64url. None of them reveals the seed or another one. */
export interface LoginSecrets {
  state: string
  nonce: string
  codeVerifier: string
}

/**
 * Derives the secrets of a login from its seed, by HKDF-Expand: a random seed needs no HKDF-Extract (RFC 5869
 * 3.3). Node's own HKDF makes objects outside of the JavaScript heap for each call.
 */
export function deriveLoginSecrets(seed: Uint8Array): LoginSecrets {
  const hmac = createHmacSha256(seed)
  const expand = (purpose: string) => hmac(`portico/v1/${purpose}\x01`, 'base64url')
  return { state: expand('state'), nonce: expand('nonce'), codeVerifier: expand('code-verifier') }
}
