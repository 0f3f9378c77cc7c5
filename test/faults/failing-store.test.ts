import { describe, expect } from 'vitest'
import { AppError } from '../../src/errors.ts'
import { createMemoryStore, type MemoryStore } from '../../src/session/memory/store.ts'
import type { Store } from '../../src/session/store.ts'
import { createTestBrowser, type TestBrowser } from '../support/browser.ts'
import { createTestClock, hours, minutes, type TestClock } from '../support/clock.ts'
import { closeAfterTest, idp, providerPerFile } from '../support/fixtures.ts'
import { csrf, getSession, logInAtScripted, readRefusal, startLogin } from '../support/login.ts'
import { readLogoutUrl, visitPortico } from '../support/logout.ts'
import { publicUrl, startPortico } from '../support/portico.ts'

const test = providerPerFile()

/** A server over a memory store whose methods a test can make fail. */
async function startOver({ capacity = 100, failsOnce = false } = {}) {
  const clock: TestClock = createTestClock()
  const lifetimes = { idleTimeout: minutes(30), absoluteTimeout: hours(12) }
  const memory: MemoryStore = createMemoryStore({ clock, lifetimes, capacity })
  const failing = new Set<keyof Store>()
  const created: string[] = []
  const store = new Proxy(memory, {
    get(target, name: keyof Store, receiver) {
      const method = Reflect.get(target, name, receiver) as (...args: unknown[]) => unknown
      return (...args: unknown[]) => {
        if (name === 'create') created.push(String(args[0]))
        if (!failing.has(name)) return method(...args)
        if (failsOnce) failing.delete(name)
        return Promise.reject(new AppError('store_unavailable', 'The session store does not answer.'))
      }
    },
  })
  const portico = closeAfterTest(await startPortico({ issuer: idp.issuer, replaced: { clock, store } }))
  return { portico, memory, failing, created, clock }
}

const sessionCookies = (browser: ReturnType<typeof createTestBrowser>) =>
  browser.setCookies.filter(({ cookie }) => cookie.name === '__Host-bff_session')

test('a login writes its session once', async () => {
  const { portico, created } = await startOver()
  expect((await logInAtScripted(portico, idp)).response.status).toBe(200)
  expect(created).toHaveLength(1)
})

describe('a login that the store refuses', () => {
  test('leaves the session that was, and no cookie of another (F49)', async () => {
    const { portico } = await startOver({ capacity: 1 })
    const { browser, response } = await logInAtScripted(portico, idp)
    expect(response.status).toBe(200)
    const before = await getSession(portico, browser)
    const second = await logInAtScripted(portico, idp, { browser })
    expect(await readRefusal(second.response)).toBe('503 store_unavailable')
    expect(sessionCookies(browser)).toHaveLength(1)
    expect(await getSession(portico, browser)).toEqual(before)
  })

  test.each(['reserveOnce', 'create', 'read'] as const)(
    'because %s fails: 503, no cookie, nobody signed in',
    async (method) => {
      const { portico, failing, memory } = await startOver()
      const browser = createTestBrowser()
      const parameters = idp.authorize(await startLogin(portico, browser))
      failing.add(method)
      const response = await browser.fetch(`${portico.url}/api/callback?${parameters}`)
      failing.clear()
      expect(response.headers.get('retry-after')).not.toBeNull()
      expect(await readRefusal(response)).toBe('503 store_unavailable')
      expect(sessionCookies(browser)).toEqual([])
      expect(await getSession(portico, browser)).toEqual({ active: false })
      if (method === 'create') expect(memory.size()).toBeLessThanOrEqual(2) // the claim and its outcome
    },
  )

  test('and a browser that is signed in may send the same callback again (F49)', async () => {
    const { portico, failing } = await startOver()
    const { browser } = await logInAtScripted(portico, idp)
    const callback = `${portico.url}/api/callback?${idp.authorize(await startLogin(portico, browser))}`
    for (const method of ['read', 'reserveOnce', 'create', 'settleReservation'] as const) failing.add(method)
    expect(await readRefusal(await browser.fetch(callback))).toBe('503 store_unavailable')
    failing.clear()
    expect((await browser.fetch(callback)).status).toBe(200)
  })

  test('because the old session cannot be ended: 503, and no cookie of the new one (R46)', async () => {
    const { portico, failing } = await startOver()
    const { browser } = await logInAtScripted(portico, idp)
    const before = await getSession(portico, browser)
    failing.add('end')
    expect(await readRefusal((await logInAtScripted(portico, idp, { browser })).response)).toBe(
      '503 store_unavailable',
    )
    expect(sessionCookies(browser)).toHaveLength(1)
    failing.clear()
    expect((await getSession(portico, browser)).session.id).toBe(before.session.id)
  })

  test('because the old session could not be ended at once: the new one does not live on unseen', async () => {
    const { portico, memory, failing, created } = await startOver({ failsOnce: true })
    const { browser } = await logInAtScripted(portico, idp)
    failing.add('end')
    expect((await logInAtScripted(portico, idp, { browser })).response.status).toBe(503)
    expect(created).toHaveLength(2)
    expect(await memory.read(created[0] ?? '')).toBeDefined()
    expect(await memory.read(created[1] ?? '')).toBeUndefined()
  })

  test('because the new session cannot be read back: it does not live on unseen', async () => {
    const { portico, memory, failing, created } = await startOver({ failsOnce: true })
    const browser = createTestBrowser()
    const parameters = idp.authorize(await startLogin(portico, browser))
    failing.add('read')
    const cookies = new Map(browser.cookies(portico.url))
    expect((await browser.fetch(`${portico.url}/api/callback?${parameters}`)).status).toBe(503)
    expect(await memory.read(created[0] ?? '')).toBeUndefined()
    for (const [name, value] of cookies) browser.setCookie(portico.url, name, value)
    const twin = await browser.fetch(`${portico.url}/api/callback?${parameters}`)
    expect(await readRefusal(twin)).toBe('503 store_unavailable')
  })

  test('because its outcome cannot be recorded: no logout would find its session, which ends', async () => {
    const { portico, memory, failing, created } = await startOver()
    failing.add('settleReservation')
    expect(await readRefusal((await logInAtScripted(portico, idp)).response)).toBe('503 store_unavailable')
    expect(await memory.read(created[0] ?? '')).toBeUndefined()
    expect(portico.logged.some(({ event }) => event === 'login_outcome_lost')).toBe(true)
  })
})

describe('a store that fails is never "not signed in"', () => {
  test.each([
    ['GET', '/api/session?slide=false', 'read'],
    ['GET', '/api/session', 'touch'],
    ['POST', '/api/token?slide=false', 'read'],
    ['POST', '/api/token', 'touch'],
    ['POST', '/api/logout', 'read'],
    ['POST', '/api/logout', 'end'],
    ['DELETE', '/api/sessions', 'rejectEarlierLogins'],
    ['DELETE', '/api/sessions', 'findByGroup'],
  ] as const)('%s %s while %s fails: 503, and the cookie stays', async (method, path, failure) => {
    const { portico, failing } = await startOver()
    const { browser } = await logInAtScripted(portico, idp)
    failing.add(failure)
    const response = await browser.fetch(portico.url + path, { method, headers: csrf })
    expect(await readRefusal(response)).toBe('503 store_unavailable')
    failing.clear()
    expect((await getSession(portico, browser)).active).toBe(true)
  })

  test.each(['read', 'rejectEarlierLogins', 'findByGroup', 'end'] as const)(
    'F47: a logout everywhere while %s fails: nobody claims success, and the person can ask again',
    async (failure) => {
      const { portico, failing } = await startOver()
      const phone = (await logInAtScripted(portico, idp)).browser
      const laptop = (await logInAtScripted(portico, idp)).browser
      const ask = () =>
        laptop.fetch(`${portico.url}/api/logout`, {
          method: 'POST',
          headers: { ...csrf, 'content-type': 'application/json' },
          body: '{"everywhere":true}',
        })
      failing.add(failure)
      const refused = await ask()
      expect(refused.status).toBe(503)
      expect(((await refused.json()) as { detail: string }).detail).toMatch(/^You are still signed in/)
      failing.clear()
      expect((await getSession(portico, laptop)).active).toBe(true)
      expect((await ask()).status).toBe(200)
      expect(await getSession(portico, phone)).toEqual({ active: false })
      expect(await getSession(portico, laptop)).toEqual({ active: false })
    },
  )

  test('a logout that cannot cancel the logins in progress ends nothing, says so, and can be tried again', async () => {
    const { portico, failing } = await startOver()
    const { browser } = await logInAtScripted(portico, idp)
    const parameters = idp.authorize(await startLogin(portico, browser))
    const cookies = new Map(browser.cookies(portico.url))
    const logOut = () => browser.fetch(`${portico.url}/api/logout`, { method: 'POST', headers: csrf })
    failing.add('cancelReservation')
    const refused = await logOut()
    expect([refused.status, refused.headers.getSetCookie()]).toEqual([503, []])
    expect(((await refused.json()) as { detail: string }).detail).toMatch(/^You are still signed in/)
    failing.clear()
    expect((await getSession(portico, browser)).active).toBe(true)
    expect((await logOut()).status).toBe(200)
    for (const [name, value] of cookies) browser.setCookie(portico.url, name, value)
    const late = await browser.fetch(`${portico.url}/api/callback?${parameters}`)
    expect(await readRefusal(late)).toBe('401 signed_out')
  })

  test.each(['end', 'inherit'] as const)(
    'a login that cannot replace the session before, because %s fails: 503, and that session lives on',
    async (method) => {
      idp.revokeAll()
      const { portico, failing, memory, created } = await startOver({ failsOnce: true })
      const { browser } = await logInAtScripted(portico, idp)
      const parameters = idp.authorize(await startLogin(portico, browser))
      failing.add(method)
      const response = await browser.fetch(`${portico.url}/api/callback?${parameters}`)
      expect(await readRefusal(response)).toBe('503 store_unavailable')
      expect(await memory.read(created[1] ?? '')).toBeUndefined()
      // The session that was lives on, with its grant, and answers for what the login had brought.
      expect((await getSession(portico, browser)).active).toBe(true)
      expect(idp.livingRefreshTokens()).toBe(2)
      await browser.fetch(`${portico.url}/api/logout`, { method: 'POST', headers: csrf })
      await expect.poll(() => idp.livingRefreshTokens()).toBe(0)
    },
  )

  test('F47: a logout that the store does not take says that the person is still signed in', async () => {
    const { portico, failing } = await startOver()
    const { browser } = await logInAtScripted(portico, idp)
    failing.add('end')
    const url = `${portico.url}/api/logout`
    const answer = await browser.fetch(url, { method: 'POST', headers: csrf })
    expect(answer.headers.has('retry-after')).toBe(true)
    expect(((await answer.json()) as { detail: string }).detail).toMatch(/^You are still signed in/)
    const page = await browser.visit(url, {
      method: 'POST',
      headers: { 'sec-fetch-site': 'same-origin', origin: publicUrl },
      body: new URLSearchParams(),
    })
    expect(page.status).toBe(503)
    expect(await page.text()).toContain('You are still signed in')
    failing.clear()
    expect((await getSession(portico, browser)).active).toBe(true)
  })

  test('after a logout the way to the provider is open all the same, to this browser, for its minute', async () => {
    const { portico, failing, clock } = await startOver()
    const signOut = async () => {
      const { browser } = await logInAtScripted(portico, idp)
      const answer = await browser.fetch(`${portico.url}/api/logout`, { method: 'POST', headers: csrf })
      return { browser, address: (await readLogoutUrl(answer)) ?? '' }
    }
    const [one, late] = [await signOut(), await signOut()]
    const land = async (browser: TestBrowser, address: string) =>
      (await visitPortico(portico, browser, address)).headers.get('location')
    failing.add('reserveOnce')
    const script = await one.browser.fetch(portico.url + one.address.slice(publicUrl.length))
    expect(await readRefusal(script)).toBe('400 invalid_request')
    expect(await land(createTestBrowser(), one.address)).toBe('/')
    expect(await land(one.browser, one.address)).toMatch(`${idp.issuer}/v1/logout?id_token_hint=`)
    clock.advance(minutes(1))
    expect(await land(late.browser, late.address)).toBe('/')
  })

  test('readyz says no, and why', async () => {
    const { portico, failing } = await startOver()
    failing.add('ping')
    const response = await fetch(`${portico.url}/readyz`)
    expect(response.status).toBe(503)
    expect(await response.json()).toMatchObject({ parts: { store: 'store_unavailable' } })
  })
})

test('an app token that cannot be minted: 500, no cookie goes out, and no session lives on', async () => {
  const { portico, memory, created } = await startOver()
  let asked = 0
  const keyRing = {
    ...portico.components.keyRing,
    async signingKey() {
      asked += 1
      // The server asks once when it starts, the callback before it spends the code.
      if (asked > 2) throw new Error('no key')
      return portico.components.keyRing.signingKey()
    },
  }
  const broken = closeAfterTest(
    await startPortico({
      issuer: idp.issuer,
      replaced: { keyRing, store: portico.components.store, clock: portico.clock },
    }),
  )
  const { browser, response } = await logInAtScripted(broken, idp)
  expect(await readRefusal(response)).toBe('500 internal_error')
  expect(sessionCookies(browser)).toEqual([])
  expect(created).toHaveLength(1)
  expect(await memory.read(created[0] ?? '')).toBeUndefined()
})

test('signing keys that cannot be had: not ready, and a login is refused before it costs the code', async () => {
  const unreadable = new AppError('store_unavailable', 'The signing keys cannot be read.', {
    reason: 'wrapped',
  })
  const fail = () => Promise.reject(unreadable)
  const keyRing = { signingKey: fail, publicKeys: fail, schedule: () => undefined, list: fail, rotate: fail }
  const portico = closeAfterTest(await startPortico({ issuer: idp.issuer, replaced: { keyRing } }))
  const ready = await fetch(`${portico.url}/readyz`)
  expect([ready.status, await ready.json()]).toMatchObject([503, { parts: { signing_keys: 'wrapped' } }])
  const calls = idp.calls.token
  expect(await readRefusal((await logInAtScripted(portico, idp)).response)).toBe('503 store_unavailable')
  expect(idp.calls.token).toBe(calls)
  expect(portico.logged.some(({ event }) => event === 'login_succeeded')).toBe(false)
  expect((await fetch(`${portico.url}/.well-known/jwks.json`)).status).toBe(503)
})

test('a session that ends between being read and being used: 401 (F40)', async () => {
  const { portico, memory } = await startOver()
  const { browser } = await logInAtScripted(portico, idp)
  const { session } = await getSession(portico, browser)
  const store = { ...memory, touch: () => memory.end(session.id).then(() => undefined) }
  const raced = closeAfterTest(
    await startPortico({
      issuer: idp.issuer,
      replaced: { store, config: portico.components.config, clock: portico.clock },
    }),
  )
  for (const [name, value] of browser.cookies(portico.url)) browser.setCookie(raced.url, name, value)
  const response = await browser.fetch(`${raced.url}/api/token`, { method: 'POST', headers: csrf })
  expect(await readRefusal(response)).toBe('401 session_expired')
})

test('refusals of the provider, which cost an attacker nothing, cost the store nothing (F54)', async () => {
  const { portico, memory } = await startOver()
  for (let index = 0; index < 50; index += 1) {
    const browser = createTestBrowser()
    const state = new URL(await startLogin(portico, browser)).searchParams.get('state')
    await browser.fetch(`${portico.url}/api/callback?state=${state}&error=access_denied`)
    await browser.fetch(`${portico.url}/api/callback?state=${state}`)
  }
  expect(memory.size()).toBe(0)
})

test('a session that ends before its login is answered: said so, no cookie goes out, and no 500', async () => {
  const clock = createTestClock()
  const memory = createMemoryStore({
    clock,
    lifetimes: { idleTimeout: minutes(30), absoluteTimeout: hours(12) },
  })
  const store: Store = {
    ...memory,
    async create(handle, session) {
      const outcome = await memory.create(handle, session)
      await memory.end(handle)
      return outcome
    },
  }
  const portico = closeAfterTest(await startPortico({ issuer: idp.issuer, replaced: { clock, store } }))
  const { browser, response } = await logInAtScripted(portico, idp)
  expect(await readRefusal(response)).toBe('401 signed_out')
  expect(sessionCookies(browser)).toEqual([])
})
