import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createTestBrowser, type TestBrowser } from '../../support/browser.ts'
import { csrf, readRefusal } from '../../support/login.ts'
import { type Proxied, startProxied } from '../../support/upstreams/proxied.ts'
import { toResponse } from '../../support/upstreams/raw-upstream.ts'

let proxied: Proxied
let browser: TestBrowser
beforeAll(async () => {
  proxied = await startProxied({
    routes: {
      orders: {},
      narrow: { methods: ['GET'], paths: ['/items', '/public'] },
      scoped: { scopes: ['orders:read', 'orders:delete'] },
      grouped: { groups: ['Admins'] },
      app: { token: 'app', audience: 'https://orders.internal' },
      bare: { token: 'none' },
      open: { token: 'optional' },
    },
  })
  browser = await proxied.signIn()
})
afterAll(() => proxied.close())
beforeEach(() => {
  proxied.upstream.requests.length = 0
  proxied.upstream.answer = toResponse('200 OK', ['Content-Type: application/json'], '{"ok":true}')
})

const call = (path: string, init = {}, by = browser) =>
  by.fetch(`${proxied.portico.url}/api/proxy/${path}`, { headers: csrf, ...init })

test('R60: a call reaches the upstream with the token of the provider, and nothing else of the session', async () => {
  const response = await call('orders/items/5?page=2&q=a%20b')
  expect(response.status).toBe(200)
  expect(await response.json()).toEqual({ ok: true })
  const [request] = proxied.upstream.requests
  expect(request?.line).toBe('GET /items/5?page=2&q=a%20b HTTP/1.1')
  expect(request?.headers).toContainEqual(expect.stringMatching(/^authorization: Bearer \S+$/))
  expect(request?.headers.map((line) => line.split(':')[0])).toEqual(
    expect.not.arrayContaining(['cookie', 'x-csrf']),
  )
})

test('a POST arrives with its body', async () => {
  const response = await call('orders/items', {
    method: 'POST',
    headers: { ...csrf, 'content-type': 'application/json' },
    body: '{"name":"ä"}',
  })
  expect(response.status).toBe(200)
  const [request] = proxied.upstream.requests
  expect(request?.line).toBe('POST /items HTTP/1.1')
  expect(Buffer.from(request?.body ?? '', 'latin1').toString()).toBe('{"name":"ä"}')
})

describe('R59: only what a route allows', () => {
  test.each([
    ['an unknown route', 'GET', 'payments/x', '404 not_found'],
    ['a path that is in no prefix', 'GET', 'narrow/itemsx', '404 not_found'],
    ['a path above the prefix', 'GET', 'narrow', '404 not_found'],
    ['another method', 'DELETE', 'narrow/items', '405 method_not_allowed'],
    ['a scope that was not granted', 'GET', 'scoped/x', '403 insufficient_scope'],
    ['a group that the user is not in', 'GET', 'grouped/x', '403 insufficient_group'],
  ])('%s', async (_what, method, path, refusal) => {
    expect(await readRefusal(await call(path, { method }))).toBe(refusal)
    expect(proxied.upstream.requests).toEqual([])
  })

  test.each(['narrow/items', 'narrow/items/', 'narrow/items/5?x', 'narrow/public/a'])(
    '%s passes',
    async (path) => {
      expect((await call(path)).status).toBe(200)
    },
  )
})

describe('without', () => {
  test('a session', async () => {
    const other = createTestBrowser()
    expect(await readRefusal(await call('orders/x', {}, other))).toBe('401 session_required')
    expect(await readRefusal(await call('bare/x', {}, other))).toBe('401 session_required')
    expect(proxied.upstream.requests).toEqual([])
    expect((await call('open/x', {}, other)).status).toBe(200)
    expect(proxied.upstream.requests[0]?.headers.join()).not.toMatch(/authorization/i)
  })

  test('the header X-CSRF', async () => {
    expect(await readRefusal(await call('orders/x', { headers: {} }))).toBe('403 csrf_check_failed')
    expect(await readRefusal(await call('open/x', { headers: {} }))).toBe('403 csrf_check_failed')
    expect(proxied.upstream.requests).toEqual([])
  })

  test('a token, where the route wants none', async () => {
    expect((await call('bare/x')).status).toBe(200)
    expect(proxied.upstream.requests[0]?.headers.join()).not.toMatch(/authorization/i)
  })
})

describe('a page of another origin that SPA_ORIGINS allows', () => {
  let other: Proxied
  beforeAll(async () => {
    other = await startProxied({
      routes: {
        orders: { methods: ['GET', 'PATCH'], request_headers: ['x-tenant'], response_headers: ['x-total'] },
      },
      env: { SPA_ORIGINS: 'https://spa.example.com' },
    })
  })
  afterAll(() => other.close())

  const preflight = (path: string) =>
    createTestBrowser().fetch(other.portico.url + path, {
      method: 'OPTIONS',
      headers: {
        origin: 'https://spa.example.com',
        'access-control-request-method': 'PATCH',
        'access-control-request-headers': 'x-csrf,x-tenant',
      },
    })

  test('may use the methods and the headers of the routes, and of the endpoints only theirs', async () => {
    const { headers } = await preflight('/api/proxy/orders/x')
    expect(headers.get('access-control-allow-methods')?.split(',')).toEqual(['GET', 'PATCH', 'HEAD'])
    expect(headers.get('access-control-allow-headers')?.split(',')).toEqual(
      expect.arrayContaining(['X-CSRF', 'X-Slide', 'content-type', 'if-match', 'x-tenant']),
    )
    const ofEndpoint = await preflight('/api/session')
    expect(ofEndpoint.headers.get('access-control-allow-methods')).toBe('GET,POST,DELETE')
    expect(other.upstream.requests).toEqual([])
  })

  test('may read the headers that pass, and no page of another origin anything', async () => {
    const by = await other.signIn()
    const read = (origin: string) =>
      by.fetch(`${other.portico.url}/api/proxy/orders/x`, {
        headers: { ...csrf, origin, 'sec-fetch-site': 'same-site' },
      })
    const allowed = (await read('https://spa.example.com')).headers
    expect(allowed.get('access-control-allow-origin')).toBe('https://spa.example.com')
    expect(allowed.get('access-control-expose-headers')?.split(',')).toEqual(
      expect.arrayContaining(['ETag', 'Location', 'WWW-Authenticate', 'Proxy-Status', 'x-total']),
    )
    const refused = await read('https://evil.example.com')
    expect(refused.status).toBe(403)
    expect(refused.headers.get('access-control-allow-origin')).toBeNull()
  })
})
