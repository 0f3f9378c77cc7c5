import { createHash, randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { deriveLoginSecrets } from '../../../src/crypto/derive-key.ts'

test('the secrets of a login are those of NIST SP 800-56C Rev. 2, 4.1: every replica derives the same', () => {
  const seed = randomBytes(32)
  const derive = (purpose: string) =>
    createHash('sha256')
      .update(Buffer.of(0, 0, 0, 1))
      .update(seed)
      .update(`portico/v1/${purpose}`)
      .digest('base64url')
  const secrets = { state: derive('state'), nonce: derive('nonce'), codeVerifier: derive('code-verifier') }
  expect(deriveLoginSecrets(seed)).toEqual(secrets)
})

test('the secrets of a login differ from each other, and from those of another login', () => {
  const texts = [randomBytes(32), randomBytes(32)].flatMap((seed) => Object.values(deriveLoginSecrets(seed)))
  expect(new Set(texts).size).toBe(6)
  for (const text of texts) expect(text).toMatch(/^[\w-]{43}$/)
})
