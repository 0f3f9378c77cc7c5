import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { TestBrowser } from '../support/browser.ts'
import { seconds } from '../support/clock.ts'
import { type Answer, type Fleet, slowest, startFleet, timesOf } from '../support/deployments/fleet.ts'
import { median, percentile, takeTurns } from '../support/latencies.ts'

const timeout = seconds(3)
/** Lifetime of the provider's access tokens, in seconds. They are refreshed ahead of time in the last 60. */
const lifetime = 300
const start = () =>
  startFleet({
    replicas: 2,
    env: { OIDC_TIMEOUT: '3s' },
    provider: { GRACE: '300', LIFETIME: String(lifetime) },
  })

let fleet: Fleet
let browser: TestBrowser
/** The same with a provider that is well, and somebody signed in there: what to compare with. */
let healthyFleet: Fleet
let healthyBrowser: TestBrowser
beforeAll(async () => {
  ;[fleet, healthyFleet] = await Promise.all([start(), start()])
})
afterAll(() => Promise.all([fleet.close(), healthyFleet.close()]))
beforeEach(async () => {
  browser = await fleet.signIn()
  healthyBrowser = await healthyFleet.signIn()
})

const describeAnswer = ({ status, code }: Answer) => (code === undefined ? `${status}` : `${status} ${code}`)
const outcomes = (answers: Answer[]) => [...new Set(answers.map(describeAnswer))]

/** One after the other, as a person's page would ask, each in turn with somebody whose provider is well. */
async function ask(count: number): Promise<{ answers: Answer[]; healthy: Answer[] }> {
  const [answers, healthy] = await takeTurns(
    count,
    () => fleet.askToken(browser),
    () => healthyFleet.askToken(healthyBrowser),
  )
  expect(outcomes(healthy)).toEqual(['200'])
  return { answers, healthy }
}

/** Compares the median and the p99 with those of healthy calls: noise alone makes p99 three times as long. */
function expectAsQuick(answers: Answer[], healthy: Answer[], what: string): void {
  const [times, expected] = [timesOf(answers), timesOf(healthy)]
  const [p99, healthyP99] = [percentile(times, 0.99), percentile(expected, 0.99)]
  process.stdout.write(`${what}: p99 ${p99.toFixed(1)} ms (healthy ${healthyP99.toFixed(1)})\n`)
  expect(median(times)).toBeLessThan(5 * median(expected))
  // A machine may stop any process for 40 ms: where five of 400 calls meet that here and fewer there, the
  // slowest healthy call shows it.
  expect(p99).toBeLessThan(Math.max(10 * healthyP99, 1.5 * slowest(healthy)))
}

/** Calls of 240 requests that may reach a provider that fails: without breaker and pause, all of them do. */
const mostTrials = 20

/** Ends every pause, of the breakers and in Redis; a call that began before may still fail. */
async function expectHealed(): Promise<void> {
  const outcomes: string[] = []
  for (let turn = 0; turn < 3 && outcomes.at(-1) !== '200'; turn += 1) {
    await fleet.advance(seconds(31))
    await fleet.redis.passTime(seconds(31))
    outcomes.push(describeAnswer(await fleet.askToken(browser)))
  }
  expect(outcomes.at(-1)).toBe('200')
}

/** The provider process stops answering: its kernel still takes connections. */
const hang = () => void fleet.providerProcess.child.kill('SIGSTOP')
const wake = () => void fleet.providerProcess.child.kill('SIGCONT')
/** Every call gets this answer. */
const answerWith = async (fault: Parameters<Fleet['provider']>[0]) => void (await fleet.provider(fault))

describe.each<[string, () => void | Promise<void>, () => void | Promise<void>]>([
  ['hangs', hang, wake],
  ['answers 500', () => answerWith({ fault: { status: 500 } }), () => answerWith({ fault: 'none' })],
  ['resets connections', () => answerWith({ fault: 'reset' }), () => answerWith({ fault: 'none' })],
  ['answers HTML', () => answerWith({ fault: 'html' }), () => answerWith({ fault: 'none' })],
])('the provider %s', (name, fail, mend) => {
  test('F21, F22: while tokens are valid, also in their last fifth, nobody notices', async () => {
    await ask(20)
    await fail()
    try {
      const valid = await ask(200)
      // A provider that is stopped cannot have its clock moved.
      await mend()
      await fleet.advance(seconds(lifetime - 59))
      await fail()
      const aging = await ask(200)
      const answers = [...valid.answers, ...aging.answers]
      const healthy = [...valid.healthy, ...aging.healthy]
      expect(outcomes(answers)).toEqual(['200'])
      expectAsQuick(answers, healthy, `F21, F22: provider ${name}`)
      // Whoever waits for a provider that hangs waits for all of its time.
      expect(slowest(answers)).toBeLessThan(timeout)
    } finally {
      await mend()
    }
    await expectHealed()
  })

  test('F23, F25: an expired token: 503 with Retry-After within the deadline, then at once, never 401', async () => {
    await fleet.advance(seconds(lifetime + 1))
    const before = await fleet.provider()
    await fail()
    try {
      const first = await Promise.all(Array.from({ length: 40 }, () => fleet.askToken(browser)))
      const { answers: next, healthy } = await ask(200)
      expect(outcomes([...first, ...next])).toEqual(['503 provider_unavailable'])
      expect([...first, ...next].every(({ retryAfter }) => Number(retryAfter) > 0)).toBe(true)
      // One deadline for all: not one for each replica in turn, nor the 5.5 s that a request waits at most.
      expect(slowest(first)).toBeLessThan(1.5 * timeout)
      // Whenever a pause of a second or more is over, one request tries whether the provider answers again.
      const quick = next.filter(({ took }) => took < timeout)
      expect(next.length - quick.length).toBeLessThan(mostTrials)
      expectAsQuick(
        quick,
        healthy,
        `F23: provider ${name}: first refusal in ${slowest(first).toFixed(0)} ms at worst, then`,
      )
      expect(describeAnswer(await fleet.call(browser, 'GET', '/api/session'))).toBe('200')
    } finally {
      await mend()
    }
    const after = await fleet.provider()
    expect(after.held + after.refreshes - before.held - before.refreshes).toBeLessThan(mostTrials)
    await expectHealed()
    expect((await fleet.provider()).revoked).toBe(before.revoked)
  })
})

test('F24: 429: the time it names is kept by every replica, and then all goes on', async () => {
  await fleet.advance(seconds(lifetime + 1))
  await fleet.provider({ fault: { status: 429, headers: { 'retry-after': '20' } } })
  const before = await fleet.provider()
  const { answers: refused } = await ask(20)
  expect(outcomes(refused)).toEqual(['503 provider_unavailable'])
  for (const { retryAfter } of refused) {
    // Without the time it names, it would be a second.
    expect(Number(retryAfter)).toBeGreaterThan(1)
    expect(Number(retryAfter)).toBeLessThanOrEqual(20)
  }
  expect((await fleet.provider()).held - before.held).toBe(1)
  await fleet.provider({ fault: 'none', release: true })
  await expectHealed()
})
