import { expect, test } from 'vitest'
import { randomBytes } from '../../../src/crypto/random.ts'

test('no byte is given out twice, and all values come up', () => {
  // More than three blocks, in lengths that do not divide one.
  const all = Array.from({ length: 500 }, () => randomBytes(27))
  expect(new Set(all.map(String)).size).toBe(all.length)
  expect(all.every((bytes) => bytes.length === 27)).toBe(true)
  expect(new Set(all.flatMap((bytes) => [...bytes])).size).toBe(256)
})

test('bytes that were given out do not change later', () => {
  const first = randomBytes(32)
  const copy = Buffer.from(first)
  for (let index = 0; index < 300; index += 1) randomBytes(32)
  expect(first.equals(copy)).toBe(true)
})
