import { hash } from 'node:crypto'

/** Computes the HMAC-SHA256 of an ASCII text of at most 64 characters (RFC 2104), in base64. */
export type Hmac = (text: string) => string

/** Bytes of a block of SHA-256, and of its result. */
const blockSize = 64
const hashSize = 32

/** Characters that a text may have. */
const maxLength = 64

/**
 * Prepares a key of at most 64 bytes. Node's own `createHmac` makes an object outside of the JavaScript heap
 * for each text, which costs more than the hashes themselves and keeps the garbage collector busy; every
 * check of a session needs one. The two buffers are used again for each text: nothing here waits.
 */
export function createHmacSha256(key: Uint8Array): Hmac {
  if (key.length > blockSize) throw new RangeError('the key is longer than a block of SHA-256')
  const inner = Buffer.concat([pad(key, 0x36), Buffer.alloc(maxLength)])
  const outer = Buffer.concat([pad(key, 0x5c), Buffer.alloc(hashSize)])
  return (text) => {
    if (text.length > maxLength) throw new RangeError('the text is too long')
    inner.write(text, blockSize, 'latin1')
    outer.write(hash('sha256', inner.subarray(0, blockSize + text.length), 'latin1'), blockSize, 'latin1')
    return hash('sha256', outer, 'base64')
  }
}

function pad(key: Uint8Array, value: number): Buffer {
  const block = Buffer.alloc(blockSize, value)
  for (let at = 0; at < key.length; at += 1) block[at] = (key[at] ?? 0) ^ value
  return block
}
