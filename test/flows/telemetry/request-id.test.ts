import { expect } from 'vitest'
import { closeAfterTest, idp, portico, providerPerFile, serverPerFile } from '../../support/fixtures.ts'
import { startPortico } from '../../support/portico.ts'

const test = serverPerFile({ env: { TRUST_PROXY: '127.0.0.0/8' } })
const withoutProxy = providerPerFile()

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** A call that is refused, which the log says before the answer is out. */
const call = (url: string, id: string) =>
  fetch(`${url}/api/token`, { method: 'POST', headers: { 'x-request-id': id } })

test.for([
  'b1946ac9-2d1f-4f0e-9d4b-5d1f0b2c8a71',
  'Root=1-67891233-abcdef012345678912345678',
  '4bf92f3577b34da6a3ce929d0e0e4736',
  'proxy.7/abc+de:@f_g',
  '12345678',
  'a'.repeat(128),
])('the id that a trusted proxy gives a request is its id everywhere: %s', async (id) => {
  const response = await call(portico.url, id)
  expect(response.headers.get('x-request-id')).toBe(id)
  expect(await response.json()).toMatchObject({ request_id: id })
  expect(portico.logged.findLast(({ event }) => event === 'csrf_check_failed')).toMatchObject({
    request_id: id,
  })
})

test.for([
  ['too short', '1234567'],
  ['too long', 'a'.repeat(129)],
  ['with a space', 'abcd efgh'],
  ['with markup', '"><script>alert(1)</script>'],
  ['two of them', 'abcdefgh, ijklmnop'],
])('another text gets a new id: %s', async ([, id = '']) => {
  const response = await call(portico.url, id)
  expect(response.headers.get('x-request-id')).toMatch(uuid)
  expect(await response.json()).toMatchObject({ request_id: response.headers.get('x-request-id') })
})

withoutProxy('no one else chooses the id of a request', async () => {
  const other = closeAfterTest(await startPortico({ issuer: idp.issuer, env: { TRUST_PROXY: '10.0.0.0/8' } }))
  const response = await call(other.url, 'b1946ac9-2d1f-4f0e-9d4b-5d1f0b2c8a71')
  expect(response.headers.get('x-request-id')).toMatch(uuid)
  expect(response.headers.get('x-request-id')).not.toBe('b1946ac9-2d1f-4f0e-9d4b-5d1f0b2c8a71')
})
