import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { TestBrowser } from '../support/browser.ts'
import { seconds } from '../support/clock.ts'
import type { Answer, Fleet, Replica } from '../support/deployments/fleet.ts'
import { timerTime } from '../support/latencies.ts'
import { handshake, type OpenConnection, openConnection } from '../support/network/raw-http.ts'
import { publicUrl } from '../support/portico.ts'
import { alan, signOutDirectly } from '../support/providers/okta.ts'
import { type ProxiedFleet, startProxiedFleet } from '../support/upstreams/proxied-fleet.ts'

/** Refreshes, logouts and failures, as calls see them that three replicas forward to an API. */

/** Rounds of refreshes, and logouts of each race. */
const rounds = Number(process.env.PROXY_ROUNDS ?? 10)
const logouts = Number(process.env.PROXY_LOGOUTS ?? 50)

let proxied: ProxiedFleet
let fleet: Fleet
let browser: TestBrowser
beforeAll(async () => {
  proxied = await startProxiedFleet({
    routes: { orders: { websocket: true } },
    // Far longer than the logouts take that happen during a refresh.
    env: { OIDC_TIMEOUT: '30s' },
    // Each refresh token lives until it is used or revoked by itself.
    provider: { FAMILIES: 'false', LIFETIME: '120' },
  })
  fleet = proxied.fleet
  // The first calls of a process take the longest, many at once so long that Redis would seem to be late.
  browser = await fleet.signIn()
  await fire(150)
})
afterAll(() => proxied.close())
beforeEach(async () => {
  await fleet.provider({ fault: 'none', hangs: false, release: true })
  await proxied.upstream({ forget: true })
  browser = await fleet.signIn()
})

const at = (index: number): Replica => {
  const replica = fleet.replicas[index % 3]
  if (replica === undefined) throw new Error('no such replica')
  return replica
}
const describeAnswer = ({ status, code }: Answer) => (code === undefined ? `${status}` : `${status} ${code}`)
const kindsOf = (answers: Answer[]) => [...new Set(answers.map(describeAnswer))].sort()
const expire = () => fleet.advance(seconds(121))
const callApi = (by: TestBrowser, path: string, url?: string) =>
  fleet.call(by, 'GET', `/api/proxy/orders/${path}`, url)
/** Calls on all replicas at once; each has a path of its own. */
const fire = (count: number) =>
  Promise.all(Array.from({ length: count }, (_, index) => callApi(browser, `items/${index}`, at(index).url)))
const logOut = (by: TestBrowser, url: string) => fleet.call(by, 'POST', '/api/logout', url)

/** The tokens that reached the API, each once, and forgets them. */
async function takeTokens(): Promise<string[]> {
  const { calls } = await proxied.upstream()
  await proxied.upstream({ forget: true })
  return [...new Set(calls.map(({ token }) => token))]
}

async function refreshesSince({ refreshes }: { refreshes: number }): Promise<number> {
  return (await fleet.provider()).refreshes - refreshes
}

/** Signs the same person in, in many browsers. */
async function signInMany(number: number): Promise<TestBrowser[]> {
  const browsers: TestBrowser[] = []
  while (browsers.length < number) {
    browsers.push(...(await Promise.all(Array.from({ length: 10 }, () => fleet.signIn()))))
  }
  return browsers
}

/** Resolves once as many refresh tokens are alive. */
async function expectLiving(count: number): Promise<void> {
  const living = async () => (await fleet.provider()).livingRefreshTokens
  await expect.poll(living, { timeout: 20_000, interval: 50 }).toBe(count)
}

describe('a token that must be replaced', () => {
  test(`F34: expired, 150 calls on 3 replicas, ${rounds} rounds: one refresh, all 200, all with the new token`, async () => {
    await fire(1)
    let [before] = await takeTokens()
    for (let round = 0; round < rounds; round += 1) {
      await expire()
      const state = await fleet.provider()
      expect(kindsOf(await fire(150))).toEqual(['200'])
      expect(await refreshesSince(state)).toBe(1)
      const { calls } = await proxied.upstream()
      expect(calls).toHaveLength(150)
      const tokens = await takeTokens()
      expect(tokens).toHaveLength(1)
      expect(tokens[0]).not.toBe(before)
      before = tokens[0]
    }
  })

  test(`F34: revoked early, which the API says by 401, ${rounds} rounds: one refresh, each call once again`, async () => {
    await fire(1)
    let [before = ''] = await takeTokens()
    for (let round = 0; round < rounds; round += 1) {
      // A younger token would not be replaced; in this one's last fifth, it would be without a 401.
      await fleet.advance(seconds(61))
      const state = await fleet.provider()
      await proxied.upstream({ refuse: [before] })
      expect(kindsOf(await fire(150))).toEqual(['200'])
      expect(await refreshesSince(state)).toBe(1)
      const { calls } = await proxied.upstream()
      const tokens = await takeTokens()
      expect(tokens).toHaveLength(2)
      const after = tokens.find((token) => token !== before) ?? ''
      const pathsOf = (of: string) => calls.filter(({ token }) => token === of).map(({ path }) => path)
      expect(pathsOf(after).sort()).toEqual(
        Array.from({ length: 150 }, (_, index) => `/items/${index}`).sort(),
      )
      expect(new Set(pathsOf(before)).size).toBe(pathsOf(before).length)
      expect(pathsOf(before).length).toBeGreaterThan(3)
      before = after
    }
  })
})

describe(`${logouts} logouts on 3 replicas`, () => {
  test('F38: during the refresh that 3 calls each wait for: none reaches the API, no refresh token lives', async () => {
    const { livingRefreshTokens } = await fleet.provider()
    const browsers = await signInMany(logouts)
    await expire()
    await fleet.provider({ fault: 'hold-answer' })
    const waiting = browsers.map((one) =>
      Promise.all([0, 1, 2].map((index) => callApi(one, 'x', at(index).url))),
    )
    const held = async () => (await fleet.provider()).held
    await expect.poll(held, { timeout: 20_000 }).toBe(logouts)
    const answers = await Promise.all(browsers.map((one, index) => logOut(one, at(index).url)))
    expect(kindsOf(answers)).toEqual(['200'])
    await fleet.provider({ fault: 'none', release: true })
    expect(kindsOf((await Promise.all(waiting)).flat())).toEqual(['401 session_expired'])
    expect((await proxied.upstream()).calls).toEqual([])
    await expectLiving(livingRefreshTokens)
  })

  test('F38, F39: at random moments: no later call reaches the API, no refresh token lives', async () => {
    const { livingRefreshTokens } = await fleet.provider()
    const browsers = await signInMany(logouts)
    await expire()
    const race = async (one: TestBrowser, index: number) => {
      const early = [0, 1, 2].map((step) => callApi(one, 'early', at(index + step).url))
      await delay(Math.random() * 60)
      const logout = await logOut(one, at(index).url)
      const late = await Promise.all([0, 1, 2].map((step) => callApi(one, 'late', at(index + step).url)))
      return { early: await Promise.all(early), logout, late }
    }
    const outcomes: Awaited<ReturnType<typeof race>>[] = []
    for (let from = 0; from < browsers.length; from += 10) {
      const some = browsers.slice(from, from + 10)
      outcomes.push(...(await Promise.all(some.map((one, index) => race(one, from + index)))))
    }
    expect(kindsOf(outcomes.map(({ logout }) => logout))).toEqual(['200'])
    expect(kindsOf(outcomes.flatMap(({ late }) => late))).toEqual(['401 session_expired'])
    const early = outcomes.flatMap((one) => one.early)
    expect(kindsOf(early).filter((kind) => !['200', '401 session_expired'].includes(kind))).toEqual([])
    const { calls } = await proxied.upstream()
    expect(calls.filter(({ path }) => path === '/late')).toEqual([])
    process.stdout.write(
      `F38: ${logouts} logouts during 3 proxied calls each: ${calls.length} of ${early.length} calls reached the API, none that began after the logout\n`,
    )
    await expectLiving(livingRefreshTokens)
  })
})

/** An event stream and a WebSocket connection of a browser, both open on one replica. */
async function openStreams(by: TestBrowser, { url }: Replica): Promise<OpenConnection[]> {
  const lines = [`Cookie: ${proxied.cookieOf(by)}`, `Origin: ${publicUrl}`, 'Sec-Fetch-Site: same-origin']
  const events = openConnection(url, '/api/proxy/orders/events', [...lines, 'Accept: text/event-stream'])
  const socket = openConnection(url, '/api/proxy/orders/live', [...lines, ...handshake])
  await expect.poll(events.text).toMatch(/^HTTP\/1\.1 200 .*\r\n\r\n/s)
  await expect.poll(socket.text).toMatch(/^HTTP\/1\.1 101 .*\r\n\r\n/s)
  return [events, socket]
}

/** Something passes through each of them. */
async function expectAlive([events, socket]: OpenConnection[], text: string): Promise<void> {
  await proxied.upstream({ event: text })
  socket?.socket.write(text)
  await expect.poll(() => events?.text()).toContain(`data: ${text}\n\n`)
  await expect.poll(() => socket?.text()).toContain(text)
}

const close = (streams: OpenConnection[]) => {
  for (const { socket } of streams) socket.destroy()
}

test('F60: streams on one replica end within 5 s of a logout on another, and of one at the provider', async () => {
  const other = await fleet.signIn({ person: alan })
  const atProvider = await fleet.signIn()
  const [ofBrowser, ofProvider, ofOther] = [
    await openStreams(browser, at(0)),
    await openStreams(atProvider, at(0)),
    await openStreams(other, at(0)),
  ]
  await expectAlive(ofBrowser, 'before')
  /** Milliseconds from the end of `end` until all have closed. */
  const timeOf = async (end: () => Promise<unknown>, streams: OpenConnection[]) => {
    await end()
    const before = timerTime()
    await Promise.all(streams.map(({ closed }) => closed))
    return timerTime() - before
  }
  const took = await Promise.all([
    timeOf(() => logOut(browser, at(1).url), ofBrowser),
    timeOf(() => signOutDirectly(atProvider, fleet.issuer), ofProvider),
  ])
  process.stdout.write(
    `F60: streams ended ${took.join(' and ')} ms after a logout on another replica, and at the provider\n`,
  )
  expect(Math.max(...took)).toBeLessThan(seconds(5))
  await expectAlive(ofOther, 'after')
  close(ofOther)
  await expect
    .poll(async () => (await proxied.upstream()).calls.filter(({ lostAt }) => lostAt === undefined))
    .toHaveLength(3)
})

test('F21, F25: the provider is down: calls go on while their token is valid, then 503, never 401', async () => {
  await fire(1)
  const tokens = await takeTokens()
  await fleet.provider({ fault: { status: 503 } })
  // In the last fifth of its life, when a refresh beside the calls is tried.
  await fleet.advance(seconds(100))
  const state = await fleet.provider()
  expect(kindsOf(await fire(60))).toEqual(['200'])
  await expect.poll(async () => (await fleet.provider()).held).toBeGreaterThan(state.held)
  expect(await takeTokens()).toEqual(tokens)
  await expire()
  expect(kindsOf(await fire(9))).toEqual(['503 provider_unavailable'])
  expect((await proxied.upstream()).calls).toEqual([])
})

test('F45: Redis is frozen: 503 and never 401, no call reaches the API, open streams stay', async () => {
  const streams = await openStreams(browser, at(0))
  await proxied.upstream({ forget: true })
  fleet.redis.freeze()
  const until = performance.now() + seconds(4.5)
  // Meanwhile the streams' sessions are looked for, in vain.
  while (performance.now() < until) {
    expect(kindsOf(await fire(20))).toEqual(['503 store_unavailable'])
    await expectAlive(streams, 'meanwhile')
  }
  expect((await proxied.upstream()).calls).toEqual([])
  fleet.redis.thaw()
  await expect.poll(async () => kindsOf(await fire(9))).toEqual(['200'])
  await expectAlive(streams, 'thawed')
  close(streams)
})

test('rolling restarts under load: no call fails, and none breaks off', async () => {
  const leaving = [...fleet.replicas]
  const streams = await openStreams(browser, at(0))
  // Before the load: three processes that start leave a small machine no time for anything else.
  await Promise.all(leaving.map(() => fleet.start()))
  let isOver = false
  const answers: Answer[] = []
  const load = Array.from({ length: 30 }, async () => {
    while (!isOver) answers.push(await callApi(browser, 'slow'))
  })
  for (const { process, url, redis } of leaving) {
    const count = answers.length
    await expect.poll(() => answers.length, { interval: 10 }).toBeGreaterThan(count + 30)
    // The balancer leaves it out first; what was sent to it before has arrived once this is answered.
    fleet.replicas.shift()
    await fetch(`${url}/livez`)
    expect(await process.stop('SIGTERM')).toBe(0)
    await redis.close()
  }
  // They would keep their replica from ending: their clients connect again.
  await Promise.all(streams.map(({ closed }) => closed))
  isOver = true
  await Promise.all(load)
  process.stdout.write(`Restarts of 3 replicas under load: ${answers.length} proxied calls, all answered\n`)
  expect(kindsOf(answers)).toEqual(['200'])
})
