import type express from 'express'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  arriveAtCallback,
  browser,
  call,
  clientPages,
  completeLogin,
  context,
  eventsOf,
  expectStatus,
  open,
  openSignedIn,
  site,
  startSite,
  stateOf,
} from '../support/chromium/client-pages.ts'
import { signInAsAda } from '../support/chromium/demo.ts'

/** How the client leaves the page and comes back: what it does once, what it repeats, and where it leads. */
clientPages()

/** Answers one path of the site instead of it; whoever is sent to /nowhere stays on the page. */
const answerAt = (path: string, answer: express.RequestHandler): express.RequestHandler => {
  return (req, res, next) => {
    if (req.path === '/nowhere') return void res.status(204).end()
    return req.path === path ? answer(req, res, next) : next()
  }
}
const toNowhere = (name: 'login' | 'logout') =>
  answerAt(`/api/${name}`, (_req, res) => void res.json({ [`${name}_url`]: '/nowhere' }))

describe('login', () => {
  test('one that failed can be tried again', async () => {
    await startSite()
    const page = await open('/', { status: 'signed-out' })
    site.faults.answer = answerAt('/api/login', (_req, res) => void res.status(502).end())
    expect(await call(page, 'login()')).toBe('PorticoError unexpected_response')
    site.faults.answer = undefined
    await page.evaluate('void portico.login()')
    await page.getByLabel('Username').waitFor()
  })

  test('one that the user stopped can begin again after ten seconds, or when the page is shown again', async () => {
    await startSite()
    const page = await open('/', { status: 'signed-out' })
    site.faults.answer = toNowhere('login')
    await page.clock.install({ time: 0 })
    await page.clock.pauseAt(3_600_000)
    await call(page, 'login()')
    await page.clock.runFor(9_999)
    await call(page, 'login()')
    expect(site.count('GET /api/login')).toBe(1)
    await page.clock.runFor(1)
    await call(page, 'login()')
    expect(site.count('GET /api/login')).toBe(2)
    await page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: false }))")
    await call(page, 'login()')
    expect(site.count('GET /api/login')).toBe(2)
    await page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    await call(page, 'login()')
    expect(site.count('GET /api/login')).toBe(3)
  })

  test('none begins while a logout is under way', async () => {
    await startSite()
    const page = await openSignedIn()
    site.faults.answer = toNowhere('logout')
    const logins = site.count('GET /api/login')
    await call(page, 'logout().then(() => portico.login())')
    expect(site.count('GET /api/login')).toBe(logins)
  })

  test('from the callback page, it leads to the start of the app', async () => {
    await startSite()
    const page = await open('/callback?x=1', { status: 'signed-out' })
    site.faults.answer = toNowhere('login')
    const [request] = await Promise.all([page.waitForRequest(/\/api\/login/), call(page, 'login()')])
    expect(new URL(request.url()).searchParams.get('return_to')).toBe('/')
  })

  test('after one that was cancelled, it leads to where that one began', async () => {
    await startSite()
    const page = await open('/here?x=1#y', { status: 'signed-out' })
    await page.evaluate('void portico.login()')
    await page.getByRole('link', { name: 'Cancel' }).click()
    await arriveAtCallback(page)
    expect(await call(page, 'handleCallback()')).toBe('PorticoError access_denied')
    const [request] = await Promise.all([
      page.waitForRequest(/\/api\/login/),
      page.evaluate('void portico.login()'),
    ])
    expect(new URL(request.url()).searchParams.get('return_to')).toBe('/here?x=1#y')
  })
})

describe('callback', () => {
  test('a page whose address only looks like it has no response to handle', async () => {
    await startSite()
    for (const path of ['/callbacks?state=x&code=y', '/here?state=x', '/callback?code=y']) {
      const page = await open(path, { status: 'signed-out' })
      expect(await call(page, 'handleCallback()')).toEqual({ returnTo: '/' })
      expect(page.url()).toBe(site.url + path)
    }
    expect(site.count('POST /api/callback')).toBe(0)
  })

  test.each(['/callback/okta', '/callback/okta/'])('%s is the page of the provider okta', async (path) => {
    await startSite()
    const page = await open(`${path}?state=x&code=y`)
    await page.waitForFunction('globalThis.portico')
    await page.evaluate("history.replaceState('of the router', '')")
    expect(await call(page, 'handleCallback()')).toMatch(/^PorticoError/)
    expect(site.count('POST /api/callback/okta')).toBe(1)
    expect(page.url()).toBe(site.url + path)
    expect(await page.evaluate('history.state')).toBe('of the router')
  })

  test('a signed one (JARM) is brought as it came', async () => {
    await startSite()
    const page = await open('/callback?response=x.y.z')
    await page.waitForFunction('globalThis.portico')
    const [request] = await Promise.all([
      page.waitForRequest(/\/api\/callback/),
      page.evaluate('void portico.handleCallback().catch(() => {})'),
    ])
    expect(request.postDataJSON()).toEqual({ response: 'x.y.z' })
  })

  test('callbackPath names another page', async () => {
    await startSite({ client: { callbackPath: '/here' } })
    const page = await open('/here?state=x&code=y')
    await page.waitForFunction('globalThis.portico')
    expect(await call(page, 'handleCallback()')).toMatch(/^PorticoError/)
    expect(site.count('POST /api/callback')).toBe(1)
  })

  test('whoever wants a token before it is handled gets the one that it brings', async () => {
    await startSite()
    const page = await open('/', { status: 'signed-out' })
    await page.evaluate('void portico.login()')
    await signInAsAda(page)
    await arriveAtCallback(page)
    const early = call(page, 'getToken()')
    await page.evaluate('portico.handleCallback()')
    expect(await early).toBe(await call(page, 'getToken()'))
    expect(site.count('POST /api/token')).toBe(0)
  })

  test.each([
    ['https://other.example/x?y#z', 'https://other.example/x?y#z'],
    ['/here?y#z', '/here?y#z'],
    ['{site}/here', '/here'],
  ])('it may lead to another origin: %s', async (address, returnTo) => {
    await startSite()
    const page = await open('/callback?state=x&code=y')
    await page.waitForFunction('globalThis.portico')
    const session = { id: 's', created_at: '', idle_expires_in: 600, absolute_expires_in: 600 }
    const token = { token: 't', token_type: 'Bearer', expires_in: 300, user: { sub: 'ada' }, session }
    site.faults.answer = answerAt(
      '/api/callback',
      (_req, res) => void res.json({ ...token, return_to: address.replace('{site}', site.url) }),
    )
    expect(await call(page, 'handleCallback()')).toEqual({ returnTo })
  })
})

describe('logout', () => {
  test('where the provider has none, the page stays, or goes where the app says', async () => {
    await startSite()
    const page = await openSignedIn()
    site.faults.answer = answerAt('/api/logout', (_req, res) => void res.json({ logout_url: null }))
    expect(await call(page, 'logout()')).toEqual({ atProvider: false })
    expect((await stateOf(page)).status).toBe('signed-out')
    expect(await eventsOf(page)).toEqual([
      ['signed-in', 'Ada Lovelace'],
      ['signed-out', 'here'],
    ])
    await page.evaluate("void portico.logout({ returnTo: '/here' })")
    await page.waitForURL(`${site.url}/here`)
  })

  test('a double click on it ends the session at the provider as well', async () => {
    await startSite()
    const page = await openSignedIn()
    await page.evaluate(
      "void Promise.all([portico.logout({ returnTo: '/here' }), portico.logout({ returnTo: '/here' })])",
    )
    await page.waitForURL(`${site.url}/here`)
    await expectStatus(page, 'signed-out')
    expect(site.count('POST /api/logout')).toBe(1)
    expect(site.count('GET /api/logout/callback')).toBe(1)
  })

  test('the same logout goes on until the browser has left, or the user has come back', async () => {
    await startSite()
    const page = await openSignedIn()
    site.faults.answer = toNowhere('logout')
    await call(page, 'logout()')
    await call(page, 'logout()')
    expect(site.count('POST /api/logout')).toBe(1)
    await page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    await call(page, 'logout()')
    expect(site.count('POST /api/logout')).toBe(2)
  })

  test('everywhere, of a session that had timed out: an error, and signed out', async () => {
    await startSite()
    const page = await openSignedIn()
    const problem = { code: 'session_expired', detail: 'It timed out.' }
    site.faults.answer = answerAt('/api/logout', (_req, res) => void res.status(401).json(problem))
    expect(await call(page, 'logout({ everywhere: true })')).toBe('PorticoError session_expired')
    expect((await stateOf(page)).status).toBe('signed-out')
  })
})

test('lists the sessions of the user, and ends them', async () => {
  await startSite()
  const page = await openSignedIn()
  const elsewhere = async () => {
    const otherBrowser = await browser.newContext()
    onTestFinished(() => otherBrowser.close())
    const other = await otherBrowser.newPage()
    await other.goto(site.url)
    await expectStatus(other, 'signed-out')
    await other.evaluate('void portico.login()')
    await signInAsAda(other)
    await completeLogin(other)
    return (await stateOf(other)).session?.id
  }
  const own = (await stateOf(page)).session?.id
  const other = await elsewhere()
  const list = async () =>
    (await call<{ id: string; current: boolean }[]>(page, 'sessions.list()')).map(({ id, current }) => [
      id,
      current,
    ])
  expect(await list()).toEqual([
    [own, true],
    [other, false],
  ])
  expect(await call(page, `sessions.end('${other}')`)).toBeUndefined()
  expect(await list()).toEqual([[own, true]])
  expect((await stateOf(page)).status).toBe('signed-in')
  await elsewhere()
  expect(await call(page, 'sessions.endOthers()')).toBe(1)
  const tab = await context.newPage()
  await tab.goto(site.url)
  await expectStatus(tab, 'signed-in')
  await call(page, `sessions.end('${own}')`)
  expect((await stateOf(page)).status).toBe('signed-out')
  await expectStatus(tab, 'signed-out')
})
