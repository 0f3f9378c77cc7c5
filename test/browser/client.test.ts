import { decodeJwt } from 'jose'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  arriveAtCallback,
  call,
  clientPages,
  context,
  eventsOf,
  expectStatus,
  open,
  openSignedIn,
  signIn,
  site,
  startSite,
  stateOf,
  switchToAlan,
} from '../support/chromium/client-pages.ts'
import { signInAsAda } from '../support/chromium/demo.ts'
import { seconds } from '../support/clock.ts'
import { startTestServer } from '../support/network/http-server.ts'

/** The client of the package in a real browser, at a real server and provider. */
clientPages()

describe('sign-in', () => {
  test('a callback that is handled twice exchanges the code once, and disappears from the address', async () => {
    await startSite()
    const page = await open('/here?a=1#b', { status: 'signed-out' })
    await page.evaluate('void Promise.all([portico.login(), portico.login()])')
    await signInAsAda(page)
    await arriveAtCallback(page)
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
    expect(decodeJwt(await call(page, 'getToken()'))).toMatchObject({ name: 'Ada Lovelace' })
    expect(site.count('POST /api/token')).toBe(0)
  })

  test('cancelled at the provider: an error with its code, and an address without it', async () => {
    await startSite()
    const page = await open('/', { status: 'signed-out' })
    await page.evaluate('void portico.login()')
    await page.getByRole('link', { name: 'Cancel' }).click()
    await arriveAtCallback(page)
    expect(await call(page, 'handleCallback()')).toBe('PorticoError access_denied')
    expect(page.url()).toBe(`${site.url}/callback`)
    expect((await stateOf(page)).status).toBe('signed-out')
  })

  test('a callback page that does nothing else asks nothing else', async () => {
    await startSite({
      script: `import { createPortico } from '/client/portico.js'
        globalThis.portico = createPortico({ apiOrigins: ['self'] })
        globalThis.statuses = []
        if (location.pathname === '/callback') {
          globalThis.handled = portico.handleCallback()
          portico.subscribe(() => statuses.push(portico.getState().status))
        }`,
    })
    const page = await open()
    await page.evaluate("void portico.login({ returnTo: '/orders?id=1' })")
    await signInAsAda(page)
    await page.waitForFunction('globalThis.handled')
    expect(await page.evaluate('handled')).toEqual({ returnTo: '/orders?id=1' })
    expect(await page.evaluate('statuses')).toEqual(['signed-in'])
    // By the page that began the login.
    expect(site.count('GET /api/session')).toBe(1)
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
    expect(decodeJwt(await call(page, 'getToken()'))).toMatchObject({ name: 'Ada Lovelace' })
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
    expect(decodeJwt(first).sid).toBe((await stateOf(two)).session?.id)
    // A token for less is one of its own.
    const narrow = await call<string>(one, "getToken({ scope: 'openid' })")
    expect(decodeJwt(narrow).scope).toBe('openid')
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
    await switchToAlan(two)
    await expect.poll(async () => (await stateOf(one)).user?.name).toBe('Alan Turing')
    expect(await eventsOf(one)).toEqual([
      ['signed-in', 'Ada Lovelace'],
      ['user-changed', 'Alan Turing'],
    ])
    expect(decodeJwt(await call(one, 'getToken()'))).toMatchObject({ name: 'Alan Turing' })
  })

  test('a login in one tab, and the end of the session, show in the other one', async () => {
    await startSite()
    const one = await open('/', { status: 'signed-out' })
    const two = await open('/', { status: 'signed-out' })
    await signIn(one)
    await expectStatus(two, 'signed-in')
    await context.clearCookies()
    await call(one, 'checkSession()')
    await expectStatus(two, 'signed-out')
    for (const page of [one, two]) {
      expect(await eventsOf(page)).toEqual([
        ['signed-in', 'Ada Lovelace'],
        ['signed-out', 'ended'],
      ])
    }
  })

  test('the token of another tab brings the timeouts of its session, and of no other session', async () => {
    await startSite({ env: { SESSION_IDLE_TIMEOUT: '10m' } })
    const one = await openSignedIn()
    const two = await open('/', { status: 'signed-in' })
    site.portico.clock.advance(seconds(300))
    await call(two, 'checkSession()')
    await call(two, 'checkSession()')
    const { session } = await stateOf(two)
    await two.evaluate(`
      globalThis.seen = []
      void portico.subscribe(() => seen.push(portico.getState().session.id))`)
    const stray = { type: 'token', name: ' ', token: { session: { ...session, id: 'another' } } }
    await one.evaluate(`new BroadcastChannel('portico /api').postMessage(${JSON.stringify(stray)})`)
    await one.keyboard.press('a')
    await call(one, 'getToken({ fresh: true })')
    await expect.poll(async () => (await stateOf(two)).session?.idle_expires_in).toBe(600)
    expect(await two.evaluate('seen')).toEqual([session?.id])
  })

  test('where the browser has no locks, each tab has one renewal of its own', async () => {
    await context.addInitScript("Object.defineProperty(navigator, 'locks', { value: undefined })")
    await startSite()
    const page = await openSignedIn()
    const [first, second] = await Promise.all([
      call<string>(page, 'getToken({ fresh: true })'),
      call<string>(page, 'getToken({ fresh: true })'),
    ])
    expect(second).toBe(first)
    expect(site.count('POST /api/token')).toBe(1)
  })
})

test('listeners hear of changes only, and the state stays the same object as long as it says the same', async () => {
  await startSite()
  const page = await openSignedIn()
  const heard = await page.evaluate(`(async () => {
    const heard = []
    const listener = () => void heard.push('change')
    portico.subscribe(listener)()
    portico.subscribe(listener)
    const stop = portico.subscribe(listener)
    stop()
    const onSignedOut = ({ reason }) => void heard.push(reason)
    portico.on('signed-out', onSignedOut)
    portico.on('signed-out', onSignedOut)()
    const { user } = portico.getState()
    await portico.checkSession()
    heard.push(portico.getState().user === user)
    const { id } = portico.getState().session
    await portico.sessions.end(id)
    const state = portico.getState()
    await portico.checkSession()
    heard.push(portico.getState() === state)
    return heard
  })()`)
  expect(heard).toEqual(['change', true, 'change', 'here', true])
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
    expect(decodeJwt(await call(page, 'getToken()'))).toMatchObject({ name: 'Ada Lovelace' })
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
    // A variable that is not set; JSON makes it null.
    { apiOrigins: [undefined] },
    { apiOrigins: [''] },
    { apiOrigins: [], url: 'https://auth.example.com/api/' },
  ]) {
    expect(
      await page.evaluate(
        `(() => { try { start(${JSON.stringify(options)}) } catch ({ name, message }) { return name + message } })()`,
      ),
    ).toMatch(/^TypeError.* is neither an origin/)
  }
})
