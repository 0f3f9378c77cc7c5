import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createRemoteJWKSet, customFetch, jwtVerify } from 'jose'
import { describe, expect, onTestFinished } from 'vitest'
import { createTestBrowser } from '../../support/browser.ts'
import { createDpopKey } from '../../support/dpop.ts'
import {
  closeAfterTest,
  idp,
  portico,
  serverPerFile,
  signIn,
  writeProvidersFile,
} from '../../support/fixtures.ts'
import { askForwardAuth } from '../../support/forward-auth.ts'
import { csrf, getSession, logInAtScripted, readRefusal, startLogin } from '../../support/login.ts'
import { goToProvider, readLogoutUrl, visitPortico } from '../../support/logout.ts'
import { handshake, openConnection } from '../../support/network/raw-http.ts'
import { takeDeviations } from '../../support/openapi/watch.ts'
import { publicUrl as origin, startPortico } from '../../support/portico.ts'
import { startProxied } from '../../support/upstreams/proxied.ts'
import { startRawUpstream, toResponse } from '../../support/upstreams/raw-upstream.ts'

const publicUrl = `${origin}/shop`
const test = serverPerFile({
  env: { PUBLIC_URL: `${publicUrl}/`, TRUST_PROXY: '127.0.0.1', RATE_LIMIT_LOGIN: '100/1m' },
})
/** The server, for what takes the address below which it has its own. */
const shop = () => ({ url: `${portico.url}/shop` })
const get = (path: string) => fetch(portico.url + path)

describe('PUBLIC_URL with a path', () => {
  test('a user signs in by the SPA: all addresses are below the path, cookies are not', async () => {
    const browser = createTestBrowser()
    const loginUrl = new URL(await startLogin(shop(), browser))
    expect(loginUrl.searchParams.get('redirect_uri')).toBe(`${publicUrl}/api/callback`)
    const response = await browser.fetch(`${shop().url}/api/callback?${idp.authorize(loginUrl.href)}`)
    expect(response.status).toBe(200)
    expect(await getSession(shop(), browser)).toMatchObject({ active: true, user: { name: 'Grace Hopper' } })
    const session = browser.setCookies.find(({ cookie }) => cookie.name === '__Host-bff_session')
    expect(session?.cookie.path).toBe('/')
  })

  test('a user signs in by a redirect, and comes to a page outside of the path', async () => {
    const browser = createTestBrowser()
    const { headers } = await browser.visit(`${shop().url}/api/login?return_to=/orders`)
    const parameters = idp.authorize(headers.get('location') ?? '')
    const landed = await browser.arrive(`${shop().url}/api/callback?${parameters}`)
    expect([landed.status, landed.headers.get('location')]).toEqual([303, '/orders'])
  })

  test('no login ends at an address of this server', async () => {
    const ends = async (path: string) => {
      const browser = createTestBrowser()
      const query = `?return_to=${encodeURIComponent(path)}`
      const { response } = await logInAtScripted(shop(), idp, { browser, query })
      return ((await response.json()) as { return_to: string }).return_to
    }
    expect(await ends('/shop/api/login')).toBe('/')
    expect(await ends(`${origin}/shop/api/login`)).toBe('/')
    expect(await ends(`${origin}/shop/orders`)).toBe('/shop/orders')
    expect(await ends('/api/orders')).toBe('/api/orders')
  })

  test('the page that repeats a callback with its strict cookie stays below the path', async () => {
    const browser = createTestBrowser()
    const loginUrl = await startLogin(shop(), browser)
    const address = `${shop().url}/api/callback?${idp.authorize(loginUrl)}`
    const page = await browser.visit(address, { headers: { 'sec-fetch-site': 'cross-site' } })
    expect(await page.text()).toContain('url=/shop/api/callback?')
  })

  test('its app tokens verify by the issuer, which is PUBLIC_URL as it is', async () => {
    const browser = await signIn(undefined, shop())
    const metadata = (await (await get('/shop/.well-known/oauth-authorization-server')).json()) as {
      issuer: string
      jwks_uri: string
    }
    expect(metadata.issuer).toBe(publicUrl)
    expect(metadata.jwks_uri).toBe(`${publicUrl}/.well-known/jwks.json`)
    // RFC 8414 3.1 puts the path of an issuer behind its own.
    expect(await (await get('/.well-known/oauth-authorization-server/shop')).json()).toEqual(metadata)
    const answer = await browser.fetch(`${shop().url}/api/token`, { method: 'POST', headers: csrf })
    const { token } = (await answer.json()) as { token: string }
    const keys = createRemoteJWKSet(new URL(metadata.jwks_uri), {
      [customFetch]: (url: string) => fetch(url.replace(origin, portico.url)),
    })
    const { payload } = await jwtVerify(token, keys, {
      issuer: publicUrl,
      audience: publicUrl,
      currentDate: new Date(portico.clock.now()),
    })
    expect(payload.iss).toBe(publicUrl)
  })

  test('a DPoP proof names the address with the path', async () => {
    const browser = await signIn(undefined, shop())
    const key = await createDpopKey()
    const ask = async (url: string) => {
      const iat = Math.floor(portico.clock.now() / 1000)
      const dpop = await key.prove({ url }, { claims: { iat } })
      return browser.fetch(`${shop().url}/api/token`, { method: 'POST', headers: { ...csrf, dpop } })
    }
    expect((await ask(`${publicUrl}/api/token`)).status).toBe(200)
    expect(await readRefusal(await ask(`${origin}/api/token`))).toBe('400 invalid_dpop_proof')
  })

  test('the logout leads to the provider and back, by addresses below the path', async () => {
    const browser = await signIn(undefined, shop())
    const answer = await browser.fetch(`${shop().url}/api/logout`, { method: 'POST', headers: csrf })
    const logoutUrl = await readLogoutUrl(answer)
    expect(logoutUrl).toMatch(`${publicUrl}/api/logout/provider?`)
    const { searchParams } = new URL(await goToProvider(portico, browser, logoutUrl))
    const back = searchParams.get('post_logout_redirect_uri')
    expect(back).toBe(`${publicUrl}/api/logout/callback`)
    const landed = await visitPortico(portico, browser, `${back}?state=${searchParams.get('state')}`)
    expect([landed.status, landed.headers.get('location')]).toEqual([303, '/'])
  })

  test('pages of the origin may call, whatever their path (R54)', async () => {
    const browser = await signIn(undefined, shop())
    const ask = (from: string) =>
      browser.fetch(`${shop().url}/api/session`, {
        headers: { ...csrf, origin: from, 'sec-fetch-site': undefined },
      })
    const good = await ask(origin)
    expect([good.status, good.headers.get('access-control-allow-origin')]).toEqual([200, origin])
    const foreign = await ask('https://evil.example')
    expect(foreign.headers.get('access-control-allow-origin')).toBeNull()
    expect(await readRefusal(foreign)).toBe('403 csrf_check_failed')
  })

  test('the links of an error page stay below the path', async () => {
    const page = await createTestBrowser().visit(`${shop().url}/api/callback?state=${'x'.repeat(43)}`)
    expect(page.status).toBe(400)
    expect(await page.text()).toContain('href="/shop/api/login?return_to=%2F"')
  })

  test('the links of the sign-in page stay below the path', async () => {
    const entry = { OIDC_ISSUER: idp.issuer, OIDC_CLIENT_ID: 'portico-test', OIDC_CLIENT_SECRET: 'secret' }
    const providers = writeProvidersFile({ staff: entry, partner: entry })
    const env = { PUBLIC_URL: publicUrl, PROVIDERS_FILE: providers }
    const { url } = closeAfterTest(await startPortico({ env }))
    const page = await (await createTestBrowser().visit(`${url}/shop/api/login`)).text()
    expect(page.match(/href="[^"]*\?/g)).toEqual(['href="/shop/api/login?', 'href="/shop/api/login?'])
  })

  test('Okta signs a user out at the address below the path (R76)', async () => {
    const { browser } = await logInAtScripted(shop(), idp)
    const now = Math.floor(portico.clock.now() / 1000)
    const header = { alg: 'RS256', kid: idp.orgKey.kid, typ: 'global-token-revocation+jwt' }
    const signOut = async (aud: string) => {
      const claims = { iss: idp.org, sub: 'portico-test', aud, iat: now, exp: now + 300, jti: aud }
      const token = await idp.sign(idp.orgKey, header, claims)
      const sub_id = { format: 'iss_sub', iss: idp.issuer, sub: '00u-grace' }
      const answer = await fetch(`${shop().url}/api/universal-logout`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
        body: JSON.stringify({ sub_id }),
      })
      return answer.status
    }
    expect(await signOut(`${origin}/api/universal-logout`)).toBe(401)
    expect((await getSession(shop(), browser)).active).toBe(true)
    expect(await signOut(`${publicUrl}/api/universal-logout`)).toBe(204)
    expect((await getSession(shop(), browser)).active).toBe(false)
  })

  test('a reverse proxy asks below the path, and sends users to the login there', async () => {
    const browser = await signIn(undefined, shop())
    expect((await askForwardAuth(shop(), browser)).status).toBe(200)
    const answer = await askForwardAuth(shop(), createTestBrowser(), {
      rule: '?login=redirect',
      isNavigation: true,
    })
    const login = answer.headers.get('location') ?? answer.headers.get('x-auth-login')
    expect(login).toBe(`${publicUrl}/api/login?return_to=%2Forders%2F5%3Fpage%3D2`)
    const envoy = await browser.fetch(`${shop().url}/api/forward-auth/;claims=email/orders/5`)
    expect(envoy.headers.get('x-auth-email')).toBe('grace@example.com')
  })

  test('nothing is served outside of the path but the probes, and routes keep their names', async () => {
    for (const path of ['/api/session', '/api/login', '/.well-known/jwks.json', '/shopping/api/session']) {
      expect([path, (await get(path)).status]).toEqual([path, 404])
    }
    // The document is of the addresses below the path.
    expect(takeDeviations()).toHaveLength(3)
    for (const path of ['/livez', '/readyz', '/shop/livez', '/shop/readyz']) {
      expect([path, (await get(path)).status]).toEqual([path, 200])
    }
    expect(
      portico.logged.filter(({ event, path }) => event === 'request_completed' && /z$/.test(String(path))),
    ).toEqual([])
  })

  test('the SPA is everywhere but at the addresses of this server', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'portico-spa-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    writeFileSync(join(folder, 'index.html'), '<!doctype html><title>The app</title>')
    writeFileSync(join(folder, 'main.js'), 'export {}')
    const env = { PUBLIC_URL: publicUrl, SPA_DIR: folder }
    const { url } = closeAfterTest(await startPortico({ issuer: idp.issuer, env }))
    const open = async (path: string) => (await createTestBrowser().visit(url + path)).text()
    for (const path of ['/', '/orders', '/shop', '/shop/', '/shop/orders']) {
      expect(await open(path)).toContain('The app')
    }
    // Builds for the root, and builds for the path of PUBLIC_URL.
    for (const path of ['/main.js', '/shop/main.js']) {
      const answer = await createTestBrowser().fetch(url + path)
      expect([path, answer.status, await answer.text()]).toEqual([path, 200, 'export {}'])
    }
    expect((await createTestBrowser().fetch(`${url}/shop/none.js`)).status).toBe(404)
    for (const path of ['/shop/api/unknown', '/shop/.well-known/unknown', '/api/unknown']) {
      expect(await open(path)).toContain('not_found')
    }
  })

  test('a dev server has the path as its base, and none of the addresses of this server', async () => {
    const devServer = closeAfterTest(await startRawUpstream())
    const env = { PUBLIC_URL: publicUrl, SPA_DEV_URL: devServer.origin }
    const { url } = closeAfterTest(await startPortico({ issuer: idp.issuer, env }))
    for (const path of [
      '/shop/src/main.ts?t=1',
      '/orders',
      '/shop/api/unknown',
      '/shop/.well-known/unknown',
    ]) {
      await fetch(url + path)
    }
    expect(devServer.requests.map(({ line }) => line.split(' ')[1])).toEqual([
      '/shop/src/main.ts?t=1',
      '/orders',
    ])
  })

  test('an API behind the session has its addresses, redirects and cookies below the path', async () => {
    const proxied = closeAfterTest(
      await startProxied({
        routes: { orders: { upstream: '{upstream}/v2', cookies: ['cart'], websocket: true } },
        env: { PUBLIC_URL: publicUrl },
      }),
    )
    const { upstream, idp: provider } = proxied
    const { browser } = await logInAtScripted({ url: `${proxied.portico.url}/shop` }, provider)
    upstream.answer = toResponse('302 Found', ['Location: /v2/next', 'Set-Cookie: cart=1'])
    const answer = await browser.fetch(`${proxied.portico.url}/shop/api/proxy/orders/list?a=b`, {
      headers: { ...csrf, origin },
    })
    expect([answer.status, answer.headers.get('location')]).toEqual([302, '/shop/api/proxy/orders/next'])
    expect(answer.headers.get('access-control-expose-headers')).toContain('Proxy-Status')
    expect(answer.headers.get('set-cookie')).toContain('Path=/shop/api/proxy/orders/')
    expect(upstream.requests.at(-1)?.line).toMatch(/^GET \/v2\/list\?a=b /)

    upstream.answer = ({ socket }) => void socket.end('HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n')
    const lines = [`Cookie: ${proxied.cookieOf(browser)}`, `Origin: ${origin}`, ...handshake]
    const { closed, socket } = openConnection(proxied.portico.url, '/shop/api/proxy/orders/live', lines)
    await expect.poll(() => upstream.requests.at(-1)?.line).toMatch(/^GET \/v2\/live /)
    expect(upstream.requests.at(-1)?.headers.join('\n')).toMatch(/^upgrade: websocket$/im)
    socket.destroy()
    await closed
  })
})
