import { decodeJwt } from 'jose'
import { describe, expect } from 'vitest'
import { createTestBrowser, type TestBrowser } from '../../support/browser.ts'
import { okta, oktaPerFile, portico } from '../../support/fixtures.ts'
import { csrf, getSession, logInAtOkta, readRefusal, startLogin } from '../../support/login.ts'
import { publicUrl } from '../../support/portico.ts'
import { ada, alan, signInAtOkta } from '../../support/providers/okta.ts'

/** Silent login, step-up and session tokens, at a real provider. */
const test = oktaPerFile()

/** Takes a browser to the provider, which answers without showing a page. */
async function goSilently(browser: TestBrowser, query = '?prompt=none'): Promise<URL> {
  const visited = await browser.visit(await startLogin(portico, browser, query))
  return new URL(visited.headers.get('location') ?? '')
}

describe('a silent login (prompt=none)', () => {
  test('without a session at the provider: login_required, and no session is made (R17)', async () => {
    const browser = createTestBrowser()
    const callback = await goSilently(browser)
    expect(callback.searchParams.get('error')).toBe('login_required')
    const response = await browser.fetch(`${portico.url}/api/callback${callback.search}`)
    expect(await readRefusal(response)).toBe('401 login_required')
    expect(response.headers.getSetCookie().filter((line) => !line.includes('bff_tx'))).toEqual([])
    expect(await getSession(portico, browser)).toEqual({ active: false })
  })

  test('the old session is untouched', async () => {
    const { browser, answer } = await logInAtOkta(portico)
    // The person signed out at the provider, or its session timed out.
    for (const name of browser.cookies(okta.issuer).keys()) browser.setCookie(okta.issuer, name, undefined)
    const callback = await goSilently(browser)
    const response = await browser.fetch(`${portico.url}/api/callback${callback.search}`)
    expect(await readRefusal(response)).toBe('401 login_required')
    expect(await getSession(portico, browser)).toMatchObject({
      active: true,
      session: { id: answer.session.id },
    })
  })

  test('by navigation it goes back to return_to, without a session', async () => {
    const browser = createTestBrowser()
    const callback = await goSilently(browser, '?prompt=none&return_to=/public')
    const response = await browser.arrive(`${portico.url}/api/callback${callback.search}`)
    expect([response.status, response.headers.get('location')]).toEqual([303, '/public'])
    expect(await getSession(portico, browser)).toEqual({ active: false })
  })

  test.each([
    ['?prompt=none', 'access_denied'],
    ['?prompt=none', 'server_error'],
    ['', 'login_required'],
    ['', 'consent_required'],
  ])('by navigation, a login of "%s" that ends with %s shows its error', async (query, error) => {
    const browser = createTestBrowser()
    const state = new URL(await startLogin(portico, browser, query)).searchParams.get('state')
    const iss = encodeURIComponent(okta.issuer)
    const response = await browser.arrive(
      `${portico.url}/api/callback?error=${error}&state=${state}&iss=${iss}`,
    )
    expect([response.status >= 400, response.headers.get('content-type')]).toEqual([
      true,
      'text/html; charset=utf-8',
    ])
  })

  test('with a session at the provider: signed in, without a page', async () => {
    const { browser } = await logInAtOkta(portico)
    await browser.fetch(`${portico.url}/api/logout`, { method: 'POST', headers: csrf })
    const callback = await goSilently(browser)
    const response = await browser.fetch(`${portico.url}/api/callback${callback.search}`)
    expect(response.status).toBe(200)
    expect((await getSession(portico, browser)).user.sub).toBe(ada.sub)
  })
})

describe('step-up', () => {
  const twoFactors = 'urn:okta:loa:2fa:any'

  test('acr_values that the provider satisfies are in session and app token (R34)', async () => {
    const { answer } = await logInAtOkta(portico, { query: `?acr_values=${twoFactors}` })
    expect(decodeJwt(answer.token)).toMatchObject({ acr: twoFactors, amr: ['pwd'] })
  })

  test('acr_values that it does not satisfy: refused, and the old session untouched', async () => {
    const { browser, answer } = await logInAtOkta(portico)
    // The provider has a session, and lets it count for what it is.
    const callback = await goSilently(browser, `?acr_values=${twoFactors}`)
    const response = await browser.fetch(`${portico.url}/api/callback${callback.search}`)
    expect(await readRefusal(response)).toBe('401 unmet_authentication_requirements')
    expect((await getSession(portico, browser)).session.id).toBe(answer.session.id)
  })

  test('prompt=login with acr_values asks anew, and satisfies them', async () => {
    const { browser, answer: first } = await logInAtOkta(portico)
    const { answer } = await logInAtOkta(portico, {
      browser,
      query: `?prompt=login&acr_values=${twoFactors}`,
    })
    expect(decodeJwt(answer.token)).toMatchObject({ acr: twoFactors })
    expect(answer.session.id).not.toBe(first.session.id)
  })

  test('max_age=0 asks anew; auth_time says when (R35)', async () => {
    const { browser } = await logInAtOkta(portico)
    const { response, answer } = await logInAtOkta(portico, { browser, query: '?max_age=0' })
    expect(response.status).toBe(200)
    expect(decodeJwt(answer.token).auth_time).toBeGreaterThan(Date.now() / 1000 - 30)
  })
})

describe('POST /api/login', () => {
  const post = (browser: TestBrowser, body: object, headers: Record<string, string> = csrf) =>
    browser.fetch(`${portico.url}/api/login`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })

  test("with Okta's session token: signed in without the sign-in page", async () => {
    const origin = new URL(okta.issuer).origin
    const authn = await fetch(`${origin}/api/v1/authn`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ username: alan.login, password: alan.password }),
    })
    const { sessionToken } = (await authn.json()) as { sessionToken: string }
    const browser = createTestBrowser()
    const begun = await post(browser, { session_token: sessionToken, return_to: '/home' })
    const { login_url: loginUrl } = (await begun.json()) as { login_url: string }
    expect(new URL(loginUrl).searchParams.get('sessionToken')).toBe(sessionToken)
    let at = loginUrl
    for (let hops = 0; hops < 5 && !at.startsWith(publicUrl); hops += 1) {
      const { headers } = await browser.visit(at)
      at = new URL(headers.get('location') ?? '', at).href
    }
    const response = await browser.fetch(`${portico.url}/api/callback${new URL(at).search}`)
    expect(await response.json()).toMatchObject({ user: { sub: alan.sub }, return_to: '/home' })
  })

  test('takes all that GET takes, max_age as a number', async () => {
    const browser = createTestBrowser()
    const begun = await post(browser, {
      prompt: 'login',
      max_age: 60,
      acr_values: 'a',
      login_hint: 'ada',
      idp: '0oa1',
    })
    const { login_url: loginUrl } = (await begun.json()) as { login_url: string }
    expect(Object.fromEntries(new URL(loginUrl).searchParams)).toMatchObject({
      prompt: 'login',
      max_age: '60',
      acr_values: 'a',
      login_hint: 'ada',
      idp: '0oa1',
    })
    const callback = await signInAtOkta(browser, await startLogin(portico, browser))
    expect((await browser.fetch(`${portico.url}/api/callback${callback.search}`)).status).toBe(200)
  })

  test('no link can carry a session token: the query is not read for one', async () => {
    const loginUrl = await startLogin(
      portico,
      createTestBrowser(),
      '?session_token=stolen&sessionToken=stolen',
    )
    expect(loginUrl).not.toContain('stolen')
  })

  test.each([
    ['without the header', {}, '403 csrf_check_failed'],
    ['from another origin', { 'x-csrf': '1', origin: 'https://evil.example' }, '403 csrf_check_failed'],
    ['from another site', { 'x-csrf': '1', 'sec-fetch-site': 'cross-site' }, '403 csrf_check_failed'],
  ])('%s it is refused (R54)', async (_what, headers, refusal) => {
    const browser = createTestBrowser()
    expect(await readRefusal(await post(browser, { session_token: 'x' }, headers))).toBe(refusal)
    expect(browser.setCookies).toEqual([])
  })

  test.each([
    { session_token: '' },
    { session_token: 7 },
    { max_age: -1 },
    { max_age: '60' },
    { prompt: 'x' },
  ])('a malformed %o is refused by name', async (body) => {
    const response = await post(createTestBrowser(), body)
    expect(await response.clone().text()).toContain(Object.keys(body)[0])
    expect(await readRefusal(response)).toBe('400 invalid_request')
  })

  test('a form has no session token', async () => {
    const headers = { ...csrf, 'content-type': 'application/x-www-form-urlencoded' }
    const response = await createTestBrowser().fetch(`${portico.url}/api/login`, {
      method: 'POST',
      headers,
      body: 'session_token=x',
    })
    const { login_url: loginUrl } = (await response.json()) as { login_url: string }
    expect(new URL(loginUrl).searchParams.has('sessionToken')).toBe(false)
  })

  test.each([
    ['provider', 'a'.repeat(33)],
    ['login_hint', 'a'.repeat(321)],
    ['acr_values', 'a'.repeat(401)],
    ['ui_locales', 'a'.repeat(101)],
    ['ui_locales', 'dé'],
    ['idp', 'a'.repeat(101)],
    ['idp', 'é'],
    ['session_token', 'a'.repeat(501)],
    ['session_token', 'é'],
    ['max_age', 1_000_000_000],
    ['max_age', 1.5],
  ])('%s=%s is too much', async (name, value) => {
    const response = await post(createTestBrowser(), { [name]: value })
    expect(await response.clone().text()).toContain(name)
    expect(await readRefusal(response)).toBe('400 invalid_request')
  })

  test('the session token is in no log line', async () => {
    await post(createTestBrowser(), { session_token: 'canary-session-token' })
    expect(JSON.stringify(portico.logged)).not.toContain('canary-session-token')
  })
})
