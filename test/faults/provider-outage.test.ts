import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { TestBrowser } from '../support/browser.ts'
import { seconds } from '../support/clock.ts'
import { type Answer, type Fleet, startFleet } from '../support/deployments/fleet.ts'

const timeout = seconds(1)
let fleet: Fleet
let browser: TestBrowser
beforeAll(async () => {
  fleet = await startFleet({ replicas: 2, env: { OIDC_TIMEOUT: '1s' }, provider: { GRACE: '60' } })
})
afterAll(() => fleet.close())
beforeEach(async () => {
  browser = await fleet.signIn()
})

const describeAnswer = ({ status, code }: Answer) => (code === undefined ? `${status}` : `${status} ${code}`)
const outcomes = (answers: Answer[]) => [...new Set(answers.map(describeAnswer))]
const percentile = (answers: Answer[], part: number) =>
  answers.map(({ took }) => took).sort((a, b) => a - b)[Math.ceil(answers.length * part) - 1] ?? Number.NaN

/** One after the other, as a person's page would ask. */
async function ask(count: number): Promise<Answer[]> {
  const answers: Answer[] = []
  for (let turn = 0; turn < count; turn += 1) answers.push(await fleet.askToken(browser))
  return answers
}

/** By the clock of all processes: until the breakers let a call through, and Redis's own pause is over. */
async function expectHealed(): Promise<void> {
  await fleet.advance(seconds(2))
  const until = performance.now() + 5_000
  let answer = await fleet.askToken(browser)
  while (answer.status === 503 && performance.now() < until) {
    await delay(50)
    await fleet.advance(seconds(1))
    answer = await fleet.askToken(browser)
  }
  expect(describeAnswer(answer)).toBe('200')
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
  test('F21, F22: while tokens are valid, also in their last fifth, nobody notices (p99 below 50 ms)', async () => {
    await ask(20)
    await fail()
    try {
      const valid = await ask(200)
      // Servers age; a provider that is stopped does not answer orders, and does not have to.
      await Promise.race([fleet.advance(seconds(50)), delay(200)])
      const aging = await ask(200)
      process.stdout.write(
        `F21, F22: provider ${name}: p99 ${percentile(valid, 0.99).toFixed(1)} ms, in the last fifth ${percentile(aging, 0.99).toFixed(1)} ms\n`,
      )
      expect(outcomes([...valid, ...aging])).toEqual(['200'])
      expect(percentile([...valid, ...aging], 0.99)).toBeLessThan(50)
    } finally {
      await mend()
    }
    await expectHealed()
  })

  test('F23, F25: an expired token: 503 with Retry-After within the deadline, then in milliseconds, never 401', async () => {
    await fleet.advance(seconds(61))
    const before = await fleet.provider()
    await fail()
    try {
      const first = await Promise.all(Array.from({ length: 40 }, () => fleet.askToken(browser)))
      const next = await ask(200)
      process.stdout.write(
        `F23: provider ${name}: first refusal in ${percentile(first, 1).toFixed(0)} ms at worst, then p99 ${percentile(next, 0.99).toFixed(1)} ms\n`,
      )
      expect(outcomes([...first, ...next])).toEqual(['503 provider_unavailable'])
      expect([...first, ...next].every(({ retryAfter }) => Number(retryAfter) > 0)).toBe(true)
      expect(percentile(first, 1)).toBeLessThan(timeout + 250)
      expect(percentile(next, 0.99)).toBeLessThan(50)
      expect(describeAnswer(await fleet.call(browser, 'GET', '/api/session'))).toBe('200')
    } finally {
      await mend()
    }
    await expectHealed()
    expect((await fleet.provider()).revoked).toBe(before.revoked)
  })
})

test('F24: 429: the time it names is kept by every replica, and then all goes on', async () => {
  await fleet.advance(seconds(61))
  await fleet.provider({ fault: { status: 429, headers: { 'retry-after': '2' } } })
  const before = await fleet.provider()
  const refused = await ask(20)
  expect(outcomes(refused)).toEqual(['503 provider_unavailable'])
  expect(refused.map(({ retryAfter }) => retryAfter)).toEqual(
    refused.map(() => expect.stringMatching(/^[12]$/)),
  )
  expect((await fleet.provider()).held - before.held).toBe(1)
  await fleet.provider({ fault: 'none', release: true })
  await expectHealed()
})
