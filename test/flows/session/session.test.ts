import { decodeJwt } from 'jose'
import { describe, expect } from 'vitest'
import { createTestBrowser } from '../../support/browser.ts'
import { hours, minutes, seconds } from '../../support/clock.ts'
import { idp, portico, serverPerTest } from '../../support/fixtures.ts'
import { csrf, getSession, logInAtScripted, readRefusal } from '../../support/login.ts'
import { publicUrl } from '../../support/portico.ts'

const test = serverPerTest({
  env: { APP_TOKEN_AUDIENCE: 'https://api.example.com,https://other.example.com' },
})

const post = (body?: object) => ({
  method: 'POST' as const,
  headers: { ...csrf, 'content-type': 'application/json' },
  ...(body === undefined ? {} : { body: JSON.stringify(body) }),
})

describe('GET /api/session (R53)', () => {
  test('without a cookie, or with a forged one: not active (F55)', async () => {
    const browser = createTestBrowser()
    expect(await getSession(portico, browser)).toEqual({ active: false })
    for (const forged of ['x', 's%3Ax.y', 's%3A', '%', 'j%3A%7B%7D', 's%3A__proto__.x']) {
      browser.setCookie(portico.url, '__Host-bff_session', forged)
      expect(await getSession(portico, browser)).toEqual({ active: false })
    }
  })

  test('an id of a living session with a forged signature: not active', async () => {
    const { browser } = await logInAtScripted(portico, idp)
    const value = browser.cookies(portico.url).get('__Host-bff_session') ?? ''
    const [id, signature = ''] = value.split('.')
    const wide = encodeURIComponent('\u0141'.repeat(43))
    for (const forged of ['', 'AAAA', 'A'.repeat(43), wide, `${signature}=`, signature.slice(0, -1)]) {
      browser.setCookie(portico.url, '__Host-bff_session', `${id}.${forged}`)
      expect(await getSession(portico, browser), forged).toEqual({ active: false })
    }
    browser.setCookie(portico.url, '__Host-bff_session', value)
    expect((await getSession(portico, browser)).active).toBe(true)
  })

  test('ends after the idle timeout without use (R48)', async () => {
    const { browser } = await logInAtScripted(portico, idp)
    portico.clock.advance(minutes(30) - 1)
    expect((await getSession(portico, browser)).active).toBe(true)
    portico.clock.advance(minutes(30) - 1)
    expect((await getSession(portico, browser)).active).toBe(true)
    portico.clock.advance(minutes(30))
    expect(await getSession(portico, browser)).toEqual({ active: false })
  })

  test('ends after the absolute timeout, however much it is used (R48)', async () => {
    const { browser } = await logInAtScripted(portico, idp)
    for (let passed = 0; passed < hours(12) - minutes(20); passed += minutes(20)) {
      portico.clock.advance(minutes(20))
      expect((await getSession(portico, browser)).active).toBe(true)
    }
    portico.clock.advance(minutes(20))
    expect(await getSession(portico, browser)).toEqual({ active: false })
  })

  test('?slide=false does not prolong it', async () => {
    const { browser } = await logInAtScripted(portico, idp)
    portico.clock.advance(minutes(20))
    const peek = await browser.fetch(`${portico.url}/api/session?slide=false`, { headers: csrf })
    expect(await peek.json()).toMatchObject({ active: true, session: { idle_expires_in: 600 } })
    portico.clock.advance(minutes(10))
    expect(await getSession(portico, browser)).toEqual({ active: false })
  })
})

describe('POST /api/token', () => {
  test('gives a fresh token each time, for the default audience', async () => {
    const { browser } = await logInAtScripted(portico, idp)
    const [one, other] = await Promise.all(
      [1, 2].map(
        async () =>
          (await (await browser.fetch(`${portico.url}/api/token`, post())).json()) as { token: string },
      ),
    )
    expect(decodeJwt(one?.token ?? '').jti).not.toBe(decodeJwt(other?.token ?? '').jti)
    expect(decodeJwt(one?.token ?? '')).toMatchObject({ iss: publicUrl, aud: 'https://api.example.com' })
  })

  test('narrows audience and scope as asked (R66)', async () => {
    const { browser } = await logInAtScripted(portico, idp)
    const response = await browser.fetch(
      `${portico.url}/api/token`,
      post({ audience: 'https://other.example.com', scope: 'orders:read orders:read' }),
    )
    const { token } = (await response.json()) as { token: string }
    expect(decodeJwt(token)).toMatchObject({ aud: 'https://other.example.com', scope: 'orders:read' })
  })

  const [api, other] = ['https://api.example.com', 'https://other.example.com']
  test.each([
    [
      [api, other],
      [api, other],
    ],
    [
      [other, api],
      [other, api],
    ],
    [[other], other],
    [[other, other], other],
  ])('of the audiences %j, aud is %j', async (audience, aud) => {
    const { browser } = await logInAtScripted(portico, idp)
    const response = await browser.fetch(`${portico.url}/api/token`, post({ audience }))
    expect(decodeJwt(((await response.json()) as { token: string }).token).aud).toEqual(aud)
  })

  test.each([
    ['more than was granted (R66)', { scope: 'orders:read admin' }, '400 invalid_scope'],
    ['an audience that is not configured', { audience: 'https://evil.example' }, '400 invalid_target'],
    ['one such audience among others', { audience: [api, 'https://evil.example'] }, '400 invalid_target'],
    ['no audience at all', { audience: [] }, '400 invalid_request'],
    ['a misspelt name', { scop: 'orders:read' }, '400 invalid_request'],
    ['a scope that is no text', { scope: ['orders:read'] }, '400 invalid_request'],
  ])('refuses %s', async (_name, body, expected) => {
    const { browser } = await logInAtScripted(portico, idp)
    expect(await readRefusal(await browser.fetch(`${portico.url}/api/token`, post(body)))).toBe(expected)
  })

  test.each(['text/plain', 'application/x-www-form-urlencoded'])(
    'refuses a body of %s, which would not narrow anything',
    async (type) => {
      const { browser } = await logInAtScripted(portico, idp)
      const headers = { ...csrf, 'content-type': type }
      const response = await browser.fetch(`${portico.url}/api/token`, {
        method: 'POST',
        headers,
        body: 'scope=openid',
      })
      expect(await readRefusal(response)).toBe('415 unsupported_media_type')
    },
  )

  test('401 session_required without a session, session_expired after one', async () => {
    expect(await readRefusal(await createTestBrowser().fetch(`${portico.url}/api/token`, post()))).toBe(
      '401 session_required',
    )
    const { browser } = await logInAtScripted(portico, idp)
    portico.clock.advance(minutes(31))
    expect(await readRefusal(await browser.fetch(`${portico.url}/api/token`, post()))).toBe(
      '401 session_expired',
    )
  })

  test('is a use of the session: it prolongs it', async () => {
    const { browser } = await logInAtScripted(portico, idp)
    portico.clock.advance(minutes(20))
    await browser.fetch(`${portico.url}/api/token`, post())
    portico.clock.advance(minutes(20))
    expect((await getSession(portico, browser)).active).toBe(true)
  })

  test('a token never outlives the session', async () => {
    const { browser } = await logInAtScripted(portico, idp)
    for (let passed = 0; passed < hours(12) - minutes(3); passed += minutes(3)) {
      portico.clock.advance(minutes(3))
      await getSession(portico, browser)
    }
    const { expires_in: expiresIn } = (await (
      await browser.fetch(`${portico.url}/api/token`, post())
    ).json()) as { expires_in: number }
    expect(expiresIn).toBeLessThanOrEqual(180)
  })
})

describe('POST /api/logout', () => {
  test('ends the session for good: the old cookie is worth nothing (R49, F40)', async () => {
    const { browser } = await logInAtScripted(portico, idp)
    const cookie = browser.cookies(portico.url).get('__Host-bff_session') ?? ''
    const response = await browser.fetch(`${portico.url}/api/logout`, post())
    expect(response.status).toBe(200)
    expect(browser.cookies(portico.url).has('__Host-bff_session')).toBe(false)
    browser.setCookie(portico.url, '__Host-bff_session', cookie)
    expect(await getSession(portico, browser)).toEqual({ active: false })
    expect(await readRefusal(await browser.fetch(`${portico.url}/api/token`, post()))).toBe(
      '401 session_expired',
    )
  })

  test('without a session, with an ended or a forged cookie: success all the same, and no new session', async () => {
    const browser = createTestBrowser()
    const before = portico.store.size()
    for (const cookie of [undefined, 's%3Aforged.x']) {
      browser.setCookie(portico.url, '__Host-bff_session', cookie)
      expect((await browser.fetch(`${portico.url}/api/logout`, post())).status).toBe(200)
    }
    expect(portico.store.size()).toBe(before)
    expect(browser.setCookies.filter(({ cookie }) => cookie.value !== '')).toEqual([])
  })

  test('by a form of our own page, out already: 303 to return_to', async () => {
    const { browser } = await logInAtScripted(portico, idp)
    await browser.fetch(`${portico.url}/api/logout`, post())
    const headers = { 'sec-fetch-site': 'same-origin', origin: publicUrl }
    const body = new URLSearchParams({ return_to: '/bye' })
    const response = await browser.visit(`${portico.url}/api/logout`, { method: 'POST', headers, body })
    expect([response.status, response.headers.get('location')]).toEqual([303, '/bye'])
    expect(await getSession(portico, browser)).toEqual({ active: false })
  })

  test('by a form with a hostile return_to: 303 to "/"', async () => {
    const headers = { 'sec-fetch-site': 'same-origin', origin: publicUrl }
    const body = new URLSearchParams({ return_to: '//evil.example' })
    const response = await createTestBrowser().visit(`${portico.url}/api/logout`, {
      method: 'POST',
      headers,
      body,
    })
    expect(response.headers.get('location')).toBe('/')
  })

  test('in the middle of another tab: that tab gets 401, and nothing revives the session (F39, F40)', async () => {
    const { browser, parameters } = await logInAtScripted(portico, idp)
    const other = createTestBrowser()
    for (const [name, value] of browser.cookies(portico.url)) other.setCookie(portico.url, name, value)
    portico.clock.advance(minutes(10))
    const calls = Array.from({ length: 20 }, (_, index) =>
      index === 10
        ? browser.fetch(`${portico.url}/api/logout`, post())
        : other.fetch(`${portico.url}/api/token`, post()),
    )
    await Promise.all(calls)
    expect(await readRefusal(await other.fetch(`${portico.url}/api/token`, post()))).toBe(
      '401 session_expired',
    )
    expect(await readRefusal(await other.fetch(`${portico.url}/api/callback?${parameters}`))).toBe(
      '400 login_transaction_missing',
    )
  })
})

test('the provider is asked for nothing between two logins', async () => {
  const { browser } = await logInAtScripted(portico, idp)
  const calls = { ...idp.calls }
  portico.clock.advance(seconds(30))
  await getSession(portico, browser)
  await browser.fetch(`${portico.url}/api/token`, post())
  expect(idp.calls).toEqual(calls)
})
