import { join } from 'node:path'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { MockMethod } from '../../client/mock.ts'
import type { PorticoUser } from '../../client/types.ts'
import { bundle } from '../support/chromium/bundle.ts'
import { launchChromium } from '../support/chromium/chromium.ts'
import type { ShowOptions } from './pages/react.tsx'

const site = 'http://app.example'
const ada = { sub: 'ada', name: 'Ada' }
const grace = { sub: 'grace', name: 'Grace' }

let browser: Browser
let script = ''
let context: BrowserContext
let page: Page
/** What the browser complained about: React's warnings, script errors. */
let complaints: string[]

beforeAll(async () => {
  const files = bundle(join(import.meta.dirname, 'pages/react.tsx'), 'development')
  browser = await launchChromium()
  script = (await files)[0]?.code ?? ''
})
afterAll(() => browser.close())
beforeEach(async () => {
  complaints = []
  context = await browser.newContext()
  await context.route(`${site}/**`, (route) =>
    new URL(route.request().url()).pathname === '/page.js'
      ? route.fulfill({ contentType: 'text/javascript', body: script })
      : route.fulfill({
          contentType: 'text/html',
          body: '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>',
        }),
  )
  page = await context.newPage()
  page.setDefaultTimeout(10_000)
  page.on('pageerror', (error) => void complaints.push(error.message))
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
  })
  await page.clock.install({ time: 0 })
  await page.goto(`${site}/start?a=1#b`)
  // From here on, a test moves the time.
  await page.clock.pauseAt(3_600_000)
})
afterEach(async () => {
  await context.close()
  expect(complaints).toEqual([])
})

type Scene = Parameters<Window['show']>[0]
const show = (scene: Scene, options: ShowOptions = {}, failing?: [code: string, method: MockMethod]) =>
  page.evaluate(([scene, options, failing]) => window.show(scene, options, failing), [
    scene,
    options,
    failing,
  ] as const)
const signIn = (user: PorticoUser, id = 'another') =>
  page.evaluate(([user, id]) => window.harness.portico.signIn(user, { id }), [user, id] as const)
const signOut = () => page.evaluate(() => window.harness.portico.signOut())
const fail = (code: string) => page.evaluate((code) => window.harness.fail(code), code)
const calls = (method: string) =>
  page.evaluate(
    (method) =>
      window.harness.portico.calls
        .filter((call) => call.method === method)
        .map(({ args }) => args[0] ?? null),
    method,
  )
const text = () => page.locator('main').textContent()
const click = (name: string) => page.getByRole('button', { name }).click()

describe('usePortico', () => {
  test('renders again with each status', async () => {
    await show('status', { status: 'loading' })
    expect(await text()).toBe('loading')
    await signIn(ada)
    await expect.poll(text).toBe('signed-in')
    await fail('store_unavailable')
    await expect.poll(text).toBe('unknown')
    await signOut()
    await expect.poll(text).toBe('signed-out')
  })
})

describe('RequireAuth', () => {
  test('a page opened signed out begins one login, in StrictMode too', async () => {
    await show('guarded', { status: 'loading' })
    await expect.poll(text).toBe('Please wait')
    expect(await calls('login')).toEqual([])
    await signOut()
    await expect.poll(() => calls('login')).toEqual([null])
    expect(await text()).toBe('Please wait')
  })

  test('begins the login that it is given', async () => {
    await show('guardedWithOptions')
    await expect.poll(() => calls('login')).toEqual([{ provider: 'okta' }])
  })

  test('shows its children to a signed-in user, also while Portico does not answer', async () => {
    await show('guarded', { user: ada })
    await expect.poll(text).toBe('Ada')
    await fail('network_error')
    await page.getByTestId('name').waitFor()
    expect(await text()).toBe('Ada')
  })

  test('unknown: a message, and a button that asks again', async () => {
    await show('guarded', { status: 'unknown' })
    await expect.poll(text).toContain('Signing in does not work right now: Portico does not answer.')
    await click('Try again')
    expect(await calls('checkSession')).toEqual([null])
    expect(await calls('login')).toEqual([])
    await signIn(ada)
    await expect.poll(text).toBe('Ada')
  })

  test('shows the elements of the app instead', async () => {
    await show('guardedWithElements')
    await expect.poll(text).toBe('Welcome, stranger')
    await fail('store_unavailable')
    await click('store_unavailable')
    expect(await calls('checkSession')).toEqual([null])
    expect(await calls('login')).toEqual([])
  })

  test('a logout or timeout begins no login: the user does, by a button', async () => {
    await show('guarded', { user: ada })
    await page.getByLabel('Note').fill('secret')
    await signOut()
    await expect.poll(text).toContain('You are signed out.')
    expect(await calls('login')).toEqual([])
    await click('Log in')
    await expect.poll(() => calls('login')).toEqual([null])
  })

  test('another user sees nothing of what the previous one typed', async () => {
    await show('guarded', { user: ada })
    await page.getByLabel('Note').fill('secret')
    await signIn({ ...ada, name: 'Ada Lovelace' })
    await expect.poll(text).toBe('Ada Lovelace')
    expect(await page.getByLabel('Note').inputValue()).toBe('secret')
    await signIn(grace)
    await expect.poll(text).toBe('Grace')
    expect(await page.getByLabel('Note').inputValue()).toBe('')
  })

  test('a login that cannot begin is tried again', async () => {
    await show('guarded', {}, ['provider_unavailable', 'login'])
    await expect.poll(text).toContain('It is provider_unavailable.')
    await click('Try again')
    await expect.poll(() => calls('login')).toHaveLength(2)
    await page.evaluate(() => window.harness.portico.fail(undefined, 'login'))
    await click('Try again')
    await expect.poll(text).toBe('Please wait')
    expect(await calls('login')).toHaveLength(3)
  })

  test('"Back" from the provider shows a button, not an endless wait', async () => {
    await show('guarded')
    await expect.poll(text).toBe('Please wait')
    await page.evaluate(() => window.dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true })))
    await expect.poll(text).toContain('You are signed out.')
    expect(await calls('login')).toHaveLength(1)
  })
})

describe('Callback', () => {
  const done = () => page.evaluate(() => window.harness.done)

  test('completes the login once and goes on once, in StrictMode too', async () => {
    await show('callback', { status: 'signed-out', user: ada, returnTo: '/orders?page=2' })
    await expect.poll(done).toEqual(['/orders?page=2'])
    expect(await calls('handleCallback')).toHaveLength(1)
    expect(await text()).toBe('Please wait')
  })

  test('a failed login: a message, and a button that begins a new one', async () => {
    await show('callback', {}, ['access_denied', 'handleCallback'])
    await expect.poll(text).toContain('You are not signed in: It is access_denied.')
    await click('Try again')
    await expect.poll(() => calls('login')).toHaveLength(1)
    expect(await done()).toEqual([])
  })

  test('without a router, the browser loads where the login began, and the history forgets the callback', async () => {
    const before = await page.evaluate(() => history.length)
    await show('callbackWithDefaults', { returnTo: '/orders?page=2#top' })
    await page.waitForURL(`${site}/orders?page=2#top`)
    expect(await page.evaluate(() => history.length)).toBe(before)
  })
})

describe('useToken', () => {
  const isNext = (token: string) => expect.poll(text).toBe(token)

  test('is the current token: replaced when the client renews it, gone after a sign-out', async () => {
    await show('token', { user: ada, token: 'first' })
    await isNext('first')
    await page.evaluate(() => window.harness.portico.setToken('second'))
    await isNext('second')
    await signOut()
    await isNext('undefined')
    const asked = await calls('getToken')
    await page.clock.runFor(300_000)
    expect(await calls('getToken')).toEqual(asked)
  })

  test('asks the client every few seconds, which renews a token before it expires', async () => {
    await show('token', { user: ada })
    await isNext('mock-token')
    const asked = (await calls('getToken')).length
    await page.clock.runFor(5_000)
    await expect.poll(() => calls('getToken')).toHaveLength(asked + 1)
    await page.clock.runFor(5_000)
    await expect.poll(() => calls('getToken')).toHaveLength(asked + 2)
  })

  test('never returns the token of the previous user', async () => {
    await show('token', { user: ada, token: 'of Ada' })
    await isNext('of Ada')
    await page.evaluate((grace) => {
      window.harness.seenTokens.length = 0
      window.harness.portico.signIn(grace, { id: 'of Grace' })
      window.harness.portico.setToken('of Grace')
    }, grace)
    await isNext('of Grace')
    expect(await page.evaluate(() => window.harness.seenTokens)).not.toContain('of Ada')
  })

  test('asks for what it is given, and again when that changes', async () => {
    await show('tokenOfScope', { user: ada })
    await page.getByTestId('token').getByText('mock-token').waitFor()
    const audience = ['a', 'b']
    // Twice, as effects run in StrictMode: a list that is another one with the same audiences is no change.
    expect(await calls('getToken')).toEqual([
      { scope: 'orders:read', audience },
      { scope: 'orders:read', audience },
    ])
    await click('Write')
    await expect
      .poll(async () => (await calls('getToken')).at(-1))
      .toEqual({ scope: 'orders:write', audience })
  })

  test('after a refusal there is none, and it asks less often', async () => {
    await show('token', { user: ada })
    await isNext('mock-token')
    await page.evaluate(() => window.harness.fail('invalid_scope', 'getToken'))
    await page.clock.runFor(5_000)
    await isNext('undefined')
    const asked = (await calls('getToken')).length
    await page.clock.runFor(55_000)
    expect(await calls('getToken')).toHaveLength(asked)
    await page.evaluate(() => window.harness.portico.fail(undefined, 'getToken'))
    await page.clock.runFor(5_000)
    await isNext('mock-token')
  })

  test('a hidden page asks for no token; the page that is shown again does at once', async () => {
    const hide = (isHidden: boolean) =>
      page.evaluate((isHidden) => {
        Object.defineProperty(document, 'hidden', { configurable: true, value: isHidden })
        document.dispatchEvent(new Event('visibilitychange'))
      }, isHidden)
    await show('token', { user: ada })
    await isNext('mock-token')
    await hide(true)
    const asked = (await calls('getToken')).length
    await page.clock.runFor(300_000)
    expect(await calls('getToken')).toHaveLength(asked)
    await hide(false)
    await expect.poll(() => calls('getToken')).toHaveLength(asked + 1)
  })

  test('asks nothing after it is unmounted', async () => {
    await show('token', { user: ada })
    await isNext('mock-token')
    await page.evaluate(() => window.harness.unmount())
    const asked = (await calls('getToken')).length
    await page.clock.runFor(300_000)
    await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')))
    expect(await calls('getToken')).toHaveLength(asked)
  })
})
