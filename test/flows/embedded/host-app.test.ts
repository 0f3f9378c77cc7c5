import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import cors from 'cors'
import express, { type ErrorRequestHandler, type RequestHandler } from 'express'
import expressSession from 'express-session'
import helmet from 'helmet'
import { decodeJwt } from 'jose'
import { Client } from 'undici'
import { describe, expect, onTestFinished } from 'vitest'
import { createTestBrowser } from '../../support/browser.ts'
import { closeAfterTest, idp, providerPerFile } from '../../support/fixtures.ts'
import { startHost, type TestHost } from '../../support/host.ts'
import { csrf, getSession, logInAtScripted, readRefusal, startLogin } from '../../support/login.ts'
import { publicUrl, testSecret } from '../../support/portico.ts'

const test = providerPerFile()

type HostOptions = Omit<Parameters<typeof startHost>[0], 'issuer'>

async function start(options: HostOptions = {}): Promise<TestHost> {
  const host = closeAfterTest(await startHost({ issuer: idp.issuer, ...options }))
  idp.follow(host.clock)
  return host
}

async function signIn(host: TestHost) {
  const { browser, response } = await logInAtScripted(host.shop, idp)
  expect(response.status).toBe(200)
  return { browser, response }
}

describe('middleware of the app before the router', () => {
  test('body parsers have read the body: it is taken as they parsed it', async () => {
    const host = await start({ before: [express.json(), express.urlencoded({ extended: true })] })
    const browser = createTestBrowser()
    const loginUrl = await startLogin(host.shop, browser)
    const body = JSON.stringify(Object.fromEntries(idp.authorize(loginUrl)))
    const headers = { ...csrf, 'content-type': 'application/json' }
    const callback = await browser.fetch(`${host.url}/api/callback`, { method: 'POST', headers, body })
    expect(callback.status).toBe(200)
    const narrowed = await browser.fetch(`${host.url}/api/token`, {
      method: 'POST',
      headers,
      body: '{"scope":"orders:read"}',
    })
    const { token } = (await narrowed.json()) as { token: string }
    expect(decodeJwt(token).scope).toBe('orders:read')
    const out = await browser.visit(`${host.url}/api/logout`, {
      method: 'POST',
      headers: { 'sec-fetch-site': 'same-origin', origin: publicUrl },
      body: new URLSearchParams({ return_to: '/bye' }),
    })
    expect(out.status).toBe(303)
    expect((await getSession(host.shop, browser)).active).toBe(false)
  })

  test.each<[string, RequestHandler]>([
    ['bytes', express.raw({ type: () => true })],
    ['a text', express.text({ type: () => true })],
  ])('a body that they made %s is refused, because its members are lost', async (_name, parser) => {
    const host = await start({ before: [parser] })
    const { browser } = await signIn(host)
    const answer = await browser.fetch(`${host.url}/api/token`, {
      method: 'POST',
      headers: { ...csrf, 'content-type': 'application/json' },
      body: '{"scope":"orders:read"}',
    })
    expect(await readRefusal(answer)).toBe('415 unsupported_media_type')
  })

  test('what changes headers at the last moment loses none, and costs none of ours', async () => {
    const secret = testSecret()
    const session = expressSession({ secret, resave: false, saveUninitialized: true, name: 'host' })
    const host = await start({ before: [session] })
    const { browser, response } = await signIn(host)
    const cookies = response.headers.getSetCookie().map((line) => line.split('=')[0])
    expect(cookies).toEqual(expect.arrayContaining(['__Host-bff_session']))
    expect([...browser.cookies(host.url).keys()]).toEqual(
      expect.arrayContaining(['host', '__Host-bff_session']),
    )
    for (const answer of [response, await browser.fetch(`${host.url}/api/session`, { headers: csrf })]) {
      expect(answer.headers.get('cache-control')).toBe('no-store')
      expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'")
      expect(answer.headers.get('x-request-id')).toBeTruthy()
      expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8')
    }
  })

  test("its headers do not replace Portico's, and its CORS lets no page read a session (R56)", async () => {
    const own: RequestHandler = (_req, res, next) => {
      res.setHeader('Cache-Control', 'public, max-age=60').setHeader('X-Host', '1')
      res.status(202)
      next()
    }
    const host = await start({
      before: [helmet({ contentSecurityPolicy: { directives: { defaultSrc: ['*'] } } }), cors(), own],
    })
    const { headers, status } = await fetch(`${host.url}/api/session`, {
      headers: { ...csrf, origin: publicUrl },
    })
    expect(status).toBe(200)
    expect(headers.get('cache-control')).toBe('no-store')
    expect(headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(headers.get('access-control-allow-origin')).toBe(publicUrl)
    expect(headers.get('x-host')).toBe('1')
    const foreign = await fetch(`${host.url}/api/session`, {
      headers: { ...csrf, origin: 'https://evil.example' },
    })
    expect(foreign.headers.get('access-control-allow-origin')).toBeNull()
  })

  test('its settings and locals count for its own requests only', async () => {
    const leaky: RequestHandler = (req, res, next) => {
      res.locals.mayBeFramed = true
      Object.defineProperty(req, 'query', { value: { provider: 'of-the-host' }, configurable: true })
      next()
    }
    const host = await start({
      env: { RATE_LIMIT_LOGIN: '2/1m' },
      before: [leaky],
      routes(app) {
        app.set('trust proxy', true)
        app.get('/ip', (req, res) => void res.json([req.ip, req.query, app.get('etag')]))
      },
    })
    const from = (ip: string) => fetch(`${host.url}/api/login`, { headers: { 'x-forwarded-for': ip } })
    // Portico trusts no proxy: whatever address is claimed, it counts as one client.
    const statuses = [await from('192.0.2.1'), await from('192.0.2.2'), await from('192.0.2.3')]
    expect(statuses.map(({ status }) => status)).toEqual([200, 200, 429])
    expect(statuses[0]?.headers.get('x-frame-options')).toBe('DENY')
    const own = await fetch(`${host.url}/ip`, { headers: { 'x-forwarded-for': '192.0.2.1' } })
    expect(await own.json()).toEqual(['192.0.2.1', { provider: 'of-the-host' }, 'weak'])
    expect(own.headers.get('etag')).toBeTruthy()
  })

  test('a call of an API whose body is gone says what to change', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'portico-host-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const file = join(folder, 'routes.json')
    writeFileSync(file, JSON.stringify({ orders: { upstream: 'http://127.0.0.1:1', methods: ['POST'] } }))
    const host = await start({ env: { PROXY_ROUTES_FILE: file }, before: [express.json()] })
    const { browser } = await signIn(host)
    const answer = await browser.fetch(`${host.url}/api/proxy/orders/`, {
      method: 'POST',
      headers: { ...csrf, 'content-type': 'application/json' },
      body: '{}',
    })
    expect(await readRefusal(answer)).toBe('422 unprocessable')
    expect(host.logged.at(-1)).toMatchObject({
      reason: 'mount the router of Portico before the body parsers of the app',
    })
  })
})

describe('where the router is mounted', () => {
  test('at the root, also where PUBLIC_URL has a path', async () => {
    const host = await start({ path: '/shop', mount: '' })
    const { browser } = await signIn(host)
    expect((await getSession(host.shop, browser)).active).toBe(true)
    const metadata = await fetch(`${host.url}/.well-known/oauth-authorization-server/shop`)
    expect(await metadata.json()).toMatchObject({ issuer: `${publicUrl}/shop` })
    expect((await fetch(`${host.url}/api/session`, { headers: csrf })).status).toBe(404)
  })

  test('elsewhere than PUBLIC_URL says: the first request shows what to set', async () => {
    const host = await start({
      mount: '/auth',
      routes: (app) =>
        app.use(
          ((error: Error, _req, res, _next) =>
            void res.status(500).send(error.message)) as ErrorRequestHandler,
        ),
    })
    for (const path of ['/auth/api/session', '/AUTH/']) {
      const answer = await fetch(host.url + path)
      expect([answer.status, await answer.text()]).toEqual([
        500,
        `The router of Portico is mounted at ${path.slice(0, 5)}, but PUBLIC_URL is ${publicUrl}: ` +
          `set PUBLIC_URL to ${publicUrl}${path.slice(0, 5)}, or mount it with app.use(portico.router).`,
      ])
    }
    const placed = host.logged.filter(({ event }) => event === 'router_misplaced')
    expect(placed).toMatchObject([{ mounted_at: '/auth', public_url: publicUrl }])
  })

  test('in a router of the app', async () => {
    const host = closeAfterTest(
      await startHost({
        issuer: idp.issuer,
        path: '/shop',
        mount: '/elsewhere',
        routes(app, portico) {
          app.use('/', express.Router().use('/shop', portico.router))
        },
      }),
    )
    idp.follow(host.clock)
    const { browser } = await signIn(host)
    expect((await getSession(host.shop, browser)).active).toBe(true)
  })
})

test('two Porticos in one process have sessions, metrics and trusted proxies of their own', async () => {
  const operator = { OPERATOR_SECRET: testSecret() }
  const one = await start({ path: '/shop', env: { ...operator, TRUST_PROXY: '127.0.0.1' } })
  const other = await start({ env: operator, routes: (app) => app.use('/shop', one.portico.router) })
  const { browser } = await signIn(one)
  expect((await getSession(one.shop, browser)).active).toBe(true)
  const cookie = [...browser.cookies(one.url)].map((pair) => pair.join('=')).join('; ')
  const headers = { ...csrf, cookie }
  expect(await (await fetch(`${other.url}/api/session`, { headers })).json()).toEqual({ active: false })
  const scrape = async ({ portico }: TestHost) => {
    const server = createServer(portico.operator)
    onTestFinished(() => void server.close())
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const port = typeof address === 'object' ? address?.port : undefined
    return (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  }
  expect(await scrape(one)).toMatch(/portico_logins_total\{.*outcome="succeeded".*\} 1/)
  expect(await scrape(other)).not.toMatch(/portico_logins_total\{.*outcome="succeeded".*\} [1-9]/)
  // By one connection: the first trusts its peer, and misses what it asks about.
  const connection = closeAfterTest(new Client(other.url))
  const ask = async (path: string) => {
    const answer = await connection.request({ method: 'GET', path: `${path}/api/forward-auth` })
    return ((await answer.body.json()) as { code: string }).code
  }
  expect([await ask('/shop'), await ask('')]).toEqual(['invalid_request', 'insufficient_authorization'])
  expect(await one.portico.readiness()).toMatchObject({ isReady: true, parts: { store: 'ok' } })
})
