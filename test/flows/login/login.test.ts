import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose'
import { describe, expect } from 'vitest'
import { createTestBrowser, type TestBrowser } from '../../support/browser.ts'
import { closeAfterTest, okta, oktaPerFile, portico } from '../../support/fixtures.ts'
import { csrf, getSession, logInAtOkta, readRefusal, startLogin } from '../../support/login.ts'
import { publicUrl, startPortico, type TestPortico, testSecret } from '../../support/portico.ts'
import { ada, alan, signInAtOkta } from '../../support/providers/okta.ts'

const test = oktaPerFile()
const startOther = async (env: Record<string, string | undefined>) =>
  closeAfterTest(await startPortico({ issuer: okta.issuer, env }))

describe('the login URL', () => {
  test('asks for a code, with PKCE S256, state and nonce (R1, R2, R9, R10)', async () => {
    const { searchParams: asked, origin, pathname } = new URL(await startLogin(portico, createTestBrowser()))
    expect(origin + pathname).toBe(`${okta.issuer}/v1/authorize`)
    expect(asked.get('response_type')).toBe('code')
    expect(asked.get('code_challenge_method')).toBe('S256')
    expect(asked.get('code_challenge')).toMatch(/^[\w-]{43}$/)
    expect(asked.get('redirect_uri')).toBe(`${publicUrl}/api/callback`)
    expect(asked.get('scope')).toBe('openid profile email groups offline_access orders:read orders:write')
    expect(asked.get('nonce')?.length).toBeLessThanOrEqual(64)
  })

  test('has a fresh challenge, state and nonce of 256 bits for each login (R2, R3)', async () => {
    const urls = await Promise.all(Array.from({ length: 20 }, () => startLogin(portico, createTestBrowser())))
    for (const name of ['code_challenge', 'state', 'nonce']) {
      const values = urls.map((url) => new URL(url).searchParams.get(name) ?? '')
      expect(new Set(values).size).toBe(20)
      expect(values.every((value) => value.length >= 43)).toBe(true)
    }
  })

  test('carries what the page asked for, and ignores what it does not know', async () => {
    const query =
      '?prompt=login&login_hint=ada%40example.com&max_age=60&acr_values=a%20b&ui_locales=de&idp=0oa1&scope=admin&response_type=token'
    const { searchParams: asked } = new URL(await startLogin(portico, createTestBrowser(), query))
    expect(Object.fromEntries(asked)).toMatchObject({
      prompt: 'login',
      login_hint: 'ada@example.com',
      max_age: '60',
      acr_values: 'a b',
      ui_locales: 'de',
      idp: '0oa1',
      response_type: 'code',
    })
    expect(asked.getAll('response_type')).toEqual(['code'])
    expect(asked.get('scope')).not.toContain('admin')
  })

  test('with all that a page may ask for, its cookie has at most 4096 bytes, attributes included', async () => {
    const browser = createTestBrowser()
    const query = new URLSearchParams({
      return_to: `/${'r'.repeat(1_999)}`,
      acr_values: 'a'.repeat(340),
      dpop_jkt: 'k'.repeat(43),
      prompt: 'select_account',
      max_age: '999999999',
    })
    await startLogin(portico, browser, `?${query}`)
    const [{ line = '' } = {}] = browser.setCookies
    expect(line.length).toBeGreaterThan(3_500)
    expect(line.length).toBeLessThanOrEqual(4_096)
  })

  test('odd cookies beside ours do no harm (F55)', async () => {
    const browser = createTestBrowser()
    for (let index = 0; index < 8; index += 1) browser.setCookie(portico.url, `__Host-bff_tx.(${index})`, 'x')
    await startLogin(portico, browser)
  })

  test.each([
    'acr_values=%01',
    'acr_values=a%22',
    'acr_values=a%5C',
    'prompt=sometimes',
    'max_age=-1',
    'max_age=1&max_age=2',
    'login_hint=',
  ])('a malformed parameter is refused by name: %s', async (query) => {
    const response = await createTestBrowser().fetch(`${portico.url}/api/login?${query}`)
    expect(response.headers.getSetCookie()).toEqual([])
    const name = query.split('=')[0] ?? ''
    expect(await response.clone().text()).toContain(name)
    expect(await readRefusal(response)).toBe('400 invalid_request')
  })

  test('a navigation goes there at once', async () => {
    const response = await createTestBrowser().visit(`${portico.url}/api/login`)
    expect(response.status).toBe(302)
    expect(response.headers.get('location')).toContain(`${okta.issuer}/v1/authorize?`)
  })

  test('where the browser sends no Fetch Metadata, the Accept header tells a navigation from a fetch', async () => {
    const headers = { 'sec-fetch-mode': undefined, 'sec-fetch-site': undefined }
    const ask = (accept: string) =>
      createTestBrowser().fetch(`${portico.url}/api/login`, { headers: { ...headers, accept } })
    expect((await ask('text/html,application/xhtml+xml,*/*;q=0.8')).status).toBe(302)
    expect((await ask('application/json')).status).toBe(200)
    expect((await ask('*/*')).status).toBe(200)
  })

  test('another site cannot sign anybody in without a click (R8)', async () => {
    const browser = createTestBrowser()
    const headers = { 'sec-fetch-site': 'cross-site', 'sec-fetch-user': '?0' }
    const response = await browser.visit(`${portico.url}/api/login`, { headers })
    expect(response.status).toBe(403)
    expect(await response.text()).toContain('href="/api/login?return_to=')
    expect(browser.setCookies).toEqual([])
    const sibling = { 'sec-fetch-site': 'same-site', 'sec-fetch-user': undefined }
    expect((await browser.visit(`${portico.url}/api/login`, { headers: sibling })).status).toBe(403)
    const spa = await startOther({ SPA_ORIGINS: 'https://spa.example.com' })
    expect((await browser.visit(`${spa.url}/api/login`, { headers: sibling })).status).toBe(302)
    const clicked = await browser.visit(`${portico.url}/api/login`, {
      headers: { 'sec-fetch-site': 'cross-site' },
    })
    expect(clicked.status).toBe(302)
  })
})

describe('a login', () => {
  test.each([
    ['client_secret_basic', {}],
    ['client_secret_post', { OIDC_CLIENT_ID: 'portico-post', OIDC_CLIENT_AUTH: 'client_secret_post' }],
    ['none', { OIDC_CLIENT_ID: 'portico-public', OIDC_CLIENT_SECRET: undefined }],
  ])('works with client authentication %s', async (_method, env) => {
    const { response, answer } = await logInAtOkta(await startOther(env))
    expect(response.status).toBe(200)
    expect(answer.user.sub).toBe(ada.sub)
  })

  test('forwarded by the SPA: one answer with token, user and session', async () => {
    const { response, answer, browser } = await logInAtOkta(portico, { query: '?return_to=/orders?page=2' })
    expect(response.status).toBe(200)
    expect(answer).toMatchObject({
      token_type: 'Bearer',
      expires_in: 300,
      return_to: '/orders?page=2',
      user: { sub: ada.sub, name: 'Ada Lovelace', email: ada.login, groups: ['Everyone', 'Admins'] },
      session: { idle_expires_in: 1800, absolute_expires_in: 43_200 },
    })
    expect(await getSession(portico, browser)).toMatchObject({
      active: true,
      user: answer.user,
      session: { id: answer.session.id },
      provider_token: { refreshable: true },
    })
  })

  test.each([
    [
      'JSON',
      (parameters: URLSearchParams) => ({
        body: JSON.stringify(Object.fromEntries(parameters)),
        headers: { 'content-type': 'application/json' },
      }),
    ],
    ['a form', (parameters: URLSearchParams) => ({ body: parameters, headers: {} })],
  ])('forwarded by POST as %s, so that the code stays out of access logs', async (_name, toInit) => {
    const browser = createTestBrowser()
    const { searchParams } = await signInAtOkta(browser, await startLogin(portico, browser))
    const response = await browser.fetch(`${portico.url}/api/callback`, {
      method: 'POST',
      ...toInit(searchParams),
    })
    expect(response.status).toBe(200)
    expect((await getSession(portico, browser)).active).toBe(true)
  })

  test('by navigation: 303 to return_to, no token in any URL, then POST /api/token', async () => {
    const browser = createTestBrowser()
    const login = await browser.visit(`${portico.url}/api/login?return_to=/welcome`)
    const callback = await signInAtOkta(browser, login.headers.get('location') ?? '')
    const response = await browser.arrive(`${portico.url}/api/callback${callback.search}`)
    expect([response.status, response.headers.get('location')]).toEqual([303, '/welcome'])
    expect(response.headers.get('referrer-policy')).toBe('no-referrer') // R18
    const token = await browser.fetch(`${portico.url}/api/token`, { method: 'POST', headers: csrf })
    expect(await token.json()).toMatchObject({ token_type: 'Bearer', expires_in: 300 })
  })

  test('gives an app token of RFC 9068 that any JWT library verifies by the published metadata (R77)', async () => {
    const { answer } = await logInAtOkta(portico)
    const metadata = (await (
      await fetch(`${portico.url}/.well-known/oauth-authorization-server`)
    ).json()) as Record<string, string>
    expect(metadata).toMatchObject({ issuer: publicUrl, jwks_uri: `${publicUrl}/.well-known/jwks.json` })
    const keys = createRemoteJWKSet(new URL(`${portico.url}/.well-known/jwks.json`))
    const { payload, protectedHeader } = await jwtVerify(answer.token, keys, {
      issuer: publicUrl,
      audience: publicUrl,
      typ: 'at+jwt',
      algorithms: ['ES256'],
    })
    expect(protectedHeader.kid).toBeTypeOf('string')
    expect(payload).toMatchObject({
      sub: ada.sub,
      client_id: 'portico-test',
      scope: 'openid profile email groups orders:read orders:write',
      sid: answer.session.id,
      name: 'Ada Lovelace',
      groups: ['Everyone', 'Admins'],
      auth_time: expect.any(Number),
      amr: ['pwd'],
      jti: expect.any(String),
    })
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(300)
  })

  test.each(['EdDSA', 'RS256'])('signs app tokens with %s where configured', async (alg) => {
    const other = await startOther({ APP_TOKEN_ALG: alg })
    const { answer } = await logInAtOkta(other)
    expect(decodeProtectedHeader(answer.token).alg).toBe(alg)
    await jwtVerify(answer.token, createRemoteJWKSet(new URL(`${other.url}/.well-known/jwks.json`)))
  })

  test('copies only the configured claims into the app token', async () => {
    const { answer } = await logInAtOkta(await startOther({ APP_TOKEN_CLAIMS: 'locale' }))
    expect(decodeJwt(answer.token)).toMatchObject({ locale: 'en-US' })
    expect(decodeJwt(answer.token)).not.toHaveProperty('email')
    expect(answer.user).toEqual({ sub: ada.sub, locale: 'en-US' })
  })
})

describe('cookies', () => {
  test('the session cookie is __Host-, HttpOnly, Secure, SameSite=Strict, signed, with 256 random bits (R45, R47)', async () => {
    const { browser } = await logInAtOkta(portico)
    const line = browser.setCookies.find(({ cookie }) => cookie.name === '__Host-bff_session')?.line ?? ''
    expect(line).toMatch(
      /^__Host-bff_session=s%3A[\w-]{43}\.[\w%]+; Path=\/; HttpOnly; Secure; SameSite=Strict$/,
    )
  })

  test('the transaction cookie is __Host-, HttpOnly, Secure, SameSite=Lax, for ten minutes (R45)', async () => {
    const browser = createTestBrowser()
    await startLogin(portico, browser)
    const [{ line = '', cookie } = { cookie: undefined }] = browser.setCookies
    expect(line).toMatch(
      /^__Host-bff_tx\.[0-9a-z]+=[\w-]+; Max-Age=600; Path=\/; Expires=[^;]+; HttpOnly; Secure; SameSite=Lax$/,
    )
    expect(cookie?.domain).toBeUndefined()
  })

  test('SESSION_COOKIE_SAMESITE=lax is followed', async () => {
    const { browser } = await logInAtOkta(await startOther({ SESSION_COOKIE_SAMESITE: 'lax' }))
    expect(browser.setCookies.find(({ cookie }) => cookie.name === '__Host-bff_session')?.line).toContain(
      'SameSite=Lax',
    )
  })

  test('on http://localhost the names lose __Host- and the cookies lose Secure', async () => {
    const browser = createTestBrowser()
    await startLogin(await startOther({ PUBLIC_URL: 'http://localhost:3000' }), browser)
    expect(browser.setCookies[0]?.line).toMatch(/^bff_tx\./)
    expect(browser.setCookies[0]?.line).not.toContain('Secure')
  })

  /** Begins logins, one after the other; resolves with the last one's address at the provider. */
  async function startLogins(browser: TestBrowser, count: number, length: number) {
    let url = ''
    for (let tab = 0; tab < count; tab += 1) {
      url = await startLogin(portico, browser, `?return_to=/${'a'.repeat(length - 1)}`)
      portico.clock.advance(1)
    }
    return url
  }

  /** Characters of the Cookie header that a browser sends. */
  const size = (browser: TestBrowser) =>
    [...browser.cookies(portico.url)].map(([name, value]) => `${name}=${value}`).join('; ').length

  test.each([
    [10, 170],
    [6, 400],
    [2, 1_650],
    [1, 2_000],
  ])(
    'request cookies stay under 150 characters signed in, and under 5,150 amid %i logins with links of %i, all of them kept',
    async (count, length) => {
      const { browser } = await logInAtOkta(portico)
      expect(size(browser)).toBeLessThan(150)
      await startLogins(browser, count, length)
      expect(browser.cookies(portico.url).size).toBe(count + 1)
      expect(size(browser)).toBeLessThan(5_150)
    },
  )

  test.each([2_000, 1_000, 400])(
    'where twelve logins would take more than 5,000 characters, fewer are kept, and the last one works: links of %i',
    async (length) => {
      const browser = createTestBrowser()
      const url = await startLogins(browser, 12, length)
      expect(size(browser)).toBeLessThanOrEqual(5_000)
      const { search } = await signInAtOkta(browser, url)
      expect((await browser.fetch(`${portico.url}/api/callback${search}`)).status).toBe(200)
    },
  )
})

describe('several logins in one browser', () => {
  test.each([
    ['first', 0, 1],
    ['second', 1, 0],
  ])('two tabs, the %s finishing first: both signed in, one session (F1)', async (_name, one, other) => {
    const browser = createTestBrowser()
    const tabs = [
      await startLogin(portico, browser, '?return_to=/a'),
      await startLogin(portico, browser, '?return_to=/b'),
    ]
    const callbacks = [await signInAtOkta(browser, tabs[0] ?? ''), await signInAtOkta(browser, tabs[1] ?? '')]
    const before = portico.store.size()
    const first = await browser.fetch(`${portico.url}/api/callback${callbacks[one]?.search}`)
    const second = await browser.fetch(`${portico.url}/api/callback${callbacks[other]?.search}`)
    expect([first.status, second.status]).toEqual([200, 200])
    const { session: dead } = (await first.json()) as { session: { id: string } }
    const { session: alive } = (await second.json()) as { session: { id: string } }
    expect(await portico.store.read(dead.id)).toBeUndefined()
    expect(await getSession(portico, browser)).toMatchObject({ active: true, session: { id: alive.id } })
    expect(portico.store.size()).toBeGreaterThan(before)
  })

  test('thirty tabs: at most ten transaction cookies, and the last ten all work (F2)', async () => {
    const browser = createTestBrowser()
    const urls: string[] = []
    for (let tab = 0; tab < 30; tab += 1) {
      urls.push(await startLogin(portico, browser, `?return_to=/${tab}`))
      portico.clock.advance(1)
    }
    const names = [...browser.cookies(portico.url).keys()].filter((name) => name.startsWith('__Host-bff_tx.'))
    expect(names).toHaveLength(10)
    for (const [index, url] of urls.entries()) {
      if (index < 20) continue
      const { search } = await signInAtOkta(browser, url)
      const answer = await (await browser.fetch(`${portico.url}/api/callback${search}`)).json()
      expect(answer).toMatchObject({ return_to: `/${index}` })
    }
  })

  test('signing in as another user: a new session, the old one dead, no data mixed (F11, F12, R46)', async () => {
    const { browser, answer: first } = await logInAtOkta(portico)
    const oldCookie = browser.cookies(portico.url).get('__Host-bff_session')
    const fresh = createTestBrowser()
    for (const [name, value] of browser.cookies(portico.url)) fresh.setCookie(portico.url, name, value)
    const { answer: second } = await logInAtOkta(portico, { browser: fresh, person: alan })
    expect(fresh.cookies(portico.url).get('__Host-bff_session')).not.toBe(oldCookie)
    expect(await portico.store.read(first.session.id)).toBeUndefined()
    expect(second.user).toMatchObject({ sub: alan.sub, groups: ['Everyone'] })
    expect((await getSession(portico, browser)).active).toBe(false)
  })

  test('a strict session cookie does not come from another site, and its session dies all the same (R46)', async () => {
    const { browser, answer } = await logInAtOkta(portico)
    const login = await browser.visit(`${portico.url}/api/login`)
    const { search } = await signInAtOkta(browser, login.headers.get('location') ?? '')
    expect((await browser.arrive(`${portico.url}/api/callback${search}`)).status).toBe(303)
    expect(await portico.store.read(answer.session.id)).toBeUndefined()
  })

  test('two tabs finished by navigation: one session, and a logout leaves none (F1)', async () => {
    const browser = createTestBrowser()
    const urls = [await startLogin(portico, browser), await startLogin(portico, browser)]
    const handles: string[] = []
    for (const url of urls) {
      const { search } = await signInAtOkta(browser, url)
      expect((await browser.arrive(`${portico.url}/api/callback${search}`)).status).toBe(303)
      handles.push((await getSession(portico, browser)).session.id)
    }
    await browser.fetch(`${portico.url}/api/logout`, { method: 'POST', headers: csrf })
    for (const handle of handles) expect(await portico.store.read(handle)).toBeUndefined()
  })

  test('a strict session cookie that comes all the same needs no page between', async () => {
    const { browser } = await logInAtOkta(portico)
    const { search } = await signInAtOkta(browser, await startLogin(portico, browser))
    // Some browsers send it, such as after a reload of the callback.
    const cookie = [...browser.cookies(portico.url)].map(([name, value]) => `${name}=${value}`).join('; ')
    const headers = { 'sec-fetch-site': 'cross-site', cookie }
    expect((await browser.visit(`${portico.url}/api/callback${search}`, { headers })).status).toBe(303)
  })

  test('with SameSite=Lax the cookie comes along, and no page stands between', async () => {
    const lax = await startOther({ SESSION_COOKIE_SAMESITE: 'lax' })
    const browser = createTestBrowser()
    const { search } = await signInAtOkta(browser, await startLogin(lax, browser))
    const headers = { 'sec-fetch-site': 'cross-site' }
    expect((await browser.visit(`${lax.url}/api/callback${search}`, { headers })).status).toBe(303)
  })

  test('in a frame, where no page of ours is shown, the callback is answered at once', async () => {
    const browser = createTestBrowser()
    const { search } = await signInAtOkta(browser, await startLogin(portico, browser))
    const headers = { 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'iframe' }
    expect((await browser.visit(`${portico.url}/api/callback${search}`, { headers })).status).toBe(303)
  })

  test('a browser that calls every visit one from another site is sent around once, not for ever', async () => {
    const browser = createTestBrowser()
    const { search } = await signInAtOkta(browser, await startLogin(portico, browser))
    const headers = { 'sec-fetch-site': 'cross-site' }
    const first = await browser.visit(`${portico.url}/api/callback${search}`, { headers })
    const next = /content="0;url=([^"]+)"/.exec(await first.text())?.[1]?.replaceAll('&amp;', '&') ?? ''
    expect((await browser.visit(portico.url + next, { headers })).status).toBe(303)
  })

  test('a browser that says nothing of where it comes from is taken as it is', async () => {
    const browser = createTestBrowser()
    const { search } = await signInAtOkta(browser, await startLogin(portico, browser))
    const headers = { 'sec-fetch-site': undefined, 'sec-fetch-mode': undefined, 'sec-fetch-user': undefined }
    expect((await browser.visit(`${portico.url}/api/callback${search}`, { headers })).status).toBe(303)
  })

  test('a preset session id is not taken over (F11)', async () => {
    const browser = createTestBrowser()
    browser.setCookie(portico.url, '__Host-bff_session', 's%3Aattackers-choice.forged')
    await logInAtOkta(portico, { browser })
    expect(browser.cookies(portico.url).get('__Host-bff_session')).not.toContain('attackers-choice')
  })
})

describe('a login begun on one replica', () => {
  const [oldSecret, newSecret] = [testSecret(), testSecret()]
  const finishOn = async (first: TestPortico, second: TestPortico) => {
    const browser = createTestBrowser()
    const { search } = await signInAtOkta(browser, await startLogin(first, browser))
    for (const [name, value] of browser.cookies(first.url)) browser.setCookie(second.url, name, value)
    return (await browser.fetch(`${second.url}/api/callback${search}`)).status
  }

  test('completes on another (F15)', async () => {
    const env = { BFF_SECRETS: oldSecret }
    expect(await finishOn(await startOther(env), await startOther(env))).toBe(200)
  })

  test('completes after the secrets were rotated, and not after the old one was dropped (F14)', async () => {
    const before = await startOther({ BFF_SECRETS: oldSecret })
    const rotated = await startOther({ BFF_SECRETS: `${newSecret},${oldSecret}` })
    expect(await finishOn(before, rotated)).toBe(200)
    expect(await finishOn(before, await startOther({ BFF_SECRETS: newSecret }))).toBe(400)
  })
})

describe('a repeated callback', () => {
  test('reloaded: the same success, and the first tokens intact (F3, R16, R19)', async () => {
    const { browser, callback, answer } = await logInAtOkta(portico, { query: '?return_to=/here' })
    const tokens = (await portico.store.read(answer.session.id))?.tokens
    const again = await browser.fetch(`${portico.url}/api/callback${callback.search}`)
    expect(again.status).toBe(200)
    expect(await again.json()).toMatchObject({ return_to: '/here', session: { id: answer.session.id } })
    expect((await portico.store.read(answer.session.id))?.tokens).toEqual(tokens)
    const visited = await browser.arrive(`${portico.url}/api/callback${callback.search}`)
    expect([visited.status, visited.headers.get('location')]).toEqual([303, '/here'])
  })

  test('ten at once: one exchange, the same session for all (F4)', async () => {
    const browser = createTestBrowser()
    const { search } = await signInAtOkta(browser, await startLogin(portico, browser))
    const cookies = new Map(browser.cookies(portico.url))
    const twins = await Promise.all(
      Array.from({ length: 10 }, async () => {
        const twin = createTestBrowser()
        for (const [name, value] of cookies) twin.setCookie(portico.url, name, value)
        const response = await twin.fetch(`${portico.url}/api/callback${search}`)
        return {
          status: response.status,
          session: (await getSession(portico, twin)).session as { id: string },
        }
      }),
    )
    expect(twins.map(({ status }) => status)).toEqual(Array(10).fill(200))
    expect(new Set(twins.map(({ session }) => session.id)).size).toBe(1)
  })

  test("someone else's, in a browser that is signed in: refused, and the session untouched (F10)", async () => {
    const attacker = createTestBrowser()
    const { search } = await signInAtOkta(attacker, await startLogin(portico, attacker), alan)
    const { browser: victim, answer } = await logInAtOkta(portico)
    const response = await victim.fetch(`${portico.url}/api/callback${search}`)
    expect(await readRefusal(response)).toBe('400 login_transaction_missing')
    expect(await getSession(portico, victim)).toMatchObject({
      user: { sub: ada.sub },
      session: { id: answer.session.id },
    })
  })

  test('in another browser: refused, whoever has the URL (F10)', async () => {
    const { callback } = await logInAtOkta(portico)
    const victim = createTestBrowser()
    const response = await victim.fetch(`${portico.url}/api/callback${callback.search}`)
    expect(await readRefusal(response)).toBe('400 login_transaction_missing')
    expect(victim.setCookies.filter(({ cookie }) => cookie.value !== '')).toEqual([])
  })
})
