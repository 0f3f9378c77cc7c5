import { createPrivateKey } from 'node:crypto'
import { expect, test } from 'vitest'
import { createDpopKeys, toP256Jwk } from '../../../src/provider/client/dpop-keys.ts'

const [old, next] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)]

test('a secret has one key, now and in every later version: sessions are bound to it', async () => {
  const { thumbprint } = await createDpopKeys([old]).find()
  expect(thumbprint).toBe('gU5g8_SsnVvMb2po2HjDxgkN7498YbkjUeyA7WFWq00')
})

test('the newest secret has the key of new logins; an older one is found by its thumbprint', async () => {
  const before = await createDpopKeys([old]).find()
  const keys = createDpopKeys([next, old])
  expect((await keys.find()).thumbprint).not.toBe(before.thumbprint)
  expect((await keys.find(before.thumbprint)).thumbprint).toBe(before.thumbprint)
  // Its secret was removed: the newest key is used.
  expect((await createDpopKeys([next]).find(before.thumbprint)).thumbprint).toBe(
    (await keys.find()).thumbprint,
  )
})

test('nonces are kept: a key has one handle', async () => {
  const keys = createDpopKeys([old])
  expect((await keys.find()).dpopHandle).toBe((await keys.find()).dpopHandle)
})

test.each([
  ['zero', Buffer.alloc(32)],
  ['more than the order of the curve', Buffer.alloc(32, 0xff)],
])('a seed that is no private key (%s) makes a key pair all the same', (_what, seed) => {
  const jwk = toP256Jwk(seed)
  expect(createPrivateKey({ key: jwk as never, format: 'jwk' }).asymmetricKeyDetails?.namedCurve).toBe(
    'prime256v1',
  )
  expect(jwk).toEqual(toP256Jwk(seed))
})
