import { sha256Base64url } from '../crypto/hash.ts'

/** Remembers tokens that have passed a check. */
export interface TokenMemory {
  /** Runs the check, unless the token has passed it before. What the check throws is not remembered. */
  checkOnce(token: string, check: () => void): void
}

/** Creates a memory of the latest tokens, by their hash; one with a capacity of 0 checks each time. */
export function createTokenMemory(capacity: number): TokenMemory {
  const hashes = new Set<string>()
  return {
    checkOnce(token, check) {
      if (capacity === 0) return check()
      const hash = sha256Base64url(token)
      if (hashes.has(hash)) return
      check()
      const [oldest] = hashes
      if (hashes.size >= capacity && oldest !== undefined) hashes.delete(oldest)
      hashes.add(hash)
    },
  }
}
