import { afterEach, expect, test, vi } from 'vitest'
import { createCall } from '../../client/call.ts'
import { createPortico } from '../../client/portico.ts'
import { closeAfterTest } from '../support/fixtures.ts'
import { startTestServer } from '../support/network/http-server.ts'

afterEach(() => void vi.unstubAllGlobals())

test.each(['https://auth.example.com', 'https://app.example.com/shop', 'http://localhost:3000/a/b', '/shop'])(
  'the client may be given the address %s',
  (url) => {
    expect(() => createPortico({ url, apiOrigins: [] })).not.toThrow()
  },
)

test.each([
  'https://app.example.com/shop/',
  'app.example.com',
  'https://app.example.com/shop?a',
  'shop',
  '/',
])('the client refuses the address %s', (url) => {
  expect(() => createPortico({ url, apiOrigins: [] })).toThrow('is neither an origin')
})

test.each(['/auth', '/shop/auth'])('and the prefix %s', (apiPrefix) => {
  expect(() => createPortico({ apiPrefix, apiOrigins: [] })).not.toThrow()
})

test.each(['auth', '/auth/', '//evil.example', '/auth?a', 'https://evil.example/auth?a'])(
  'the client refuses the prefix %s',
  (apiPrefix) => {
    expect(() => createPortico({ apiPrefix, apiOrigins: [] })).toThrow('is neither an origin')
  },
)

test('its calls go below the address and the prefix', async () => {
  const asked: string[] = []
  const server = closeAfterTest(await startTestServer())
  server.serve((req, res) => {
    asked.push(req.url ?? '')
    res.end('{}')
  })
  vi.stubGlobal('location', { href: `${server.origin}/page` })
  for (const api of ['/api', '/shop/auth', `${server.origin}/shop/api`]) await createCall(api)('session')
  expect(asked).toEqual(['/api/session', '/shop/auth/session', '/shop/api/session'])
})
