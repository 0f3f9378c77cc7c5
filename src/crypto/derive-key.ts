import { hkdfSync } from 'node:crypto'

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

/** Derives the secrets of a login from its seed (HKDF-SHA256, RFC 5869), all by one call. */
export function deriveLoginSecrets(seed: Uint8Array): LoginSecrets {
  const bytes = Buffer.from(hkdfSync('sha256', seed, '', 'portico/v1/login', 96))
  return {
    state: bytes.toString('base64url', 0, 32),
    nonce: bytes.toString('base64url', 32, 64),
    codeVerifier: bytes.toString('base64url', 64, 96),
  }
}
