import { createHmac } from 'node:crypto'
import { deriveKeys } from './derive-key.ts'

/** Bytes of a hash: too many for two users to have the same one by chance. */
const size = 16

/**
 * Returns what computes the hashes by which the log names a user, one for each master secret, newest first.
 * All events of a user have the same one; without the secret, not even a list of all users shows whose it is.
 */
export function createSubjectHashes(secrets: readonly Uint8Array[]): (sub: string) => string[] {
  const keys = deriveKeys(secrets, 'log-subject')
  return (sub) => keys.map((key) => `h:${hmac(key, sub).subarray(0, size).toString('base64url')}`)
}

const hmac = (key: Uint8Array, text: string) => createHmac('sha256', key).update(text).digest()
