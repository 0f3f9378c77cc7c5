import { afterAll, beforeAll, describe, expect } from 'vitest'
import { createMemoryStore } from '../../../src/session/memory/store.ts'
import { createRedisStore } from '../../../src/session/redis/store.ts'
import type { TestBrowser } from '../../support/browser.ts'
import { createTestClock, hours, minutes } from '../../support/clock.ts'
import { closeAfterTest, idp, providerPerFile } from '../../support/fixtures.ts'
import { csrf, logInAtScripted, readRefusal } from '../../support/login.ts'
import { startPortico, type TestPortico, testSecret } from '../../support/portico.ts'
import { connectRedis } from '../../support/redis/redis-connection.ts'
import { startRedis, type TestRedis } from '../../support/redis/start-redis.ts'

/** A tab that works by itself (a timer renews its token) is not a user who does something. */

const test = providerPerFile()
/** One for all servers: they share the signing keys in Redis. */
const secret = testSecret()
const lifetimes = { idleTimeout: minutes(90), absoluteTimeout: hours(12) }

let redis: TestRedis
beforeAll(async () => {
  redis = await startRedis()
})
afterAll(() => redis.close())

async function start(kind: 'memory' | 'Redis'): Promise<TestPortico> {
  const clock = createTestClock()
  const shared = { secrets: [Buffer.from(secret, 'base64url')], lifetimes, clock, log: () => {} }
  const store =
    kind === 'memory'
      ? createMemoryStore(shared)
      : createRedisStore({ ...shared, connection: await connectRedis(redis.url) })
  idp.follow(clock)
  const env = { SESSION_IDLE_TIMEOUT: '90m', BFF_SECRETS: secret }
  return closeAfterTest(await startPortico({ issuer: idp.issuer, env, replaced: { clock, store } }))
}

describe.each(['memory', 'Redis'] as const)(
  'with sessions in %s, renewing the token every ten minutes',
  (kind) => {
    /** Renews until the session ends or four hours have passed; returns the minutes for which it lived. */
    async function renew(query: string): Promise<{ lived: number; refreshed: number; last: string }> {
      const portico = await start(kind)
      const { browser } = await logInAtScripted(portico, idp)
      const clock = portico.components.clock as TestPortico['clock']
      for (let passed = 10; passed <= 240; passed += 10) {
        clock.advance(minutes(10))
        const response = await askToken(portico, browser, query)
        if (response.status === 200) continue
        const refreshed = portico.logged.filter(({ event }) => event === 'tokens_refreshed').length
        return { lived: passed, refreshed, last: await readRefusal(response) }
      }
      return { lived: Number.POSITIVE_INFINITY, refreshed: 0, last: '' }
    }

    test('with ?slide=false: signed out when SESSION_IDLE_TIMEOUT says so, a refresh at the provider or not (R48)', async () => {
      expect(await renew('?slide=false')).toEqual({ lived: 90, refreshed: 1, last: '401 session_expired' })
    })

    test('without it: the session goes on', async () => {
      expect(await renew('')).toMatchObject({ lived: Number.POSITIVE_INFINITY })
    })

    test.each([
      ['GET', '/api/session'],
      ['GET', '/api/userinfo'],
      ['GET', '/api/sessions'],
      ['DELETE', '/api/sessions'],
    ] as const)('%s %s?slide=false extends nothing either', async (method, path) => {
      const portico = await start(kind)
      const { browser } = await logInAtScripted(portico, idp)
      const clock = portico.components.clock as TestPortico['clock']
      clock.advance(minutes(50))
      const response = await browser.fetch(`${portico.url}${path}?slide=false`, { method, headers: csrf })
      expect(response.status).toBe(200)
      clock.advance(minutes(40))
      expect(await readRefusal(await askToken(portico, browser, ''))).toBe('401 session_expired')
    })
  },
)

test('the answer names the user and the session, as the callback does', async () => {
  const portico = await start('memory')
  const { browser, response } = await logInAtScripted(portico, idp)
  const { user, session } = (await response.json()) as { user: { sub: string }; session: object }
  const token = await askToken(portico, browser, '?slide=false')
  expect(await token.json()).toEqual({
    token: expect.any(String),
    token_type: 'Bearer',
    expires_in: 300,
    sub: user.sub,
    session,
  })
})

const askToken = (portico: TestPortico, browser: TestBrowser, query: string) =>
  browser.fetch(`${portico.url}/api/token${query}`, { method: 'POST', headers: csrf })
