import type { Request } from 'express'
import { describe, expect } from 'vitest'
import type { Config } from '../../../src/config/config.ts'
import { createClientDescriber, toDeviceName } from '../../../src/http/request/sign-in-client.ts'
import { createTestBrowser, type TestBrowser } from '../../support/browser.ts'
import { seconds } from '../../support/clock.ts'
import { okta, oktaPerFile, portico } from '../../support/fixtures.ts'
import { csrf, getSession, logInAtOkta, readRefusal, startLogin } from '../../support/login.ts'
import { startPortico } from '../../support/portico.ts'
import { alan, signInAtOkta } from '../../support/providers/okta.ts'

const test = oktaPerFile()

interface Listed {
  id: string
  device: string
  address: string | null
  created_at: string
  last_seen_at: string
  current: boolean
}
const list = async (browser: TestBrowser) => {
  const response = await browser.fetch(`${portico.url}/api/sessions`, { headers: csrf })
  return ((await response.json()) as { sessions: Listed[] }).sessions
}
const end = (browser: TestBrowser, id: string) =>
  browser.fetch(`${portico.url}/api/sessions/${id}`, { method: 'DELETE', headers: csrf })

test('a person sees their own sessions, the oldest first, and which is this one (R50)', async () => {
  const phone = (await logInAtOkta(portico)).browser
  portico.clock.advance(seconds(1))
  const laptop = (await logInAtOkta(portico)).browser
  await logInAtOkta(portico, { person: alan })
  const sessions = await list(laptop)
  expect(sessions).toHaveLength(2)
  expect(sessions.map(({ current }) => current)).toEqual([false, true])
  expect(sessions[0]?.id).toBe((await getSession(portico, phone)).session.id)
  expect(Object.keys(sessions[0] ?? {}).sort()).toEqual([
    'absolute_expires_in',
    'address',
    'created_at',
    'current',
    'device',
    'id',
    'idle_expires_in',
    'last_seen_at',
  ])
  await end(laptop, sessions[0]?.id ?? '')
  await end(laptop, sessions[1]?.id ?? '')
})

test('ends another session: that browser is signed out, this one is not', async () => {
  const phone = (await logInAtOkta(portico)).browser
  const laptop = (await logInAtOkta(portico)).browser
  const [other] = await list(laptop)
  const response = await end(laptop, other?.id ?? '')
  expect([response.status, await response.text()]).toEqual([204, ''])
  expect(await getSession(portico, phone)).toEqual({ active: false })
  expect(await list(laptop)).toHaveLength(1)
  expect(await readRefusal(await end(laptop, other?.id ?? ''))).toBe('404 not_found')
  await end(laptop, (await list(laptop))[0]?.id ?? '')
})

test('ends all others at once: those browsers are signed out, this one and other people are not', async () => {
  const phone = (await logInAtOkta(portico)).browser
  const laptop = (await logInAtOkta(portico)).browser
  const other = (await logInAtOkta(portico, { person: alan })).browser
  const response = await laptop.fetch(`${portico.url}/api/sessions`, { method: 'DELETE', headers: csrf })
  expect([response.status, await response.json()]).toEqual([200, { ended: 1 }])
  expect(await getSession(portico, phone)).toEqual({ active: false })
  expect((await getSession(portico, other)).active).toBe(true)
  const [mine] = await list(laptop)
  expect(mine?.current).toBe(true)
  expect(portico.logged.filter(({ event }) => event === 'session_ended_by_user').at(-1)?.session).not.toBe(
    mine?.id,
  )
  await end(laptop, mine?.id ?? '')
})

test('ends none where a client lost the id: that is not the address of all others', async () => {
  const phone = (await logInAtOkta(portico)).browser
  const laptop = (await logInAtOkta(portico)).browser
  expect(await readRefusal(await end(laptop, ''))).toBe('404 not_found')
  expect((await getSession(portico, phone)).active).toBe(true)
  for (const { id } of await list(laptop)) await end(laptop, id)
})

describe('the address', () => {
  const signInThrough = async (env: Record<string, string>, forwarded: string) => {
    const at = await startPortico({ issuer: okta.issuer, env, replaced: { clock: portico.clock } })
    const browser = createTestBrowser()
    const callback = await signInAtOkta(browser, await startLogin(at, browser))
    await browser.fetch(`${at.url}/api/callback${callback.search}`, {
      headers: { 'x-forwarded-for': forwarded },
    })
    const response = await browser.fetch(`${at.url}/api/sessions`, { headers: csrf })
    const { sessions } = (await response.json()) as { sessions: Listed[] }
    await at.close()
    return sessions.at(-1)?.address
  }

  test('is the one that a trusted proxy saw', async () => {
    expect(await signInThrough({ TRUST_PROXY: '127.0.0.1' }, '203.0.113.7')).toBe('203.0.113.7')
    expect(await signInThrough({ TRUST_PROXY: '127.0.0.1' }, '10.0.0.1, 2001:db8::7')).toBe('2001:db8::7')
  })

  test('is told without the port that a proxy writes, and not at all where it is none', async () => {
    const trusting = { TRUST_PROXY: '127.0.0.1' }
    expect(await signInThrough(trusting, '203.0.113.7:4711')).toBe('203.0.113.7')
    expect(await signInThrough(trusting, '"[2001:db8::7]:4711"')).toBe('2001:db8::7')
    expect(await signInThrough(trusting, '203.0.113.7, <script>')).toBeNull()
  })

  test('is nobody’s where no proxy is trusted: all would come from it', async () => {
    expect(await signInThrough({}, '203.0.113.7')).toBeNull()
  })

  test.each([
    [{ trustProxy: [], secureCookies: false }, '127.0.0.1', { address: '127.0.0.1' }],
    [{ trustProxy: ['10.0.0.0/8'], secureCookies: true }, '::ffff:192.0.2.1', { address: '192.0.2.1' }],
    [{ trustProxy: ['10.0.0.0/8'], secureCookies: true }, '::1', { address: '::1' }],
    [{ trustProxy: ['10.0.0.0/8'], secureCookies: true }, undefined, {}],
    [{ trustProxy: ['10.0.0.0/8'], secureCookies: true }, 'unknown', {}],
    [{ trustProxy: [], secureCookies: true }, '127.0.0.1', {}],
  ])('with %o, from %s', (config, ip, expected) => {
    const req = { ip, get: () => undefined } as unknown as Request
    expect(createClientDescriber(config as unknown as Config)(req)).toEqual({
      device: 'Unknown device',
      ...expected,
    })
  })
})

test('ends this session: the cookie goes as well', async () => {
  const { browser } = await logInAtOkta(portico)
  const [mine] = await list(browser)
  expect((await end(browser, mine?.id ?? '')).status).toBe(204)
  expect(browser.cookies(portico.url).has('__Host-bff_session')).toBe(false)
})

test("somebody else's session cannot be ended, nor told from one that never was", async () => {
  const { browser } = await logInAtOkta(portico)
  const victim = (await logInAtOkta(portico, { person: alan })).browser
  const { session } = await getSession(portico, victim)
  const refusals = [await end(browser, session.id), await end(browser, 'never-was')]
  const bodies = await Promise.all(
    refusals.map(async (response) => ({ ...((await response.json()) as object), request_id: '' })),
  )
  expect(refusals.map(({ status }) => status)).toEqual([404, 404])
  expect(bodies[0]).toEqual(bodies[1])
  expect((await getSession(portico, victim)).active).toBe(true)
})

test.each([
  ['GET', '/api/sessions'],
  ['DELETE', '/api/sessions/x'],
  ['DELETE', '/api/sessions'],
] as const)('%s %s is for who is signed in, and for pages of ours', async (method, path) => {
  const { browser } = await logInAtOkta(portico)
  expect(await readRefusal(await browser.fetch(portico.url + path, { method }))).toBe('403 csrf_check_failed')
  const stranger = createTestBrowser()
  expect(await readRefusal(await stranger.fetch(portico.url + path, { method, headers: csrf }))).toBe(
    '401 session_required',
  )
})

describe('the device', () => {
  const mozilla = 'Mozilla/5.0'
  test.each([
    [`${mozilla} (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0`, 'Firefox on Linux'],
    [
      `${mozilla} (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/150.0.0.0 Safari/537.36`,
      'Chrome on Windows',
    ],
    [
      `${mozilla} (Windows NT 10.0) AppleWebKit/537.36 Chrome/150.0.0.0 Safari/537.36 Edg/150.0`,
      'Edge on Windows',
    ],
    [
      `${mozilla} (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/26.0 Safari/605.1.15`,
      'Safari on macOS',
    ],
    [
      `${mozilla} (iPhone; CPU iPhone OS 26_0 like Mac OS X) AppleWebKit/605.1.15 Version/26.0 Mobile/15E148 Safari/604.1`,
      'Safari on iPhone',
    ],
    [
      `${mozilla} (Linux; Android 16) AppleWebKit/537.36 Chrome/150.0.0.0 Mobile Safari/537.36`,
      'Chrome on Android',
    ],
    ['curl/8.0', 'Unknown device'],
    ['<script>alert(1)</script> Linux', 'A browser on Linux'],
    ['Version/26.0 Mobile', 'Unknown device'],
    ['Mobile Safari/604.1', 'Unknown device'],
    [undefined, 'Unknown device'],
  ])('%s: %s', (userAgent, name) => {
    expect(toDeviceName(userAgent)).toBe(name)
  })

  test('is told from no more of a User-Agent than any browser sends', async () => {
    const callback = (browser: TestBrowser, search: string, userAgent: string) =>
      browser.fetch(`${portico.url}/api/callback${search}`, { headers: { 'user-agent': userAgent } })
    const signIn = async (userAgent: string) => {
      const browser = createTestBrowser()
      const { search } = await signInAtOkta(browser, await startLogin(portico, browser))
      expect((await callback(browser, search, userAgent)).status).toBe(200)
      return (await list(browser)).at(-1)?.device
    }
    expect(await signIn(`${'x'.repeat(500)} Firefox/1`)).toBe('Firefox')
    expect(await signIn(`${'x'.repeat(600)} Firefox/1`)).toBe('Unknown device')
  })

  test('is told from the browser that signed in', async () => {
    const { browser } = await logInAtOkta(portico)
    expect((await list(browser)).at(-1)?.device).toBe('Unknown device')
  })
})
