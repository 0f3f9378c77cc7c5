import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { TestBrowser } from '../support/browser.ts'
import { seconds } from '../support/clock.ts'
import { type Answer, type Fleet, slowest, startFleet, timesOf } from '../support/deployments/fleet.ts'
import { median, takeTurns } from '../support/latencies.ts'
import { csrf, readRefusal } from '../support/login.ts'
import { signInAtOkta } from '../support/providers/okta.ts'

let fleet: Fleet
let browser: TestBrowser
beforeAll(async () => {
  // Limits are counted in Redis, too; here they are only wide.
  const limits = { RATE_LIMIT_LOGIN: '100000/1m', RATE_LIMIT_API: '1000000/1m' }
  fleet = await startFleet({ replicas: 2, env: limits })
})
afterAll(() => fleet.close())
beforeEach(async () => {
  await healed()
  browser = await fleet.signIn()
})

const describeAnswer = ({ status, code }: Answer) => (code === undefined ? `${status}` : `${status} ${code}`)
const down = '503 store_unavailable'
const ready = async () =>
  (await fetch(`${fleet.balancer.url}/readyz`)).json() as Promise<{
    status: string
    parts: Record<string, string>
  }>

/**
 * Milliseconds until every replica serves again. They may be as many as 150 calls take that need no Redis,
 * 10 ms apart: two seconds, and more where the machine is busy.
 */
async function healed(): Promise<number> {
  const began = performance.now()
  let left = 150
  const count = async () => {
    for (; left > 0; left -= 1) {
      await fetch(`${fleet.balancer.url}/livez`)
      await delay(10)
    }
  }
  const heal = async () => {
    for (const { url } of fleet.replicas) {
      while (left > 0 && (await fetch(`${url}/readyz`)).status !== 200) await delay(10)
    }
  }
  await Promise.race([heal(), count()])
  if (left === 0) throw new Error('it does not heal within 2 s')
  left = 0
  return performance.now() - began
}

/** Every call that needs the store; the login's start is one, where limits are counted in Redis. */
const calls = [
  ['GET', '/api/session'],
  ['POST', '/api/token'],
  ['GET', '/api/userinfo'],
  ['GET', '/api/sessions'],
  ['DELETE', '/api/sessions/x'],
  ['POST', '/api/logout'],
] as const

async function expectAllRefused(): Promise<Answer[]> {
  const answers: Answer[] = []
  for (const [method, path] of calls) {
    const answer = await fleet.call(browser, method, path)
    expect([path, describeAnswer(answer), answer.setCookie]).toEqual([path, down, false])
    expect(answer.retryAfter).toMatch(/^\d+$/)
    answers.push(answer)
  }
  return answers
}

/** Twenty calls at once, and one among them that needs no Redis. */
async function askManyAtOnce(): Promise<{ answers: Answer[]; healthy: Answer }> {
  const healthy = fleet.call(browser, 'GET', '/livez')
  const answers = await Promise.all(Array.from({ length: 20 }, () => fleet.askToken(browser)))
  expect([...new Set(answers.map(describeAnswer))]).toEqual([down])
  return { answers, healthy: await healthy }
}

/**
 * 503 within 1.5 s, beside what calls take at the same time that need no Redis: one deadline of a command,
 * never two.
 */
const expectOneDeadline = (answers: Answer[], healthy: Answer[]) =>
  expect(slowest(answers)).toBeLessThan(seconds(1.5) + slowest(healthy))

const sessionState = async () => describeAnswer(await fleet.askToken(browser))

describe('F44: Redis is down', () => {
  test('503 at once, cookies untouched; back: healed within 2 s, without a restart', async () => {
    const pids = fleet.replicas.map(({ process }) => process.child.pid)
    await fleet.redis.kill()
    await expectAllRefused()
    const [refused, healthy] = await takeTurns(
      50,
      () => fleet.askToken(browser),
      () => fleet.call(browser, 'GET', '/livez'),
    )
    expect(refused.map((answer) => [describeAnswer(answer), answer.setCookie])).toEqual(
      refused.map(() => [down, false]),
    )
    await fleet.redis.restart()
    const heals = await healed()
    const [took, expected] = [refused, healthy].map((answers) => median(timesOf(answers))) as [number, number]
    process.stdout.write(
      `F44: Redis killed: 503 in ${took.toFixed(1)} ms (median of 50; calls without Redis ${expected.toFixed(1)}, slowest ${slowest(refused).toFixed(1)}); back: healed in ${heals.toFixed(0)} ms\n`,
    )
    // As quick as calls that need no Redis: none waits for its deadline, or for the next attempt to connect.
    expect(took).toBeLessThan(20 * expected)
    expect(fleet.replicas.map(({ process }) => process.child.pid)).toEqual(pids)
  })

  test('behind a network that comes back with all its data, no session is lost', async () => {
    for (const { redis } of fleet.replicas) redis.cut()
    await expectAllRefused()
    for (const { redis } of fleet.replicas) redis.mend()
    await healed()
    expect(await sessionState()).toBe('200')
  })

  test('a server that starts meanwhile is up, not ready, and heals by itself', async () => {
    await fleet.redis.kill()
    const starting = fleet.start()
    await delay(500)
    await fleet.redis.restart()
    const late = await starting
    await healed()
    expect(describeAnswer(await fleet.askToken(await fleet.signIn(), late.url))).toBe('200')
    await late.process.stop('SIGKILL')
    fleet.replicas.splice(fleet.replicas.indexOf(late), 1)
  })
})

describe('F45: Redis is frozen', () => {
  test('503 within 1.5 s under load, healed within 2 s, no session lost', async () => {
    fleet.redis.freeze()
    const answers = await expectAllRefused()
    const healthy: Answer[] = []
    const until = performance.now() + 3_000
    while (performance.now() < until) {
      const some = await askManyAtOnce()
      answers.push(...some.answers)
      healthy.push(some.healthy)
    }
    fleet.redis.thaw()
    const heals = await healed()
    process.stdout.write(
      `F45: Redis frozen: 503 in ${slowest(answers).toFixed(0)} ms at worst (calls without Redis ${slowest(healthy).toFixed(0)}); thawed: healed in ${heals.toFixed(0)} ms\n`,
    )
    expectOneDeadline(answers, healthy)
    expect(await sessionState()).toBe('200')
  })

  test('a network that swallows everything: 503 in the same time, and a new connection once it is back', async () => {
    for (const { redis } of fleet.replicas) redis.swallow()
    const { answers, healthy } = await askManyAtOnce()
    expectOneDeadline(answers, [healthy])
    for (const { redis } of fleet.replicas) redis.mend()
    await healed()
    expect(await sessionState()).toBe('200')
  })
})

test('F46: restarted empty: not signed in, no 500, and signing in works', async () => {
  await fleet.redis.kill()
  await fleet.redis.restart()
  await healed()
  expect(await sessionState()).toBe('401 session_expired')
  expect(describeAnswer(await fleet.call(browser, 'POST', '/api/logout'))).toBe('200')
  browser = await fleet.signIn()
  expect(await sessionState()).toBe('200')
})

describe('F47: Redis has become a read-only replica', () => {
  test('logout never claims success, a login is refused, and nobody is told they are not signed in', async () => {
    await fleet.redis.command('REPLICAOF', '127.0.0.1', '1')
    expect(await ready()).toMatchObject({ status: 'not ready', parts: { store: 'READONLY' } })
    const logout = await fleet.call(browser, 'POST', '/api/logout')
    expect([describeAnswer(logout), logout.setCookie]).toEqual([down, false])
    await expect(fleet.signIn()).rejects.toThrow('503')
    const session = await fleet.call(browser, 'GET', '/api/session')
    expect(['200', down]).toContain(describeAnswer(session))
    await fleet.redis.command('REPLICAOF', 'NO', 'ONE')
    await healed()
    expect(await sessionState()).toBe('200')
  })
})

test('F48: a failover that loses the last refresh: one login at worst, no 500', async () => {
  const key =
    (await fleet.redis.dump()).find((line) => line.startsWith('portico:session:'))?.split(' = ')[0] ?? ''
  await fleet.advance(seconds(61))
  await fleet.redis.command('COPY', key, 'before')
  expect(await sessionState()).toBe('200')
  await fleet.redis.command('COPY', 'before', key, 'REPLACE')
  await fleet.redis.command('DEL', 'before')
  await fleet.advance(seconds(61))
  expect(['200', '401 session_expired']).toContain(await sessionState())
  browser = await fleet.signIn()
  expect(await sessionState()).toBe('200')
})

describe('F49: Redis is out of memory', () => {
  test('new logins 503; sessions are used, refreshed and ended', async () => {
    await fleet.redis.command('CONFIG', 'SET', 'maxmemory', '1')
    try {
      await expect(fleet.signIn()).rejects.toThrow('503')
      expect(await sessionState()).toBe('200')
      await fleet.advance(seconds(240))
      const before = await fleet.provider()
      expect(await sessionState()).toBe('200')
      expect((await fleet.provider()).refreshes - before.refreshes).toBe(1)
      expect(describeAnswer(await fleet.call(browser, 'POST', '/api/logout'))).toBe('200')
      expect(await sessionState()).toMatch(/^401/)
    } finally {
      await fleet.redis.command('CONFIG', 'SET', 'maxmemory', '0')
    }
  })
})

test.each(['allkeys-lru', 'volatile-ttl'])(
  'F50: the eviction policy %s: not ready, and why',
  async (policy) => {
    await fleet.redis.command('CONFIG', 'SET', 'maxmemory-policy', policy)
    const answer = await ready()
    await fleet.redis.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
    expect(answer).toMatchObject({
      status: 'not ready',
      parts: { store: expect.stringContaining(`maxmemory-policy is ${policy}`) },
    })
    expect((await ready()).status).toBe('ready')
  },
)

describe('F51: the value of a session is', () => {
  const damages: [string, (key: string) => Promise<unknown>][] = [
    ['a text', (key) => fleet.redis.command('SET', key, 'garbage')],
    ['a list', (key) => fleet.redis.command('DEL', key).then(() => fleet.redis.command('RPUSH', key, 'a'))],
    ['of a newer format', (key) => fleet.redis.command('HSET', key, 'v', '4')],
    ['sealed garbage', (key) => fleet.redis.command('HSET', key, 'i', 'AAAA')],
    ['cut short', (key) => fleet.redis.command('HDEL', key, 'i')],
    ['without its times', (key) => fleet.redis.command('HDEL', key, 'x')],
  ]
  test.each(damages)('%s: not signed in, no 500, logout works', async (_name, damage) => {
    const before = new Set((await fleet.redis.dump()).map((line) => line.split(' = ')[0]))
    browser = await fleet.signIn()
    const keys = (await fleet.redis.dump()).map((line) => line.split(' = ')[0] ?? '')
    const key = keys.find((name) => name.startsWith('portico:session:') && !before.has(name)) ?? ''
    expect(key).not.toBe('')
    await damage(key)
    expect(await sessionState()).toBe('401 session_expired')
    expect(describeAnswer(await fleet.call(browser, 'GET', '/api/session'))).toBe('200')
    expect(describeAnswer(await fleet.call(browser, 'POST', '/api/logout'))).toBe('200')
    expect(describeAnswer(await fleet.askToken(await fleet.signIn()))).toBe('200')
  })

  test("another session's: it opens for its own handle alone", async () => {
    const victim = await fleet.signIn()
    const list = await victim.fetch(`${fleet.balancer.url}/api/session`, { headers: csrf })
    const { session: theirs } = (await list.json()) as { session: { id: string } }
    const mine = (await (
      await browser.fetch(`${fleet.balancer.url}/api/session`, { headers: csrf })
    ).json()) as { session: { id: string } }
    const [from, to] = [theirs.id, mine.session.id].map((id) => `portico:session:{${id}}`)
    await fleet.redis.command('COPY', from ?? '', to ?? '', 'REPLACE')
    expect(await sessionState()).toBe('401 session_expired')
  })
})

test('F53: 500 ms of latency: everything works', async () => {
  for (const { redis } of fleet.replicas) redis.slow(250)
  try {
    browser = await fleet.signIn()
    expect(await sessionState()).toBe('200')
    await fleet.advance(seconds(61))
    expect(await sessionState()).toBe('200')
    expect(describeAnswer(await fleet.call(browser, 'POST', '/api/logout'))).toBe('200')
  } finally {
    for (const { redis } of fleet.replicas) redis.mend()
  }
})

test('a dump of Redis holds no token, no cookie id, no name of a person (R52)', async () => {
  const answer = await browser.fetch(`${fleet.balancer.url}/api/login`)
  const { login_url: loginUrl } = (await answer.json()) as { login_url: string }
  const callback = await signInAtOkta(browser, loginUrl)
  const response = await browser.fetch(`${fleet.balancer.url}/api/callback${callback.search}`)
  const { token } = (await response.json()) as { token: string }
  await fleet.advance(seconds(61))
  expect(await sessionState()).toBe('200')
  const cookie = decodeURIComponent(browser.cookies(fleet.balancer.url).get('__Host-bff_session') ?? '')
  const id = /^s:([\w-]{43})\./.exec(cookie)?.[1] ?? ''
  const dump = await fleet.redis.dump()
  expect(dump.length).toBeGreaterThan(5)
  const everything = [...dump, ...dump.map((line) => decodeTexts(line))].join('\n')
  const secrets = [
    id,
    token,
    callback.searchParams.get('code'),
    callback.searchParams.get('state'),
    'ada@example.com',
    'Ada Lovelace',
    '00u1ada',
  ]
  for (const secret of secrets) {
    expect(secret?.length).toBeGreaterThan(6)
    expect(everything).not.toContain(secret)
  }
  // Nothing that looks like a JWT, an address, a private key or a record, either.
  expect(everything).not.toMatch(/eyJ[\w-]+\.eyJ|@example|"kty"|"accessToken"|"sub"/)
})

/** What the base64url texts of a line hold. */
const decodeTexts = (line: string) =>
  (line.match(/[\w-]{16,}/g) ?? [])
    .map((text) => Buffer.from(text, 'base64url').toString('latin1'))
    .join('\n')

test('the refusals have a body that says what to do', async () => {
  await fleet.redis.kill()
  const response = await browser.fetch(`${fleet.balancer.url}/api/session`, { headers: csrf })
  expect(response.headers.get('retry-after')).toBe('5')
  expect(await readRefusal(response)).toBe(down)
  await fleet.redis.restart()
})
