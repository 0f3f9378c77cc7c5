import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createTestBrowser, type TestBrowser } from '../support/browser.ts'
import { seconds } from '../support/clock.ts'
import { type Answer, type Fleet, type Replica, startFleet } from '../support/deployments/fleet.ts'
import type { ProviderState } from '../support/processes/rotating-provider.ts'

/** Rounds of the main promise, and of each way to disturb the holder of the lock. */
const rounds = Number(process.env.REFRESH_ROUNDS ?? 100)
const disturbances = Array.from(
  { length: Number(process.env.DISTURBANCE_ROUNDS ?? 1) },
  (_, index) => index + 1,
)

let fleet: Fleet
let browser: TestBrowser
beforeAll(async () => {
  // Far longer than a lease, so that no call that a test holds back runs out of time on a busy machine.
  fleet = await startFleet({ env: { OIDC_TIMEOUT: '10s' } })
})
afterAll(() => fleet.close())
beforeEach(async () => {
  await fleet.provider({ fault: 'none', hangs: false, release: true })
  while (fleet.replicas.filter(isRunning).length < 3) await fleet.start()
  browser = await fleet.signIn()
})

const isRunning = ({ process }: Replica) =>
  process.child.exitCode === null && process.child.signalCode === null
const running = () => fleet.replicas.filter(isRunning)
/** The provider's access tokens live for 60 seconds. */
const expire = () => fleet.advance(seconds(61))
const statuses = (answers: Answer[]) => [...new Set(answers.map(({ status }) => status))]
const fire = (count: number, at?: string) =>
  Promise.all(Array.from({ length: count }, () => fleet.askToken(browser, at)))

async function held(): Promise<void> {
  while ((await fleet.provider()).held === 0) await delay(10)
}

/** What happened at the provider since. */
async function since(before: ProviderState) {
  const { refreshes, revoked } = await fleet.provider()
  return { refreshes: refreshes - before.refreshes, revoked: revoked - before.revoked }
}

async function expectHealthy(): Promise<void> {
  await expire()
  const before = await fleet.provider()
  expect(statuses(await fire(9))).toEqual([200])
  expect(await since(before)).toEqual({ refreshes: 1, revoked: 0 })
}

test(`F34: 150 requests on each of 3 replicas at expiry, ${rounds} rounds: all 200, exactly one refresh each`, async () => {
  const outcomes: { refreshes: number; revoked: number }[] = []
  for (let round = 0; round < rounds; round += 1) {
    await expire()
    const before = await fleet.provider()
    const answers = await fire(450)
    expect(statuses(answers)).toEqual([200])
    outcomes.push(await since(before))
  }
  const calls = outcomes.map(({ refreshes }) => refreshes)
  process.stdout.write(
    `F34: ${rounds} rounds of 450 requests on 3 replicas: refresh calls ${Math.min(...calls)} to ${Math.max(...calls)} each\n`,
  )
  expect(outcomes).toEqual(outcomes.map(() => ({ refreshes: 1, revoked: 0 })))
}, 240_000)

describe.each(disturbances)("the lock's holder (round %i)", () => {
  /**
   * One replica begins the refresh, then the others are asked; `disturb` hits the holder in between. `delayed`
   * is how many milliseconds longer the others take than for the same calls when all is well.
   */
  async function disturbHolder(
    fault: 'hold-call' | 'hold-answer',
    disturb: (holder: Replica) => Promise<void>,
  ): Promise<{ ofHolder: Answer[]; ofOthers: Answer[]; delayed: number }> {
    const [holder, ...others] = running()
    if (holder === undefined) throw new Error('no replica runs')
    await expire()
    await fleet.provider({ fault })
    const ofHolder = Promise.allSettled(
      Array.from({ length: 150 }, () => fleet.askToken(browser, holder.url)),
    )
    await held()
    await fleet.provider({ fault: 'none' })
    await disturb(holder)
    const askOthers = async () => {
      const began = performance.now()
      const answers = await Promise.all(others.map(({ url }) => fire(150, url)))
      return { answers: answers.flat(), took: performance.now() - began }
    }
    const { answers: ofOthers, took } = await askOthers()
    holder.process.child.kill('SIGCONT')
    await fleet.provider({ release: true })
    const settled = (await ofHolder).filter((result) => result.status === 'fulfilled')
    const delayed = took - (await askOthers()).took
    process.stdout.write(`The others were delayed by ${delayed.toFixed(0)} ms (${fault})\n`)
    return { ofHolder: settled.map(({ value }) => value), ofOthers, delayed }
  }
  const kill = async ({ process }: Replica) => void (await process.stop('SIGKILL'))

  test('F35: killed before its call reached the provider: the next one succeeds within 3 s, with one call', async () => {
    const before = await fleet.provider()
    const { ofOthers, delayed } = await disturbHolder('hold-call', kill)
    expect(statuses(ofOthers)).toEqual([200])
    expect(delayed).toBeLessThan(3_000)
    expect(await since(before)).toEqual({ refreshes: 1, revoked: 0 })
    await expectHealthy()
  })

  test("F36, F26: killed after the provider rotated: nobody notices, within the provider's grace", async () => {
    const before = await fleet.provider()
    const { ofOthers, delayed } = await disturbHolder('hold-answer', kill)
    expect(statuses(ofOthers)).toEqual([200])
    expect(delayed).toBeLessThan(3_000)
    expect(await since(before)).toEqual({ refreshes: 2, revoked: 0 })
    await expectHealthy()
  })

  test.each(['hold-call', 'hold-answer'] as const)(
    'F37: paused for 15 s (%s): the others go on, the newer tokens stand, and its own requests succeed',
    async (fault) => {
      const before = await fleet.provider()
      const [holder] = running()
      let woken = Promise.resolve()
      const began = performance.now()
      const { ofOthers, ofHolder, delayed } = await disturbHolder(fault, async ({ process }) => {
        process.child.kill('SIGSTOP')
        woken = delay(15_000).then(() => {
          process.child.kill('SIGCONT')
        })
      }).then(async (result) => {
        await woken
        return result
      })
      expect(statuses(ofOthers)).toEqual([200])
      expect(delayed).toBeLessThan(3_000)
      expect(performance.now() - began).toBeGreaterThan(14_900)
      expect(statuses(ofHolder)).toEqual([200])
      expect((await since(before)).revoked).toBe(0)
      expect(statuses(await fire(10, holder?.url))).toEqual([200])
      await expectHealthy()
    },
    60_000,
  )

  test('F52: cut off from Redis between the answer and the commit: the commit is retried, the refresh token kept', async () => {
    const before = await fleet.provider()
    const [holder] = running()
    await expire()
    await fleet.provider({ fault: 'hold-answer' })
    const waiting = fleet.askToken(browser, holder?.url)
    await held()
    holder?.redis.cut()
    await fleet.provider({ fault: 'none', release: true })
    await delay(300)
    holder?.redis.mend()
    expect((await waiting).status).toBe(200)
    expect(await since(before)).toEqual({ refreshes: 1, revoked: 0 })
    expect(statuses(await fire(30))).toEqual([200])
    expect(await since(before)).toEqual({ refreshes: 1, revoked: 0 })
    await expectHealthy()
  })

  test('F52: cut off for longer than its lease, while another replica takes over: within the grace, nobody notices', async () => {
    const before = await fleet.provider()
    const [holder, other] = running()
    await expire()
    await fleet.provider({ fault: 'hold-answer' })
    const waiting = fleet.askToken(browser, holder?.url)
    await held()
    holder?.redis.cut()
    await fleet.provider({ fault: 'none' })
    expect((await fleet.askToken(browser, other?.url)).status).toBe(200)
    await fleet.provider({ release: true })
    holder?.redis.mend()
    expect((await waiting).status).toBe(200)
    expect((await since(before)).revoked).toBe(0)
    await expectHealthy()
  })
})

describe('without a grace at the provider', () => {
  test('F26, F36: an answer lost after rotation costs one login, never a hang', async () => {
    const strict = await startFleet({ replicas: 2, provider: { GRACE: '0' } })
    try {
      const person = await strict.signIn()
      await strict.advance(seconds(61))
      await strict.provider({ fault: 'lose-answer' })
      const first = await strict.askToken(person)
      expect([first.status, first.code]).toEqual([503, 'provider_unavailable'])
      await strict.provider({ fault: 'none' })
      await strict.advance(seconds(3))
      // The pause after a failure passes by Redis's own time.
      let next = await strict.askToken(person)
      for (let turn = 0; turn < 100 && next.status === 503; turn += 1) {
        await delay(50)
        next = await strict.askToken(person)
      }
      expect([next.status, next.code]).toEqual([401, 'session_expired'])
      expect((await strict.askToken(await strict.signIn({ browser: createTestBrowser() }))).status).toBe(200)
    } finally {
      await strict.close()
    }
  })
})

test('F28: a provider that does not rotate: the refresh token stays, one call each time', async () => {
  const steady = await startFleet({ replicas: 2, provider: { ROTATES: 'false' } })
  try {
    const person = await steady.signIn()
    for (let round = 1; round <= 3; round += 1) {
      await steady.advance(seconds(61))
      const answers = await Promise.all(Array.from({ length: 20 }, () => steady.askToken(person)))
      expect(statuses(answers)).toEqual([200])
      expect((await steady.provider()).refreshes).toBe(round)
    }
    expect(steady.replicas.map(({ process }) => process.output.text).join()).not.toContain('"rotated":true')
  } finally {
    await steady.close()
  }
})

test('F27: a person whose grant was revoked at the provider: 401 on every replica, one call', async () => {
  await expire()
  await fleet.provider({ revokeAll: true })
  const before = await fleet.provider()
  const answers = await fire(90)
  expect([...new Set(answers.map(({ status, code }) => `${status} ${code}`))]).toEqual([
    '401 session_expired',
  ])
  expect((await since(before)).refreshes).toBe(1)
  expect((await fleet.askToken(await fleet.signIn({ browser: createTestBrowser() }))).status).toBe(200)
})

test("a provider slower than the lock's lease: still one call, and the others wait for it", async () => {
  await expire()
  const before = await fleet.provider()
  await fleet.provider({ fault: 'hold-answer' })
  const waiting = fire(30)
  await held()
  // Longer than the lease of two seconds.
  await delay(2_400)
  await fleet.provider({ fault: 'none', release: true })
  expect(statuses(await waiting)).toEqual([200])
  expect(await since(before)).toEqual({ refreshes: 1, revoked: 0 })
})

test('F16: SIGTERM during a refresh beside the requests: its tokens are kept', async () => {
  const [leaving, staying] = running()
  await expire()
  await fire(1)
  await fleet.advance(seconds(50))
  const before = await fleet.provider()
  await fleet.provider({ fault: 'hold-answer' })
  expect(statuses(await fire(1, leaving?.url))).toEqual([200])
  await held()
  const stopped = leaving?.process.stop('SIGTERM')
  await leaving?.process.line(/"server_draining"/)
  await fleet.provider({ fault: 'none', release: true })
  expect(await stopped).toBe(0)
  expect(statuses(await fire(20, staying?.url))).toEqual([200])
  await fleet.advance(seconds(11))
  expect(statuses(await fire(20, staying?.url))).toEqual([200])
  expect(await since(before)).toEqual({ refreshes: 1, revoked: 0 })
})

test('F16: SIGTERM during a refresh: it completes, its tokens are kept', async () => {
  const [leaving] = running()
  await expire()
  const before = await fleet.provider()
  await fleet.provider({ fault: 'hold-answer' })
  const waiting = fleet.askToken(browser, leaving?.url)
  await held()
  const stopped = leaving?.process.stop('SIGTERM')
  await fleet.provider({ fault: 'none', release: true })
  expect((await waiting).status).toBe(200)
  expect(await stopped).toBe(0)
  expect(statuses(await fire(20))).toEqual([200])
  expect(await since(before)).toEqual({ refreshes: 1, revoked: 0 })
})
