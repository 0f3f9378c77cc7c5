import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createTestBrowser, type TestBrowser } from '../support/browser.ts'
import { freePort } from '../support/network/http-server.ts'
import { handshake, openConnection, sendRaw } from '../support/network/raw-http.ts'
import { startPortico, type TestPortico } from '../support/portico.ts'
import { type ScriptedProvider, startScriptedProvider } from '../support/providers/scripted-provider.ts'
import { type ReverseProxy, startReverseProxy } from '../support/reverse-proxies/start.ts'
import {
  type RawRequest,
  type RawUpstream,
  startRawUpstream,
  toResponse,
} from '../support/upstreams/raw-upstream.ts'

/** The configurations of examples/forward-auth, run by the real programs. */

const secret = 'test-secret-of-more-than-32-characters'

describe.each(['nginx', 'haproxy', 'caddy'] as const)('%s', (name) => {
  let idp: ScriptedProvider
  let portico: TestPortico
  let proxy: ReverseProxy
  let orders: RawUpstream
  let pages: RawUpstream
  let docs: RawUpstream
  let url: string
  const site = mkdtempSync(join(tmpdir(), 'portico-site-'))

  beforeAll(async () => {
    ;[idp, orders, pages, docs] = await Promise.all([
      startScriptedProvider(),
      startRawUpstream(),
      startRawUpstream(),
      startRawUpstream(),
    ])
    const port = await freePort()
    url = `http://localhost:${port}`
    const routes = join(site, 'routes.json')
    writeFileSync(routes, JSON.stringify({ live: { upstream: orders.origin, websocket: true } }))
    const env = {
      PUBLIC_URL: url,
      TRUST_PROXY: '127.0.0.1',
      FORWARD_AUTH_SECRET: secret,
      PROXY_ROUTES_FILE: routes,
    }
    portico = await startPortico({ issuer: idp.issuer, env })
    idp.follow(portico.clock)
    mkdirSync(join(site, 'docs/guide'), { recursive: true })
    writeFileSync(join(site, 'docs/index.html'), '<h1>Handbook</h1>')
    writeFileSync(join(site, 'docs/guide/index.html'), '<h1>Guide</h1>')
    const replaced = {
      '127.0.0.1:3000': new URL(portico.url).host,
      '127.0.0.1:3002': new URL(orders.origin).host,
      '127.0.0.1:3003': new URL(pages.origin).host,
      '127.0.0.1:3004': new URL(docs.origin).host,
      '/srv/site': site,
      'replace-this-by-32-random-characters': secret,
    }
    proxy = await startReverseProxy(name, { port, replaced, secret })
  })
  afterAll(async () => {
    await proxy?.close()
    await Promise.all([portico, idp, orders, pages, docs].map((part) => part?.close()))
    rmSync(site, { recursive: true })
  })
  beforeEach(() => {
    idp.reset()
    orders.answer = toResponse('200 OK', ['Content-Type: application/json'], '{"ok":true}')
    docs.answer = toResponse('200 OK', ['Content-Type: text/html'], '<h1>Handbook</h1>')
    for (const upstream of [orders, pages, docs]) upstream.requests.length = 0
  })

  /** Signs in from the redirect of a page on; returns where the browser arrives. */
  async function followLogin(browser: TestBrowser, redirect: Response): Promise<string> {
    const login = redirect.headers.get('location') ?? ''
    const authorization = await browser.visit(login)
    const parameters = idp.authorize(authorization.headers.get('location') ?? '')
    const callback = await browser.visit(`${url}/api/callback?${parameters}`)
    expect(callback.status).toBe(303)
    return new URL(callback.headers.get('location') ?? '', url).href
  }

  async function signIn(): Promise<TestBrowser> {
    const browser = createTestBrowser()
    await followLogin(browser, await browser.visit(`${url}/docs/`))
    return browser
  }

  const own = () => ({ origin: url, 'sec-fetch-site': 'same-origin' })
  const hasReachedUpstreams = () => [orders, pages, docs].some(({ requests }) => requests.length > 0)
  const headersOf = (request: RawRequest | undefined) =>
    Object.fromEntries(
      (request?.headers ?? []).map((line) => {
        const [header = '', ...value] = line.split(': ')
        return [header.toLowerCase(), value.join(': ')]
      }),
    )

  test.each(['/docs/', '/docs/guide/?chapter=2&q=a%20b', '/account/5?tab=mail', '/orders/7?page=2'])(
    'a navigation to %s leads to the login and back to the very page',
    async (path) => {
      const browser = createTestBrowser()
      const first = await browser.visit(url + path)
      expect(first.status).toBe(302)
      expect(hasReachedUpstreams()).toBe(false)
      expect(await followLogin(browser, first)).toBe(url + path)
      expect((await browser.visit(url + path)).status).toBe(200)
    },
  )

  test('streams of /api/proxy/ pass: events as they come, and WebSocket connections', async () => {
    const browser = await signIn()
    const cookie = [...browser.cookies(url)].map(([key, value]) => `${key}=${value}`).join('; ')
    const lines = [`Cookie: ${cookie}`, `Origin: ${url}`, 'Sec-Fetch-Site: same-origin']

    orders.answer = ({ socket }) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n')
    }
    const events = openConnection(url, '/api/proxy/live/events', [...lines, 'Accept: text/event-stream'])
    await expect.poll(events.text).toMatch(/data: 1\n\n/)
    orders.requests.at(-1)?.socket.write('data: 2\n\n')
    await expect.poll(events.text).toMatch(/data: 2\n\n/)
    events.socket.destroy()

    orders.answer = ({ socket }) => {
      socket.removeAllListeners('data')
      socket.on('data', (chunk) => socket.write(chunk.toString().toUpperCase()))
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n',
      )
    }
    const live = openConnection(url, '/api/proxy/live/chat', [...lines, ...handshake])
    await expect.poll(live.text).toMatch(/^HTTP\/1\.1 101 /)
    live.socket.write('hello')
    await expect.poll(live.text).toMatch(/HELLO$/)
    live.socket.destroy()
  })

  test.each(['/docs/', '/account/', '/orders/'])('a call of %s gets 401', async (path) => {
    const answer = await createTestBrowser().fetch(url + path)
    expect([answer.status, answer.headers.get('location')]).toEqual([401, null])
    expect(answer.headers.get('content-type')).toContain('application/problem+json')
    expect(await answer.json()).toMatchObject({ status: 401, code: 'session_required' })
    expect(hasReachedUpstreams()).toBe(false)
  })

  test('a static site is for users, is cached by their browser alone, and gets nothing of Portico', async () => {
    const browser = await signIn()
    const answer = await browser.visit(`${url}/docs/`)
    expect(await answer.text()).toBe('<h1>Handbook</h1>')
    expect(answer.headers.get('cache-control')).toBe('private, no-cache')
    for (const { headers } of docs.requests) expect(headers.join('\n')).not.toMatch(/bff_|cookie|secret/i)
  })

  test('an API gets the app token, and nothing that the client says of itself (F57)', async () => {
    const browser = await signIn()
    const answer = await browser.fetch(`${url}/orders/7?page=2`, {
      headers: {
        authorization: 'Bearer forged',
        'x-auth-subject': 'admin',
        'x-auth-anything': 'admin',
        x_auth_subject: 'admin',
        'x-auth_groups': 'Admins',
        'x-forward-auth-secret': 'forged',
        accept: 'application/json',
      },
    })
    expect(await answer.json()).toEqual({ ok: true })
    const [request] = orders.requests
    expect(request?.line).toBe('GET /orders/7?page=2 HTTP/1.1')
    expect(request?.headers.filter((line) => /^authorization:/i.test(line))).toHaveLength(1)
    const { authorization = '', ...headers } = headersOf(request)
    expect(decodeJwt(authorization.replace(/^Bearer /, ''))).toMatchObject({
      iss: url,
      aud: 'https://orders.example.com',
      sub: '00u-grace',
    })
    expect(headers.accept).toBe('application/json')
    expect(JSON.stringify(headers)).not.toMatch(/forged|admin|cookie|bff_|secret/i)
  })

  test('a page gets who the user is, its own cookie and none of Portico’s (F57)', async () => {
    const browser = await signIn()
    browser.setCookie(url, 'theme', 'dark')
    browser.setCookie(url, 'other', 'x')
    const spoofed = { 'x-auth-email': 'admin@example.com', 'x-auth-groups': 'Admins', x_auth_email: 'x' }
    await browser.visit(`${url}/account/`, { headers: { ...spoofed, authorization: 'Basic forged' } })
    const headers = headersOf(pages.requests[0])
    expect(headers).toMatchObject({
      'x-auth-subject': '00u-grace',
      'x-auth-email': 'grace@example.com',
      'x-auth-groups': 'Navy',
      cookie: 'theme=dark',
    })
    expect(JSON.stringify(headers)).not.toMatch(/forged|admin|bff_|secret|x_auth/i)
    expect(pages.requests[0]?.headers.filter((line) => /^x-auth-email/i.test(line))).toHaveLength(1)
    browser.setCookie(url, 'theme', undefined)
    await browser.visit(`${url}/account/`)
    expect(headersOf(pages.requests[1]).cookie).toBeUndefined()
  })

  test('a claim that the user does not have leaves the client no place', async () => {
    idp.script({
      idTokenClaims: ({ email: _email, groups: _groups, ...claims }) => claims,
      userinfo: () => ({ sub: '00u-grace' }),
    })
    const browser = await signIn()
    const spoofed = { 'x-auth-email': 'admin@example.com', 'x-auth-groups': 'Admins' }
    expect((await browser.visit(`${url}/account/`, { headers: spoofed })).status).toBe(200)
    const { 'x-auth-email': email = '', 'x-auth-groups': groups = '' } = headersOf(pages.requests[0])
    expect([email, groups]).toEqual(['', ''])
  })

  test('a change from this origin passes with its body', async () => {
    const browser = await signIn()
    const headers = { ...own(), 'content-type': 'application/json' }
    const answer = await browser.fetch(`${url}/orders/`, { method: 'POST', headers, body: '{"item":1}' })
    expect(answer.status).toBe(200)
    expect(orders.requests).toMatchObject([{ line: 'POST /orders/ HTTP/1.1', body: '{"item":1}' }])
    expect(headersOf(orders.requests[0])['content-type']).toBe('application/json')
  })

  test('a change from another origin is refused, whatever method the client says it has', async () => {
    const browser = await signIn()
    const foreign = { origin: 'https://evil.example', 'sec-fetch-site': 'same-site' }
    const claims = [
      {},
      { 'x-forwarded-method': 'GET' },
      { 'x-original-method': 'GET' },
      { x_original_method: 'GET' },
    ]
    for (const claimed of claims) {
      const headers = { ...foreign, ...claimed }
      const answer = await browser.fetch(`${url}/orders/`, { method: 'POST', headers, body: 'x' })
      expect(answer.status).toBe(403)
    }
    expect(hasReachedUpstreams()).toBe(false)
  })

  test('a user without the scope gets 403', async () => {
    idp.script({ accessTokenClaims: (claims) => ({ ...claims, scp: ['openid'] }) })
    const browser = await signIn()
    const answer = await browser.fetch(`${url}/orders/`)
    expect(answer.status).toBe(403)
    expect(await answer.json()).toMatchObject({ status: 403, code: 'insufficient_scope' })
    expect(hasReachedUpstreams()).toBe(false)
  })

  test('browsers do not reach what only the proxy asks', async () => {
    const browser = await signIn()
    const targets = ['', '?token=app', '/x/y', '?claims=email', '/', '/../forward-auth', '%3Ftoken=app']
    for (const target of [
      ...targets.map((rest) => `/api/forward-auth${rest}`),
      '/api/%66orward-auth',
      '/api//forward-auth',
    ]) {
      const headers = { 'x-original-method': 'GET', 'x-forward-auth-secret': secret }
      const answer = await browser.fetch(url + target, { headers })
      expect([target, answer.status, answer.headers.get('x-auth-subject')]).toEqual([target, 404, null])
    }
    if (name === 'nginx') expect((await browser.fetch(`${url}/ask/orders`)).status).toBe(404)
  })

  test('a path that climbs is judged by where it leads, or leads nowhere', async () => {
    for (const target of [
      '/docs/../orders/7',
      '/docs/%2e%2e/orders/7',
      '/api/../orders/7',
      '//orders/7',
      '/docs/..%2forders/7',
    ]) {
      const request = `GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`
      expect(await sendRaw(url, request)).not.toMatch(/^HTTP\/1\.1 200/)
    }
    expect(hasReachedUpstreams()).toBe(false)
  })

  test('a link from another site finds the session, although its cookie is strict', async () => {
    const browser = await signIn()
    const crossSite = { 'sec-fetch-site': 'cross-site' }
    const first = await browser.visit(`${url}/account/5?tab=mail`, { headers: crossSite })
    const page = await browser.arrive(first.headers.get('location') ?? '')
    expect(page.status).toBe(200)
    expect(pages.requests).toMatchObject([{ line: 'GET /account/5?tab=mail HTTP/1.1' }])
  })

  test('after the logout, the next request does not pass', async () => {
    const browser = await signIn()
    expect((await browser.fetch(`${url}/orders/`)).status).toBe(200)
    const headers = { ...own(), 'x-csrf': '1' }
    expect((await browser.fetch(`${url}/api/logout`, { method: 'POST', headers })).status).toBe(200)
    expect((await browser.fetch(`${url}/orders/`)).status).toBe(401)
  })
})
