import { expect, test } from 'vitest'
import { AppError } from '../../../src/errors.ts'
import { createCircuitBreaker } from '../../../src/provider/transport/circuit-breaker.ts'
import { providerUnavailable } from '../../../src/provider/transport/unavailable.ts'
import { createTestClock, hours, seconds } from '../../support/clock.ts'

function create() {
  const clock = createTestClock()
  const breaker = createCircuitBreaker({ clock, opensOn: ['no-answer', 'overloaded'] })
  const fail = (error: unknown) => breaker.guard(() => Promise.reject(error)).catch(() => {})
  const isOpen = () => {
    try {
      breaker.assertClosed()
      return false
    } catch (error) {
      expect(error).toMatchObject({ code: 'provider_unavailable' })
      return true
    }
  }
  return { clock, breaker, fail, isOpen }
}
const noAnswer = () => providerUnavailable('deadline passed', { outage: 'no-answer' })

test('opens when the provider does not answer or is overloaded, and makes no call while open', async () => {
  const { breaker, fail, isOpen } = create()
  await fail(noAnswer())
  expect(isOpen()).toBe(true)
  let called = false
  const call = breaker.guard(async () => {
    called = true
  })
  await expect(call).rejects.toMatchObject({ code: 'provider_unavailable', retryAfter: 1 })
  expect(called).toBe(false)
})

test.each([
  ['a refusal', new AppError('provider_error', 'no')],
  ['an unusable answer', providerUnavailable('too large')],
  ['a defect', new TypeError('x')],
])('%s does not open it', async (_name, error) => {
  const { fail, isOpen } = create()
  await fail(error)
  expect(isOpen()).toBe(false)
})

test('the pause doubles with each trial that fails, up to 30 s; a success ends it', async () => {
  const { clock, breaker, fail, isOpen } = create()
  for (const pause of [1, 2, 4, 8, 16, 30, 30]) {
    await fail(noAnswer())
    clock.advance(seconds(pause) - 1)
    expect(isOpen()).toBe(true)
    clock.advance(1)
    expect(isOpen()).toBe(false)
  }
  await breaker.guard(async () => {})
  await fail(noAnswer())
  clock.advance(seconds(1))
  expect(isOpen()).toBe(false)
})

test('failures of calls that began before it opened count once', async () => {
  const { clock, breaker, isOpen } = create()
  const rejects: (() => void)[] = []
  const calls = Array.from({ length: 20 }, () =>
    breaker.guard(() => new Promise((_, reject) => rejects.push(() => reject(noAnswer())))).catch(() => {}),
  )
  clock.advance(seconds(3))
  for (const reject of rejects) reject()
  await Promise.all(calls)
  clock.advance(seconds(1))
  expect(isOpen()).toBe(false)
})

test('after the pause one call goes through as a trial, the others wait for its result', async () => {
  const { clock, breaker, fail, isOpen } = create()
  await fail(noAnswer())
  clock.advance(seconds(1))
  let finish = () => {}
  const trial = breaker.guard(
    () =>
      new Promise<void>((done) => {
        finish = done
      }),
  )
  expect(isOpen()).toBe(true)
  await expect(breaker.guard(async () => {})).rejects.toMatchObject({ code: 'provider_unavailable' })
  finish()
  await trial
  expect(isOpen()).toBe(false)
})

test('stays open for as long as the provider asks, never for less than the pause', async () => {
  const { clock, fail, isOpen } = create()
  await fail(providerUnavailable('status 429', { outage: 'overloaded', retryAfter: 42 }))
  clock.advance(seconds(41))
  expect(isOpen()).toBe(true)
  clock.advance(seconds(1))
  expect(isOpen()).toBe(false)
  await fail(providerUnavailable('status 503', { outage: 'overloaded', retryAfter: 0 }))
  expect(isOpen()).toBe(true)
})

test('a clock that is set back does not keep it open', async () => {
  const { clock, fail, isOpen } = create()
  await fail(noAnswer())
  clock.advance(-hours(3))
  expect(isOpen()).toBe(false)
  await fail(noAnswer())
  expect(isOpen()).toBe(true)
  clock.advance(-seconds(2))
  expect(isOpen()).toBe(false)
})
