import { hkdfSync } from 'node:crypto'

/** What a derived key is for. A key of one purpose is worth nothing for another. */
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

/** Derives one 32-byte key for each master secret, in their order, newest first (HKDF-SHA256, RFC 5869). */
export function deriveKeys(secrets: readonly Uint8Array[], purpose: KeyPurpose): Buffer[] {
  return secrets.map((secret) => Buffer.from(hkdfSync('sha256', secret, '', `portico/v1/${purpose}`, 32)))
}
