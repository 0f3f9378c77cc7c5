import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { toDeviceName } from '../../src/http/device.ts'
import { createTestBrowser, type TestBrowser } from '../support/browser.ts'
import { seconds } from '../support/clock.ts'
import { csrf, getSession, logInAtOkta, readRefusal } from '../support/login.ts'
import { alan, startOkta } from '../support/okta.ts'
import { startPortico, type TestPortico } from '../support/portico.ts'

let okta: Awaited<ReturnType<typeof startOkta>>
let portico: TestPortico
beforeAll(async () => {
  okta = await startOkta()
  portico = await startPortico({ issuer: okta.issuer })
})
afterAll(async () => {
  await portico.close()
  await okta.close()
})

interface Listed {
  id: string
  device: string
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
    [undefined, 'Unknown device'],
  ])('%s: %s', (userAgent, name) => {
    expect(toDeviceName(userAgent)).toBe(name)
  })

  test('is told from the browser that signed in', async () => {
    const { browser } = await logInAtOkta(portico)
    expect((await list(browser)).at(-1)?.device).toBe('Unknown device')
  })
})
