import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished } from 'vitest'
import { createTestBrowser } from '../../support/browser.ts'
import { closeAfterTest, idp, portico, serverPerFile, writeProvidersFile } from '../../support/fixtures.ts'
import { askForwardAuth } from '../../support/forward-auth.ts'
import { startHost } from '../../support/host.ts'
import { csrf, getSession, logInAtScripted, readRefusal, startLogin } from '../../support/login.ts'
import { goToProvider, readLogoutUrl, visitPortico } from '../../support/logout.ts'
import { scrape } from '../../support/metrics.ts'
import { handshake, openConnection } from '../../support/network/raw-http.ts'
import { takeDeviations } from '../../support/openapi/watch.ts'
import { publicUrl as origin, startPortico } from '../../support/portico.ts'
import { startProxied } from '../../support/upstreams/proxied.ts'
import { startRawUpstream, toResponse } from '../../support/upstreams/raw-upstream.ts'

const publicUrl = `${origin}/shop`
const apiPrefix = '/auth'
const own = '/shop/auth'
const where = { PUBLIC_URL: publicUrl, API_PREFIX: apiPrefix }
const test = serverPerFile({
  env: {
    ...where,
    TRUST_PROXY: '127.0.0.1',
    RATE_LIMIT_LOGIN: '100/1m',
    INTROSPECTION_CLIENTS: `orders-api:${'0'.repeat(64)}`,
    OPERATOR_PORT: '0',
  },
})
const shop = () => ({ url: `${portico.url}/shop`, apiPrefix })
const get = (path: string) => fetch(portico.url + path, { headers: csrf })
const signIn = async () => (await logInAtScripted(shop(), idp)).browser

describe('API_PREFIX', () => {
  test('a user signs in by the SPA, with the redirect URI below the prefix', async () => {
    const browser = createTestBrowser()
    const loginUrl = new URL(await startLogin(shop(), browser))
    expect(loginUrl.searchParams.get('redirect_uri')).toBe(`${publicUrl}/auth/callback`)
    const answer = await browser.fetch(`${portico.url}${own}/callback?${idp.authorize(loginUrl.href)}`)
    expect(answer.status).toBe(200)
    expect(await getSession(shop(), browser)).toMatchObject({ active: true, user: { name: 'Grace Hopper' } })
  })

  test('a user signs in by a redirect, by way of the page that repeats the callback', async () => {
    const browser = createTestBrowser()
    const { headers } = await browser.visit(`${portico.url}${own}/login?return_to=/orders`)
    const address = `${portico.url}${own}/callback?${idp.authorize(headers.get('location') ?? '')}`
    const page = await browser.visit(address, { headers: { 'sec-fetch-site': 'cross-site' } })
    expect(await page.text()).toContain(`url=${own}/callback?`)
    const landed = await browser.arrive(address)
    expect([landed.status, landed.headers.get('location')]).toEqual([303, '/orders'])
  })

  test('no login ends at an address of this server, and /api is one of the app', async () => {
    const ends = async (path: string) => {
      const query = `?return_to=${encodeURIComponent(path)}`
      const { response } = await logInAtScripted(shop(), idp, { query })
      return ((await response.json()) as { return_to: string }).return_to
    }
    expect(await ends(`${own}/login`)).toBe('/')
    expect(await ends(`${publicUrl}/auth/callback`)).toBe('/')
    expect(await ends('/shop/api/orders')).toBe('/shop/api/orders')
    expect(await ends('/api/orders')).toBe('/api/orders')
    expect(await ends('/shop/authors')).toBe('/shop/authors')
    const goesOn = async (path: string) => {
      const page = await get(`${own}/session/continue?return_to=${encodeURIComponent(path)}`)
      return /<a href="([^"]*)"/.exec(await page.text())?.[1]
    }
    expect(await goesOn(`${own}/login`)).toBe('/')
    expect(await goesOn('/shop/api/orders')).toBe('/shop/api/orders')
  })

  test('the logout leads to the provider and back', async () => {
    const browser = await signIn()
    const answer = await browser.fetch(`${portico.url}${own}/logout`, { method: 'POST', headers: csrf })
    const logoutUrl = await readLogoutUrl(answer)
    expect(logoutUrl).toMatch(`${publicUrl}/auth/logout/provider?`)
    const { searchParams } = new URL(await goToProvider(portico, browser, logoutUrl))
    const back = searchParams.get('post_logout_redirect_uri')
    expect(back).toBe(`${publicUrl}/auth/logout/callback`)
    const landed = await visitPortico(portico, browser, `${back}?state=${searchParams.get('state')}`)
    expect([landed.status, landed.headers.get('location')]).toEqual([303, '/'])
  })

  test('the links of pages lead to the login', async () => {
    const page = await createTestBrowser().visit(`${portico.url}${own}/callback?state=${'x'.repeat(43)}`)
    expect([page.status, await page.text()]).toEqual([
      400,
      expect.stringContaining(`href="${own}/login?return_to=%2F"`),
    ])
    const entry = { OIDC_ISSUER: idp.issuer, OIDC_CLIENT_ID: 'portico-test', OIDC_CLIENT_SECRET: 'secret' }
    const file = writeProvidersFile({ staff: entry, partner: entry })
    const { url, components } = closeAfterTest(
      await startPortico({ env: { ...where, PROVIDERS_FILE: file } }),
    )
    const choice = await (await createTestBrowser().visit(`${url}${own}/login`)).text()
    expect(choice.match(/href="[^"]*\?/g)).toEqual([`href="${own}/login?`, `href="${own}/login?`])
    expect(components.config.providers.map(({ redirectUri }) => redirectUri)).toEqual([
      `${publicUrl}/auth/callback/staff`,
      `${publicUrl}/auth/callback/partner`,
    ])
  })

  test('Okta signs a user out, with a token for the address below the prefix (R76)', async () => {
    const browser = await signIn()
    const now = Math.floor(portico.clock.now() / 1000)
    const header = { alg: 'RS256', kid: idp.orgKey.kid, typ: 'global-token-revocation+jwt' }
    const signOut = async (aud: string) => {
      const claims = { iss: idp.org, sub: 'portico-test', aud, iat: now, exp: now + 300, jti: aud }
      const token = await idp.sign(idp.orgKey, header, claims)
      const answer = await fetch(`${portico.url}${own}/universal-logout`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
        body: JSON.stringify({ sub_id: { format: 'iss_sub', iss: idp.issuer, sub: '00u-grace' } }),
      })
      return answer.status
    }
    expect(await signOut(`${publicUrl}/api/universal-logout`)).toBe(401)
    expect(await signOut(`${publicUrl}/auth/universal-logout`)).toBe(204)
    expect((await getSession(shop(), browser)).active).toBe(false)
  })

  test('a reverse proxy asks below the prefix, and sends users to the login there', async () => {
    const browser = await signIn()
    expect((await askForwardAuth(shop(), browser)).status).toBe(200)
    const leadsTo = async (target: string) => {
      const anonymous = { rule: '?login=redirect', isNavigation: true, target }
      const { headers } = await askForwardAuth(shop(), createTestBrowser(), anonymous)
      return headers.get('location')
    }
    expect(await leadsTo('/orders/5?page=2')).toBe(
      `${publicUrl}/auth/login?return_to=%2Forders%2F5%3Fpage%3D2`,
    )
    expect(await leadsTo('/api/orders')).toBe(`${publicUrl}/auth/login?return_to=%2Fapi%2Forders`)
    expect(await leadsTo(`${own}/login`)).toBe(`${publicUrl}/auth/login?return_to=%2F`)
    const envoy = await browser.fetch(`${portico.url}${own}/forward-auth/;claims=email/orders/5`)
    expect(envoy.headers.get('x-auth-email')).toBe('grace@example.com')
  })

  test('an API behind the session has its addresses, redirects, cookies and WebSocket below the prefix', async () => {
    const routes = { orders: { upstream: '{upstream}/v2', cookies: ['cart'], websocket: true } }
    const proxied = closeAfterTest(await startProxied({ routes, env: where }))
    const { upstream, idp: provider } = proxied
    const server = { url: `${proxied.portico.url}/shop`, apiPrefix }
    const { browser } = await logInAtScripted(server, provider)
    upstream.answer = toResponse('302 Found', ['Location: /v2/next', 'Set-Cookie: cart=1'])
    const answer = await browser.fetch(`${proxied.portico.url}${own}/proxy/orders/list?a=b`, {
      headers: { ...csrf, origin },
    })
    expect([answer.status, answer.headers.get('location')]).toEqual([302, `${own}/proxy/orders/next`])
    expect(answer.headers.get('access-control-expose-headers')).toContain('Proxy-Status')
    expect(answer.headers.get('set-cookie')).toContain(`Path=${own}/proxy/orders/`)
    expect(upstream.requests.at(-1)?.line).toMatch(/^GET \/v2\/list\?a=b /)

    upstream.answer = ({ socket }) => void socket.end('HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n')
    const lines = [`Cookie: ${proxied.cookieOf(browser)}`, `Origin: ${origin}`, ...handshake]
    const { closed, socket } = openConnection(proxied.portico.url, `${own}/proxy/orders/live`, lines)
    await expect.poll(() => upstream.requests.at(-1)?.line).toMatch(/^GET \/v2\/live /)
    expect(upstream.requests.at(-1)?.headers.join('\n')).toMatch(/^upgrade: websocket$/im)
    socket.destroy()
    await closed
  })

  test('pages of other origins get no CORS header', async () => {
    const preflight = (from: string) =>
      fetch(`${portico.url}${own}/session`, {
        method: 'OPTIONS',
        headers: { origin: from, 'access-control-request-method': 'GET' },
      })
    expect((await preflight(origin)).headers.get('access-control-allow-origin')).toBe(origin)
    expect((await preflight('https://evil.example')).headers.get('access-control-allow-origin')).toBeNull()
  })

  test('metadata and the OpenAPI document name the addresses as they are', async () => {
    const metadata = (await (await get('/shop/.well-known/oauth-authorization-server')).json()) as object
    expect(metadata).toMatchObject({
      issuer: publicUrl,
      introspection_endpoint: `${publicUrl}/auth/introspect`,
      jwks_uri: `${publicUrl}/.well-known/jwks.json`,
    })
    const document = (await (await get(`${own}/openapi.json`)).json()) as { paths: object }
    const outside = Object.keys(document.paths).filter((path) => !path.startsWith('/auth/'))
    expect(outside.every((path) => /^\/(livez|readyz|\.well-known\/)/.test(path))).toBe(true)
    expect(outside.length).toBe(6)
    expect(JSON.stringify(document)).not.toMatch(/[^\w.]\/api\b/)
  })

  test('nothing is left below /api, and metrics name routes by their addresses', async () => {
    for (const path of ['/api/session', '/shop/api/session', '/auth/session', '/shop/authx/session']) {
      expect([path, (await get(path)).status]).toEqual([path, 404])
    }
    takeDeviations()
    await get(`${own}/session`)
    await get(`${own}/proxy/none/x`)
    const { text } = await scrape(`http://127.0.0.1:${portico.operatorPort}`)
    expect(text).toMatch(/portico_http_request_duration_seconds_count\{[^}]*route="\/auth\/session"/)
    expect(text).toMatch(/portico_http_request_duration_seconds_count\{[^}]*route="\/auth\/proxy\/\*"/)
  })

  test('the SPA is everywhere but at the addresses of this server', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'portico-spa-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    writeFileSync(join(folder, 'index.html'), '<!doctype html><title>The app</title>')
    const env = { API_PREFIX: '/v1.0/auth', SPA_DIR: folder }
    const { url } = closeAfterTest(await startPortico({ issuer: idp.issuer, env }))
    const open = async (path: string) => (await createTestBrowser().visit(url + path)).text()
    for (const path of ['/', '/api', '/api/login', '/v1.0', '/v1x0/auth/login', '/v1.0/authors'])
      expect([path, await open(path)]).toEqual([path, expect.stringContaining('The app')])
    for (const path of ['/v1.0/auth', '/v1.0/auth/unknown', '/.well-known/unknown'])
      expect([path, await open(path)]).toEqual([path, expect.stringContaining('not_found')])
    // A dot of the prefix is a dot, also where an address is the beginning of others.
    expect(await open('/v1x0/auth/proxy/a')).toContain('The app')
    expect(await readRefusal(await fetch(`${url}/v1.0/auth/proxy/a`, { headers: csrf }))).toBe(
      '404 not_found',
    )
  })

  test('a dev server has none of the addresses of this server', async () => {
    const devServer = closeAfterTest(await startRawUpstream())
    const env = { API_PREFIX: '/auth', SPA_DEV_URL: devServer.origin }
    const { url } = closeAfterTest(await startPortico({ issuer: idp.issuer, env }))
    for (const path of ['/api/orders', '/auth/unknown', '/authors']) await fetch(url + path)
    expect(devServer.requests.map(({ line }) => line.split(' ')[1])).toEqual(['/api/orders', '/authors'])
    // The document is of the addresses below the prefix.
    takeDeviations()
  })

  test('in an app with an /api of its own, each has its addresses', async () => {
    const host = closeAfterTest(
      await startHost({
        issuer: idp.issuer,
        env: { API_PREFIX: '/auth' },
        routes: (app, { requireSession }) => {
          app.get('/api/session', (_req, res) => void res.send("the app's"))
          app.get('/auth', (_req, res) => void res.send("the app's, too"))
          app.get('/page', requireSession(), (_req, res) => void res.send('never'))
        },
      }),
    )
    idp.follow(host.clock)
    const { browser } = await logInAtScripted({ url: host.url, apiPrefix }, idp)
    expect((await getSession({ url: host.url, apiPrefix }, browser)).active).toBe(true)
    expect(await (await fetch(`${host.url}/api/session`)).text()).toBe("the app's")
    expect(await (await fetch(`${host.url}/auth`)).text()).toBe("the app's, too")
    const { headers } = await createTestBrowser().visit(`${host.url}/page`)
    expect(headers.get('location')).toBe('/auth/login?return_to=%2Fpage')
  })
})
