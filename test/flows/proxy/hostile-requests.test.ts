import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createTestBrowser } from '../../support/browser.ts'
import { csrf } from '../../support/login.ts'
import { parseRaw, sendRaw } from '../../support/network/raw-http.ts'
import { type Proxied, startProxied } from '../../support/upstreams/proxied.ts'

/** F57: what a client may not say to an upstream, and paths that would lead elsewhere. */

let proxied: Proxied
let cookie: string
let token: string
beforeAll(async () => {
  proxied = await startProxied({
    routes: {
      orders: {},
      deep: { paths: ['/items'] },
      named: { request_headers: ['x-tenant'], cookies: ['region'], forwarded: true },
    },
  })
  cookie = proxied.cookieOf(await proxied.signIn())
  // The upstream shows the token of this session.
  await raw('GET', '/api/proxy/orders/token')
  token = proxied.upstream.requests[0]?.headers.find((line) => line.startsWith('authorization')) ?? ''
  expect(token).toMatch(/^authorization: Bearer [\w-]+\.[\w-]+\.[\w-]+$/)
})
afterAll(() => proxied.close())
beforeEach(() => {
  proxied.upstream.requests.length = 0
})

/** Sends a request of these bytes, with the session of the user. */
async function raw(method: string, target: string, lines: string[] = [], body = '') {
  const head = [
    `${method} ${target} HTTP/1.1`,
    'Host: app.example.com',
    `Cookie: ${cookie}`,
    'X-CSRF: 1',
    'Connection: close',
    ...lines,
  ]
  return parseRaw(await sendRaw(proxied.portico.url, `${head.join('\r\n')}\r\n\r\n${body}`))
}

/** The only request that the upstream received, without the lines that differ each time. */
function received(): { line: string; headers: string[] } | undefined {
  const { requests, origin } = proxied.upstream
  if (requests.length !== 1) throw new Error(`the upstream received ${requests.length} requests`)
  const [request] = requests
  const headers = (request?.headers ?? [])
    .map((line) => line.replace(new URL(origin).host, '{upstream}'))
    .map((line) => line.replace(/^(x-request-id: )[\da-f-]{36}$/, '$1{id}'))
  return { line: request?.line ?? '', headers }
}

const usual = ['host: {upstream}', 'connection: keep-alive']

describe('F57: headers', () => {
  test('those of identity, address, connection and credentials stay here; byte for byte', async () => {
    const { status } = await raw('GET', '/api/proxy/orders/items', [
      'Accept: application/json',
      'Authorization: Bearer of-the-attacker',
      'Proxy-Authorization: Basic YTpi',
      'X-Auth-Subject: admin',
      'X-Auth-Request-User: admin',
      'X_Auth_Subject: admin',
      'x_forwarded_user: admin',
      'X-Forwarded-User: admin',
      'X-Forwarded-For: 10.0.0.1',
      'X-Forwarded-Host: evil.example',
      'X-Forwarded-Proto: https',
      'X-Forwarded-Prefix: /admin',
      'X-Original-URL: /admin',
      'X-Rewrite-URL: /admin',
      'X-HTTP-Method-Override: DELETE',
      'X-Real-IP: 10.0.0.1',
      'True-Client-IP: 10.0.0.1',
      'CF-Connecting-IP: 10.0.0.1',
      'Forwarded: for=10.0.0.1',
      'Via: 1.1 evil',
      'X-Client-Cert: admin',
      'X-SSL-Client-Verify: SUCCESS',
      'Remote-User: admin',
      'Cookie2: a=b',
      'DPoP: of-the-attacker',
      'Origin: https://app.example.com',
      'Referer: https://app.example.com/secret',
      'Sec-Fetch-Site: same-origin',
      'TE: trailers',
      'Trailer: X-Late',
      'Keep-Alive: timeout=600',
      'Proxy-Connection: keep-alive',
      'Expect: x-admin',
      'Sec-WebSocket-Protocol: chat',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      'X-Slide: false',
      'X-Request-Id: of-the-attacker',
    ])
    expect(status).toBe(200)
    expect(received()).toEqual({
      line: 'GET /items HTTP/1.1',
      headers: [...usual, 'accept: application/json', 'x-request-id: {id}', token],
    })
  })

  test('what Connection names cannot remove a header of ours', async () => {
    await raw('GET', '/api/proxy/orders/items', [
      'Connection: authorization, x-request-id, accept',
      'Accept: */*',
    ])
    expect(received()?.headers).toEqual([...usual, 'accept: */*', 'x-request-id: {id}', token])
  })

  test('those of content, conditions and ranges pass, as they came', async () => {
    const lines = [
      'accept: a/b;q=0.1, */*',
      'accept-encoding: gzip, br',
      'accept-language: de, en;q=0.5',
      'cache-control: no-cache',
      'content-disposition: attachment; filename="a.json"',
      'content-encoding: identity',
      'content-language: de',
      'content-type: application/json; charset=utf-8',
      'if-match: "abc", W/"def"',
      'if-modified-since: Tue, 01 Jul 2025 00:00:00 GMT',
      'if-none-match: "ghi"',
      'if-range: "abc"',
      'if-unmodified-since: Tue, 01 Jul 2025 00:00:00 GMT',
      'range: bytes=0-99',
      'idempotency-key: 8e03978e-40d5-43dd-bc93-6894a57f9324',
      'last-event-id: 7',
      'prefer: return=minimal',
      `user-agent: ${'x'.repeat(2_000)}`,
    ]
    await raw('PUT', '/api/proxy/orders/items', [...lines, 'Content-Length: 2'], '{}')
    expect(received()?.headers).toEqual([
      ...usual,
      ...lines,
      'x-request-id: {id}',
      token,
      'content-length: 2',
    ])
  })

  test('the route names more: a header, a cookie, and Forwarded, which is made here', async () => {
    cookie += '; region=eu; other=1; regionx=2'
    await raw('GET', '/api/proxy/named/items', ['X-Tenant: blue', 'Forwarded: for=10.0.0.1'])
    cookie = cookie.replace(/; region=.*/, '')
    expect(received()?.headers).toEqual([
      ...usual,
      'x-tenant: blue',
      'x-request-id: {id}',
      'forwarded: for=127.0.0.1;host="app.example.com";proto=https',
      'cookie: region=eu',
      expect.stringMatching(/^authorization: Bearer /),
    ])
  })

  test('lists may come in several lines, and values may be names of headers', async () => {
    const lines = [
      'accept: a/b',
      'accept: c/d',
      'if-match: "a"',
      'prefer: range',
      'if-match: "b"',
      'range: x',
    ]
    await raw('GET', '/api/proxy/orders/items', lines)
    expect(received()?.headers.slice(2, -2)).toEqual(lines)
  })

  test('an address of IPv6 is in quotes and brackets (RFC 7239 6)', async () => {
    const other = await startProxied({
      routes: { named: { token: 'optional', forwarded: true } },
      env: { TRUST_PROXY: '127.0.0.1' },
    })
    await createTestBrowser().fetch(`${other.portico.url}/api/proxy/named/`, {
      headers: { ...csrf, 'x-forwarded-for': '2001:db8::1' },
    })
    expect(other.upstream.requests[0]?.headers).toContain(
      'forwarded: for="[2001:db8::1]";host="app.example.com";proto=https',
    )
    await other.close()
  })

  test.each([
    'Content-Type',
    'Content-Disposition',
    'Idempotency-Key',
    'If-Modified-Since',
    'If-Range',
    'If-Unmodified-Since',
    'Last-Event-ID',
    'Range',
    'User-Agent',
  ])('%s twice is refused', async (name) => {
    const { status } = await raw('GET', '/api/proxy/orders/items', [`${name}: a`, `${name}: b`])
    expect(status).toBe(400)
    expect(proxied.upstream.requests).toEqual([])
  })

  test.each([
    ['both lengths', ['Content-Length: 5', 'Transfer-Encoding: chunked'], '0\r\n\r\n'],
    ['an encoding that is not chunked', ['Transfer-Encoding: gzip, chunked, x'], ''],
    ['two lengths', ['Content-Length: 5', 'Content-Length: 6'], 'hello'],
    ['a length that is no number', ['Content-Length: 5x'], 'hello'],
  ])('a body with %s is refused', async (_what, lines, body) => {
    const { status } = await raw('POST', '/api/proxy/orders/items', lines, body)
    expect(status).toBe(400)
    expect(proxied.upstream.requests).toEqual([])
  })

  test.each([
    ['GET', 'Content-Length: 5', 'hello'],
    ['GET', 'Transfer-Encoding: chunked', '0\r\n\r\n'],
    ['HEAD', 'Content-Length: 5', 'hello'],
    ['HEAD', 'Transfer-Encoding: chunked', '0\r\n\r\n'],
  ])('a body of %s with %s is refused: servers do not agree on where it ends', async (method, line, body) => {
    const { status } = await raw(method, '/api/proxy/orders/items', [line], body)
    expect(status).toBe(400)
    expect(proxied.upstream.requests).toEqual([])
  })
})

describe('F57: paths', () => {
  test.each([
    '/../admin',
    '/items/../../admin',
    '/items/..',
    '/./items',
    '/items/.',
    '/%2e%2e/admin',
    '/%2E%2e/admin',
    '/.%2e/admin',
    '/items/%2e',
    '/..;/admin',
    '/..;a=b/admin',
    '/%2e%2e;x/admin',
    '/items/..%2fadmin',
    '/items/%2F..%2Fadmin',
    '/..%5cadmin',
    '/..\\admin',
    '/items\\..\\admin',
    '//evil.example/items',
    '/items//5',
    '/items/5//',
    '/%2f%2fevil.example',
    '/items/a%2fb',
    '/items/a%5Cb',
    '/items/%00',
    '/items/%0d%0aX-Admin:%201',
    '/items/%7f',
    '/items/%c2%85',
    '/items/%c0%ae%c0%ae/admin',
    '/items/%e0%80%af',
    '/items/%',
    '/items/%2',
    '/items/%zz',
    '/items/%u002e%u002e/',
    '/items/%252e%252e/admin',
    '/items/%252fadmin',
    '/items/%2525252e',
    '/items/a"b',
    '/items/<b>',
    '/items/`id`',
    '/items/{id}',
    '/%20../admin',
    '/..%20/admin',
    '/..%09/admin',
  ])('%s never reaches an upstream', async (path) => {
    const { status, body } = await raw('GET', `/api/proxy/orders${path}`)
    expect([400, 404]).toContain(status)
    expect(body).toMatch(/"code":"(invalid_request|not_found)"/)
    expect(proxied.upstream.requests).toEqual([])
  })

  test.each([
    ['/api/proxy/../admin'],
    ['/api/proxy//orders/items'],
    ['/api/proxy/%6frders/items'],
    ['/api/proxy/ORDERS/items'],
    ['/api/proxy/orders%2fitems'],
    ['/api/proxy/__proto__/items'],
    ['/api/proxy/constructor/items'],
    ['/api/proxy/'],
    ['/api/%70roxy/orders/items'],
    ['/API/PROXY/orders/items'],
    ['/api/./proxy/orders/items'],
  ])('no route is found at %s', async (target) => {
    expect((await raw('GET', target)).status).toBe(404)
    expect(proxied.upstream.requests).toEqual([])
  })

  test.each([
    ['/items/5', '/items/5'],
    ['', '/'],
    ['/', '/'],
    ['?a=b', '/?a=b'],
    ['?a=/b', '/?a=/b'],
    ['/items/a|b^c[d]', '/items/a|b^c[d]'],
    ['/items/a%20b', '/items/a%20b'],
    ['/items/100%25', '/items/100%25'],
    ['/items/%C3%A4', '/items/%C3%A4'],
    ['/items/a;v=1', '/items/a;v=1'],
    ['/items/...', '/items/...'],
    ['/.well-known/x', '/.well-known/x'],
    ['/items/a.b/', '/items/a.b/'],
    ["/items/a!$&'()*+,=:@~_-", "/items/a!$&'()*+,=:@~_-"],
    ['/items?path=../../admin&url=//evil', '/items?path=../../admin&url=//evil'],
    ['/items?slide=false', '/items?slide=false'],
  ])('%s arrives as %s', async (path, arrives) => {
    expect((await raw('GET', `/api/proxy/orders${path}`)).status).toBe(200)
    expect(received()?.line).toBe(`GET ${arrives} HTTP/1.1`)
  })

  test('a target in absolute form counts by its path alone', async () => {
    expect((await raw('GET', 'http://evil.example/api/proxy/orders/items')).status).toBe(200)
    expect(received()?.headers[0]).toBe('host: {upstream}')
  })

  test('a prefix cannot be left by a parameter of a segment', async () => {
    expect((await raw('GET', '/api/proxy/deep/items;/../admin')).status).not.toBe(200)
    expect((await raw('GET', '/api/proxy/deep/items%3b')).status).toBe(404)
    expect((await raw('GET', '/api/proxy/deep/items;x')).status).toBe(404)
    expect(proxied.upstream.requests).toEqual([])
  })

  test.each(['TRACE', 'OPTIONS', 'PROPFIND', 'PURGE'])(
    'the method %s never reaches an upstream',
    async (method) => {
      await raw(method, '/api/proxy/orders/items')
      expect(proxied.upstream.requests).toEqual([])
    },
  )
})
