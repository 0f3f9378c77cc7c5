import type express from 'express'
import type { Page } from 'playwright-core'
import { describe, expect, test } from 'vitest'
import {
  call,
  clientPages,
  context,
  eventsOf,
  expectStatus,
  haveSession,
  open,
  site,
  startSite,
  stateOf,
} from '../support/chromium/client-pages.ts'

/** When the client asks, and when it does not: the page's clock stands still until a test moves it. */
clientPages()

const start = Date.UTC(2026, 0, 1)
const minute = 60_000

/** Opens a tab, signed in, whose clock stands still. It counts the calls of Portico, and the timers that it sets. */
async function openStill(env: Record<string, string> = {}): Promise<Page> {
  await startSite({ env })
  await haveSession()
  const page = await context.newPage()
  // Until it is stopped, it goes on.
  await page.clock.install({ time: start - 60 * minute })
  await page.clock.pauseAt(start)
  await page.addInitScript(`
    Object.assign(globalThis, { asked: [], timers: [] })
    const { fetch, setTimeout } = globalThis
    globalThis.fetch = (url, ...rest) => {
      asked.push(String(url).replace(location.origin, ''))
      return fetch(url, ...rest)
    }
    globalThis.setTimeout = (run, delay) => {
      timers.push(delay)
      return setTimeout(run, delay)
    }`)
  await page.goto(site.url)
  await expectStatus(page, 'signed-in')
  return page
}

/** What the page asks because of this; a call begins within the same task. */
async function askedAfter(page: Page, expression: string): Promise<string[]> {
  await page.evaluate(`asked.length = 0; void (${expression})`)
  const asked = await page.evaluate<string[]>('[...asked]')
  // What is under way ends before the next event.
  await call(page, 'checkSession()')
  return asked
}

const failWith = (status: number, code: string, headers = {}) => {
  const answer: express.RequestHandler = (req, res, next) =>
    req.path.startsWith('/api/') ? void res.status(status).set(headers).json({ code, detail: '' }) : next()
  return answer
}

describe('a look at the session', () => {
  const look = ['/api/session?slide=false']

  test('at the focus, unless the server has answered in the last five seconds', async () => {
    const page = await openStill()
    expect(await page.evaluate('asked')).toEqual(['/options.json', '/api/session'])
    await page.clock.runFor(4_999)
    expect(await askedAfter(page, "dispatchEvent(new Event('focus'))")).toEqual([])
    await page.clock.runFor(5_000)
    expect(await askedAfter(page, "dispatchEvent(new Event('focus'))")).toEqual(look)
    expect(await askedAfter(page, "dispatchEvent(new Event('focus'))")).toEqual([])
  })

  test('as soon as the network is back, and at a page of the back-forward cache', async () => {
    const page = await openStill()
    expect(await askedAfter(page, "dispatchEvent(new Event('online'))")).toEqual(look)
    const show = (persisted: boolean) =>
      askedAfter(page, `dispatchEvent(new PageTransitionEvent('pageshow', { persisted: ${persisted} }))`)
    expect(await show(false)).toEqual([])
    expect(await show(true)).toEqual(look)
  })

  test('coming back to the tab is use of it', async () => {
    const page = await openStill()
    expect(
      await askedAfter(page, "document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))"),
    ).toEqual(['/api/session'])
  })

  test('not on the callback page, before the response is handled', async () => {
    await startSite()
    const page = await open('/callback?state=x&code=y')
    await page.waitForFunction('globalThis.portico')
    await page.evaluate("dispatchEvent(new Event('online'))")
    await call(page, 'handleCallback()')
    expect(site.requests.filter((one) => one.includes('/api/'))).toEqual([
      'POST /api/callback',
      'GET /api/session',
    ])
  })
})

describe('use of the tab', () => {
  test.each(['pointerdown', 'keydown', 'wheel', 'touchmove'])(
    '%s extends the session with the next call, once, also where the app stops the event',
    async (name) => {
      const page = await openStill()
      await page.evaluate(`
        document.body.addEventListener('${name}', (event) => event.stopPropagation())
        document.body.dispatchEvent(new Event('${name}', { bubbles: true }))`)
      expect(await askedAfter(page, 'portico.userinfo().catch(() => {})')).toEqual(['/api/userinfo'])
      expect(await askedAfter(page, 'portico.userinfo().catch(() => {})')).toEqual([
        '/api/userinfo?slide=false',
      ])
    },
  )

  test('counts for the call after one that failed', async () => {
    const page = await openStill()
    await page.keyboard.press('a')
    site.faults.answer = failWith(503, 'store_unavailable')
    expect(await call(page, 'userinfo()')).toBe('PorticoError store_unavailable')
    site.faults.answer = undefined
    expect(await askedAfter(page, 'portico.userinfo()')).toEqual(['/api/userinfo'])
  })

  test('extends the session before half of its idle timeout is over, also where the app calls nothing', async () => {
    const page = await openStill({ SESSION_IDLE_TIMEOUT: '60s' })
    await page.evaluate('asked.length = 0')
    await page.clock.runFor(35_000)
    expect(await page.evaluate('asked')).toEqual([])
    await page.keyboard.press('a')
    await page.clock.runFor(1_000)
    expect(await page.evaluate('asked')).toEqual(['/api/session'])
  })

  test('puts off nothing that is due, however long the user goes on', async () => {
    const page = await openStill()
    await page.keyboard.press('a')
    const timers = await page.evaluate<number[]>('timers')
    await page.keyboard.press('b')
    expect(await page.evaluate('timers')).toEqual(timers)
  })
})

describe('a session whose end is near', () => {
  const env = { SESSION_IDLE_TIMEOUT: '60s' }

  test('warns once, in time, and again after keepAlive', async () => {
    const page = await openStill(env)
    await page.evaluate(
      "globalThis.seconds = []; void portico.on('expiring', (event) => seconds.push(event.seconds))",
    )
    await page.clock.runFor(44_000)
    expect(await page.evaluate('seconds')).toEqual([])
    await page.clock.runFor(10_000)
    expect(await page.evaluate('seconds')).toEqual([15])
    await call(page, 'keepAlive()')
    await page.clock.runFor(54_000)
    expect(await page.evaluate('seconds')).toEqual([15, 15])
  })

  test('keepAlive waits for a look that is under way, as that may not extend it', async () => {
    const page = await openStill(env)
    const asked = await page.evaluate(`
      asked.length = 0
      void portico.checkSession()
      void portico.checkSession()
      portico.keepAlive().then(() => [...asked])`)
    expect(asked).toEqual(['/api/session?slide=false', '/api/session'])
  })

  test('while the look at it is under way, nothing else is planned', async () => {
    const page = await openStill(env)
    const { promise: late, resolve: answerNow } = Promise.withResolvers<void>()
    const before = site.count('GET /api/session')
    site.faults.answer = (_req, _res, next) => void late.then(() => next())
    await page.clock.runFor(61_000)
    await expect.poll(() => site.count('GET /api/session')).toBe(before + 1)
    await page.evaluate('timers.length = 0')
    await page.keyboard.press('a')
    expect(await page.evaluate('timers')).toEqual([])
    answerNow()
    await expect.poll(() => page.evaluate('timers.length')).toBeGreaterThan(0)
  })
})

describe('the clocks', () => {
  test('a token that expired while the computer slept is renewed', async () => {
    const page = await openStill()
    await call(page, 'getToken()')
    await page.clock.setSystemTime(start + 6 * minute)
    await call(page, 'getToken()')
    expect(site.count('POST /api/token')).toBe(2)
  })

  test('a computer clock that is set back delays no renewal', async () => {
    const page = await openStill()
    await call(page, 'getToken()')
    await page.clock.setSystemTime(start - 60 * minute)
    await page.clock.runFor(5 * minute)
    await expect.poll(() => site.count('POST /api/token')).toBe(2)
  })

  test('no timer is longer than a browser can set', async () => {
    const page = await openStill({ SESSION_IDLE_TIMEOUT: '30d', SESSION_ABSOLUTE_TIMEOUT: '30d' })
    expect((await stateOf(page)).session?.idle_expires_in).toBeGreaterThan(29 * 86_400)
    expect(Math.max(...(await page.evaluate<number[]>('timers')))).toBeLessThan(2 ** 31)
  })

  test('nothing runs more often than each second, whatever the server answers', async () => {
    const page = await openStill()
    const { user, session } = await stateOf(page)
    site.faults.answer = (req, res, next) =>
      req.path === '/api/token'
        ? void res.json({ token: 't', token_type: 'Bearer', expires_in: 0, sub: user?.sub, session })
        : next()
    await call(page, 'getToken()')
    expect(Math.min(...(await page.evaluate<number[]>('timers')))).toBe(1_000)
  })
})

describe('while Portico does not answer', () => {
  /** Seconds until the client tries again after a failed call. */
  const waitAfter = async (page: Page, answer: express.RequestHandler) => {
    site.faults.answer = answer
    await page.evaluate('timers.length = 0')
    await call(page, 'userinfo()')
    return (await page.evaluate<number[]>('timers')).map((delay) => delay / 1_000)
  }

  test('the pauses grow up to a minute, and begin again two minutes after the last failure', async () => {
    const page = await openStill()
    const waits: number[] = []
    for (let attempt = 0; attempt < 7; attempt += 1) {
      waits.push(...(await waitAfter(page, failWith(503, 'store_unavailable'))))
    }
    expect(waits).toEqual([2, 4, 8, 16, 32, 60, 60])
    await page.clock.setSystemTime(start + 2 * minute + 1)
    expect(await waitAfter(page, failWith(503, 'store_unavailable'))).toEqual([2])
  })

  test('also after too many requests and broken connections, as long as the server says; not after a refusal', async () => {
    const page = await openStill()
    expect(await waitAfter(page, failWith(429, 'rate_limited', { 'Retry-After': '20' }))).toEqual([20])
    expect(await waitAfter(page, (req) => void req.socket.destroy())).toEqual([4])
    expect(await waitAfter(page, failWith(403, 'scope_not_granted'))).toEqual([])
  })

  test('a page that does not know who is signed in asks again by itself', async () => {
    const page = await openStill()
    site.faults.answer = failWith(503, 'store_unavailable')
    await page.reload()
    await expectStatus(page, 'unknown')
    site.faults.answer = undefined
    await page.clock.runFor(2_000)
    await expectStatus(page, 'signed-in')
  })

  test('the first failure puts off what is due at the same time', async () => {
    const page = await openStill({ SESSION_IDLE_TIMEOUT: '5m' })
    await call(page, 'getToken()')
    site.faults.answer = failWith(503, 'store_unavailable')
    await page.evaluate('asked.length = 0')
    await page.clock.setSystemTime(start + 6 * minute)
    await page.clock.runFor(4 * minute)
    await expectStatus(page, 'unknown')
    expect(await page.evaluate('asked')).toEqual(['/api/session?slide=false'])
  })

  test('a session that may have timed out meanwhile is unknown', async () => {
    const page = await openStill({ SESSION_IDLE_TIMEOUT: '60s' })
    site.faults.answer = failWith(503, 'store_unavailable')
    await call(page, 'checkSession()')
    expect((await stateOf(page)).status).toBe('signed-in')
    await page.clock.setSystemTime(start + minute + 1)
    await call(page, 'checkSession()')
    expect((await stateOf(page)).status).toBe('unknown')
  })

  test('a user whose token has expired is unknown', async () => {
    const page = await openStill()
    await call(page, 'getToken()')
    site.faults.answer = failWith(503, 'store_unavailable')
    await page.clock.setSystemTime(start + 5 * minute - 1_000)
    await call(page, 'checkSession()')
    expect((await stateOf(page)).status).toBe('signed-in')
    await page.clock.setSystemTime(start + 5 * minute + 1)
    await call(page, 'checkSession()')
    expect((await stateOf(page)).status).toBe('unknown')
  })

  test('a token is used for its last seconds, but no longer, and not where a fresh one is wanted', async () => {
    const page = await openStill()
    const token = await call<string>(page, 'getToken()')
    site.faults.answer = failWith(503, 'store_unavailable')
    await page.clock.setSystemTime(start + 5 * minute - 10_000)
    expect(await call(page, 'getToken()')).toBe(token)
    expect(await call(page, 'getToken({ fresh: true })')).toBe('PorticoError store_unavailable')
    await page.clock.setSystemTime(start + 5 * minute - 4_000)
    expect(await call(page, 'getToken()')).toBe('PorticoError store_unavailable')
    expect(await eventsOf(page)).toEqual([
      ['signed-in', 'Ada Lovelace'],
      ...Array(3).fill(['renew-failed', 'store_unavailable']),
    ])
    await page.clock.setSystemTime(start + 5 * minute - 10_000)
    site.faults.answer = failWith(401, 'session_expired')
    expect(await call(page, 'getToken()')).toBe('PorticoError session_expired')
  })
})

test('a page that was closed does nothing more', async () => {
  const page = await openStill()
  await call(page, 'getToken()')
  const other = await context.newPage()
  await other.goto(site.url)
  await expectStatus(other, 'signed-in')
  // It hears what the client would hear, but after it.
  await page.evaluate(`
    portico.close()
    globalThis.heard = new Promise((resolve) => { new BroadcastChannel('portico /api').onmessage = resolve })
    asked.length = 0`)
  await page.keyboard.press('a')
  expect(await askedAfter(page, "dispatchEvent(new Event('online'))")).toEqual([])
  await page.evaluate('portico.close(); asked.length = 0')
  await page.keyboard.press('b')
  await page.clock.runFor(6 * minute)
  expect(await page.evaluate('asked')).toEqual([])
  await other.evaluate('void portico.logout()')
  await page.evaluate('heard.then(() => {})')
  expect((await stateOf(page)).status).toBe('signed-in')
})
