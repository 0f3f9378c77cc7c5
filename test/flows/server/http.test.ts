import { gzipSync } from 'node:zlib'
import request from 'supertest'
import { describe, expect } from 'vitest'
import { createTestBrowser } from '../../support/browser.ts'
import { idp, portico, serverPerFile } from '../../support/fixtures.ts'
import { csrf, logInAtScripted, readRefusal } from '../../support/login.ts'
import { sendRaw } from '../../support/network/raw-http.ts'
import { publicUrl, startPortico, type TestPortico } from '../../support/portico.ts'

const spaOrigin = 'https://spa.example.com'
const test = serverPerFile({ env: { SPA_ORIGINS: spaOrigin } })

const guarded = [
  ['GET', '/api/session'],
  ['POST', '/api/token'],
  ['POST', '/api/logout'],
] as const

describe('every call that acts on the session cookie is defended (R54)', () => {
  test.each(guarded)(
    '%s %s: refused without X-CSRF, and the detail names the header',
    async (method, path) => {
      const { browser } = await logInAtScripted(portico, idp)
      const response = await browser.fetch(portico.url + path, { method })
      expect(await response.clone().text()).toContain('X-CSRF: 1')
      expect(await readRefusal(response)).toBe('403 csrf_check_failed')
    },
  )

  test.each(
    guarded.flatMap(
      ([method, path]) =>
        [
          [method, path, 'Origin of another site', { origin: 'https://evil.example' }],
          [method, path, 'Origin null', { origin: 'null' }],
          [method, path, 'a sibling that is not listed', { origin: 'https://other.example.com' }],
          [method, path, 'Sec-Fetch-Site cross-site', { 'sec-fetch-site': 'cross-site' }],
          [method, path, 'Sec-Fetch-Site same-site without Origin', { 'sec-fetch-site': 'same-site' }],
        ] as const,
    ),
  )('%s %s: refused from %s (F43)', async (method, path, _name, headers) => {
    const { browser } = await logInAtScripted(portico, idp)
    const response = await browser.fetch(portico.url + path, { method, headers: { ...csrf, ...headers } })
    expect(await readRefusal(response)).toBe('403 csrf_check_failed')
    const session = await browser.fetch(`${portico.url}/api/session`, { headers: csrf })
    expect(await session.json()).toMatchObject({ active: true })
  })

  test.each([
    ['our own origin', { origin: publicUrl, 'sec-fetch-site': 'same-origin' }],
    ['a listed SPA', { origin: spaOrigin, 'sec-fetch-site': 'same-site' }],
    ['no browser at all', { 'sec-fetch-site': undefined, 'sec-fetch-mode': undefined }],
  ])('passes with the header from %s', async (_name, headers) => {
    const { browser } = await logInAtScripted(portico, idp)
    const response = await browser.fetch(`${portico.url}/api/session`, { headers: { ...csrf, ...headers } })
    expect(await response.json()).toMatchObject({ active: true })
  })

  test.each([
    ['from another site', { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }],
    ['from another site that claims our origin', { 'sec-fetch-site': 'cross-site', origin: publicUrl }],
    ['from another site that says nothing of itself', { 'sec-fetch-site': undefined }],
    ['without an Origin', { 'sec-fetch-site': 'same-origin' }],
    ['that contradicts itself', { 'sec-fetch-site': 'same-origin', origin: 'https://evil.example' }],
  ])('a logout form %s is refused (F43)', async (_name, headers) => {
    const { browser } = await logInAtScripted(portico, idp)
    const body = new URLSearchParams()
    const response = await browser.visit(`${portico.url}/api/logout`, { method: 'POST', headers, body })
    expect(response.status).toBe(403)
    const session = await browser.fetch(`${portico.url}/api/session`, { headers: csrf })
    expect(await session.json()).toMatchObject({ active: true })
  })
})

describe('a wrong PUBLIC_URL is named where it is noticed', () => {
  const readDetail = async (response: Response) => {
    expect(response.status).toBe(403)
    return ((await response.json()) as { detail: string }).detail
  }

  test.each([
    ['POST', '/api/token', { ...csrf }],
    ['POST', '/api/logout', { ...csrf }],
    ['POST', '/api/login', { ...csrf }],
    ['GET', '/api/login', {}],
  ] as const)('%s %s from the page of a dev server', async (method, path, headers) => {
    const devServer = { ...headers, origin: 'http://localhost:5173' }
    const response = await createTestBrowser().fetch(portico.url + path, { method, headers: devServer })
    expect(await readDetail(response)).toContain(
      `The request comes from a page of http://localhost:5173, but PUBLIC_URL is ${publicUrl}. `,
    )
  })

  test.each(['null', 'https://x.example/<script>', `https://${'x'.repeat(250)}.example`, '"'])(
    'an odd origin is not repeated: %s',
    async (origin) => {
      const response = await createTestBrowser().fetch(`${portico.url}/api/token`, {
        method: 'POST',
        headers: { ...csrf, origin },
      })
      const detail = await readDetail(response)
      expect(detail).toContain('from a page of another origin, but')
      expect(detail).not.toContain(origin)
    },
  )

  test('a user who is sent to the login reads no names of settings', async () => {
    const headers = { 'sec-fetch-site': 'cross-site', 'sec-fetch-user': undefined }
    const response = await createTestBrowser().visit(`${portico.url}/api/login`, { headers })
    const page = await response.text()
    expect([response.status, page.includes('PUBLIC_URL')]).toEqual([403, false])
    expect(page).toContain('Another site sent you here to sign in')
  })
})

test('a logout form of our own page with Referrer-Policy no-referrer passes, whose Origin is null', async () => {
  const headers = { origin: 'null', 'sec-fetch-site': 'same-origin' }
  const body = new URLSearchParams()
  const response = await createTestBrowser().visit(`${portico.url}/api/logout`, {
    method: 'POST',
    headers,
    body,
  })
  expect(response.status).toBe(303)
})

test('a logout that is no form needs the header, also from our own page (R54)', async () => {
  const headers = { origin: publicUrl, 'sec-fetch-site': 'same-origin', 'content-type': 'application/json' }
  const response = await createTestBrowser().fetch(`${portico.url}/api/logout`, {
    method: 'POST',
    headers,
    body: '{}',
  })
  expect(await readRefusal(response)).toBe('403 csrf_check_failed')
})

test('nothing changes on GET, the callback aside: HEAD and GET of what acts are refused (R55)', async () => {
  const { browser } = await logInAtScripted(portico, idp)
  for (const path of ['/api/logout', '/api/token']) {
    for (const method of ['GET', 'HEAD'] as const) {
      expect((await browser.fetch(portico.url + path, { method, headers: csrf })).status).toBe(405)
    }
  }
  const session = await browser.fetch(`${portico.url}/api/session`, { headers: csrf })
  expect(await session.json()).toMatchObject({ active: true })
})

test('HEAD begins no login, and uses up no code: 405, with the methods that are allowed (R55)', async () => {
  for (const path of ['/api/login', '/api/callback?state=x&code=y']) {
    const response = await createTestBrowser().fetch(portico.url + path, { method: 'HEAD' })
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, POST'])
    expect(response.headers.getSetCookie()).toEqual([])
  }
})

describe('CORS lets exactly the listed origins in (R56)', () => {
  const preflight = (origin: string) =>
    request(portico.url)
      .options('/api/token')
      .set({ origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'x-csrf' })

  test('a listed origin', async () => {
    const answer = await preflight(spaOrigin)
    expect(answer.headers).toMatchObject({
      'access-control-allow-origin': spaOrigin,
      'access-control-allow-credentials': 'true',
      'access-control-allow-headers': 'Content-Type,X-CSRF,DPoP',
    })
    expect(answer.headers.vary).toContain('Origin')
    const call = await request(portico.url)
      .get('/api/login')
      .set({ origin: spaOrigin, accept: 'application/json' })
    expect(call.headers['access-control-allow-origin']).toBe(spaOrigin)
  })

  test.each([
    'https://evil.example',
    'https://spa.example.com.evil.example',
    'http://spa.example.com',
    'https://spa.example.com:444',
    'null',
  ])('not %s', async (origin) => {
    expect((await preflight(origin)).headers).not.toHaveProperty('access-control-allow-origin')
    const call = await request(portico.url).get('/api/login').set({ origin, accept: 'application/json' })
    expect(call.headers).not.toHaveProperty('access-control-allow-origin')
  })
})

describe('headers', () => {
  test('of every answer: helmet, HSTS of a year with subdomains, a CSP that allows nothing (R57)', async () => {
    for (const path of ['/api/login', '/api/session', '/livez', '/.well-known/jwks.json', '/nothing-here']) {
      const { headers } = await request(portico.url).get(path)
      expect(headers['strict-transport-security']).toBe('max-age=31536000; includeSubDomains')
      const csp = headers['content-security-policy'] ?? ''
      for (const directive of ['default-src', 'object-src', 'base-uri', 'frame-ancestors']) {
        expect(csp).toContain(`${directive} 'none'`)
      }
      expect(headers).toMatchObject({
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'referrer-policy': 'no-referrer',
      })
      expect(headers).not.toHaveProperty('x-powered-by')
      expect(headers['x-request-id']).toMatch(/^[\da-f-]{36}$/)
    }
  })

  test('of every answer below /api: Cache-Control no-store, no ETag (F63)', async () => {
    for (const path of ['/api/login', '/api/callback', '/api/session', '/api/token', '/api/nothing']) {
      const { headers } = await request(portico.url).get(path)
      expect(headers['cache-control']).toBe('no-store')
      expect(headers).not.toHaveProperty('etag')
    }
  })

  test('nothing is ever "not modified"', async () => {
    const answer = await request(portico.url).get('/readyz').set('if-none-match', '*')
    expect(answer.status).toBe(200)
  })

  test('the keys and the metadata may be cached', async () => {
    const documents = ['jwks.json', 'oauth-authorization-server', 'openid-configuration']
    for (const path of documents.map((name) => `/.well-known/${name}`)) {
      expect((await request(portico.url).get(path)).headers['cache-control']).toBe('public, max-age=300')
    }
  })

  test('a request id of the caller is not believed', async () => {
    const { headers } = await request(portico.url).get('/livez').set('x-request-id', 'forged')
    expect(headers['x-request-id']).not.toBe('forged')
  })

  test('forwarded headers change nothing, neither URLs nor cookies (R58, F56)', async () => {
    const headers = {
      host: 'evil.example',
      'x-forwarded-host': 'evil.example',
      'x-forwarded-proto': 'http',
      forwarded: 'host=evil.example',
    }
    const answer = await request(portico.url)
      .get('/api/login')
      .set({ ...headers, accept: 'application/json' })
    expect(new URL(answer.body.login_url).searchParams.get('redirect_uri')).toBe(`${publicUrl}/api/callback`)
    expect(answer.headers['set-cookie']?.[0]).toMatch(/^__Host-.*Secure/)
    const metadata = await request(portico.url).get('/.well-known/oauth-authorization-server').set(headers)
    expect(metadata.text).not.toContain('evil')
  })

  test('X-Forwarded-For is believed from TRUST_PROXY alone, for the log', async () => {
    const trusting = await startPortico({ issuer: idp.issuer, env: { TRUST_PROXY: '127.0.0.0/8' } })
    const address = async (server: TestPortico) => {
      await request(server.url).get('/livez').set('x-forwarded-for', '203.0.113.9')
      await expect.poll(() => server.logged.some(({ path }) => path === '/livez')).toBe(true)
      return server.logged.find(({ path }) => path === '/livez')?.address
    }
    const plain = await startPortico({ issuer: idp.issuer })
    expect([await address(trusting), await address(plain)]).toEqual(['203.0.113.9', '127.0.0.1'])
    await trusting.close()
    await plain.close()
  })
})

describe('what is wrong is told as problem details (R85)', () => {
  test.each([
    ['an unknown address', 'get', '/api/nothing', 404, 'not_found'],
    ['another unknown address', 'get', '/', 404, 'not_found'],
    ['one of ours in other letters', 'get', '/API/login', 404, 'not_found'],
    ['an address that cannot be decoded', 'get', '/api/%E0%A4%A', 404, 'not_found'],
    ['a wrong method', 'get', '/api/logout', 405, 'method_not_allowed'],
    ['another wrong method', 'delete', '/api/callback', 405, 'method_not_allowed'],
    ['a wrong method at a public address', 'post', '/livez', 405, 'method_not_allowed'],
    ['a wrong method for the sessions', 'post', '/api/sessions', 405, 'method_not_allowed'],
    ['a wrong method for the way back', 'post', '/api/logout/callback', 405, 'method_not_allowed'],
    ['a logout token by GET', 'get', '/api/backchannel-logout', 405, 'method_not_allowed'],
    ['a frame by POST', 'post', '/api/frontchannel-logout', 405, 'method_not_allowed'],
    ['Universal Logout by GET', 'get', '/api/universal-logout', 405, 'method_not_allowed'],
    ['introspection by GET', 'get', '/api/introspect', 405, 'method_not_allowed'],
  ] as const)('%s', async (_name, method, path, status, code) => {
    const answer = await request(portico.url)[method](path)
    expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8')
    expect(JSON.parse(answer.text)).toEqual({
      type: 'about:blank',
      title: expect.any(String),
      status,
      detail: expect.any(String),
      code,
      request_id: answer.headers['x-request-id'],
    })
    expect(answer.status).toBe(status)
    if (status === 405) expect(answer.headers.allow).toMatch(/GET|POST/)
  })

  test.each([
    ['broken JSON', 'application/json', '{"a"', 400, 'invalid_request'],
    ['JSON that is no object', 'application/json', '"text"', 400, 'invalid_request'],
    [
      'a body too large',
      'application/json',
      JSON.stringify({ scope: 'x'.repeat(20_000) }),
      413,
      'payload_too_large',
    ],
    ['an unknown charset', 'application/json; charset=klingon', '{}', 415, 'unsupported_media_type'],
  ])('%s (F61)', async (_name, type, body, status, code) => {
    const answer = await request(portico.url).post('/api/callback').set('content-type', type).send(body)
    expect([answer.status, JSON.parse(answer.text).code]).toEqual([status, code])
    expect(answer.text).not.toMatch(/node_modules|\.ts:|\bat [\w.]+ \(/)
  })

  test('a gzip bomb (F61)', async () => {
    const bomb = gzipSync(Buffer.alloc(50_000_000, ' '))
    const answer = await request(portico.url)
      .post('/api/callback')
      .set({ 'content-type': 'application/json', 'content-encoding': 'gzip' })
      .serialize((body) => body)
      .send(bomb as unknown as string)
    expect(answer.status).toBe(415)
  })

  test('an empty chunked body without a type is no body', async () => {
    const head =
      'POST /api/logout HTTP/1.1\r\nHost: x\r\nX-CSRF: 1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n'
    expect(await sendRaw(portico.url, head)).toMatch(/^HTTP\/1\.1 200 /)
  })

  test('a person gets a page instead, which explains itself without any script or foreign content', async () => {
    const response = await createTestBrowser().visit(`${portico.url}/api/nothing`)
    const html = await response.text()
    expect([response.status, response.headers.get('content-type')]).toEqual([404, 'text/html; charset=utf-8'])
    expect(html).toContain(response.headers.get('x-request-id'))
    expect(html).not.toContain('<script')
  })

  test('HTTP that is none', async () => {
    expect(await sendRaw(portico.url, 'HELO portico\r\n\r\n')).toMatch(
      /^HTTP\/1\.1 400 .*application\/problem\+json.*"invalid_request"/s,
    )
  })

  test('headers beyond measure (F55)', async () => {
    const head = `GET /livez HTTP/1.1\r\nHost: x\r\nCookie: ${'a'.repeat(30_000)}\r\n\r\n`
    expect(await sendRaw(portico.url, head)).toMatch(
      /^HTTP\/1\.1 431 .*application\/problem\+json.*"headers_too_large"/s,
    )
  })

  test.each([
    [
      'Content-Length and Transfer-Encoding',
      'POST /api/logout HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['no Host', 'GET /livez HTTP/1.1\r\n\r\n'],
  ])('%s: 400 (F56)', async (_name, head) => {
    expect(await sendRaw(portico.url, head)).toMatch(/^HTTP\/1\.1 400 /)
  })

  test('a defect of ours: one 500 with a request id, and the log names the place, not the message (F62)', async () => {
    const store = { ...portico.store, read: () => Promise.reject(new Error('canary: a secret in a message')) }
    const broken = await startPortico({
      issuer: idp.issuer,
      replaced: { store, config: portico.components.config },
    })
    const { response } = await logInAtScripted(broken, idp)
    const text = await response.clone().text()
    expect(text).not.toContain('canary')
    expect(await readRefusal(response)).toBe('500 internal_error')
    const line = broken.logged.find(({ event }) => event === 'request_failed')
    expect(line).toMatchObject({ error: 'Error', request_id: JSON.parse(text).request_id })
    expect(JSON.stringify(broken.logged)).not.toContain('canary')
    await broken.close()
  })
})

describe('health', () => {
  test('GET /livez and /readyz', async () => {
    expect((await request(portico.url).get('/livez')).body).toEqual({ status: 'ok' })
    await request(portico.url).get('/api/login')
    const ready = await request(portico.url).get('/readyz')
    expect([ready.status, ready.body]).toEqual([
      200,
      { status: 'ready', parts: { server: 'ok', store: 'ok', signing_keys: 'ok', provider: 'ok' } },
    ])
  })

  test('probes are no news in the log, but for their failures', async () => {
    const events = () => portico.logged.filter(({ path }) => path === '/readyz').map(({ event }) => event)
    const before = events().length
    await request(portico.url).get('/readyz')
    await expect.poll(() => events().slice(before)).toEqual(['probe_completed'])
    await portico.components.lifecycle.setDraining(true)
    await request(portico.url).get('/readyz')
    await portico.components.lifecycle.setDraining(false)
    await expect.poll(() => events().slice(before)).toEqual(['probe_completed', 'request_completed'])
  })

  test('readyz says no while the server drains, and livez goes on', async () => {
    const other = await startPortico({ issuer: idp.issuer })
    await other.components.lifecycle.setDraining(true)
    const ready = await request(other.url).get('/readyz')
    expect([ready.status, ready.body.parts.server]).toEqual([503, 'draining'])
    expect((await request(other.url).get('/livez')).status).toBe(200)
    await other.close()
  })
})
