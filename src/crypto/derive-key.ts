import { hash, hkdfSync } from 'node:crypto'

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
  | 'dpop-nonce'
  | 'log-subject'
  | 'recent-events'

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
 * Derives the secrets of a login from its seed (one-step key derivation, NIST SP 800-56C Rev. 2, 4.1): one
 * hash for each, because the seed is random. Node's HKDF makes objects outside of the JavaScript heap for
 * each call, and every login derives twice.
 */
export function deriveLoginSecrets(seed: Uint8Array): LoginSecrets {
  const derive = (purpose: string) =>
    hash('sha256', Buffer.concat([counter, seed, Buffer.from(`portico/v1/${purpose}`)]), 'base64url')
  return { state: derive('state'), nonce: derive('nonce'), codeVerifier: derive('code-verifier') }
}

/** The first and only round of the derivation: one hash is as long as a secret. */
const counter = Buffer.of(0, 0, 0, 1)
