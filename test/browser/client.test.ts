import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import type { PorticoState } from '../../client/types.ts'
import { launchChromium } from '../support/chromium/chromium.ts'
import { startClientSite } from '../support/chromium/client-site.ts'
import { signInAsAda } from '../support/chromium/demo.ts'
import { seconds } from '../support/clock.ts'

/** The client of the package in a real browser, at a real server and provider. */
let browser: Browser
let context: BrowserContext
let site: Awaited<ReturnType<typeof startClientSite>>

beforeAll(async () => {
  browser = await launchChromium()
})
afterAll(() => browser.close())
beforeEach(async () => {
  context = await browser.newContext()
})
afterEach(() => context.close())

async function startSite(options?: Parameters<typeof startClientSite>[0]): Promise<void> {
  site = await startClientSite(options)
  onTestFinished(() => site.close())
}

async function open(path = '/', { status }: { status?: string } = {}): Promise<Page> {
  const page = await context.newPage()
  page.setDefaultTimeout(10_000)
  await page.goto(site.url + path)
  if (status !== undefined) await expectStatus(page, status)
  return page
}

const stateOf = (page: Page) => page.evaluate<PorticoState>('portico.getState()')
const expectStatus = (page: Page, status: string) =>
  expect.poll(() => page.evaluate('globalThis.portico?.getState().status')).toBe(status)
const eventsOf = (page: Page) => page.evaluate<[string, string][]>('events')
/** Runs a call of the client; an error becomes its code. */
const call = <Result>(page: Page, expression: string) =>
  page.evaluate<Result>(`portico.${expression}.catch((error) => error.name + ' ' + error.code)`)

/** Signs in as Ada from a page on the callback page of the app. */
async function signIn(page: Page, login = '{}'): Promise<void> {
  await page.evaluate(`void portico.login(${login})`)
  await signInAsAda(page)
  await page.waitForURL((address) => address.pathname === '/callback')
  await page.waitForFunction('globalThis.portico')
  await page.evaluate('portico.handleCallback()')
}

async function openSignedIn(): Promise<Page> {
  const page = await open('/', { status: 'signed-out' })
  await signIn(page)
  return page
}

const claimsOf = (token: string) =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>

describe('sign-in', () => {
  test('a callback that is handled twice exchanges the code once, and disappears from the address', async () => {
    await startSite()
    const page = await open('/here?a=1#b', { status: 'signed-out' })
    await page.evaluate('void Promise.all([portico.login(), portico.login()])')
    await signInAsAda(page)
    await page.waitForURL((address) => address.pathname === '/callback')
    await page.waitForFunction('globalThis.portico')
    expect((await stateOf(page)).status).toBe('loading')
    const handled = await page.evaluate(
      'Promise.all([portico.handleCallback(), portico.handleCallback()]).then(async (all) => [...all, await portico.handleCallback()])',
    )
    expect(handled).toEqual(Array(3).fill({ returnTo: '/here?a=1#b' }))
    expect(site.count('GET /api/login')).toBe(1)
    expect(site.count('POST /api/callback')).toBe(1)
    expect(page.url()).toBe(`${site.url}/callback`)
    expect(await stateOf(page)).toMatchObject({ status: 'signed-in', user: { name: 'Ada Lovelace' } })
    expect(await eventsOf(page)).toEqual([['signed-in', 'Ada Lovelace']])
    // The callback brought a token: none is asked for.
    expect(claimsOf(await call(page, 'getToken()'))).toMatchObject({ name: 'Ada Lovelace' })
    expect(site.count('POST /api/token')).toBe(0)
  })

  test('cancelled at the provider: an error with its code, and an address without it', async () => {
    await startSite()
    const page = await open('/', { status: 'signed-out' })
    await page.evaluate('void portico.login()')
    await page.getByRole('link', { name: 'Cancel' }).click()
    await page.waitForURL((address) => address.pathname === '/callback')
    await page.waitForFunction('globalThis.portico')
    expect(await call(page, 'handleCallback()')).toBe('PorticoError access_denied')
    expect(page.url()).toBe(`${site.url}/callback`)
    expect((await stateOf(page)).status).toBe('signed-out')
  })

  test('a reload of the callback page finds the session', async () => {
    await startSite()
    const page = await openSignedIn()
    await page.reload()
    await expectStatus(page, 'signed-in')
    expect(await call(page, 'handleCallback()')).toEqual({ returnTo: '/' })
  })

  test('where the provider redirects to the server: the page finds the user', async () => {
    await startSite({ redirect: 'server' })
    const page = await open('/here', { status: 'signed-out' })
    await page.evaluate('void portico.login()')
    await signInAsAda(page)
    await page.waitForURL(`${site.url}/here`)
    await expectStatus(page, 'signed-in')
    expect(claimsOf(await call(page, 'getToken()'))).toMatchObject({ name: 'Ada Lovelace' })
  })

  test('no token is in any storage', async () => {
    await startSite()
    const page = await openSignedIn()
    await call(page, 'getToken({ fresh: true })')
    expect(
      await page.evaluate(
        'document.cookie + JSON.stringify({ ...localStorage, ...sessionStorage }) + JSON.stringify(history.state)',
      ),
    ).not.toMatch(/eyJ|session/)
    expect(await page.evaluate('indexedDB.databases()')).toEqual([])
  })
})

describe('tabs', () => {
  test('two tabs share one session and one renewal', async () => {
    await startSite()
    const one = await openSignedIn()
    const two = await open('/', { status: 'signed-in' })
    const [first, second] = await Promise.all([
      call<string>(one, 'getToken({ fresh: true })'),
      call<string>(two, 'getToken({ fresh: true })'),
    ])
    expect(site.count('POST /api/token')).toBe(1)
    expect(second).toBe(first)
    expect(claimsOf(first).sid).toBe((await stateOf(two)).session?.id)
    // A token for less is one of its own.
    const narrow = await call<string>(one, "getToken({ scope: 'openid' })")
    expect(claimsOf(narrow).scope).toBe('openid')
    expect(await call(one, "getToken({ scope: 'openid' })")).toBe(narrow)
    expect(await call(one, 'getToken()')).toBe(first)
    expect(site.count('POST /api/token')).toBe(2)
  })

  test('a logout in one tab signs the other one out within a second', async () => {
    await startSite()
    const one = await openSignedIn()
    const two = await open('/', { status: 'signed-in' })
    await one.evaluate(
      'globalThis.pagehide = new Promise((resolve) => addEventListener("pagehide", resolve))',
    )
    await one.evaluate('void portico.logout()')
    await two.waitForFunction("portico.getState().status === 'signed-out'", undefined, { timeout: 1_000 })
    expect(await eventsOf(two)).toEqual([
      ['signed-in', 'Ada Lovelace'],
      ['signed-out', 'other-tab'],
    ])
    await one.waitForURL(`${site.url}/`)
    await expectStatus(one, 'signed-out')
    expect(site.count('GET /api/logout/callback')).toBe(1)
    expect(await call(two, 'getToken()')).toBe('PorticoError session_required')
    expect(site.count('POST /api/token')).toBe(0)
  })

  test('another user signs in in another tab: the first tab shows them, and gives no token of theirs before', async () => {
    await startSite()
    const one = await openSignedIn()
    const two = await open('/', { status: 'signed-in' })
    await two.evaluate("void portico.login({ prompt: 'login' })")
    await two.getByRole('button', { name: /Alan Turing/ }).click()
    await two.waitForURL((address) => address.pathname === '/callback')
    await two.waitForFunction('globalThis.portico')
    await two.evaluate('portico.handleCallback()')
    await expect.poll(async () => (await stateOf(one)).user?.name).toBe('Alan Turing')
    expect(await eventsOf(one)).toEqual([
      ['signed-in', 'Ada Lovelace'],
      ['user-changed', 'Alan Turing'],
    ])
    expect(claimsOf(await call(one, 'getToken()'))).toMatchObject({ name: 'Alan Turing' })
  })
})

describe('renewal is not activity', () => {
  const env = { SESSION_IDLE_TIMEOUT: '60s', APP_TOKEN_TTL: '30s' }

  /** Lets time pass for the page and for the server. */
  async function pass(page: Page, count: number): Promise<void> {
    for (let second = 0; second < count; second += 1) {
      site.portico.clock.advance(seconds(1))
      await page.clock.runFor(seconds(1))
      // What the page has asked for by now is answered before the next second.
      await page.waitForLoadState('networkidle')
    }
  }

  async function openAtClock(): Promise<Page> {
    await startSite({ env })
    const page = await openSignedIn()
    await page.clock.install()
    await page.reload()
    await expectStatus(page, 'signed-in')
    await call(page, 'getToken()')
    return page
  }

  test('an untouched tab that renews its token is signed out when the idle timeout says so', async () => {
    const page = await openAtClock()
    await pass(page, 55)
    expect((await stateOf(page)).status).toBe('signed-in')
    expect(site.count('POST /api/token')).toBeGreaterThan(2)
    await pass(page, 10)
    await expectStatus(page, 'signed-out')
    expect((await eventsOf(page)).slice(-1)).toEqual([['signed-out', 'ended']])
  })

  test('a tab that is used is not', async () => {
    const page = await openAtClock()
    for (let round = 0; round < 4; round += 1) {
      await page.mouse.click(10, 10)
      await pass(page, 40)
    }
    expect((await stateOf(page)).status).toBe('signed-in')
  })
})
