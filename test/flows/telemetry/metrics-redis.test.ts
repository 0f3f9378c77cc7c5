import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { createComponents } from '../../../src/components.ts'
import { readConfig } from '../../../src/config/config.ts'
import { type RunningServer, startServer } from '../../../src/service/server.ts'
import type { TestBrowser } from '../../support/browser.ts'
import { createTestClock, minutes } from '../../support/clock.ts'
import { csrf, getSession, logInAtScripted } from '../../support/login.ts'
import { scrape, seriesOf } from '../../support/metrics.ts'
import { publicUrl, testSecret, toOperatorUrl } from '../../support/portico.ts'
import { type ScriptedProvider, startScriptedProvider } from '../../support/providers/scripted-provider.ts'
import { startRedis, type TestRedis } from '../../support/redis/start-redis.ts'

/** Two replicas over one Redis. */

const clock = createTestClock()
let redis: TestRedis
let idp: ScriptedProvider
let replicas: readonly [Replica, Replica]

interface Replica {
  url: string
  operatorUrl: string
  close(): Promise<void>
}

beforeAll(async () => {
  ;[redis, idp] = await Promise.all([startRedis(), startScriptedProvider()])
  idp.follow(clock)
  const secret = testSecret()
  replicas = [await startReplica(secret), await startReplica(secret)]
})
afterAll(async () => {
  await Promise.all(replicas.map((replica) => replica.close()))
  await Promise.all([redis.close(), idp.close()])
})

async function startReplica(secret: string): Promise<Replica> {
  const config = readConfig({
    ...{ PUBLIC_URL: publicUrl, HOST: '127.0.0.1', PORT: '0', OPERATOR_PORT: '0', BFF_SECRETS: secret },
    ...{ OIDC_ISSUER: idp.issuer, OIDC_CLIENT_ID: 'portico-test', OIDC_CLIENT_SECRET: 'test-client-secret' },
    ...{ REDIS_URL: redis.url, SHUTDOWN_DRAIN: '0s', RATE_LIMIT_LOGIN: 'off', RATE_LIMIT_API: 'off' },
  })
  const server: RunningServer = await startServer(await createComponents(config, { clock, log: () => {} }))
  const url = `http://127.0.0.1:${server.port}`
  await vi.waitFor(async () => expect((await fetch(`${url}/readyz`)).status).toBe(200), 5_000)
  return { url, operatorUrl: toOperatorUrl(server), close: () => server.close() }
}

/** Asks a replica for an app token, with the cookies that the first one gave. */
const askToken = ({ url }: Replica, browser: TestBrowser) => {
  const cookies = [...browser.cookies(replicas[0].url)].map(([name, value]) => `${name}=${value}`)
  const headers = { ...csrf, cookie: cookies.join('; '), 'sec-fetch-site': 'same-origin' }
  return fetch(`${url}/api/token`, { method: 'POST', headers })
}
const commandsOf = async ({ operatorUrl }: Replica) =>
  seriesOf(await scrape(operatorUrl), 'portico_store_command_duration_seconds_count')
const gaugeOf = async ({ operatorUrl }: Replica, name: string) =>
  seriesOf(await scrape(operatorUrl), name)['']

test('each command of a session is counted by its name', async () => {
  const [first] = replicas
  const { browser } = await logInAtScripted(first, idp)
  const before = (await commandsOf(first))['{command="touch",outcome="ok"}'] ?? 0
  for (let check = 0; check < 7; check += 1) await getSession(first, browser)
  const commands = await commandsOf(first)
  expect(commands['{command="touch",outcome="ok"}']).toBe(before + 7)
  expect(commands).toMatchObject({
    '{command="create",outcome="ok"}': 1,
    '{command="index",outcome="ok"}': 1,
    '{command="settleReservation",outcome="ok"}': 1,
  })
  expect(Object.keys(commands).filter((labels) => labels.includes('command=""'))).toEqual([])
  expect(await gaugeOf(first, 'portico_sessions_active')).toBe(1)
  // Counted once a minute at most.
  await logInAtScripted(first, idp)
  expect(await gaugeOf(first, 'portico_sessions_active')).toBe(1)
})

test('a replica that waits for the refresh of another one says how long', async () => {
  const [first, second] = replicas
  const { browser } = await logInAtScripted(first, idp)
  for (let passed = 0; passed < 3; passed += 1) {
    clock.advance(minutes(20))
    await getSession(first, browser)
  }
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  const { promise: refreshing, resolve: began } = Promise.withResolvers<void>()
  idp.script({
    async onRefresh() {
      began()
      await released
    },
  })
  const one = askToken(first, browser)
  await refreshing
  const other = askToken(second, browser)
  await vi.waitFor(async () => {
    expect((await commandsOf(second))['{command="lock",outcome="ok"}'] ?? 0).toBeGreaterThan(1)
  }, 5_000)
  release()
  expect([(await one).status, (await other).status]).toEqual([200, 200])
  idp.reset()
  const waits = async ({ operatorUrl }: Replica) =>
    seriesOf(await scrape(operatorUrl), 'portico_token_lock_wait_seconds_count')
  expect(await waits(first)).toEqual({})
  expect(await waits(second)).toEqual({ '{outcome="ok"}': 1 })
})

test('tokens that wait for their revocation are counted until it succeeds', async () => {
  const [first] = replicas
  const { browser } = await logInAtScripted(first, idp)
  idp.script({ revocationEndpoint: (_req, res) => void res.status(503).end() })
  const response = await browser.fetch(`${first.url}/api/logout`, { method: 'POST', headers: csrf })
  expect(response.status).toBe(200)
  await vi.waitFor(async () => {
    const outcomes = seriesOf(await scrape(first.operatorUrl), 'portico_revocations_total')
    expect(outcomes).toMatchObject({ '{provider="default",outcome="failed"}': 1 })
  })
  expect(await gaugeOf(first, 'portico_revocations_pending')).toBe(1)
  expect(
    seriesOf(await scrape(first.operatorUrl), 'portico_provider_breaker_open')[
      '{provider="default",breaker="revocation"}'
    ],
  ).toBe(1)
  idp.reset()
})

test('what Redis refuses, and what it does not answer, has outcomes of its own; the metrics answer all the same', async () => {
  const [first] = replicas
  await redis.command('CONFIG', 'SET', 'min-replicas-to-write', '1')
  expect((await logInAtScripted(first, idp)).response.status).toBe(503)
  await redis.command('CONFIG', 'SET', 'min-replicas-to-write', '0')
  expect(Object.keys(await commandsOf(first)).filter((labels) => labels.includes('refused'))).not.toEqual([])
  redis.freeze()
  const scraped = await scrape(first.operatorUrl)
  expect(seriesOf(scraped, 'portico_store_up')).toEqual({ '': 0 })
  expect(seriesOf(scraped, 'portico_ready')).toEqual({ '': 0 })
  expect(seriesOf(scraped, 'portico_revocations_pending')).toEqual({})
  redis.thaw()
  const outcomes = Object.keys(await commandsOf(first)).map((labels) => /outcome="(\w+)"/.exec(labels)?.[1])
  expect(outcomes).toContain('late')
  await redis.kill()
  await vi.waitFor(
    async () => expect(Object.keys(await commandsOf(first)).join()).toContain('outcome="unreachable"'),
    5_000,
  )
  await redis.restart()
})
