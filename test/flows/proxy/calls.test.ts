import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createTestBrowser, type TestBrowser } from '../../support/browser.ts'
import { minutes } from '../../support/clock.ts'
import { csrf, readRefusal } from '../../support/login.ts'
import { readSession } from '../../support/upstream-tokens.ts'
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
      'open-scoped': { token: 'optional', scopes: ['orders:read'] },
      'open-grouped': { token: 'optional', groups: ['Admins'] },
      based: { upstream: '{upstream}/v1/api', paths: ['/items'] },
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

test("a path lies below that of the route's upstream", async () => {
  expect((await call('based/items/5?from=/x')).status).toBe(200)
  expect(proxied.upstream.requests[0]?.line).toBe('GET /v1/api/items/5?from=/x HTTP/1.1')
  expect(await readRefusal(await call('based/v1/api/items'))).toBe('404 not_found')
})

test('a call extends the idle timeout of the session, except with X-Slide: false', async () => {
  const { handle } = await readSession(proxied.portico, browser)
  const idleTimeoutAfter = async (headers: object) => {
    proxied.portico.clock.advance(minutes(5))
    await call('orders/items', { headers: { ...csrf, ...headers } })
    return (await proxied.portico.store.read(handle))?.idleExpiresAt ?? 0
  }
  const first = await idleTimeoutAfter({})
  expect(await idleTimeoutAfter({ 'x-slide': 'false' })).toBe(first)
  expect(await idleTimeoutAfter({ 'x-slide': 'true' })).toBe(first + minutes(10))
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

  test('a refused method is answered with those that are allowed (RFC 9110 15.5.6)', async () => {
    expect((await call('narrow/items', { method: 'PUT' })).headers.get('allow')).toBe('GET, HEAD')
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

  test('a session, where the token is optional and the access is not', async () => {
    for (const route of ['open-scoped', 'open-grouped']) {
      expect(await readRefusal(await call(`${route}/x`, {}, createTestBrowser()))).toBe(
        '401 session_required',
      )
    }
    expect(proxied.upstream.requests).toEqual([])
    expect((await call('open-scoped/x')).status).toBe(200)
  })

  test('a session that still lives', async () => {
    const other = await proxied.signIn()
    const { handle } = await readSession(proxied.portico, other)
    await proxied.portico.store.end(handle)
    expect(await readRefusal(await call('orders/x', {}, other))).toBe('401 session_expired')
    expect(proxied.upstream.requests).toEqual([])
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
