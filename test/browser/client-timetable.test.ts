import { decodeJwt } from 'jose'
import type { Page } from 'playwright-core'
import { describe, expect, test } from 'vitest'
import {
  call,
  clientPages,
  context,
  eventsOf,
  expectStatus,
  haveSession,
  site,
  startSite,
  stateOf,
} from '../support/chromium/client-pages.ts'
import { seconds } from '../support/clock.ts'

/** What the client does by itself, and when; the clocks of page and server move only by hand. */
clientPages()

/** Lets time pass, second by second, for the page and for the server. */
async function pass(page: Page, count: number): Promise<void> {
  for (let second = 0; second < count; second += 1) {
    site.portico.clock.advance(seconds(1))
    await page.clock.runFor(seconds(1))
    // What the page asks for in this second is answered before the next one.
    await page.waitForFunction('fetchesInProgress === 0', undefined, { polling: 10 })
  }
}

/** A page whose clock, like the server's, moves only by `pass`. */
async function openAtClock(env: Record<string, string>): Promise<Page> {
  await startSite({ env })
  await haveSession()
  const page = await context.newPage()
  page.setDefaultTimeout(10_000)
  await page.clock.install()
  await page.clock.pauseAt(Date.now() + seconds(5))
  await page.addInitScript(`
    globalThis.fetchesInProgress = 0
    const { fetch } = globalThis
    globalThis.fetch = (...request) => {
      fetchesInProgress += 1
      return fetch(...request).finally(() => { fetchesInProgress -= 1 })
    }`)
  await page.goto(site.url)
  await expectStatus(page, 'signed-in')
  await call(page, 'getToken()')
  return page
}

const showTab = (page: Page, isHidden: boolean) =>
  page.evaluate(`
    Object.defineProperty(document, 'hidden', { value: ${isHidden}, configurable: true })
    document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))`)

describe('renewal is not activity', () => {
  const env = { SESSION_IDLE_TIMEOUT: '60s', APP_TOKEN_TTL: '30s' }

  test('an untouched tab that renews its token is signed out when the idle timeout says so', async () => {
    const page = await openAtClock(env)
    await pass(page, 55)
    expect((await stateOf(page)).status).toBe('signed-in')
    expect(site.count('POST /api/token')).toBeGreaterThanOrEqual(3)
    await pass(page, 8)
    await expectStatus(page, 'signed-out')
    expect(await eventsOf(page)).toEqual([
      ['signed-in', 'Ada Lovelace'],
      ['expiring', ''],
      ['signed-out', 'ended'],
    ])
  })

  test.each(['mouse.click(10, 10)', "keyboard.press('a')", 'mouse.wheel(0, 1)'])(
    'a tab that is used is not: %s',
    async (use) => {
      const page = await openAtClock(env)
      for (let round = 0; round < 3; round += 1) {
        if (use.startsWith('key')) await page.keyboard.press('a')
        else if (use.includes('click')) await page.mouse.click(10, 10)
        else await page.mouse.wheel(0, 1)
        await pass(page, 45)
      }
      expect((await stateOf(page)).status).toBe('signed-in')
      expect((await eventsOf(page)).map(([name]) => name)).not.toContain('signed-out')
    },
  )

  test('a session that is used ends at its absolute timeout, with a warning before', async () => {
    const page = await openAtClock({ ...env, SESSION_ABSOLUTE_TIMEOUT: '5m' })
    for (let round = 0; round < 7; round += 1) {
      await page.keyboard.press('a')
      await pass(page, 40)
    }
    expect(await eventsOf(page)).toEqual([['signed-in', 'Ada Lovelace']])
    await page.keyboard.press('a')
    await pass(page, 8)
    expect((await eventsOf(page)).slice(1)).toEqual([['expiring', '']])
    await pass(page, 15)
    await expectStatus(page, 'signed-out')
  })

  test('a hidden tab does nothing; once it is seen again, it looks', async () => {
    const page = await openAtClock({ ...env, SESSION_IDLE_TIMEOUT: '10m' })
    await showTab(page, true)
    const before = site.requests.length
    await pass(page, 120)
    expect(site.requests.slice(before)).toEqual([])
    await showTab(page, false)
    await expect.poll(() => site.requests.slice(before)).toContain('GET /api/session')
    expect(decodeJwt(await call(page, 'getToken()'))).toMatchObject({ name: 'Ada Lovelace' })
  })

  test('keepAlive extends the session', async () => {
    const page = await openAtClock(env)
    for (let round = 0; round < 3; round += 1) {
      await pass(page, 45)
      await call(page, 'keepAlive()')
    }
    expect((await stateOf(page)).status).toBe('signed-in')
  })
})

test('by itself the client tries again after Retry-After', async () => {
  const page = await openAtClock({ APP_TOKEN_TTL: '30s' })
  site.faults.answer = (_req, res) => void res.status(503).set('Retry-After', '20').json({ code: 'x' })
  await pass(page, 45)
  await expectStatus(page, 'unknown')
  expect((await stateOf(page)).user?.name).toBe('Ada Lovelace')
  const attempts = site.requests.length
  site.faults.answer = undefined
  await pass(page, 20)
  await expectStatus(page, 'signed-in')
  expect(site.requests.length).toBeGreaterThan(attempts)
  expect(attempts).toBeLessThan(30)
})

test('a renewal that is refused is tried again less and less often', async () => {
  const page = await openAtClock({ APP_TOKEN_TTL: '30s' })
  site.faults.answer = (req, res, next) =>
    req.path === '/api/token' ? void res.status(400).json({ code: 'invalid_dpop_proof' }) : next()
  const before = site.count('POST /api/token')
  await pass(page, 120)
  const attempts = site.count('POST /api/token') - before
  expect(attempts).toBeGreaterThan(3)
  expect(attempts).toBeLessThan(10)
  expect((await eventsOf(page)).filter(([name]) => name === 'renew-failed')).toHaveLength(attempts)
})

test('a page that meets the login of a captive portal finds the user by itself, once that is over', async () => {
  const page = await openAtClock({})
  site.faults.answer = (req, res, next) =>
    req.path.startsWith('/api/') ? void res.send('<h1>Welcome to the airport</h1>') : next()
  await page.reload()
  await expectStatus(page, 'unknown')
  site.faults.answer = undefined
  await pass(page, 5)
  await expectStatus(page, 'signed-in')
})
