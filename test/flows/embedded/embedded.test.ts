import type { ErrorRequestHandler } from 'express'
import { describe, expect } from 'vitest'
import { PorticoError, type PorticoSession } from '../../../src/portico.ts'
import { createTestBrowser, type TestBrowser } from '../../support/browser.ts'
import { hours, minutes } from '../../support/clock.ts'
import { closeAfterTest, idp, providerPerFile } from '../../support/fixtures.ts'
import { startHost, type TestHost } from '../../support/host.ts'
import { csrf, getSession, logInAtScripted, readRefusal, startLogin } from '../../support/login.ts'
import { goToProvider, readLogoutUrl } from '../../support/logout.ts'
import { openConnection } from '../../support/network/raw-http.ts'
import { publicUrl } from '../../support/portico.ts'

const test = providerPerFile()

type HostOptions = Omit<Parameters<typeof startHost>[0], 'issuer'>

/** A host app with a page, a route that changes something, and one that calls an API for the user. */
async function start({ routes = () => {}, ...options }: HostOptions = {}): Promise<TestHost> {
  const host = closeAfterTest(
    await startHost({
      issuer: idp.issuer,
      ...options,
      routes(app, portico) {
        app.get('/open', async (req, res) => void res.json((await portico.session(req)) ?? null))
        app.get('/peek', async (req, res) => {
          res.json((await portico.session(req, { slide: false })) ?? null)
        })
        app.all('/orders', portico.requireSession(), (_req, res) => void res.send('orders'))
        app.get('/write', portico.requireSession({ scope: 'orders:write admin' }), (_req, res) => {
          res.send('never')
        })
        app.get('/both', portico.requireSession({ scope: 'orders:read orders:write' }), (_req, res) => {
          res.send('both')
        })
        app.get('/partners', portico.requireSession({ providers: ['partner'] }), (_req, res) => {
          res.send('never')
        })
        app.get('/navy', portico.requireSession({ groups: ['Navy'] }), (_req, res) => void res.send('navy'))
        app.get('/army', portico.requireSession({ groups: ['Army'] }), (_req, res) => void res.send('never'))
        app.get('/token', async (req, res) => void res.send(await portico.accessToken(req)))
        routes(app, portico)
        app.use(((error: Error, _req, res, _next) => {
          const { status = 500, code } = error as { status?: number; code?: string }
          const isPorticos = error instanceof PorticoError
          res.status(status).json({ code, isPorticos, message: isPorticos ? undefined : error.message })
        }) as ErrorRequestHandler)
      },
    }),
  )
  idp.follow(host.clock)
  return host
}

async function signIn(host: TestHost, browser = createTestBrowser()): Promise<TestBrowser> {
  const { response } = await logInAtScripted(host.shop, idp, { browser })
  expect(response.status).toBe(200)
  return browser
}

const post = (host: TestHost, browser: TestBrowser, headers: Record<string, string | undefined> = {}) =>
  browser.fetch(`${host.url}/orders`, { method: 'POST', headers })

describe.each([
  ['at the root', ''],
  ['below a path', '/shop'],
])('a host app with the router %s', (_name, path) => {
  test('signs users in and out, and knows them', async () => {
    const host = await start({ path })
    const browser = createTestBrowser()
    expect(await (await browser.fetch(`${host.url}/open`)).json()).toBeNull()
    await signIn(host, browser)
    const { user, session } = await getSession(host.shop, browser)
    const seen = (await (await browser.fetch(`${host.url}/open`)).json()) as PorticoSession
    expect(seen).toMatchObject({ id: session.id, user, provider: 'default' })
    expect(new Date(seen.idleExpiresAt).getTime()).toBe(host.clock.now() + minutes(30))
    expect(Object.keys(seen).sort()).toEqual(
      ['absoluteExpiresAt', 'createdAt', 'id', 'idleExpiresAt', 'provider', 'scope', 'user'].sort(),
    )
    const answer = await browser.fetch(`${host.shop.url}/api/logout`, { method: 'POST', headers: csrf })
    const provider = await goToProvider(host, browser, await readLogoutUrl(answer))
    expect(provider).toContain(encodeURIComponent(`${publicUrl}${path}/api/logout/callback`))
    expect(await (await browser.fetch(`${host.url}/open`)).json()).toBeNull()
  })

  test('a user who opens a protected page signs in first, and comes back to it', async () => {
    const host = await start({ path })
    const browser = createTestBrowser()
    const refused = await browser.visit(`${host.url}/orders?page=2`)
    expect([refused.status, refused.headers.get('location')]).toEqual([
      302,
      `${path}/api/login?return_to=%2Forders%3Fpage%3D2`,
    ])
    expect(refused.headers.get('cache-control')).toBe('no-store')
    const begun = await browser.visit(host.url + refused.headers.get('location'))
    const parameters = idp.authorize(begun.headers.get('location') ?? '')
    const landed = await browser.arrive(`${host.shop.url}/api/callback?${parameters}`)
    expect(landed.headers.get('location')).toBe('/orders?page=2')
    expect(await (await browser.visit(`${host.url}/orders?page=2`)).text()).toBe('orders')
  })

  test('leaves all other addresses to the app, as they came', async () => {
    const host = await start({
      path,
      routes(app) {
        app.use(
          (req, res) => void res.status(404).json({ url: req.url, query: req.query, base: req.baseUrl }),
        )
      },
    })
    for (const address of ['/', '/api/unknown?a[b]=c', '/livez', '/readyz', '/api/sessions/a/b', '/api']) {
      const answer = await fetch(`${host.shop.url}${address}`)
      expect(await answer.json()).toMatchObject({ url: path + address, base: '' })
      expect([answer.status, answer.headers.get('x-powered-by')]).toEqual([404, 'Express'])
      for (const name of ['x-request-id', 'content-security-policy', 'cache-control', 'vary']) {
        expect([name, answer.headers.get(name)]).toEqual([name, null])
      }
    }
    expect(host.logged.filter((line) => 'request_id' in line)).toEqual([])
    const own = await fetch(`${host.shop.url}/api/session/`)
    expect([own.status, own.headers.get('x-powered-by')]).toEqual([403, null])
    expect(host.logged.at(-1)).toMatchObject({ event: 'request_completed', path: `${path}/api/session/` })
    const method = await fetch(`${host.shop.url}/api/session`, { method: 'PUT' })
    expect([method.status, method.headers.get('allow')]).toEqual([405, 'GET'])
  })
})

describe('requireSession', () => {
  test('answers a script with a problem document (R54: by its session and its origin)', async () => {
    const host = await start()
    const browser = createTestBrowser()
    expect(await readRefusal(await browser.fetch(`${host.url}/orders`))).toBe('401 session_required')
    await signIn(host, browser)
    expect((await browser.fetch(`${host.url}/orders`)).status).toBe(200)
    host.clock.advance(hours(13))
    const expired = await browser.fetch(`${host.url}/orders`)
    expect(expired.headers.get('cache-control')).toBe('no-store')
    expect(await readRefusal(expired)).toBe('401 session_expired')
  })

  test('refuses what another site sends in the name of the user (R54)', async () => {
    const host = await start()
    const browser = await signIn(host)
    const bare = { 'sec-fetch-site': undefined, 'sec-fetch-mode': undefined }
    const refused = [
      { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { origin: 'https://evil.example', 'sec-fetch-site': undefined, 'x-csrf': '1' },
      bare,
    ]
    for (const headers of refused) {
      expect([headers, await readRefusal(await post(host, browser, headers))]).toEqual([
        headers,
        '403 csrf_check_failed',
      ])
    }
    expect(host.logged.filter(({ event }) => event === 'csrf_check_failed')).toHaveLength(refused.length)
    for (const headers of [{ origin: publicUrl }, {}, { ...bare, 'x-csrf': '1' }]) {
      expect([headers, (await post(host, browser, headers)).status]).toEqual([headers, 200])
    }
    // A form of the app, and one of another site.
    const form = (headers: Record<string, string>) =>
      browser.visit(`${host.url}/orders`, { method: 'POST', headers, body: new URLSearchParams() })
    expect((await form({ 'sec-fetch-site': 'same-origin', origin: publicUrl })).status).toBe(200)
    const foreign = await form({ 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' })
    expect(await foreign.json()).toMatchObject({ code: 'csrf_check_failed', isPorticos: true })
  })

  test('a handshake of a WebSocket connection comes from an allowed page only (R54)', async () => {
    const host = await start()
    const browser = await signIn(host)
    const cookie = [...browser.cookies(host.url)].map((pair) => pair.join('=')).join('; ')
    const shake = async (origin: string) => {
      const lines = ['Upgrade: websocket', 'Connection: Upgrade', `Origin: ${origin}`, `Cookie: ${cookie}`]
      const { socket, text } = openConnection(host.url, '/orders', lines)
      await expect.poll(text).toMatch(/^HTTP/)
      socket.destroy()
      return Number(text().slice(9, 12))
    }
    expect([await shake('https://evil.example'), await shake(publicUrl)]).toEqual([403, 200])
  })

  test('a page that is only asked for, or sent, leads to no address after the login', async () => {
    const host = await start()
    const browser = createTestBrowser()
    const asked = await browser.visit(`${host.url}/orders?page=2`, { method: 'HEAD' })
    expect(asked.headers.get('location')).toBe('/api/login?return_to=%2F')
    const origin = publicUrl
    const sent = await browser.visit(`${host.url}/orders`, { method: 'POST', headers: { origin } })
    expect([sent.status, await sent.json()]).toMatchObject([401, { code: 'session_required' }])
  })

  test('wants scopes and groups; a page without them is an error of the app', async () => {
    const host = await start()
    const browser = await signIn(host)
    expect(await readRefusal(await browser.fetch(`${host.url}/write`))).toBe('403 insufficient_scope')
    expect(await readRefusal(await browser.fetch(`${host.url}/army`))).toBe('403 insufficient_group')
    expect(await (await browser.fetch(`${host.url}/navy`)).text()).toBe('navy')
    expect(await (await browser.fetch(`${host.url}/both`)).text()).toBe('both')
    expect((await browser.fetch(`${host.url}/partners`)).status).toBe(403)
    const page = await browser.visit(`${host.url}/army`)
    expect([page.status, await page.json()]).toEqual([403, { code: 'insufficient_group', isPorticos: true }])
  })

  test('a link from another site brings no strict cookie: the browser goes to the page once more', async () => {
    const host = await start({ path: '/shop' })
    const browser = await signIn(host)
    const headers = { 'sec-fetch-site': 'cross-site' }
    const { headers: answer } = await browser.visit(`${host.url}/orders`, { headers })
    expect(answer.get('location')).toBe('/shop/api/session/continue?return_to=%2Forders')
  })

  test('extends the session, as session() does but for slide: false', async () => {
    const host = await start()
    const browser = await signIn(host)
    const idleEnd = async (address: string) => {
      const seen = (await (await browser.fetch(host.url + address)).json()) as PorticoSession
      return new Date(seen.idleExpiresAt).getTime() - host.clock.now()
    }
    host.clock.advance(minutes(20))
    expect(await idleEnd('/peek')).toBe(minutes(10))
    expect(await idleEnd('/open')).toBe(minutes(30))
    host.clock.advance(minutes(20))
    await browser.fetch(`${host.url}/orders`)
    expect(await idleEnd('/peek')).toBe(minutes(30))
  })

  test('an outage of the store is no "signed out"', async () => {
    const host = await start()
    const browser = await signIn(host)
    host.store.touch = async () => {
      throw new Error('gone')
    }
    const answer = await browser.fetch(`${host.url}/orders`)
    expect([answer.status, await answer.json()]).toMatchObject([500, { message: 'gone' }])
  })
})

describe('accessToken', () => {
  test('is that of the provider, refreshed once for all requests', async () => {
    const host = await start()
    const browser = await signIn(host)
    const ask = async () => (await browser.fetch(`${host.url}/token`)).text()
    const first = await ask()
    expect(first).toMatch(/^eyJ/)
    host.clock.advance(minutes(25))
    await browser.fetch(`${host.url}/open`)
    host.clock.advance(minutes(25))
    await browser.fetch(`${host.url}/open`)
    host.clock.advance(minutes(15))
    const before = idp.calls.refresh
    const later = await Promise.all(Array.from({ length: 5 }, ask))
    expect(idp.calls.refresh - before).toBe(1)
    expect(new Set(later).size).toBe(1)
    expect(later[0]).not.toBe(first)
  })

  test('is refused where it is bound to a key of this server: it would be of no use', async () => {
    let jkt = ''
    idp.script({
      metadata: (document) => ({ ...document, dpop_signing_alg_values_supported: ['ES256'] }),
      tokenResponse: (body) => ({ ...body, token_type: 'DPoP' }),
      accessTokenClaims: (claims) => ({ ...claims, cnf: { jkt } }),
    })
    const host = await start()
    const browser = createTestBrowser()
    const loginUrl = await startLogin(host, browser)
    jkt = new URL(loginUrl).searchParams.get('dpop_jkt') ?? ''
    await browser.fetch(`${host.url}/api/callback?${idp.authorize(loginUrl)}`)
    const answer = await browser.fetch(`${host.url}/token`)
    expect([answer.status, await answer.json()]).toEqual([422, { code: 'unprocessable', isPorticos: true }])
  })

  test('its errors have codes', async () => {
    const host = await start()
    const answer = await createTestBrowser().fetch(`${host.url}/token`)
    expect([answer.status, await answer.json()]).toEqual([
      401,
      { code: 'session_required', isPorticos: true },
    ])
  })
})
