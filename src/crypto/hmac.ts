import { hash } from 'node:crypto'

/** Computes the HMAC-SHA256 of a text with one key (RFC 2104), in base64 with padding. */
export type Hmac = (text: string) => string

/** Bytes of a block of SHA-256, and of its result. */
const blockSize = 64
const hashSize = 32

/**
 * Prepares a key of at most 64 bytes. Node's own `createHmac` makes an object outside of the JavaScript heap
 * for each text, which costs more than the hashes themselves and keeps the garbage collector busy; every
 * check of a session needs one.
 */
export function createHmacSha256(key: Uint8Array): Hmac {
  if (key.length > blockSize) throw new RangeError('the key is longer than a block of SHA-256')
  const innerKey = pad(key, 0x36)
  const outer = Buffer.concat([pad(key, 0x5c), Buffer.alloc(hashSize)])
  return (text) => {
    const inner = Buffer.concat([innerKey, Buffer.from(text)])
    hash('sha256', inner, 'buffer').copy(outer, blockSize)
    return hash('sha256', outer, 'base64')
  }
}

function pad(key: Uint8Array, value: number): Buffer {
  const block = Buffer.alloc(blockSize, value)
  for (const [at, byte] of key.entries()) block[at] = byte ^ value
  return block
}
