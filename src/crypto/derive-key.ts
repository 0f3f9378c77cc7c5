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

/**
 * Derives a text of 256 bits in base64url (HKDF-SHA256, RFC 5869). It reveals neither the seed nor the texts
 * that the same seed yields for other purposes.
 */
export function deriveText(seed: Uint8Array, purpose: 'state' | 'nonce' | 'code-verifier'): string {
  return Buffer.from(hkdfSync('sha256', seed, '', `portico/v1/${purpose}`, 32)).toString('base64url')
}
