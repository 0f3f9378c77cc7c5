import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createMemoryStore } from '../../src/session/memory/store.ts'
import { createRedisStore } from '../../src/session/redis/store.ts'
import type { Store } from '../../src/session/store.ts'
import { createTestBrowser, type TestBrowser } from '../support/browser.ts'
import { createTestClock, hours, minutes, seconds, type TestClock } from '../support/clock.ts'
import { copyBrowser } from '../support/deployments/deployments.ts'
import { csrf, getSession, logInAtScripted, readRefusal, startLogin } from '../support/login.ts'
import { startPortico, type TestPortico } from '../support/portico.ts'
import { type ScriptedProvider, startScriptedProvider } from '../support/providers/scripted-provider.ts'
import { connectRedis } from '../support/redis/redis-connection.ts'
import { startRedis, type TestRedis } from '../support/redis/start-redis.ts'

const lifetimes = { idleTimeout: hours(24), absoluteTimeout: hours(100) }

let redis: TestRedis
let idp: ScriptedProvider
beforeAll(async () => {
  redis = await startRedis()
  idp = await startScriptedProvider()
})
afterAll(async () => {
  await redis.close()
  await idp.close()
})

const stores: [string, (clock: TestClock) => Promise<Store>][] = [
  ['in memory', async (clock) => createMemoryStore({ clock, lifetimes })],
  [
    'with Redis',
    async (clock) => {
      const connection = await connectRedis(redis.url)
      const secrets = [Buffer.alloc(32, 1)]
      return createRedisStore({ connection, secrets, lifetimes, clock, log: () => {} })
    },
  ],
]

describe.each(stores)('%s, the tokens of a replaced session', (_name, createStore) => {
  let clock: TestClock
  let portico: TestPortico
  beforeEach(async () => {
    await redis.command('FLUSHALL')
    idp.revokeAll()
    clock = createTestClock()
    idp.follow(clock)
    portico = await startPortico({
      issuer: idp.issuer,
      replaced: { clock, store: await createStore(clock) },
    })
  })
  afterEach(async () => {
    idp.reset()
    await portico.close()
  })

  const signIn = async (browser: TestBrowser, more: Record<string, unknown> = {}) => {
    idp.script({ idTokenClaims: (claims) => ({ ...claims, ...more }) })
    const { response, parameters } = await logInAtScripted(portico, idp, { browser })
    expect(response.status).toBe(200)
    return parameters.get('state')
  }
  const call = (browser: TestBrowser, path: string) =>
    browser.fetch(`${portico.url}/api/${path}`, { method: 'POST', headers: csrf })
  const copy = (browser: TestBrowser) => copyBrowser(browser, portico.url)
  /** Lets all be revoked that is going to be, now and after a minute. */
  async function sweep(): Promise<void> {
    for (const wait of [seconds(20), minutes(2)]) {
      clock.advance(wait)
      await redis.passTime(wait)
      await portico.components.tokenRevocation.revokeDue()
    }
  }
  const living = () => idp.livingStates()

  test('are left alone while the person is signed in, whatever is done with the old cookie', async () => {
    const browser = createTestBrowser()
    const first = await signIn(browser)
    const kept = copy(browser)
    const second = await signIn(browser)
    clock.advance(seconds(20))
    for (let count = 0; count < 3; count += 1) expect((await call(copy(kept), 'logout')).status).toBe(200)
    await sweep()
    expect(living()).toEqual(new Set([first, second]))
    expect((await call(browser, 'token')).status).toBe(200)
    await call(browser, 'logout')
    await expect.poll(() => living().size).toBe(0)
  })

  test('are revoked with its successor’s, after days and over several logins', async () => {
    const browser = createTestBrowser()
    for (let count = 0; count < 4; count += 1) await signIn(browser)
    for (let day = 0; day < 3; day += 1) {
      clock.advance(hours(23))
      expect((await getSession(portico, browser)).active).toBe(true)
    }
    expect(living().size).toBe(4)
    await call(browser, 'logout')
    await expect.poll(() => living().size).toBe(0)
  })

  test('are left alone where that had just run out, and the person signs in again', async () => {
    const browser = createTestBrowser()
    await signIn(browser)
    clock.advance(hours(24) + seconds(20))
    expect(await getSession(portico, browser)).toEqual({ active: false })
    await signIn(browser)
    await sweep()
    expect(living().size).toBe(2)
  })

  test.each(['lives', 'is over'])('that come late are for its successor, which %s', async (state) => {
    const browser = createTestBrowser()
    const first = await signIn(browser)
    const old = copy(browser)
    clock.advance(hours(1))
    let release = () => {}
    const held = new Promise<void>((done) => {
      release = done
    })
    let arrive = () => {}
    const arrived = new Promise<void>((done) => {
      arrive = done
    })
    idp.script({
      onRefresh() {
        arrive()
        return held
      },
    })
    const refreshing = call(old, 'token')
    await arrived
    const second = await signIn(browser)
    if (state === 'is over') {
      await call(browser, 'logout')
      await expect.poll(() => living().has(second)).toBe(false)
    }
    release()
    expect(await readRefusal(await refreshing)).toBe('401 session_expired')
    if (state === 'lives') {
      await sweep()
      expect(living()).toEqual(new Set([first, second]))
      await call(browser, 'logout')
    }
    await expect.poll(() => living().size).toBe(0)
  })

  test('are revoked also where the provider refuses to refresh its successor’s', async () => {
    const browser = createTestBrowser()
    const first = await signIn(browser)
    await signIn(browser)
    clock.advance(hours(1))
    idp.script({
      tokenEndpoint: (_req, res) => void res.status(400).json({ error: 'invalid_grant' }),
    })
    expect(await readRefusal(await call(browser, 'token'))).toBe('401 session_expired')
    await expect.poll(() => living().has(first)).toBe(false)
  })

  test('are revoked by a second try where the person has signed in again by another session at the provider', async () => {
    const browser = createTestBrowser()
    const first = await signIn(browser, { sid: 'one' })
    const second = await signIn(browser, { sid: 'two' })
    idp.script({ revocationEndpoint: (_req, res) => void res.status(500).end() })
    const before = idp.calls.revocation
    await call(browser, 'logout')
    await expect.poll(() => idp.calls.revocation).toBe(before + 1)
    const third = await signIn(createTestBrowser(), { sid: 'two' })
    await sweep()
    expect([first, second, third].map((state) => living().has(state))).toEqual([false, true, true])
  })

  test('and its successor cannot be found by ending it from another device while a login replaces it', async () => {
    const [phone, laptop] = [createTestBrowser(), createTestBrowser()]
    await signIn(phone)
    await signIn(laptop)
    const { session } = await getSession(portico, phone)
    const parameters = idp.authorize(await startLogin(portico, phone))
    const read = portico.components.store.read
    let isFirst = true
    portico.components.store.read = async (handle) => {
      const found = await read(handle)
      if (handle === session.id && isFirst) {
        isFirst = false
        expect((await phone.fetch(`${portico.url}/api/callback?${parameters}`)).status).toBe(200)
      }
      return found
    }
    const url = `${portico.url}/api/sessions/${session.id}`
    const ended = await laptop.fetch(url, { method: 'DELETE', headers: csrf })
    portico.components.store.read = read
    expect(ended.status).toBe(204)
    expect(await getSession(portico, phone)).toEqual({ active: false })
    expect((await getSession(portico, laptop)).active).toBe(true)
  })
})
