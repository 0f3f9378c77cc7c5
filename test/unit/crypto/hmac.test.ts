import { createHmac, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createHmacSha256 } from '../../../src/crypto/hmac.ts'

test('the same as Node’s own, for every key and text, also one after the other', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 64 }),
      fc.array(fc.string({ unit: 'grapheme-ascii', maxLength: 64 }), { maxLength: 3 }),
      (key, texts) => {
        const hmac = createHmacSha256(key)
        const expected = texts.map((text) => createHmac('sha256', key).update(text).digest('base64'))
        expect(texts.map(hmac)).toEqual(expected)
      },
    ),
  )
})

test('a key that would have to be hashed first, and a text that is too long, are refused', () => {
  expect(() => createHmacSha256(randomBytes(65))).toThrow(RangeError)
  expect(() => createHmacSha256(randomBytes(64))('a'.repeat(65))).toThrow(RangeError)
})
