import { randomFillSync } from 'node:crypto'

/** Random bytes that were drawn ahead; the first `used` of them are taken, and wiped. */
const drawn = Buffer.alloc(4_096)
let used = drawn.length

/**
 * Returns random bytes, 4,096 at most. They are drawn in blocks, as Node's randomUUID does for itself: a call
 * of the generator costs five times as much as a copy.
 */
export function randomBytes(length: number): Buffer {
  if (used + length > drawn.length) {
    randomFillSync(drawn)
    used = 0
  }
  const bytes = Buffer.from(drawn.subarray(used, used + length))
  drawn.fill(0, used, used + length)
  used += length
  return bytes
}
