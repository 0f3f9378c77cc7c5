import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeJwt } from 'jose'
import { describe, expect } from 'vitest'
import { createTestBrowser, type TestBrowser } from '../../support/browser.ts'
import { closeAfterTest, idp, portico, serverPerFile, signIn } from '../../support/fixtures.ts'
import { askForwardAuth, identityOf, type Question } from '../../support/forward-auth.ts'
import { logInAtScripted, readRefusal } from '../../support/login.ts'
import { parseRaw, sendRaw } from '../../support/network/raw-http.ts'
import { publicUrl, startPortico, testSecret } from '../../support/portico.ts'

const secret = testSecret()
const spa = 'https://spa.example.com'
const folder = mkdtempSync(join(tmpdir(), 'portico-'))
const routesFile = join(folder, 'routes.json')
writeFileSync(
  routesFile,
  JSON.stringify({
    pages: { upstream: 'https://pages.internal', token: 'none', methods: ['GET'], paths: ['/docs'] },
    orders: { upstream: 'https://orders.internal', token: 'app' },
  }),
)
const env = {
  TRUST_PROXY: '127.0.0.1',
  SPA_ORIGINS: spa,
  FORWARD_AUTH_SECRET: secret,
  PROXY_ROUTES_FILE: routesFile,
}
const test = serverPerFile({ env })
test.afterAll(() => rmSync(folder, { recursive: true }))

const ask = (browser: TestBrowser, question: Question = {}) => askForwardAuth(portico, browser, question)
const cookieOf = (browser: TestBrowser) =>
  [...browser.cookies(portico.url)].map(([name, value]) => `${name}=${value}`).join('; ')

/** Sends lines after those that every request has; returns the answer. */
async function send(requestLine: string, ...lines: string[]) {
  const head = [requestLine, 'Host: portico.internal', ...lines, 'Connection: close', '', '']
  return parseRaw(await sendRaw(portico.url, head.join('\r\n')))
}

describe('only a proxy that TRUST_PROXY names may ask (F56)', () => {
  test.each([[{}], [{ TRUST_PROXY: '10.0.0.0/8,192.0.2.1' }]])(
    'with %j, this client may not',
    async (trust) => {
      const other = closeAfterTest(await startPortico({ issuer: idp.issuer, env: trust }))
      const { browser } = await logInAtScripted(other, idp)
      const headers = { 'x-forwarded-for': '10.0.0.1', 'x-real-ip': '10.0.0.1', forwarded: 'for=10.0.0.1' }
      const answer = await askForwardAuth(other, browser, { headers })
      expect(identityOf(answer)).toEqual({ 'x-auth-error': 'insufficient_authorization' })
      expect(await readRefusal(answer)).toBe('403 insufficient_authorization')
      // nginx drops the answer's body: the log is where the operator reads what to do.
      await expect
        .poll(() => other.logged.findLast(({ event }) => event === 'request_completed')?.reason)
        .toMatch(/TRUST_PROXY/)
    },
  )

  test('its own address counts, not that of its client', async () => {
    const browser = await signIn()
    expect((await ask(browser, { headers: { 'x-forwarded-for': '203.0.113.9' } })).status).toBe(200)
  })
})

describe('the original request', () => {
  test.each([
    [['X-Original-Method: GET']],
    [['X-Forwarded-Method: GET']],
    [['X-Original-Method: GET', 'X-Forwarded-Method: GET']],
    [['x-original-method: GET', 'X-Original-URI: /a?b=1', `X-Original-URL: ${publicUrl}/a?b=1`]],
    [['X-Original-Method: GET', 'X-Original-URI: /a', 'X-Forwarded-Uri: /a', 'X-Forwarded-Method:']],
  ])('is read from %j', async (lines) => {
    const cookie = `Cookie: ${cookieOf(await signIn())}`
    expect((await send('GET /api/forward-auth HTTP/1.1', cookie, ...lines)).status).toBe(200)
  })

  test.each([
    [[], 'X-Original-Method'],
    [['X-Original-Method:'], 'X-Original-Method'],
    [['X-HTTP-Method-Override: GET'], 'X-Original-Method'],
    [['X-Original-Method: GET, POST'], 'X-Original-Method'],
    [['X-Original-Method: G T'], 'X-Original-Method'],
    [['X-Original-Method: POST', 'X-Original-Method: GET'], 'twice'],
    [['X-Original-Method: GET', 'x-original-method: GET'], 'twice'],
    [['X-Original-Method: POST', 'X-Forwarded-Method: GET'], 'not say the same'],
    [['X-Original-Method: GET', 'X-Original-URI: /a', 'X-Original-URI: /b'], 'twice'],
    [['X-Original-Method: GET', 'X-Original-URI: /a', 'X-Forwarded-Uri: /b'], 'not say the same'],
    [['X-Original-Method: GET', 'X-Original-URI: /a', 'X-Original-URL: https://a/b'], 'not say the same'],
  ])('is never guessed: %j is refused, and the text names the header', async (lines, text) => {
    const cookie = `Cookie: ${cookieOf(await signIn())}`
    const answer = await send('GET /api/forward-auth HTTP/1.1', cookie, ...lines)
    expect([answer.status, JSON.parse(answer.body)]).toMatchObject([400, { code: 'invalid_request' }])
    expect(answer.body).toContain(text)
    expect(answer.headers.has('x-auth-subject')).toBe(false)
  })

  test('has its path alone in a whole address', async () => {
    const browser = createTestBrowser()
    const question = { target: 'https://evil.example/docs?q=1', isNavigation: true }
    const { headers } = await ask(browser, question)
    expect(headers.get('location')).toBe(`${publicUrl}/api/login?return_to=%2Fdocs%3Fq%3D1`)
  })

  test('is asked about by GET: 405 otherwise', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      for (const path of ['', '/pages', '?route=pages']) {
        const answer = await send(`${method} /api/forward-auth${path} HTTP/1.1`, 'X-Original-Method: GET')
        expect([method, answer.status, answer.headers.get('allow')]).toEqual([method, 405, 'GET'])
      }
    }
  })
})

describe("CSRF: the original request's method decides, with what the proxy hands on (F57)", () => {
  const own = { origin: publicUrl, 'sec-fetch-site': 'same-origin' }
  const none = { origin: undefined, 'sec-fetch-site': undefined }

  test.each([
    ['another site', { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }],
    ['another site, with X-CSRF', { origin: 'https://evil.example', 'x-csrf': '1' }],
    ['another site, by Origin alone', { ...none, origin: 'https://evil.example' }],
    ['another site, by Fetch Metadata alone', { ...none, 'sec-fetch-site': 'cross-site' }],
    ['Fetch Metadata against X-CSRF', { ...none, 'sec-fetch-site': 'cross-site', 'x-csrf': '1' }],
    ['a sibling host', { ...none, 'sec-fetch-site': 'same-site' }],
    ['the address line', { ...none, 'sec-fetch-site': 'none' }],
    ['a sandboxed frame', { origin: 'null', 'sec-fetch-site': 'cross-site' }],
    ['a sandboxed frame, with X-CSRF', { origin: 'null', 'sec-fetch-site': undefined, 'x-csrf': '1' }],
    ['an origin that only begins alike', { ...none, origin: `${publicUrl}.evil.example` }],
    ['two origins', { ...none, origin: `${publicUrl}, https://evil.example` }],
    ['nowhere that is known', none],
  ])('a change from %s is refused', async (_from, headers) => {
    const browser = await signIn()
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'get', 'QUERY', 'CONNECT']) {
      const answer = await ask(browser, { method, headers })
      expect(identityOf(answer)).toEqual({ 'x-auth-error': 'csrf_check_failed' })
      expect(await readRefusal(answer)).toBe('403 csrf_check_failed')
    }
  })

  test.each([
    ['this origin', own],
    ['an origin in SPA_ORIGINS', { origin: spa, 'sec-fetch-site': 'same-site' }],
    ['this origin, by Origin alone', { ...none, origin: publicUrl }],
    ['this origin, by Fetch Metadata alone', { ...none, 'sec-fetch-site': 'same-origin' }],
    ['a form of a page without referrer', { origin: 'null', 'sec-fetch-site': 'same-origin' }],
    ['a client with X-CSRF', { ...none, 'x-csrf': '1' }],
  ])('a change from %s passes', async (_from, headers) => {
    expect((await ask(await signIn(), { method: 'POST', headers })).status).toBe(200)
  })

  test('what changes nothing passes from anywhere', async () => {
    const browser = await signIn()
    // As with SameSite=Lax or None, where the cookie comes along.
    const foreign = {
      origin: 'https://evil.example',
      'sec-fetch-site': 'cross-site',
      cookie: cookieOf(browser),
    }
    for (const method of ['GET', 'HEAD', 'OPTIONS']) {
      expect((await ask(browser, { method, headers: foreign })).status).toBe(200)
    }
  })

  test('a WebSocket needs an allowed Origin, although its handshake is a GET (F60)', async () => {
    const browser = await signIn()
    const opening = { 'sec-websocket-version': '13', 'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==' }
    const statusOf = async (origin: string | undefined, more = {}) =>
      (await ask(browser, { headers: { ...opening, origin, ...more } })).status
    expect(await statusOf(publicUrl)).toBe(200)
    expect(await statusOf(spa)).toBe(200)
    for (const origin of ['https://evil.example', 'null', undefined]) {
      expect(await statusOf(origin)).toBe(403)
      expect(await statusOf(origin, { 'x-csrf': '1' })).toBe(403)
    }
  })
})

describe('Envoy asks by the method and the path of the original request', () => {
  const path = '/api/forward-auth/pages'

  test('any method and path; the query is not for us', async () => {
    const browser = await signIn()
    const cookie = `Cookie: ${cookieOf(browser)}`
    for (const method of ['GET', 'HEAD', 'OPTIONS']) {
      for (const target of [
        '/',
        '/docs/5?token=provider&route=orders',
        '//x',
        '/%zz',
        '/%2e%2e/orders/',
        '/?x=/',
      ]) {
        const answer = await send(`${method} ${path}${target} HTTP/1.1`, cookie)
        expect([method, target, answer.status]).toEqual([method, target, 200])
        expect(answer.headers.has('authorization')).toBe(false)
      }
    }
  })

  test('parameters stand in the first segment, with a route or without one', async () => {
    const lines = [`Cookie: ${cookieOf(await signIn())}`, `X-Forward-Auth-Secret: ${secret}`]
    const named = await send(
      'GET /api/forward-auth/pages;claims=email,groups/docs?claims=name HTTP/1.1',
      ...lines,
    )
    expect(named.headers.get('x-auth-email')).toBe('grace@example.com')
    expect(named.headers.has('x-auth-name')).toBe(false)
    const audience = 'audience=https:%2F%2Fapi.example.com'
    const free = await send(
      `GET /api/forward-auth/;token=app;${audience};scope=orders:read/x HTTP/1.1`,
      ...lines,
    )
    const token = free.headers.get('authorization')?.replace('Bearer ', '') ?? ''
    expect(decodeJwt(token).aud).toBe('https://api.example.com')
    const refused = await send('GET /api/forward-auth/;group=Admins/x?group=Navy HTTP/1.1', ...lines)
    expect(refused.status).toBe(403)
    expect((await send('GET /api/forward-auth/;tokne=app/x HTTP/1.1', ...lines)).status).toBe(400)
  })

  test('CSRF is judged by the method of the request line', async () => {
    const cookie = `Cookie: ${cookieOf(await signIn())}`
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      const foreign = await send(`${method} ${path}/docs HTTP/1.1`, cookie, 'Origin: https://evil.example')
      expect([method, foreign.status]).toEqual([method, 403])
      const own = await send(`${method} ${path}/docs HTTP/1.1`, cookie, `Origin: ${publicUrl}`)
      expect([method, own.status]).toEqual([method, 200])
    }
  })

  test('a client cannot speak of another method or path by headers', async () => {
    const cookie = `Cookie: ${cookieOf(await signIn())}`
    for (const header of ['X-Original-Method: GET', 'X-Forwarded-Method: GET', 'X-Original-URI: /other']) {
      const answer = await send(`POST ${path}/docs HTTP/1.1`, cookie, `Origin: ${publicUrl}`, header)
      expect([header, answer.status]).toEqual([header, 400])
    }
  })

  test('a navigation comes back to the very page', async () => {
    const answer = await send(`GET ${path}/docs/a%20b?q=1 HTTP/1.1`, 'Accept: text/html')
    expect([answer.status, answer.headers.get('location')]).toEqual([
      302,
      `${publicUrl}/api/login?return_to=%2Fdocs%2Fa%2520b%3Fq%3D1`,
    ])
  })

  test('a token needs the secret here, too', async () => {
    const cookie = `Cookie: ${cookieOf(await signIn())}`
    expect((await send('GET /api/forward-auth/orders/5 HTTP/1.1', cookie)).status).toBe(403)
    const proven = `X-Forward-Auth-Secret: ${secret}`
    const answer = await send('GET /api/forward-auth/orders/5 HTTP/1.1', cookie, proven)
    expect([answer.status, answer.headers.get('authorization')]).toEqual([
      200,
      expect.stringMatching(/^Bearer e/),
    ])
  })
})
