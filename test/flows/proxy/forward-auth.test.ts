import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeJwt } from 'jose'
import { describe, expect } from 'vitest'
import type { UpstreamTokens } from '../../../src/proxy/tokens/upstream-token.ts'
import { createTestBrowser } from '../../support/browser.ts'
import { minutes, seconds } from '../../support/clock.ts'
import { closeAfterTest, idp, portico, serverPerFile, signIn } from '../../support/fixtures.ts'
import { askForwardAuth, identityOf, type Question } from '../../support/forward-auth.ts'
import { getSession, logInAtScripted, readRefusal } from '../../support/login.ts'
import { sendRaw } from '../../support/network/raw-http.ts'
import { publicUrl, startPortico, testSecret } from '../../support/portico.ts'

const secret = testSecret()
const withSecret = { 'x-forward-auth-secret': secret }
const folder = mkdtempSync(join(tmpdir(), 'portico-'))
const routesFile = join(folder, 'routes.json')
const upstream = 'https://orders.internal'
writeFileSync(
  routesFile,
  JSON.stringify({
    orders: {
      upstream,
      token: 'app',
      audience: upstream,
      scopes: ['orders:read'],
      groups: ['Navy', 'Sales'],
    },
    admin: { upstream, token: 'none', groups: ['Admins'] },
    public: { upstream, token: 'optional' },
  }),
)

const test = serverPerFile({
  env: { TRUST_PROXY: '127.0.0.1', FORWARD_AUTH_SECRET: secret, PROXY_ROUTES_FILE: routesFile },
})
test.afterAll(() => rmSync(folder, { recursive: true }))

const ask = (browser = createTestBrowser(), question: Question = {}) =>
  askForwardAuth(portico, browser, question)
const detailOf = async (answer: Response) => ((await answer.json()) as { detail: string }).detail

describe('a user who is signed in', () => {
  test('passes: 200 without a body, and who it is; no token where none is asked for', async () => {
    const browser = await signIn()
    const { user, session } = await getSession(portico, browser)
    const answer = await ask(browser)
    expect(answer.status).toBe(200)
    expect(await answer.text()).toBe('')
    expect(identityOf(answer)).toEqual({
      'x-auth-subject': user.sub,
      'x-auth-session': session.id,
      'x-auth-scope': 'openid profile email groups offline_access orders:read orders:write',
    })
  })

  test('is described by the claims that the proxy chooses, each in its header', async () => {
    const browser = await signIn()
    const answer = await ask(browser, { rule: '?claims=email,preferred_username,groups,email_verified' })
    expect(identityOf(answer)).toMatchObject({
      'x-auth-email': 'grace@example.com',
      'x-auth-preferred-username': 'grace@example.com',
      'x-auth-groups': 'Navy',
      'x-auth-email-verified': 'true',
    })
  })

  test('has every header that was asked for, if need be empty: it replaces what the client sent', async () => {
    const answer = await ask(await signIn(), { rule: '?claims=department,__proto__,constructor' })
    expect(answer.status).toBe(400)
    const { headers } = await ask(await signIn(), { rule: '?claims=department,constructor' })
    expect([headers.get('x-auth-department'), headers.get('x-auth-constructor')]).toEqual(['', ''])
  })

  test('stays signed in by being asked about, except with X-Slide: false', async () => {
    const browser = await signIn()
    portico.clock.advance(minutes(20))
    expect((await ask(browser)).status).toBe(200)
    portico.clock.advance(minutes(20))
    expect((await ask(browser, { headers: { 'x-slide': 'false' } })).status).toBe(200)
    portico.clock.advance(minutes(10))
    expect(await readRefusal(await ask(browser))).toBe('401 session_expired')
  })

  test('no cache stores an answer, and no page of another origin may read one', async () => {
    const browser = await signIn()
    const headers = { origin: publicUrl }
    for (const answer of [await ask(browser, { headers }), await ask(undefined, { headers })]) {
      expect(answer.headers.get('cache-control')).toBe('no-store')
      expect(answer.headers.get('access-control-allow-origin')).toBeNull()
      expect(answer.headers.get('set-cookie')).toBeNull()
    }
  })
})

describe('values of claims', () => {
  const claimsOf = async (claims: object) => {
    const browser = await signIn({ ...claims })
    const { port } = new URL(portico.url)
    const cookie = [...browser.cookies(portico.url)].map(([name, value]) => `${name}=${value}`).join('; ')
    const lines = ['GET /api/forward-auth?claims=name,groups,email HTTP/1.1', `Host: 127.0.0.1:${port}`]
    lines.push('X-Original-Method: GET', `Cookie: ${cookie}`, 'Connection: close', '', '')
    const answer = Buffer.from(await sendRaw(portico.url, lines.join('\r\n'))).toString()
    expect(answer).toMatch(/^HTTP\/1.1 200 /)
    return answer.split('\r\n')
  }

  test('inject no header (CR, LF), and end none (NUL) (F57)', async () => {
    const lines = await claimsOf({ name: 'Ada\r\nX-Auth-Groups: Admins\n\0\x7f\u0085', groups: [] })
    expect(lines).toContain('X-Auth-Name: Ada%0D%0AX-Auth-Groups: Admins%0A%00%7F%C2%85')
    expect(lines.filter((line) => line.startsWith('X-Auth-Groups'))).toEqual(['X-Auth-Groups: '])
  })

  test('of a list do not make other items: commas and percent signs are encoded', async () => {
    expect(await claimsOf({ groups: ['Navy, Admins', '100%2C', 'Café', 7] })).toContain(
      'X-Auth-Groups: Navy%2C Admins,100%252C,Café,7',
    )
  })

  test('are UTF-8, and a space at an end does not get lost', async () => {
    expect(await claimsOf({ name: ' Ädä 漢字 😀\ud800 ' })).toContain('X-Auth-Name: %20Ädä 漢字 😀\ufffd%20')
  })
})

describe('a user who is not signed in', () => {
  test('by a call: 401, without a redirect', async () => {
    const answer = await ask()
    expect(answer.headers.get('location')).toBeNull()
    expect(answer.headers.get('x-auth-login')).toBeNull()
    expect(answer.headers.get('x-auth-error')).toBe('session_required')
    expect(await readRefusal(answer)).toBe('401 session_required')
  })

  test('by a navigation: goes to the login, and from there to the very page', async () => {
    const answer = await ask(undefined, { isNavigation: true, target: '/docs/a%20b?q=1&r=%2F#no' })
    expect(answer.status).toBe(302)
    expect(await answer.text()).toBe('')
    const answered = await ask(undefined, { isNavigation: true, target: '/docs/a%20b?q=1&r=%2F' })
    const login = new URL(answered.headers.get('location') ?? '')
    expect(`${login.origin}${login.pathname}`).toBe(`${publicUrl}/api/login`)
    expect([...login.searchParams]).toEqual([['return_to', '/docs/a%20b?q=1&r=%2F']])
  })

  test('by a navigation behind nginx, which cannot redirect: 401 with the address', async () => {
    const answer = await ask(undefined, { isNavigation: true, rule: '?login=401' })
    expect(answer.status).toBe(401)
    expect(answer.headers.get('x-auth-login')).toBe(
      `${publicUrl}/api/login?return_to=%2Forders%2F5%3Fpage%3D2`,
    )
  })

  test.each([
    ['//evil.example/x'],
    ['/\\evil.example'],
    ['ftp://evil.example/x'],
    ['javascript:alert(1)'],
    ['/api/login'],
    ['/a b'],
    ['/#x'],
    [`/${'x'.repeat(2_001)}`],
  ])('comes back from the login to the start page, not to %s', async (target) => {
    const answer = await ask(undefined, { isNavigation: true, target })
    expect(answer.headers.get('location')).toBe(`${publicUrl}/api/login?return_to=%2F`)
  })

  test('comes back to a long address whole, and to bytes that are no ASCII', async () => {
    const long = `/search?q=${'x'.repeat(1_500)}`
    const answer = await ask(undefined, { isNavigation: true, target: long })
    expect(new URL(answer.headers.get('location') ?? '').searchParams.get('return_to')).toBe(long)
    const raw = Buffer.from('/café').toString('latin1')
    const bytes = `GET /api/forward-auth HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\nX-Original-Method: GET\r\nX-Original-URI: ${raw}\r\nConnection: close\r\n\r\n`
    expect(await sendRaw(portico.url, bytes)).toContain('return_to=%2Fcaf%25C3%25A9')
  })

  test('does not repeat a form: after the login, the start page', async () => {
    const headers = { origin: publicUrl, 'sec-fetch-site': 'same-origin' }
    const answer = await ask(undefined, { isNavigation: true, method: 'POST', headers })
    expect(answer.headers.get('location')).toBe(`${publicUrl}/api/login?return_to=%2F`)
  })

  test('passes without an identity where a token is optional', async () => {
    const answer = await ask(undefined, { rule: '?token=optional&claims=email', headers: withSecret })
    expect(answer.status).toBe(200)
    expect(identityOf(answer)).toEqual({
      authorization: '',
      'x-auth-subject': '',
      'x-auth-session': '',
      'x-auth-scope': '',
      'x-auth-email': '',
    })
    for (const needed of ['scope=orders:read', 'group=Navy']) {
      const refused = await ask(undefined, { rule: `?token=optional&${needed}`, headers: withSecret })
      expect(await readRefusal(refused)).toBe('401 session_required')
    }
  })

  test('whose session has ended learns that', async () => {
    const browser = await signIn()
    await browser.fetch(`${portico.url}/api/logout`, { method: 'POST', headers: { 'x-csrf': '1' } })
    expect(await readRefusal(await ask(browser))).toBe('401 session_required')
  })
})

describe('a link from another site, with a strict cookie', () => {
  const crossSite = { 'sec-fetch-site': 'cross-site' }

  test('finds the session: a page of this server leads to the page that was asked for', async () => {
    const browser = await signIn()
    const first = await ask(browser, { isNavigation: true, headers: crossSite })
    const next = new URL(first.headers.get('location') ?? '')
    expect(next.pathname).toBe('/api/session/continue')
    const page = await browser.visit(`${portico.url}${next.pathname}${next.search}`, { headers: crossSite })
    expect(page.headers.get('content-type')).toContain('text/html')
    expect(await page.text()).toContain('content="0;url=/orders/5?page=2"')
    const headers = { 'sec-fetch-site': 'same-origin' }
    expect((await ask(browser, { isNavigation: true, headers })).status).toBe(200)
  })

  test('is opened by a click, where another site sends the user without one: no login begins by itself', async () => {
    const headers = { ...crossSite, 'sec-fetch-user': undefined }
    const first = await ask(undefined, { isNavigation: true, headers })
    const next = new URL(first.headers.get('location') ?? '')
    const page = await createTestBrowser().visit(`${portico.url}${next.pathname}${next.search}`, { headers })
    const html = await page.text()
    expect(html).toContain('<a href="/orders/5?page=2">')
    expect(html).not.toContain('http-equiv')
  })

  test('leads to the login from there, where there is none', async () => {
    const headers = { 'sec-fetch-site': 'same-origin' }
    const answer = await ask(undefined, { isNavigation: true, headers })
    expect(answer.headers.get('location')).toContain('/api/login?')
  })

  test.each([
    ['//evil.example'],
    ['https://evil.example/'],
    ['/api/logout/provider'],
    ['javascript:x'],
    [''],
  ])('the page leads to the start page instead of %s', async (target) => {
    const query = new URLSearchParams({ return_to: target })
    const page = await createTestBrowser().visit(`${portico.url}/api/session/continue?${query}`)
    expect(await page.text()).toContain('content="0;url=/"')
  })

  test('that no click of the user followed: "try again" at the login keeps the page', async () => {
    const url = `${portico.url}/api/login?return_to=%2Forders%3Fpage%3D2`
    const answer = await createTestBrowser().visit(url, {
      headers: { ...crossSite, 'sec-fetch-user': undefined },
    })
    expect(answer.status).toBe(403)
    expect(await answer.text()).toContain('href="/api/login?return_to=%2Forders%3Fpage%3D2"')
    const hostile = await createTestBrowser().visit(`${portico.url}/api/login?return_to=//evil.example`, {
      headers: { ...crossSite, 'sec-fetch-user': undefined },
    })
    expect(await hostile.text()).toContain('href="/api/login?return_to=%2F"')
  })
})

describe('scopes and groups', () => {
  test('that a user lacks are named: 403', async () => {
    const browser = await signIn()
    const rule = '?scope=openid+orders:delete%20admin'
    const answer = await ask(browser, { rule })
    expect(answer.headers.get('x-auth-error')).toBe('insufficient_scope')
    expect(answer.status).toBe(403)
    expect(await detailOf(answer)).toContain('scope orders:delete admin,')
    const page = await ask(browser, { rule, isNavigation: true })
    expect(page.status).toBe(403)
    expect(await page.text()).toContain('orders:delete admin')
    const other = await ask(browser, { rule: '?group=Admins,Ops' })
    expect(other.status).toBe(403)
    expect(await detailOf(other)).toContain('Admins, Ops')
  })

  test('that a user has: 200', async () => {
    expect((await ask(await signIn(), { rule: '?scope=openid+orders:read&group=Admins,Navy' })).status).toBe(
      200,
    )
  })
})

describe('a proxy route', () => {
  test.each([['/orders'], ['?route=orders']])(
    'named by %s decides who passes, and by which token',
    async (rule) => {
      const answer = await ask(await signIn(), { rule, headers: withSecret })
      expect(answer.status).toBe(200)
      const token = (answer.headers.get('authorization') ?? '').replace(/^Bearer /, '')
      expect(decodeJwt(token)).toMatchObject({ aud: upstream, iss: publicUrl })
      const refused = await ask(await signIn(), { rule: rule.replace('orders', 'admin') })
      expect(await readRefusal(refused)).toBe('403 insufficient_group')
    },
  )

  test('for users of some providers: 403 for those of others', async () => {
    const refused = await ask(await signIn(), { rule: '?provider=okta,partner&group=Navy' })
    expect(await readRefusal(refused)).toBe('403 insufficient_authorization')
    expect((await ask(await signIn(), { rule: '?provider=okta,default&group=Navy' })).status).toBe(200)
    expect((await ask(createTestBrowser(), { rule: '?token=none&provider=okta' })).status).toBe(401)
  })

  test('that does not exist: 404', async () => {
    for (const rule of ['?route=nothing', '/nothing', '/', '/constructor']) {
      expect((await ask(await signIn(), { rule })).status, rule).toBe(404)
    }
  })
})

describe('tokens', () => {
  const tokenOf = async (rule: string) => {
    const answer = await ask(await signIn(), { rule, headers: withSecret })
    expect(answer.status).toBe(200)
    return (answer.headers.get('authorization') ?? '').replace(/^Bearer /, '')
  }

  test('the provider’s, or an app token for an audience and with scopes', async () => {
    expect(decodeJwt(await tokenOf('?token=provider')).iss).toBe(idp.issuer)
    expect(decodeJwt(await tokenOf('?token=optional')).iss).toBe(idp.issuer)
    const rule = '?token=app&audience=https://api.example.com&token_scopes=orders:read'
    expect(decodeJwt(await tokenOf(rule))).toMatchObject({
      iss: publicUrl,
      aud: 'https://api.example.com',
      scope: 'orders:read',
    })
  })

  test('are refreshed first where they have expired; groups that it takes away count', async () => {
    const browser = await signIn()
    idp.script({ idTokenClaims: (claims) => ({ ...claims, groups: [] }) })
    const before = idp.calls.refresh
    // By calls, the session stays alive until the token expires.
    for (let passed = 0; passed < 3; passed += 1) {
      portico.clock.advance(minutes(20) + seconds(1))
      expect((await ask(browser, { rule: '?group=Navy' })).status).toBe(200)
    }
    const answer = await ask(browser, { rule: '?token=provider&group=Navy', headers: withSecret })
    expect(await readRefusal(answer)).toBe('403 insufficient_group')
    expect(idp.calls.refresh).toBe(before + 1)
  })

  test.each(['provider', 'app', 'optional', 'exchange&audience=x'])(
    'of kind %s are for a proxy alone that proves the secret',
    async (token) => {
      const browser = await signIn()
      const rule = `?token=${token}`
      const wrong = [
        undefined,
        '',
        'x',
        secret.slice(0, -1),
        `${secret}x`,
        `${secret.slice(0, -1)}!`,
        `${secret}, ${secret}`,
      ]
      for (const given of wrong) {
        const answer = await ask(browser, { rule, headers: { 'x-forward-auth-secret': given } })
        expect(answer.status).toBe(403)
        expect(answer.headers.get('authorization')).toBeNull()
        expect(await detailOf(answer)).toContain('FORWARD_AUTH_SECRET')
      }
    },
  )

  test('a secret may be longer than other headers, and counts whole', async () => {
    const long = Array.from({ length: 20 }, testSecret).join('')
    const env = { TRUST_PROXY: '127.0.0.1', FORWARD_AUTH_SECRET: long }
    const replaced = { clock: portico.clock }
    const other = closeAfterTest(await startPortico({ issuer: idp.issuer, env, replaced }))
    const { browser } = await logInAtScripted(other, idp)
    const statusWith = async (given: string) => {
      const headers = { 'x-forward-auth-secret': given }
      return (await askForwardAuth(other, browser, { rule: '?token=provider', headers })).status
    }
    expect([await statusWith(long), await statusWith(`${long.slice(0, -1)}!`)]).toEqual([200, 403])
  })

  test('a wrong secret is refused where no token is asked for, too', async () => {
    const answer = await ask(await signIn(), { headers: { 'x-forward-auth-secret': 'wrong' } })
    expect(await readRefusal(answer)).toBe('403 insufficient_authorization')
  })

  test('that are bound to a key of this server are of no use to a proxy: 422', async () => {
    const upstreamTokens: UpstreamTokens = {
      get: async (session) => ({ session, token: { token: 'bound', prove: async () => 'proof' } }),
      renew: async () => undefined,
    }
    const env = { TRUST_PROXY: '127.0.0.1', FORWARD_AUTH_SECRET: secret }
    const replaced = { clock: portico.clock, upstreamTokens }
    const other = closeAfterTest(await startPortico({ issuer: idp.issuer, env, replaced }))
    const { browser } = await logInAtScripted(other, idp)
    const answer = await askForwardAuth(other, browser, { rule: '?token=provider', headers: withSecret })
    expect(answer.headers.get('authorization')).toBeNull()
    expect(await readRefusal(answer)).toBe('422 unprocessable')
  })

  test('are for nobody where FORWARD_AUTH_SECRET is not set', async () => {
    const env = { TRUST_PROXY: '127.0.0.1' }
    const other = closeAfterTest(await startPortico({ issuer: idp.issuer, env }))
    for (const given of ['', 'undefined', secret, undefined]) {
      const headers = { 'x-forward-auth-secret': given }
      const answer = await askForwardAuth(other, createTestBrowser(), { rule: '?token=provider', headers })
      expect(await readRefusal(answer)).toBe('403 insufficient_authorization')
    }
  })
})

describe('parameters', () => {
  test.each([
    ['?tokne=app', 'route, token, audience'],
    ['?slide=false', 'route, token, audience'],
    ['?__proto__=x', 'route, token, audience'],
    ['?token=refresh', 'token is'],
    ['?token=app&token=none', 'token is'],
    ['?scope=', 'scope is'],
    ['?login=302', 'login is'],
    ['?token=exchange', 'audience'],
    ['?token=provider&audience=x', 'audience'],
    ['?audience=x', 'audience'],
    ['?token_scopes=x', 'token_scopes'],
    ['?route=orders&token=none', 'A route has settings'],
    ['/orders?scope=x', 'A route has settings'],
    ['/orders?route=orders', 'once'],
    ['?claims=email,email', 'claims'],
    ['?claims=first_name,first-name', 'claims'],
    ['?claims=subject', 'claims'],
    ['?claims=https://example.com/roles', 'claims'],
    ['?claims=x%0D%0Ay', 'claims'],
  ])('%s is refused, and the text says why', async (rule, text) => {
    const answer = await ask(createTestBrowser(), { rule, headers: withSecret })
    expect(answer.status).toBe(400)
    expect(await detailOf(answer)).toContain(text)
  })

  test('many different ones are not remembered for ever, and mean what they say', async () => {
    const browser = await signIn()
    for (let number = 0; number < 250; number += 1) {
      const rule = `?group=Navy,x${number}`
      expect((await ask(browser, { rule })).status).toBe(200)
      expect((await ask(browser, { rule: `?group=x${number}` })).status).toBe(403)
    }
  })
})
