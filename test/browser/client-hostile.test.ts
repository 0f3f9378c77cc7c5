import { decodeJwt } from 'jose'
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import {
  call,
  clientPages,
  context,
  expectStatus,
  open,
  openAfterLogin,
  openSignedIn,
  site,
  startSite,
  stateOf,
  switchToAlan,
} from '../support/chromium/client-pages.ts'

/** What must not happen to a user, whatever comes at the wrong moment or from the wrong place. */
clientPages()

const nameOf = async (page: Page) => (await stateOf(page)).user?.name

test('a request that was begun for one user is not sent for another one', async () => {
  await startSite()
  const page = await openSignedIn()
  const elsewhere = await open('/', { status: 'signed-in' })
  const { promise: late, resolve: answerNow } = Promise.withResolvers<void>()
  site.faults.answer = async (req, res, next) => {
    if (req.path !== '/orders') return next()
    await late
    res.status(401).json({})
  }
  const order = call(page, "fetch('/orders', { method: 'POST', body: 'two books' })")
  await expect.poll(() => site.count('POST /orders')).toBe(1)
  await switchToAlan(elsewhere)
  await expect.poll(() => nameOf(page)).toBe('Alan Turing')
  answerNow()
  expect(await order).toBe('PorticoError user_changed')
  expect(site.count('POST /orders')).toBe(1)
})

test('a token that was asked for by one user is not that of another one', async () => {
  await startSite()
  const page = await openSignedIn()
  // A third tab has its turn at the renewal, for a long time.
  const slow = await open('/', { status: 'signed-in' })
  await slow.evaluate(`void (async () => {
    const { name } = await new Promise((resolve) => {
      const { request } = navigator.locks
      navigator.locks.request = (name, ...rest) => {
        resolve({ name })
        return request.call(navigator.locks, name, ...rest)
      }
      portico.getToken()
    })
    navigator.locks.request(name, () => new Promise((resolve) => {
      globalThis.giveTurn = resolve
    }))
  })()`)
  await slow.waitForFunction('globalThis.giveTurn')
  const token = call<string>(page, 'getToken({ fresh: true })')
  await switchToAlan(await open('/', { status: 'signed-in' }))
  await expect.poll(() => nameOf(page)).toBe('Alan Turing')
  await slow.evaluate('giveTurn()')
  expect(await token).toBe('PorticoError user_changed')
  expect(decodeJwt(await call(page, 'getToken()'))).toMatchObject({ name: 'Alan Turing' })
})

test('an answer that is older than the login in another tab does not hide it', async () => {
  await startSite()
  const page = await openSignedIn()
  const elsewhere = await open('/', { status: 'signed-in' })
  const { promise: late, resolve: answerNow } = Promise.withResolvers<void>()
  const { user, session } = await stateOf(page)
  let isFirst = true
  site.faults.answer = async (req, res, next) => {
    if (req.path !== '/api/session' || !isFirst) return next()
    isFirst = false
    await late
    res.json({ active: true, user, session })
  }
  const check = call(page, 'checkSession()')
  await expect.poll(() => isFirst).toBe(false)
  await switchToAlan(elsewhere)
  answerNow()
  await check
  await expect.poll(() => nameOf(page)).toBe('Alan Turing')
})

test('a call that hangs in one tab holds up no other one', async () => {
  await startSite()
  const page = await openSignedIn()
  let isFirst = true
  site.faults.answer = (req, _res, next) => {
    if (req.path !== '/api/session' || !isFirst) return next()
    isFirst = false
  }
  await page.evaluate('void portico.checkSession()')
  await expect.poll(() => isFirst).toBe(false)
  await open('/', { status: 'signed-in' })
})

test('the way back from a login leads to no other host', async () => {
  await startSite()
  const page = await openSignedIn()
  const { user, session } = await stateOf(page)
  const answer = { token: 'a.b.c', token_type: 'Bearer', expires_in: 300, user, session }
  site.faults.answer = (req, res, next) =>
    req.path === '/api/callback'
      ? void res.json({ ...answer, return_to: `${site.url}//evil.example/x` })
      : next()
  await page.goto(`${site.url}/callback?code=c&state=s`)
  await page.waitForFunction('globalThis.portico')
  expect(await call(page, 'handleCallback()')).toEqual({ returnTo: '/evil.example/x' })
})

test('two APIs that are never content cause no endless row of logins', async () => {
  await startSite()
  const page = await openAfterLogin()
  site.faults.answer = (req, res, next) => {
    if (!req.path.startsWith('/needs-')) return next()
    const challenge = `Bearer error="insufficient_user_authentication", acr_values="${req.path.slice(7)}"`
    return void res.status(401).set('WWW-Authenticate', challenge).json({})
  }
  for (const path of ['/needs-mfa', '/needs-phr']) {
    const began = page.waitForRequest((one) => one.url().includes('/api/login'))
    await page.evaluate(`void portico.fetch('${path}')`)
    await began
    await page.waitForURL((address) => address.searchParams.has('state'))
    await page.goto(`${site.url}/`)
    await expectStatus(page, 'signed-in')
  }
  const logins = site.count('GET /api/login')
  expect(await page.evaluate("portico.fetch('/needs-mfa').then(({ status }) => status)")).toBe(401)
  expect(site.count('GET /api/login')).toBe(logins)
})

test('HTTP clients that write methods in lower case get a proof that counts', async () => {
  await startSite({ client: { dpop: true } })
  const page = await openSignedIn()
  const headers = await call<Record<string, string>>(page, "authHeaders('/orders', 'get')")
  expect((await fetch(`${site.url}/orders`, { headers })).status).toBe(200)
})

test('a browser without URL.parse runs the client', async () => {
  await context.addInitScript('delete URL.parse')
  await startSite({ client: { apiOrigins: ['https://api.example.com'] } })
  await open('/', { status: 'signed-out' })
})

test('a late message about a session that is over does not sign a newer one out', async () => {
  await startSite()
  const page = await openSignedIn()
  const other = await open('/', { status: 'signed-in' })
  const before = site.count('GET /api/session')
  await other.evaluate(
    "new BroadcastChannel('portico /api').postMessage({ type: 'signed-out', id: 'an older one' })",
  )
  await expect.poll(() => site.count('GET /api/session')).toBeGreaterThan(before)
  expect((await stateOf(page)).status).toBe('signed-in')
  expect(await call(page, 'getToken()')).toMatch(/^eyJ/)
})

test('a listener that throws keeps a logout from no other tab', async () => {
  await startSite()
  const one = await openSignedIn()
  const two = await open('/', { status: 'signed-in' })
  await one.evaluate("portico.subscribe(() => { throw new Error('oh no') })")
  await one.evaluate('portico.logout().catch(() => {})')
  await expectStatus(two, 'signed-out')
})

test('a challenge with nonsense for max_age begins a login without it', async () => {
  await startSite()
  const page = await openSignedIn()
  const challenge = 'Bearer error="insufficient_user_authentication", max_age="soon"'
  site.faults.answer = (req, res, next) =>
    req.path === '/orders' ? void res.status(401).set('WWW-Authenticate', challenge).json({}) : next()
  const [request] = await Promise.all([
    page.waitForRequest((one) => one.url().includes('/api/login')),
    page.evaluate("void portico.fetch('/orders')"),
  ])
  expect(new URL(request.url()).searchParams.has('max_age')).toBe(false)
})
