import type express from 'express'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import type { PorticoState } from '../../client/types.ts'
import { launchChromium } from '../support/chromium/chromium.ts'
import { startClientSite } from '../support/chromium/client-site.ts'
import { signInAsAda } from '../support/chromium/demo.ts'
import { seconds } from '../support/clock.ts'
import { startTestServer } from '../support/network/http-server.ts'

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
  const page = await openSignedIn()
  await page.clock.install()
  await page.addInitScript(`
    globalThis.fetchesInProgress = 0
    const { fetch } = globalThis
    globalThis.fetch = (...request) => {
      fetchesInProgress += 1
      return fetch(...request).finally(() => { fetchesInProgress -= 1 })
    }`)
  await page.reload()
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

  test('a hidden tab does nothing; once it is seen again, it looks', async () => {
    const page = await openAtClock({ ...env, SESSION_IDLE_TIMEOUT: '10m' })
    await showTab(page, true)
    const before = site.requests.length
    await pass(page, 120)
    expect(site.requests.slice(before)).toEqual([])
    await showTab(page, false)
    await expect.poll(() => site.requests.slice(before)).toContain('GET /api/session')
    expect(claimsOf(await call(page, 'getToken()'))).toMatchObject({ name: 'Ada Lovelace' })
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

describe('what is not an answer of Portico', () => {
  test.each<[string, string, express.RequestHandler]>([
    ['an empty 502', 'unexpected_response', (_req, res) => void res.status(502).end()],
    ['an HTML 404', 'unexpected_response', (_req, res) => void res.status(404).send('<h1>Not here</h1>')],
    ['an HTML 200', 'unexpected_response', (_req, res) => void res.send('<!doctype html>')],
    ['a JSON 200 of something else', 'unexpected_response', (_req, res) => void res.json({ status: 'up' })],
    [
      'a JSON 500 of something else',
      'unexpected_response',
      (_req, res) => void res.status(500).json({ oh: 'no' }),
    ],
    ['a connection that breaks', 'network_error', (req) => void req.socket.destroy()],
  ])('%s: unknown, never signed out, and well again afterwards', async (_name, code, answer) => {
    await startSite()
    const page = await openSignedIn()
    site.faults.answer = (req, res, next) => (req.path.startsWith('/api/') ? answer(req, res, next) : next())
    expect(await call(page, 'getToken({ fresh: true })')).toBe(`PorticoError ${code}`)
    expect(await call(page, 'login()')).toBe(`PorticoError ${code}`)
    expect(await call(page, 'logout()')).toBe(`PorticoError ${code}`)
    // What was known is not forgotten.
    expect((await stateOf(page)).status).toBe('signed-in')
    await page.reload()
    await expectStatus(page, 'unknown')
    expect(await page.evaluate('portico.getState().error.code')).toBe(code)
    site.faults.answer = undefined
    await page.evaluate('dispatchEvent(new Event("online"))')
    await expectStatus(page, 'signed-in')
  })

  test('a refusal keeps its code, its request id and its Retry-After', async () => {
    await startSite()
    const page = await openSignedIn()
    const problem = { code: 'store_unavailable', detail: 'Down.', request_id: 'r-1' }
    site.faults.answer = (_req, res) =>
      void res.status(503).set({ 'Retry-After': '7', 'X-Request-Id': 'r-1' }).json(problem)
    const error = await page.evaluate(
      'portico.userinfo().catch(({ name, code, message, status, requestId, retryAfter }) => ({ name, code, message, status, requestId, retryAfter }))',
    )
    expect(error).toEqual({
      name: 'PorticoError',
      code: 'store_unavailable',
      message: 'Down.',
      status: 503,
      requestId: 'r-1',
      retryAfter: 7,
    })
  })

  test('by itself the client tries again after Retry-After', async () => {
    const page = await openAtClock({ APP_TOKEN_TTL: '30s' })
    site.faults.answer = (_req, res) => void res.status(503).set('Retry-After', '20').json({ code: 'x' })
    await pass(page, 40)
    await expectStatus(page, 'unknown')
    expect((await stateOf(page)).user?.name).toBe('Ada Lovelace')
    const attempts = site.requests.length
    site.faults.answer = undefined
    await pass(page, 20)
    await expectStatus(page, 'signed-in')
    expect(site.requests.length).toBeGreaterThan(attempts)
    expect(attempts).toBeLessThan(30)
  })
})

describe('calls to an API', () => {
  test('the token goes to the listed origins only', async () => {
    await startSite({ client: { apiOrigins: ['https://api.example.com'] } })
    const page = await openSignedIn()
    const sent: Record<string, string | undefined> = {}
    for (const origin of [
      'https://api.example.com',
      'https://api.example.com.evil.example',
      'https://evil.example',
    ]) {
      await page.route(`${origin}/**`, async (route) => {
        sent[origin] = (await route.request().allHeaders()).authorization
        await route.fulfill({ headers: { 'Access-Control-Allow-Origin': '*' }, json: {} })
      })
      await page.evaluate(`portico.fetch('${origin}/x', { mode: 'cors' }).catch(() => {})`)
    }
    expect(sent['https://api.example.com']).toMatch(/^Bearer eyJ/)
    expect(sent['https://evil.example']).toBeUndefined()
    expect(sent['https://api.example.com.evil.example']).toBeUndefined()
    expect(await call(page, "authHeaders('https://evil.example/x')")).toEqual({})
    expect(await call(page, "authHeaders('http://api.example.com/x')")).toEqual({})
    // The page's own origin is not listed here.
    await page.evaluate("portico.fetch('/orders')")
    expect(site.count('POST /api/token')).toBe(0)
  })

  test('a 401 is answered by a fresh token, once, with the same body', async () => {
    await startSite()
    const page = await openSignedIn()
    const bodies: string[] = []
    const tokens = new Set<string>()
    const refuseFirst = (times: number): express.RequestHandler => {
      let left = times
      return (req, res, next) => {
        if (req.path !== '/orders') return next()
        tokens.add(req.get('authorization') ?? '')
        req.setEncoding('utf8').on('data', (text: string) => bodies.push(text))
        req.on('end', () => {
          left -= 1
          res.status(left < 0 ? 200 : 401).json({})
        })
      }
    }
    const post = "fetch('/orders', { method: 'POST', body: 'two books' }).then(({ status }) => status)"
    site.faults.answer = refuseFirst(1)
    expect(await call(page, post)).toBe(200)
    expect(bodies).toEqual(['two books', 'two books'])
    expect(tokens.size).toBe(2)
    site.faults.answer = refuseFirst(9)
    expect(await call(page, post)).toBe(401)
    expect(bodies).toHaveLength(4)
  })

  test('a demand for a more recent sign-in begins one, and no second one if that is not enough', async () => {
    await startSite()
    const page = await openSignedIn()
    const challenge =
      'Bearer error="insufficient_user_authentication", acr_values="urn:mfa phr", max_age="30"'
    site.faults.answer = (req, res, next) =>
      req.path === '/orders' ? void res.status(401).set('WWW-Authenticate', challenge).json({}) : next()
    const [request] = await Promise.all([
      page.waitForRequest((one) => one.url().includes('/api/login')),
      page.evaluate("void portico.fetch('/orders')"),
    ])
    expect(Object.fromEntries(new URL(request.url()).searchParams)).toMatchObject({
      acr_values: 'urn:mfa phr',
      max_age: '30',
    })
    await page.waitForURL((address) => address.pathname === '/callback')
    await page.goto(`${site.url}/`)
    await expectStatus(page, 'signed-in')
    const logins = site.count('GET /api/login')
    expect(await page.evaluate("portico.fetch('/orders').then(({ status }) => status)")).toBe(401)
    expect(site.count('GET /api/login')).toBe(logins)
  })

  test('no token of another user who has signed in meanwhile', async () => {
    await startSite()
    const one = await openSignedIn()
    const two = await context.newPage()
    // The first tab hears nothing of this one, as a frozen tab does.
    await two.addInitScript('globalThis.BroadcastChannel = class { postMessage() {} close() {} }')
    await two.goto(site.url)
    await expectStatus(two, 'signed-in')
    await two.evaluate("void portico.login({ prompt: 'login' })")
    await two.getByRole('button', { name: /Alan Turing/ }).click()
    await two.waitForURL((address) => address.pathname === '/callback')
    await two.waitForFunction('globalThis.portico')
    await two.evaluate('portico.handleCallback()')
    expect((await stateOf(one)).user?.name).toBe('Ada Lovelace')
    expect(await call(one, 'getToken({ fresh: true })')).toBe('PorticoError user_changed')
    expect((await stateOf(one)).user?.name).toBe('Alan Turing')
    expect(claimsOf(await call(one, 'getToken()'))).toMatchObject({ name: 'Alan Turing' })
  })
})

describe('a token that is bound to a key of the browser', () => {
  const bound = { client: { dpop: true }, env: { APP_TOKEN_BINDING: 'required' } }
  const keyOf = async (page: Page) =>
    (claimsOf(await call(page, 'getToken()')).cnf as { jkt?: string } | undefined)?.jkt
  const askOrders = (page: Page) =>
    page.evaluate("portico.fetch('/orders').then(async (answer) => [answer.status, await answer.json()])")

  test('the page calls the API with it; a thief who reads it cannot', async () => {
    await startSite(bound)
    const page = await openSignedIn()
    expect(await askOrders(page)).toEqual([200, { for: expect.any(String) }])
    const token = await call<string>(page, 'getToken()')
    const headers = await call<Record<string, string>>(page, `authHeaders('/orders')`)
    const ask = async (stolen: Record<string, string>) =>
      (await fetch(`${site.url}/orders`, { headers: stolen })).status
    expect(await ask({ authorization: `Bearer ${token}` })).toBe(401)
    expect(await ask({ authorization: `DPoP ${token}` })).toBe(401)
    // A proof works once, for one address.
    expect(await ask(headers)).toBe(200)
    expect(await ask(headers)).toBe(401)

    // Another browser with the same client and a key of its own.
    const elsewhere = await browser.newContext()
    const thief = await elsewhere.newPage()
    await thief.goto(site.url)
    await expectStatus(thief, 'signed-out')
    await thief.evaluate('void portico.login()')
    await signInAsAda(thief)
    await thief.waitForURL((address) => address.pathname === '/callback')
    await thief.waitForFunction('globalThis.portico')
    await thief.evaluate('portico.handleCallback()')
    const own = await call<Record<string, string>>(thief, `authHeaders('/orders')`)
    expect(await ask({ ...own, Authorization: `DPoP ${token}` })).toBe(401)
    await elsewhere.close()
  })

  test('the key is the same in all tabs and after a reload, and no script can read it', async () => {
    await startSite(bound)
    const page = await openSignedIn()
    const jkt = await keyOf(page)
    expect(jkt).toMatch(/^[\w-]{43}$/)
    await page.reload()
    expect(await keyOf(page)).toBe(jkt)
    expect(await keyOf(await open('/', { status: 'signed-in' }))).toBe(jkt)
    expect(
      await page.evaluate(`new Promise((resolve) => {
        indexedDB.open('portico').onsuccess = ({ target: { result: database } }) => {
          database.transaction('keys').objectStore('keys').getAll().onsuccess = ({ target: { result: [pair] } }) =>
            resolve(crypto.subtle.exportKey('jwk', pair.privateKey).then(() => 'exported', ({ name }) => name))
        }
      })`),
    ).toBe('InvalidAccessError')
  })

  test('two tabs that need the key first make one', async () => {
    await startSite({ client: { dpop: true } })
    const tabs = [await open('/', { status: 'signed-out' }), await open('/', { status: 'signed-out' })]
    const asked = tabs.map((tab) => tab.waitForRequest((request) => request.url().includes('/api/login')))
    await Promise.all(tabs.map((tab) => tab.evaluate('void portico.login()')))
    const keys = (await Promise.all(asked)).map((request) =>
      new URL(request.url()).searchParams.get('dpop_jkt'),
    )
    expect(keys[0]).toMatch(/^[\w-]{43}$/)
    expect(keys[1]).toBe(keys[0])
  })

  test('a script with a key of its own gets no token for the session', async () => {
    await startSite(bound)
    const page = await openSignedIn()
    await page.evaluate("indexedDB.deleteDatabase('portico')")
    await page.reload()
    await expectStatus(page, 'signed-in')
    expect(await call(page, 'getToken()')).toBe('PorticoError dpop_key_mismatch')
    // This browser cannot use the session any more: the user signs in again, and gets another one.
    expect((await stateOf(page)).status).toBe('signed-out')
    await page.evaluate('void portico.login()')
    await page.waitForURL((address) => address.pathname === '/callback')
    await page.waitForFunction('globalThis.portico')
    await page.evaluate('portico.handleCallback()')
    expect(await askOrders(page)).toEqual([200, { for: expect.any(String) }])
  })

  test('where the provider redirects to the server, the session is bound as well', async () => {
    await startSite({ ...bound, redirect: 'server' })
    const page = await open('/', { status: 'signed-out' })
    await page.evaluate('void portico.login()')
    await signInAsAda(page)
    await page.waitForURL(`${site.url}/`)
    await expectStatus(page, 'signed-in')
    expect(await askOrders(page)).toEqual([200, { for: expect.any(String) }])
  })

  test.each(['optional', 'none'])('where the server says %s, the app works all the same', async (binding) => {
    await startSite({ client: { dpop: true }, env: { APP_TOKEN_BINDING: binding } })
    const page = await openSignedIn()
    expect(await askOrders(page)).toEqual([200, { for: expect.any(String) }])
    expect(await keyOf(page)).toEqual(binding === 'none' ? undefined : expect.any(String))
  })

  test.each([-3_600, 3_600])(
    'a browser whose clock is wrong by %i seconds signs in, and calls the API',
    async (offset) => {
      await startSite(bound)
      const page = await open('/', { status: 'signed-out' })
      await page.clock.install({ time: Date.now() + seconds(offset) })
      await signIn(page)
      expect(await askOrders(page)).toEqual([200, { for: expect.any(String) }])
      // The first proof of each kind was answered with a nonce.
      expect(site.count('POST /api/callback')).toBe(2)
      expect(site.count('GET /orders')).toBe(2)
      expect(await askOrders(page)).toEqual([200, { for: expect.any(String) }])
      expect(site.count('GET /orders')).toBe(3)
    },
  )

  test('where each proof needs a nonce, one refusal brings it', async () => {
    await startSite({ client: { dpop: true }, env: { APP_TOKEN_DPOP_NONCE: 'required' } })
    const page = await openSignedIn()
    expect(site.count('POST /api/callback')).toBe(2)
    await call(page, 'getToken({ fresh: true })')
    expect(site.count('POST /api/token')).toBe(1)
  })

  test('a browser without storage for keys: an error that says so', async () => {
    await startSite(bound)
    const page = await context.newPage()
    await page.addInitScript(
      'delete globalThis.indexedDB; Object.defineProperty(globalThis, "indexedDB", { value: undefined })',
    )
    await page.goto(site.url)
    await expectStatus(page, 'signed-out')
    expect(await call(page, 'login()')).toBe('PorticoError key_unavailable')
  })
})

describe('an app on another origin than Portico', () => {
  test('signs in, and comes back to its own page', async () => {
    const app = await startTestServer()
    onTestFinished(() => app.close())
    const appUrl = app.origin.replace('127.0.0.1', 'localhost')
    await startSite({ redirect: 'server', env: { SPA_ORIGINS: appUrl } })
    app.serve(async (request, response) => {
      if (request.url?.startsWith('/client/') || request.url?.startsWith('/?') || request.url === '/') {
        const answer = await fetch(site.url + request.url)
        response.setHeader('Content-Type', answer.headers.get('content-type') ?? '')
        return response.end(await answer.text())
      }
      if (request.url === '/options.json')
        return response.end(JSON.stringify({ url: site.url, apiOrigins: [] }))
      return response.writeHead(404).end()
    })
    const page = await context.newPage()
    await page.goto(`${appUrl}/`)
    await expectStatus(page, 'signed-out')
    await page.evaluate("void portico.login({ returnTo: '/?x=1#y' })")
    await signInAsAda(page)
    await page.waitForURL(`${appUrl}/?x=1#y`)
    await expectStatus(page, 'signed-in')
    expect(claimsOf(await call(page, 'getToken()'))).toMatchObject({ name: 'Ada Lovelace' })
  })
})

test('origins that are none are refused when the client is created', async () => {
  await startSite()
  const page = await open()
  for (const options of [
    { apiOrigins: ['https://api.example.com/'] },
    { apiOrigins: ['https://api.example.com/orders'] },
    { apiOrigins: ['*'] },
    { apiOrigins: ['api.example.com'] },
    { apiOrigins: [], url: 'https://auth.example.com/api' },
  ]) {
    expect(
      await page.evaluate(
        `(() => { try { start(${JSON.stringify(options)}) } catch ({ name, message }) { return name + message } })()`,
      ),
    ).toMatch(/^TypeError.* must be an origin/)
  }
})
