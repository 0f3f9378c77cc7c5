import { decodeJwt } from 'jose'
import type { Page } from 'playwright-core'
import { describe, expect, test } from 'vitest'
import {
  browser,
  call,
  clientPages,
  completeLogin,
  context,
  expectStatus,
  open,
  openAfterLogin,
  openSignedIn,
  signIn,
  site,
  startSite,
} from '../support/chromium/client-pages.ts'
import { signInAsAda } from '../support/chromium/demo.ts'
import { seconds } from '../support/clock.ts'

/** App tokens that are bound to a key of the browser (RFC 9449): useless to a thief. */
clientPages()

describe('a token that is bound to a key of the browser', () => {
  const bound = { client: { dpop: true }, env: { APP_TOKEN_BINDING: 'required' } }
  const keyOf = async (page: Page) =>
    (decodeJwt(await call(page, 'getToken()')).cnf as { jkt?: string } | undefined)?.jkt
  const askOrders = (page: Page) =>
    page.evaluate("portico.fetch('/orders').then(async (answer) => [answer.status, await answer.json()])")

  test('the page calls the API with it; a thief who reads it cannot', async () => {
    await startSite(bound)
    const page = await openAfterLogin()
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

    // The address in a proof has neither query nor fragment (RFC 9449 4.2).
    const { DPoP: proof } = await call<Record<string, string>>(page, `authHeaders('/orders?a=1#b')`)
    expect(decodeJwt(proof ?? '')).toMatchObject({ htu: `${site.url}/orders`, htm: 'GET' })

    // Another browser with the same client and a key of its own.
    const elsewhere = await browser.newContext()
    const thief = await elsewhere.newPage()
    await thief.goto(site.url)
    await expectStatus(thief, 'signed-out')
    await thief.evaluate('void portico.login()')
    await signInAsAda(thief)
    await completeLogin(thief)
    const own = await call<Record<string, string>>(thief, `authHeaders('/orders')`)
    expect(await ask({ ...own, Authorization: `DPoP ${token}` })).toBe(401)
    await elsewhere.close()
  })

  test('the key is the same in all tabs and after a reload, and no script can read it', async () => {
    await startSite(bound)
    const page = await openAfterLogin()
    const jkt = await keyOf(page)
    expect(jkt).toMatch(/^[\w-]{43}$/)
    await page.addInitScript("crypto.subtle.generateKey = () => Promise.reject(new Error('no second one'))")
    await page.reload()
    await expectStatus(page, 'signed-in')
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
    // Each has its pair before the other one keeps one.
    await context.addInitScript(`
      const { generateKey } = crypto.subtle
      crypto.subtle.generateKey = async (...options) => {
        const pair = await generateKey.apply(crypto.subtle, options)
        await new Promise((resolve) => { globalThis.keepPair = resolve })
        return pair
      }`)
    const tabs = [await open('/', { status: 'signed-out' }), await open('/', { status: 'signed-out' })]
    const asked = tabs.map((tab) => tab.waitForRequest((request) => request.url().includes('/api/login')))
    await Promise.all(tabs.map((tab) => tab.evaluate('void portico.login()')))
    await Promise.all(tabs.map((tab) => tab.waitForFunction('globalThis.keepPair')))
    await Promise.all(tabs.map((tab) => tab.evaluate('keepPair()')))
    const keys = (await Promise.all(asked)).map((request) =>
      new URL(request.url()).searchParams.get('dpop_jkt'),
    )
    expect(keys[0]).toMatch(/^[\w-]{43}$/)
    expect(keys[1]).toBe(keys[0])
  })

  test('a script with a key of its own gets no token for the session', async () => {
    await startSite(bound)
    const page = await openAfterLogin()
    expect(
      await page.evaluate(`new Promise((resolve) => {
        Object.assign(indexedDB.deleteDatabase('portico'), {
          onsuccess: () => resolve('deleted'),
          onblocked: () => resolve('blocked'),
        })
      })`),
    ).toBe('deleted')
    await page.reload()
    await expectStatus(page, 'signed-in')
    expect(await call(page, 'getToken()')).toBe('PorticoError dpop_key_mismatch')
    // This browser cannot use the session any more: the user signs in again, and gets another one.
    expect(await call(page, 'checkSession()')).toEqual({ status: 'signed-out' })
    await page.evaluate('void portico.login()')
    await completeLogin(page)
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
    const headers = await call<Record<string, string>>(page, "authHeaders('/orders')")
    expect(Object.keys(headers)).toEqual(binding === 'none' ? ['Authorization'] : ['Authorization', 'DPoP'])
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
      // A nonce is all that was missing: no token was renewed for it.
      expect(site.count('POST /api/token')).toBe(0)
      // The nonces of the API are not those of the server, though both are at one origin.
      await call(page, 'getToken({ fresh: true })')
      expect(site.count('POST /api/token')).toBe(1)
    },
  )

  test('where each proof needs a nonce, one refusal brings it', async () => {
    await startSite({ client: { dpop: true }, env: { APP_TOKEN_DPOP_NONCE: 'required' } })
    const page = await openAfterLogin()
    expect(site.count('POST /api/callback')).toBe(2)
    await call(page, 'getToken({ fresh: true })')
    expect(site.count('POST /api/token')).toBe(1)
  })

  test('where the code for keys did not load, the next call loads it', async () => {
    await startSite(bound)
    const page = await open('/', { status: 'signed-out' })
    site.faults.answer = (req, res, next) =>
      req.path.startsWith('/client/dpop-key') ? void res.status(503).end() : next()
    expect(await call(page, 'login()')).toBe('PorticoError network_error')
    site.faults.answer = undefined
    await signIn(page)
    expect(await askOrders(page)).toEqual([200, { for: expect.any(String) }])
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
