import type { RequestHandler } from 'express'
import { decodeJwt, type JWTPayload } from 'jose'
import { afterEach, describe, expect, test } from 'vitest'
import { toUserGroup } from '../../../src/session/session-groups.ts'
import { createTestBrowser, type TestBrowser } from '../../support/browser.ts'
import { hours, minutes, seconds } from '../../support/clock.ts'
import {
  closeAfterTest,
  idp,
  okta,
  oktaPerFile,
  portico,
  serverPerFile,
  writeProvidersFile,
} from '../../support/fixtures.ts'
import {
  csrf,
  getSession,
  logInAtOkta,
  logInAtScripted,
  readRefusal,
  startLogin,
} from '../../support/login.ts'
import { goToProvider, readLogoutUrl } from '../../support/logout.ts'
import { publicUrl, startPortico, type TestPortico } from '../../support/portico.ts'
import { startOAuth2Provider } from '../../support/providers/oauth2-provider.ts'
import { ada, alan, signOutAtOkta } from '../../support/providers/okta.ts'
import { startScriptedProvider } from '../../support/providers/scripted-provider.ts'

const testAtOkta = oktaPerFile({ env: { LOGOUT_RETURN_TO: '/bye' } })
const testAtScripted = serverPerFile({ env: { SESSION_IDLE_TIMEOUT: '2h' } })

const cookieName = '__Host-bff_session'

const logOut = (portico: TestPortico, browser: TestBrowser, body: object = {}) =>
  browser.fetch(`${portico.url}/api/logout`, {
    method: 'POST',
    headers: { ...csrf, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
const postForm = (portico: TestPortico, browser: TestBrowser, fields: Record<string, string> = {}) =>
  browser.visit(`${portico.url}/api/logout`, {
    method: 'POST',
    headers: { 'sec-fetch-site': 'same-origin', origin: publicUrl },
    body: new URLSearchParams(fields),
  })
const askToken = (portico: TestPortico, browser: TestBrowser) =>
  browser.fetch(`${portico.url}/api/token`, { method: 'POST', headers: csrf })

describe('logout at the provider (R67)', () => {
  const test = testAtOkta

  test('the whole way: out here, out there, back on the page that was asked for', async () => {
    const { browser, answer } = await logInAtOkta(portico)
    const logoutUrl = await readLogoutUrl(await logOut(portico, browser, { return_to: '/done?a=b' }))
    const providerUrl = await goToProvider(portico, browser, logoutUrl)
    const { searchParams: parameters } = new URL(providerUrl)
    expect(providerUrl.startsWith(`${okta.issuer}/v1/logout?`)).toBe(true)
    expect([...parameters.keys()].sort()).toEqual([
      'client_id',
      'id_token_hint',
      'post_logout_redirect_uri',
      'state',
    ])
    expect(decodeJwt(parameters.get('id_token_hint') ?? '')).toMatchObject({
      sub: ada.sub,
      aud: 'portico-test',
    })
    expect(parameters.get('client_id')).toBe('portico-test')
    expect(parameters.get('post_logout_redirect_uri')).toBe(`${publicUrl}/api/logout/callback`)
    expect(await portico.store.read(answer.session.id)).toBeUndefined()

    const back = await signOutAtOkta(browser, providerUrl)
    const landed = await browser.visit(`${portico.url}${back.pathname}${back.search}`)
    expect([landed.status, landed.headers.get('location')]).toEqual([303, '/done?a=b'])

    // Who signs in again at once would not be asked for the password while the provider's session lived.
    const page = await browser.visit(await startLogin(portico, browser))
    expect(page.headers.get('location')).toContain('/signin/')
  })

  test('without it, the provider would not ask for the password again', async () => {
    const { browser } = await logInAtOkta(portico)
    await logOut(portico, browser)
    const callback = await browser.visit(await startLogin(portico, browser))
    expect(callback.headers.get('location')).toContain(`${publicUrl}/api/callback?code=`)
  })

  test('by a form of our own page: 303 to the provider', async () => {
    const { browser } = await logInAtOkta(portico)
    const response = await postForm(portico, browser, { return_to: '/there' })
    expect(response.status).toBe(303)
    const back = await signOutAtOkta(browser, response.headers.get('location') ?? '')
    const landed = await browser.visit(`${portico.url}${back.pathname}${back.search}`)
    expect(landed.headers.get('location')).toBe('/there')
  })

  test.each([
    ['a hostile return_to', { return_to: 'https://evil.example' }, '/'],
    ['no return_to', {}, '/bye'],
  ])('%s: back on a page of ours', async (_name, body, expected) => {
    const { browser } = await logInAtOkta(portico)
    const logoutUrl = await readLogoutUrl(await logOut(portico, browser, body))
    const providerUrl = new URL(await goToProvider(portico, browser, logoutUrl))
    const state = providerUrl.searchParams.get('state') ?? ''
    const landed = await browser.visit(`${portico.url}/api/logout/callback?state=${state}`)
    expect(landed.headers.get('location')).toBe(expected)
  })

  test.each([
    ['no state', ''],
    ['an empty state', '?state='],
    ['a foreign state', '?state=af0ifjsldkj'],
    ['two states', '?state=a&state=b'],
    ['a state of another server', `?state=${'A'.repeat(120)}`],
  ])('a return with %s does no harm (R68)', async (_name, query) => {
    const { browser } = await logInAtOkta(portico)
    const landed = await browser.visit(`${portico.url}/api/logout/callback${query}`)
    expect([landed.status, landed.headers.get('location')]).toEqual([303, '/bye'])
    expect(landed.headers.get('cache-control')).toBe('no-store')
    expect(landed.headers.getSetCookie()).toEqual([])
    expect((await getSession(portico, browser)).active).toBe(true)
  })

  test('a state whose page is no longer allowed leads to the default page', async () => {
    const spa = 'https://spa.example.com'
    const secrets = { BFF_SECRETS: 'x8ZkQm3vT1rYp5sWn7uBc9eFh2jLd4gKa6iOb0tUvXw' }
    const wide = await startPortico({ issuer: okta.issuer, env: { ...secrets, SPA_ORIGINS: spa } })
    const narrow = await startPortico({ issuer: okta.issuer, env: secrets })
    const { browser } = await logInAtOkta(wide)
    const response = await logOut(wide, browser, { return_to: `${spa}/bye` })
    const providerUrl = new URL(await goToProvider(wide, browser, await readLogoutUrl(response)))
    const state = providerUrl.searchParams.get('state') ?? ''
    const land = async ({ url }: TestPortico) =>
      (await browser.visit(`${url}/api/logout/callback?state=${state}`)).headers.get('location')
    expect([await land(wide), await land(narrow)]).toEqual([`${spa}/bye`, '/'])
    await wide.close()
    await narrow.close()
  })

  test('a second login of one browser does not cost its refresh token, though the provider ends whole grants', async () => {
    const later = await startPortico({ issuer: okta.issuer, env: { SESSION_IDLE_TIMEOUT: '2h' } })
    const { browser } = await logInAtOkta(later)
    await logInAtOkta(later, { browser })
    later.clock.advance(hours(1) - seconds(30))
    expect((await askToken(later, browser)).status).toBe(200)
    await later.components.tokenRefresher.drain()
    // What comes back was issued by another clock than ours; but the refresh token was taken.
    const events = later.logged.map(({ event }) => event)
    expect(events).toContain('token_refresh_failed')
    expect(events).not.toContain('session_ended_by_provider')
    await later.close()
  })

  test('out already: success, and no way to the provider, who has nothing to go by', async () => {
    const { browser } = await logInAtOkta(portico)
    const cookie = browser.cookies(portico.url).get(cookieName)
    await logOut(portico, browser)
    browser.setCookie(portico.url, cookieName, cookie)
    expect(await readLogoutUrl(await logOut(portico, browser))).toBeNull()
    expect(browser.cookies(portico.url).has(cookieName)).toBe(false)
  })

  describe('everywhere (R50)', () => {
    const asForm = (browser: TestBrowser) => postForm(portico, browser, { everywhere: 'true' })
    const asCall = (browser: TestBrowser) => logOut(portico, browser, { everywhere: true })

    test.each([
      ['by fetch', asCall, 200],
      ['by a form', asForm, 303],
    ])('%s: all of the person’s sessions end, nobody else’s', async (_name, ask, status) => {
      const phone = (await logInAtOkta(portico)).browser
      const laptop = (await logInAtOkta(portico)).browser
      const other = (await logInAtOkta(portico, { person: alan })).browser
      const response = await ask(laptop)
      expect(response.status).toBe(status)
      // Its own session goes last, and tells where to sign out at the provider.
      const location =
        response.headers.get('location') ??
        (await goToProvider(portico, laptop, await readLogoutUrl(response)))
      expect(location).toContain('id_token_hint=')
      expect(await getSession(portico, phone)).toEqual({ active: false })
      expect(await getSession(portico, laptop)).toEqual({ active: false })
      expect((await getSession(portico, other)).active).toBe(true)
      await logOut(portico, other)
    })

    test.each([{ everywhere: false }, {}])('not with %o', async (body) => {
      const phone = (await logInAtOkta(portico)).browser
      const laptop = (await logInAtOkta(portico)).browser
      await logOut(portico, laptop, body)
      expect((await getSession(portico, phone)).active).toBe(true)
      await logOut(portico, phone)
    })

    test('not by a form that says false', async () => {
      const phone = (await logInAtOkta(portico)).browser
      const laptop = (await logInAtOkta(portico)).browser
      expect((await postForm(portico, laptop, { everywhere: 'false' })).status).toBe(303)
      expect((await getSession(portico, phone)).active).toBe(true)
      await logOut(portico, phone)
    })

    test('a body of a kind that nobody reads is refused: it may have said everywhere', async () => {
      const { browser } = await logInAtOkta(portico)
      const response = await browser.fetch(`${portico.url}/api/logout`, {
        method: 'POST',
        headers: { ...csrf, 'content-type': 'text/plain' },
        body: '{"everywhere":true}',
      })
      expect(await readRefusal(response)).toBe('415 unsupported_media_type')
      expect((await getSession(portico, browser)).active).toBe(true)
      await logOut(portico, browser)
    })

    test('not with something else: refused, and still signed in', async () => {
      const { browser } = await logInAtOkta(portico)
      expect(await readRefusal(await logOut(portico, browser, { everywhere: 'all' }))).toBe(
        '400 invalid_request',
      )
      expect((await getSession(portico, browser)).active).toBe(true)
      await logOut(portico, browser)
    })

    test('with a session that is over, nobody knows whose others are meant: said so, and the cookie goes', async () => {
      const phone = (await logInAtOkta(portico)).browser
      const laptop = (await logInAtOkta(portico)).browser
      await portico.store.end((await getSession(portico, laptop)).session.id)
      expect(await readRefusal(await asCall(laptop))).toBe('401 session_expired')
      expect(laptop.cookies(portico.url).has(cookieName)).toBe(false)
      expect((await getSession(portico, phone)).active).toBe(true)
    })
  })
})

describe('a provider without a logout of its own', () => {
  test('local logout, and logout_url is null; a form goes to return_to', async () => {
    const idp = await startOAuth2Provider()
    const portico = await startPortico({ env: idp.settings })
    const signIn = async () => {
      const browser = createTestBrowser()
      const parameters = idp.authorize(await startLogin(portico, browser))
      expect((await browser.fetch(`${portico.url}/api/callback?${parameters}`)).status).toBe(200)
      return browser
    }
    const one = await signIn()
    expect(await readLogoutUrl(await logOut(portico, one))).toBeNull()
    expect(await getSession(portico, one)).toEqual({ active: false })
    const two = await signIn()
    const response = await postForm(portico, two, { return_to: '/bye' })
    expect([response.status, response.headers.get('location')]).toEqual([303, '/bye'])
    // There is nobody to revoke at: nothing waits for it.
    portico.clock.advance(minutes(1))
    await expect.poll(() => portico.store.takeDueRevocations(1, 1)).toEqual([])
    const events = portico.logged.map(({ event }) => event)
    expect(events).not.toContain('logout_at_provider_skipped')
    expect(events).not.toContain('revocation_failed')
    await portico.close()
    await idp.close()
  })

  test.each(['auto', 'id_token', 'client_id'])(
    'one with a logout and without ID tokens is told who asks, and nothing else, by OIDC_LOGOUT_HINT=%s',
    async (OIDC_LOGOUT_HINT) => {
      const idp = await startOAuth2Provider()
      const OAUTH_END_SESSION_ENDPOINT = `${idp.origin}/bye?a=b`
      const portico = await startPortico({
        env: { ...idp.settings, OAUTH_END_SESSION_ENDPOINT, OIDC_LOGOUT_HINT },
      })
      const browser = createTestBrowser()
      const parameters = idp.authorize(await startLogin(portico, browser))
      await browser.fetch(`${portico.url}/api/callback?${parameters}`)
      const logoutUrl = await readLogoutUrl(await logOut(portico, browser))
      const url = new URL(await goToProvider(portico, browser, logoutUrl))
      expect(url.pathname).toBe('/bye')
      expect([...url.searchParams.keys()].sort()).toEqual([
        'a',
        'client_id',
        'post_logout_redirect_uri',
        'state',
      ])
      await portico.close()
      await idp.close()
    },
  )
})

test('of several providers, the browser goes to the one that the session came from', async () => {
  const [one, two] = [await startScriptedProvider(), await startScriptedProvider()]
  const client = { OIDC_CLIENT_ID: 'portico-test', OIDC_CLIENT_SECRET: 'test-client-secret' }
  const providers = {
    one: { ...client, OIDC_ISSUER: one.issuer },
    two: { ...client, OIDC_ISSUER: two.issuer },
  }
  const path = writeProvidersFile(providers)
  const portico = await startPortico({ env: { PROVIDERS_FILE: path } })
  const browser = createTestBrowser()
  const parameters = two.authorize(await startLogin(portico, browser, '?provider=two'))
  expect((await browser.fetch(`${portico.url}/api/callback/two?${parameters}`)).status).toBe(200)
  const logoutUrl = await readLogoutUrl(await logOut(portico, browser))
  expect(await goToProvider(portico, browser, logoutUrl)).toContain(`${two.issuer}/v1/logout?`)
  await expect.poll(() => two.livingRefreshTokens()).toBe(0)
  expect(one.calls.revocation).toBe(0)
  await portico.close()
  await Promise.all([one.close(), two.close()])
})

describe('at a provider that a test directs', () => {
  const test = testAtScripted

  afterEach(async () => {
    idp.revokeAll()
    for (const handle of await living()) await portico.store.end(handle, { withoutRevoking: true })
  })
  const signIn = async (browser = createTestBrowser()) => {
    const { response } = await logInAtScripted(portico, idp, { browser })
    expect(response.status).toBe(200)
    return browser
  }
  /** Handles of the sessions that are alive. */
  const living = async () => {
    const found = await portico.store.findByGroup(
      toUserGroup({ issuer: idp.issuer, providerSub: '00u-grace' }),
    )
    return found.map(({ handle }) => handle)
  }
  const nothingLives = () =>
    expect.poll(async () => [idp.livingRefreshTokens(), await living()]).toEqual([0, []])

  test('a browser without a cookie is not told to drop one: a login under way may set it', async () => {
    const browser = createTestBrowser()
    const response = await logOut(portico, browser)
    expect([response.status, response.headers.getSetCookie()]).toEqual([200, []])
  })

  test('while the provider’s metadata cannot be had: out here all the same, and the log says so', async () => {
    const browser = await signIn()
    idp.script({ discovery: (_req, res) => void res.status(500).end() })
    const unlucky = closeAfterTest(
      await startPortico({
        issuer: idp.issuer,
        replaced: { config: portico.components.config, store: portico.store, clock: portico.clock },
      }),
    )
    const copy = createTestBrowser()
    for (const [name, value] of browser.cookies(portico.url)) copy.setCookie(unlucky.url, name, value)
    const response = await logOut(unlucky, copy)
    expect([response.status, await readLogoutUrl(response)]).toEqual([200, null])
    expect(await getSession(portico, browser)).toEqual({ active: false })
    expect(unlucky.logged.map(({ event }) => event)).toContain('logout_at_provider_skipped')
    idp.reset()
    portico.clock.advance(minutes(1))
    await unlucky.components.tokenRevocation.revokeDue()
    await nothingLives()
  })

  describe('the refresh token is revoked (R69)', () => {
    test('by POST, as this client, once; what is left is forgotten', async () => {
      const browser = await signIn()
      const { session } = await getSession(portico, browser)
      const before = idp.calls.revocation
      await logOut(portico, browser)
      await nothingLives()
      await expect.poll(() => portico.store.readPendingRevocation(session.id)).toBeUndefined()
      portico.clock.advance(hours(1))
      await portico.components.tokenRevocation.revokeDue()
      expect(idp.calls.revocation).toBe(before + 1)
      const events = portico.logged.filter((line) => line.session === session.id).map(({ event }) => event)
      expect(events).toContain('refresh_token_revoked')
    })

    test('OIDC_REVOCATION=never: it is forgotten here, and lives on at the provider', async () => {
      const lenient = closeAfterTest(
        await startPortico({
          issuer: idp.issuer,
          env: { OIDC_REVOCATION: 'never' },
          replaced: { clock: portico.clock },
        }),
      )
      const { browser } = await logInAtScripted(lenient, idp)
      const { session } = await getSession(lenient, browser)
      const before = { calls: idp.calls.revocation, living: idp.livingRefreshTokens() }
      await logOut(lenient, browser)
      await expect.poll(() => lenient.store.readPendingRevocation(session.id)).toBeUndefined()
      lenient.clock.advance(minutes(1))
      await lenient.components.tokenRevocation.revokeDue()
      expect({ calls: idp.calls.revocation, living: idp.livingRefreshTokens() }).toEqual(before)
      expect(lenient.logged.map(({ event }) => event)).not.toContain('revocation_failed')
      idp.revokeAll()
    })

    test('F41: the provider fails: out here at once, and revoked once it is back', async () => {
      const browser = await signIn()
      const { session } = await getSession(portico, browser)
      idp.script({ revocationEndpoint: (_req, res) => void res.status(503).end() })
      const before = idp.calls.revocation
      expect((await logOut(portico, browser)).status).toBe(200)
      expect(await getSession(portico, browser)).toEqual({ active: false })
      await expect.poll(() => idp.calls.revocation).toBe(before + 1)
      portico.clock.advance(seconds(16))
      await portico.components.tokenRevocation.revokeDue()
      expect(idp.calls.revocation).toBe(before + 2)
      expect(idp.livingRefreshTokens()).toBe(1)
      idp.reset()
      portico.clock.advance(seconds(61))
      await portico.components.tokenRevocation.revokeDue()
      await nothingLives()
      expect(await portico.store.readPendingRevocation(session.id)).toBeUndefined()
      const reasons = portico.logged.filter(({ event }) => event === 'revocation_failed')
      expect(reasons.at(-1)).toMatchObject({ session: session.id, reason: 'revocation: status 503' })
      expect(JSON.stringify(portico.logged)).not.toMatch(/"refresh-[0-9a-f]/)
    })

    test('a provider that hangs is not waited for', async () => {
      const browser = await signIn()
      const held: (() => void)[] = []
      idp.script({ revocationEndpoint: (_req, res) => void held.push(() => res.status(200).end()) })
      expect((await logOut(portico, browser)).status).toBe(200)
      await expect.poll(() => held.length).toBe(1)
      for (const release of held) release()
      idp.revokeAll()
    })

    test('while the breaker keeps calls away, the log does not repeat itself', async () => {
      const browsers = [await signIn(), await signIn(), await signIn()]
      const failures = () => portico.logged.filter(({ event }) => event === 'revocation_failed').length
      idp.script({ revocationEndpoint: (_req, res) => void res.status(503).end() })
      const before = { calls: idp.calls.revocation, failures: failures() }
      for (const browser of browsers) {
        await logOut(portico, browser)
        await expect.poll(() => idp.calls.revocation).toBe(before.calls + 1)
      }
      expect(failures()).toBe(before.failures + 1)
      idp.reset()
      portico.clock.advance(minutes(2))
      await portico.components.tokenRevocation.revokeDue()
      await nothingLives()
    })

    test('a retry leaves alone who signed in again by the same session at the provider', async () => {
      const claims = (sid: string) => ({
        idTokenClaims: (before: JWTPayload) => ({ ...before, sid }),
        revocationEndpoint: ((_req, res) => void res.status(503).end()) satisfies RequestHandler,
      })
      const handles: string[] = []
      for (const sid of ['sid-again', 'sid-gone']) {
        idp.script(claims(sid))
        const browser = await signIn()
        handles.push((await getSession(portico, browser)).session.id)
        await logOut(portico, browser)
      }
      idp.script({ idTokenClaims: claims('sid-again').idTokenClaims })
      const again = await signIn()
      portico.clock.advance(minutes(2))
      const before = idp.calls.revocation
      await portico.components.tokenRevocation.revokeDue()
      expect(idp.calls.revocation).toBe(before + 1)
      for (const handle of handles) expect(await portico.store.readPendingRevocation(handle)).toBeUndefined()
      await logOut(portico, again)
      await expect.poll(() => idp.calls.revocation).toBe(before + 2)
      idp.revokeAll()
    })

    test.each(['unsupported_token_type', 'invalid_token', 'invalid_grant', 'invalid_request'])(
      'a provider that answers %s is asked once',
      async (error) => {
        const browser = await signIn()
        const before = idp.calls.revocation
        idp.script({ revocationEndpoint: (_req, res) => void res.status(400).json({ error }) })
        const { session } = await getSession(portico, browser)
        await logOut(portico, browser)
        await expect.poll(() => portico.store.readPendingRevocation(session.id)).toBeUndefined()
        portico.clock.advance(minutes(5))
        await portico.components.tokenRevocation.revokeDue()
        expect(idp.calls.revocation).toBe(before + 1)
        idp.revokeAll()
      },
    )

    test('a provider that refuses the client is asked again: the operator may mend it', async () => {
      const browser = await signIn()
      const { session } = await getSession(portico, browser)
      idp.script({
        revocationEndpoint: (_req, res) => void res.status(401).json({ error: 'invalid_client' }),
      })
      await logOut(portico, browser)
      await expect
        .poll(() => portico.logged.filter(({ event }) => event === 'revocation_failed').at(-1))
        .toMatchObject({ session: session.id, reason: expect.stringContaining('invalid_client') })
      idp.reset()
      portico.clock.advance(minutes(1))
      await portico.components.tokenRevocation.revokeDue()
      await nothingLives()
    })

    test('what a provider says of a refusal is logged without token and secret', async () => {
      const browser = await signIn()
      let sent = ''
      idp.script({
        revocationEndpoint(req, res) {
          sent = (req.body as { token: string }).token
          res.status(400).json({
            error: 'temporarily_refused',
            error_description: `no ${sent} for test-client-secret`,
          })
        },
      })
      await logOut(portico, browser)
      await expect
        .poll(() => portico.logged.findLast(({ event }) => event === 'revocation_failed')?.reason)
        .toMatch(/temporarily_refused/)
      expect(sent).toMatch(/^refresh-/)
      const told = JSON.stringify(portico.logged)
      expect([told.includes(sent), told.includes('test-client-secret')]).toEqual([false, false])
      idp.reset()
      portico.clock.advance(minutes(2))
      await portico.components.tokenRevocation.revokeDue()
      await nothingLives()
    })

    test('without a refresh token there is nothing to revoke', async () => {
      idp.script({ tokenResponse: ({ refresh_token: _, ...answer }) => answer })
      const browser = await signIn()
      idp.revokeAll()
      const before = idp.calls.revocation
      const { session } = await getSession(portico, browser)
      await logOut(portico, browser)
      await expect.poll(() => portico.store.readPendingRevocation(session.id)).toBeUndefined()
      expect(idp.calls.revocation).toBe(before)
    })

    test('also of a session that its person ends from another device', async () => {
      const phone = await signIn()
      const laptop = await signIn()
      const { session } = await getSession(portico, phone)
      const headers = csrf
      await laptop.fetch(`${portico.url}/api/sessions/${session.id}`, { method: 'DELETE', headers })
      await expect.poll(() => idp.livingRefreshTokens()).toBe(1)
      await logOut(portico, laptop)
      await nothingLives()
    })

    test('but not of one that a login of the same person replaces, while that lasts: a provider may count both as one', async () => {
      const browser = await signIn()
      const before = idp.calls.revocation
      await signIn(browser)
      await signIn(browser)
      portico.clock.advance(minutes(1))
      await portico.components.tokenRevocation.revokeDue()
      expect([idp.calls.revocation, idp.livingRefreshTokens()]).toEqual([before, 3])
      await logOut(portico, browser)
      await nothingLives()
      expect(idp.calls.revocation).toBe(before + 3)
    })

    test('at once of one that a login of another person replaces', async () => {
      const browser = await signIn()
      idp.script({ idTokenClaims: (claims) => ({ ...claims, sub: 'somebody-else' }) })
      await signIn(browser)
      await expect.poll(() => idp.livingRefreshTokens()).toBe(1)
      await logOut(portico, browser)
      await nothingLives()
      idp.reset()
    })

    test('of those that a session replaced also where the first call for them fails', async () => {
      const browser = await signIn()
      await signIn(browser)
      idp.script({ revocationEndpoint: (_req, res) => void res.status(500).end() })
      const before = idp.calls.revocation
      await logOut(portico, browser)
      await expect.poll(() => idp.calls.revocation).toBe(before + 1)
      idp.reset()
      portico.clock.advance(minutes(1))
      await portico.components.tokenRevocation.revokeDue()
      await nothingLives()
    })
  })

  /** Two requests of one browser that know the same cookies. */
  function twin(browser: TestBrowser): TestBrowser {
    const other = createTestBrowser()
    for (const [name, value] of browser.cookies(portico.url)) other.setCookie(portico.url, name, value)
    return other
  }

  /** A callback that the provider has not answered yet, with what it takes to let it. */
  async function startCallback(browser: TestBrowser, claims: Record<string, unknown> = {}) {
    const parameters = idp.authorize(await startLogin(portico, browser))
    let release = () => {}
    const asked = new Promise<void>((arrived) => {
      idp.script({
        onTokenRequest: () => arrived(),
        tokenDelay: new Promise<void>((done) => {
          release = done
        }),
        idTokenClaims: (before) => ({ ...before, ...claims }),
      })
    })
    const callback = browser.fetch(`${portico.url}/api/callback?${parameters}`)
    await asked
    portico.clock.advance(1)
    return { callback, release }
  }

  describe('a logout wins against a login under way', () => {
    test('of the same browser: nobody is signed in, and nothing lives on', async () => {
      const browser = await signIn()
      const tab = twin(browser)
      const { callback, release } = await startCallback(browser)
      expect((await logOut(portico, tab)).status).toBe(200)
      release()
      const response = await callback
      expect(await readRefusal(response)).toBe('401 signed_out')
      // Nor is a cookie dropped: by now it may be that of a later login.
      expect(response.headers.getSetCookie().join()).not.toContain(cookieName)
      await nothingLives()
      idp.reset()
      await signIn(browser)
      await logOut(portico, browser)
    })

    test('of the same browser, where the login comes first by a hair: the new session ends as well', async () => {
      const browser = await signIn()
      const tab = twin(browser)
      await signIn(browser)
      expect((await getSession(portico, browser)).active).toBe(true)
      const response = await logOut(portico, tab)
      // Whose session it is, the old cookie does not prove.
      expect(await readLogoutUrl(response)).toBeNull()
      expect(await getSession(portico, browser)).toEqual({ active: false })
      await nothingLives()
    })

    test('of the same browser, where two logins at once had found the same session: none of them lives on', async () => {
      const browser = await signIn()
      const [tab, other] = [twin(browser), twin(browser)]
      await signIn(browser)
      await signIn(other)
      expect((await living()).length).toBe(1)
      expect((await getSession(portico, other)).active).toBe(true)
      expect((await logOut(portico, tab)).status).toBe(200)
      expect(await living()).toEqual([])
      idp.revokeAll()
    })

    test('but a logout whose answer was lost keeps nobody from signing in later', async () => {
      const browser = await signIn()
      await logOut(portico, twin(browser))
      portico.clock.advance(1)
      await signIn(browser)
      expect((await getSession(portico, browser)).active).toBe(true)
      await logOut(portico, browser)
      await expect.poll(living).toEqual([])
      idp.revokeAll()
    })

    test('also where this session is ended from the list of sessions', async () => {
      const browser = await signIn()
      const { session } = await getSession(portico, browser)
      const tab = twin(browser)
      const { callback, release } = await startCallback(browser)
      const url = `${portico.url}/api/sessions/${session.id}`
      expect((await tab.fetch(url, { method: 'DELETE', headers: csrf })).status).toBe(204)
      release()
      expect(await readRefusal(await callback)).toBe('401 signed_out')
      await nothingLives()
    })

    test('of the same browser, whose session had ended by itself', async () => {
      const browser = await signIn()
      portico.clock.advance(hours(3))
      const tab = twin(browser)
      const { callback, release } = await startCallback(browser)
      await logOut(portico, tab)
      release()
      expect(await readRefusal(await callback)).toBe('401 signed_out')
      expect(await living()).toEqual([])
      idp.revokeAll()
    })

    test('but a session that was ended from another device keeps nobody from signing in again', async () => {
      const browser = await signIn()
      await portico.components.termination.end((await getSession(portico, browser)).session.id)
      await signIn(browser)
      await logOut(portico, browser)
      await nothingLives()
    })

    test('elsewhere: another person who is signed in here stays so', async () => {
      const browser = await signIn()
      const { callback, release } = await startCallback(browser, { sub: 'somebody-else' })
      await portico.components.termination.endAll(
        toUserGroup({ issuer: idp.issuer, providerSub: 'somebody-else' }),
        'operator',
      )
      release()
      expect(await readRefusal(await callback)).toBe('401 signed_out')
      idp.reset()
      expect((await getSession(portico, browser)).active).toBe(true)
      await logOut(portico, browser)
      await nothingLives()
    })

    test('everywhere: a login under way on another device is over', async () => {
      const phone = createTestBrowser()
      const laptop = await signIn()
      const { callback, release } = await startCallback(phone)
      expect((await logOut(portico, laptop, { everywhere: true })).status).toBe(200)
      release()
      expect(await readRefusal(await callback)).toBe('401 signed_out')
      await nothingLives()
      idp.reset()
      await signIn(phone)
      await logOut(portico, phone)
    })

    test('all others: a login under way on another device is over, this session goes on', async () => {
      const phone = createTestBrowser()
      const laptop = await signIn()
      const { callback, release } = await startCallback(phone)
      const response = await laptop.fetch(`${portico.url}/api/sessions`, { method: 'DELETE', headers: csrf })
      expect([response.status, await response.json()]).toEqual([200, { ended: 0 }])
      release()
      expect(await readRefusal(await callback)).toBe('401 signed_out')
      expect((await getSession(portico, laptop)).active).toBe(true)
      await logOut(portico, laptop)
      await nothingLives()
    })
  })

  describe('a logout wins against a refresh under way (F38)', () => {
    test('that requests wait for: out, and the new refresh token is revoked', async () => {
      const browser = await signIn()
      const tab = twin(browser)
      const { session } = await getSession(portico, browser)
      const hold: (() => void)[] = []
      const arrived = new Promise<void>((done) => {
        idp.script({
          onRefresh: () =>
            new Promise<void>((proceed) => {
              hold.push(proceed)
              done()
            }),
        })
      })
      portico.clock.advance(hours(1))
      const token = askToken(portico, browser)
      await arrived
      expect((await logOut(portico, tab)).status).toBe(200)
      for (const proceed of hold) proceed()
      expect(await readRefusal(await token)).toBe('401 session_expired')
      await nothingLives()
      const events = portico.logged.filter((line) => line.session === session.id).map(({ event }) => event)
      expect(events.filter((event) => event === 'refresh_token_revoked')).toHaveLength(2)
      expect(events).not.toContain('session_ended_by_provider')
    })

    test('whose tokens cannot be revoked now: they wait with the ended session', async () => {
      const browser = await signIn()
      const session = await portico.store.read((await getSession(portico, browser)).session.id)
      await logOut(portico, browser)
      await nothingLives()
      idp.script({ revocationEndpoint: (_req, res) => void res.status(500).end() })
      if (session === undefined) throw new Error('no session')
      const late = { ...session, tokens: { ...session.tokens, refreshToken: 'refresh-late' } }
      const before = idp.calls.revocation
      await portico.components.termination.discardLateTokens(session.handle, late)
      await expect.poll(() => idp.calls.revocation).toBe(before + 1)
      const left = await portico.store.readPendingRevocation(session.handle)
      expect(left?.tokens.refreshToken).toBe('refresh-late')
      idp.reset()
      portico.clock.advance(minutes(1))
      await portico.components.tokenRevocation.revokeDue()
      expect(await portico.store.readPendingRevocation(session.handle)).toBeUndefined()
    })
  })

  test('a server that stops has revoked what it began to revoke', async () => {
    const { clock, store, config } = portico.components
    const short = await startPortico({ replaced: { clock, store, config } })
    const { browser } = await logInAtScripted(short, idp)
    const held: (() => void)[] = []
    idp.script({ revocationEndpoint: (_req, res) => void held.push(() => res.status(200).end()) })
    await logOut(short, browser)
    await expect.poll(() => held.length).toBe(1)
    let isClosed = false
    const closing = short.close().then(() => {
      isClosed = true
    })
    await expect.poll(() => fetch(`${short.url}/livez`).catch(() => 'closed')).toBe('closed')
    expect(isClosed).toBe(false)
    for (const release of held) release()
    await closing
    const events = short.logged.map(({ event }) => event)
    expect(events.indexOf('refresh_token_revoked')).toBeGreaterThan(0)
    expect(events.indexOf('server_stopped')).toBeGreaterThan(events.indexOf('refresh_token_revoked'))
    idp.revokeAll()
  })
})
