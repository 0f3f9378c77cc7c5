import { describe, expect } from 'vitest'
import { createOperatorSessions } from '../../../src/logout/operator.ts'
import { type SignIn, SignInRefused, type SignOut } from '../../../src/portico.ts'
import { createTestBrowser, type TestBrowser } from '../../support/browser.ts'
import { minutes } from '../../support/clock.ts'
import { closeAfterTest, idp, providerPerFile } from '../../support/fixtures.ts'
import { startHost, type TestHost } from '../../support/host.ts'
import { csrf, getSession, logInAtScripted, readRefusal, startLogin } from '../../support/login.ts'
import { publicUrl } from '../../support/portico.ts'

const test = providerPerFile()

async function start(hooks: Parameters<typeof startHost>[0]['hooks'] = {}): Promise<TestHost> {
  const host = closeAfterTest(await startHost({ issuer: idp.issuer, hooks }))
  idp.follow(host.clock)
  return host
}

async function signIn(host: TestHost, browser = createTestBrowser()): Promise<TestBrowser> {
  const { response } = await logInAtScripted(host, idp, { browser })
  expect(response.status).toBe(200)
  return browser
}

describe('onSignIn', () => {
  test('learns who signs in, how and where, before there is a session', async () => {
    const seen: SignIn[] = []
    let sessions = -1
    const host: TestHost = await start({
      async onSignIn(event) {
        seen.push(event)
        sessions = 0
        for await (const handles of host.store.listHandles()) sessions += handles.length
      },
    })
    const browser = await signIn(host)
    expect(sessions).toBe(0)
    expect(seen).toMatchObject(
      [
        {
          user: { sub: '00u-grace', name: 'Grace Hopper' },
          provider: 'default',
          claims: { iss: idp.issuer, sub: '00u-grace', email: 'grace@example.com', scope: /orders:read/ },
          browser: { device: expect.any(String) },
        },
      ].map((event) => ({
        ...event,
        claims: { ...event.claims, scope: expect.stringContaining('orders:read') },
      })),
    )
    expect((await getSession(host, browser)).user).toEqual(seen[0]?.user)
  })

  test('refuses a user with a text of the app, and nothing is left', async () => {
    const host = await start({
      onSignIn({ user }) {
        throw new SignInRefused(`${user.name}, your account is <closed>.`)
      },
    })
    const browser = createTestBrowser()
    const parameters = idp.authorize(await startLogin(host, browser))
    const answer = await browser.fetch(`${host.url}/api/callback?${parameters}`)
    expect(await answer.clone().json()).toMatchObject({
      detail: 'Grace Hopper, your account is <closed>.',
    })
    expect(await readRefusal(answer)).toBe('403 sign_in_refused')
    expect(await getSession(host, browser)).toEqual({ active: false })
    for await (const handles of host.store.listHandles()) expect(handles).toEqual([])
    await expect.poll(() => idp.calls.revocation).toBe(1)
    await expect
      .poll(() => host.logged.find(({ event }) => event === 'login_failed'))
      .toMatchObject({
        code: 'sign_in_refused',
        sub: expect.any(String),
      })
    expect(host.logged.filter(({ event }) => event === 'refresh_token_revoked')).toHaveLength(1)
  })

  test('a navigation shows the text on a page, and a reload shows it again', async () => {
    const host = await start({
      onSignIn() {
        throw new SignInRefused('Your account is <closed>.')
      },
    })
    const browser = createTestBrowser()
    const address = `${host.url}/api/callback?${idp.authorize(await startLogin(host, browser))}`
    const cookies = [...browser.cookies(host.url)]
    const page = await browser.visit(address)
    expect([page.status, await page.text()]).toEqual([
      403,
      expect.stringContaining('Your account is &lt;closed&gt;.'),
    ])
    for (const [name, value] of cookies) browser.setCookie(host.url, name, value)
    expect(await (await browser.visit(address)).text()).toContain('Your account is &lt;closed&gt;.')
  })

  test('any other error is one of the app: 500, no session, and the tokens are revoked', async () => {
    const before = idp.calls.revocation
    const host = await start({
      onSignIn: async () => {
        throw new TypeError('database of the app: secret')
      },
    })
    const browser = createTestBrowser()
    const parameters = idp.authorize(await startLogin(host, browser))
    const answer = await browser.fetch(`${host.url}/api/callback?${parameters}`)
    expect(await readRefusal(answer)).toBe('500 internal_error')
    expect(await getSession(host, browser)).toEqual({ active: false })
    await expect.poll(() => idp.calls.revocation).toBe(before + 1)
    expect(JSON.stringify(host.logged)).not.toContain('database of the app')
  })
})

describe('onSignOut', () => {
  async function startListening() {
    const heard: SignOut[] = []
    const host = await start({ onSignOut: (event) => void heard.push(event) })
    const sessionOf = async (browser: TestBrowser) => (await getSession(host, browser)).session.id
    return { host, heard, sessionOf }
  }

  test('hears of a logout, of sessions that the user ends elsewhere, and of all others with it', async () => {
    const { host, heard, sessionOf } = await startListening()
    const [one, other, third] = [await signIn(host), await signIn(host), await signIn(host)]
    const ids = await Promise.all([one, other, third].map(sessionOf))
    const path = `/api/sessions/${ids[1]}`
    expect((await one.fetch(host.url + path, { method: 'DELETE', headers: csrf })).status).toBe(204)
    const body = JSON.stringify({ everywhere: true })
    const headers = { ...csrf, 'content-type': 'application/json' }
    await one.fetch(`${host.url}/api/logout`, { method: 'POST', headers, body })
    const sub = '00u-grace'
    const reason = 'logout'
    expect(heard).toEqual([ids[1], ids[2], ids[0]].map((session) => ({ sub, session, reason })))
    // There is nothing left to end.
    await one.fetch(`${host.url}/api/logout`, { method: 'POST', headers })
    expect(heard).toHaveLength(3)
  })

  test('hears why: another sign-in, the operator, the provider', async () => {
    const { host, heard, sessionOf } = await startListening()
    const browser = await signIn(host)
    const first = await sessionOf(browser)
    await signIn(host, browser)
    const second = await sessionOf(browser)
    host.clock.advance(1)
    await host.components.termination.endEveryone(() => {})
    host.clock.advance(1)
    const third = await sessionOf(await signIn(host, browser))
    host.clock.advance(minutes(25))
    await getSession(host, browser)
    idp.script({ tokenEndpoint: (_req, res) => void res.status(400).json({ error: 'invalid_grant' }) })
    host.clock.advance(minutes(25))
    await getSession(host, browser)
    host.clock.advance(minutes(15))
    const token = await browser.fetch(`${host.url}/api/token`, { method: 'POST', headers: csrf })
    expect(await readRefusal(token)).toBe('401 session_expired')
    expect(heard.map(({ session, reason }) => [session, reason])).toEqual([
      [first, 'superseded'],
      [second, 'operator'],
      [third, 'provider'],
    ])
  })

  test('hears why: each way by which a provider or an operator ends sessions', async () => {
    const { host, heard } = await startListening()
    const { providers, store, termination } = host.components
    const operator = createOperatorSessions({ providers, store, termination })
    const log = () => {}
    const enders = {
      operator: () => operator.endOfSubject('00u-grace', log),
      async back_channel_logout() {
        const { goodKey: key } = idp
        const iat = Math.floor(host.clock.now() / 1000)
        const events = { 'http://schemas.openid.net/event/backchannel-logout': {} }
        const claims = {
          iss: idp.issuer,
          aud: 'portico-test',
          iat,
          exp: iat + 120,
          jti: 'j1',
          sid: 'sid-1',
          events,
        }
        const token = await idp.sign(key, { alg: key.alg, kid: key.kid, typ: 'logout+jwt' }, claims)
        const body = new URLSearchParams({ logout_token: token })
        await fetch(`${host.url}/api/backchannel-logout`, { method: 'POST', body })
      },
      async universal_logout() {
        const now = Math.floor(host.clock.now() / 1000)
        const aud = `${publicUrl}/api/universal-logout`
        const claims = { iss: idp.org, sub: 'portico-test', aud, iat: now, exp: now + 300, jti: 'j2' }
        const header = { alg: 'RS256', kid: idp.orgKey.kid, typ: 'global-token-revocation+jwt' }
        const token = await idp.sign(idp.orgKey, header, claims)
        const body = { sub_id: { format: 'iss_sub', iss: idp.issuer, sub: '00u-grace' } }
        await fetch(`${host.url}/api/universal-logout`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
          body: JSON.stringify(body),
        })
      },
      front_channel_logout: () =>
        fetch(
          `${host.url}/api/frontchannel-logout?${new URLSearchParams({ iss: idp.issuer, sid: 'sid-1' })}`,
        ),
    }
    for (const [reason, end] of Object.entries(enders)) {
      host.clock.advance(1)
      idp.script({ idTokenClaims: (claims) => ({ ...claims, sid: 'sid-1' }) })
      await signIn(host)
      heard.length = 0
      await end()
      expect(heard.map((event) => event.reason)).toEqual([reason])
    }
    host.clock.advance(1)
    const browser = await signIn(host)
    heard.length = 0
    await operator.endOne((await getSession(host, browser)).session.id, log)
    expect(heard.map((event) => event.reason)).toEqual(['operator'])
  })

  test.each([
    [
      'throws',
      () => {
        throw new Error('gone: secret')
      },
    ],
    ['rejects', () => Promise.reject(new Error('gone: secret'))],
  ])('never breaks a logout: one that %s is logged', async (_name, onSignOut) => {
    const host = await start({ onSignOut })
    const browser = await signIn(host)
    const answer = await browser.fetch(`${host.url}/api/logout`, { method: 'POST', headers: csrf })
    expect(answer.status).toBe(200)
    expect((await getSession(host, browser)).active).toBe(false)
    expect(host.logged.filter(({ event }) => event === 'hook_failed')).toMatchObject([
      { level: 'error', hook: 'onSignOut', error: 'Error' },
    ])
    expect(JSON.stringify(host.logged)).not.toContain('secret')
  })

  test('is waited for by the end of the app', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const host = await start({ onSignOut: () => promise })
    const browser = await signIn(host)
    await browser.fetch(`${host.url}/api/logout`, { method: 'POST', headers: csrf })
    let isClosed = false
    const closed = host.portico.close().then(() => {
      isClosed = true
    })
    await getSession(host, browser)
    expect(isClosed).toBe(false)
    resolve()
    await closed
  })
})
