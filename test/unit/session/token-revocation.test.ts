import { beforeEach, describe, expect, test } from 'vitest'
import { AppError } from '../../../src/errors.ts'
import type { Provider } from '../../../src/provider/provider.ts'
import { providerUnavailable } from '../../../src/provider/transport/unavailable.ts'
import { createMemoryStore, type MemoryStore } from '../../../src/session/memory/store.ts'
import { toRefreshTokens } from '../../../src/session/session.ts'
import type { SessionStore } from '../../../src/session/store.ts'
import { createTokenRevocation } from '../../../src/session/termination/token-revocation.ts'
import { createTestClock, hours, minutes, seconds, type TestClock } from '../../support/clock.ts'
import { session } from '../../support/session-fixture.ts'

let clock: TestClock
let store: MemoryStore
let calls: number
let answer: () => Promise<'revoked' | 'unsupported'>
let isKnown: boolean
let events: { event: string; reason: unknown }[]
beforeEach(() => {
  clock = createTestClock()
  store = createMemoryStore({ clock, lifetimes: { idleTimeout: minutes(30), absoluteTimeout: hours(12) } })
  calls = 0
  answer = async () => 'revoked'
  isKnown = true
  events = []
})

const create = (replaced: Partial<SessionStore> = {}) =>
  createTokenRevocation({
    store: { ...store, ...replaced },
    providers: {
      findConfigured: () =>
        isKnown
          ? ({
              revoke() {
                calls += 1
                return answer()
              },
            } as unknown as Provider)
          : undefined,
    },
    log: (event, fields) => void events.push({ event, reason: fields?.reason }),
  })

/** Makes sessions that ended, and whose process crashed before it revoked their tokens. */
async function leavePending(count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    await store.create(`h${index}`, session)
    await store.end(`h${index}`)
  }
  clock.advance(seconds(15))
}
const countPending = async (count: number) => {
  const all = Array.from({ length: count }, (_, index) => store.readPendingRevocation(`h${index}`))
  return (await Promise.all(all)).filter((pendingRevocation) => pendingRevocation !== undefined).length
}

describe('revokeDue', () => {
  test('revokes all that is due', async () => {
    await leavePending(45)
    await create().revokeDue()
    expect([calls, await countPending(45)]).toEqual([45, 0])
    expect(events.filter(({ event }) => event === 'refresh_token_revoked')).toHaveLength(45)
  })

  test('calls a provider that is down only for one batch, and for each session once a minute', async () => {
    await leavePending(45)
    answer = () => Promise.reject(providerUnavailable('down', { outage: 'no-answer' }))
    const tokenRevocation = create()
    await tokenRevocation.revokeDue()
    expect(calls).toBe(20)
    clock.advance(minutes(1) - 1)
    await tokenRevocation.revokeDue()
    await tokenRevocation.revokeDue()
    expect(calls).toBe(45)
    answer = async () => 'revoked'
    clock.advance(1)
    await tokenRevocation.revokeDue()
    expect(await countPending(45)).toBeLessThanOrEqual(25)
    clock.advance(minutes(1))
    await tokenRevocation.revokeDue()
    expect(await countPending(45)).toBe(0)
  })

  test('makes one call as a trial before the others', async () => {
    await leavePending(10)
    let isUnderWay = false
    let atOnce = 0
    answer = async () => {
      if (isUnderWay) atOnce += 1
      isUnderWay = calls === 1
      await Promise.resolve()
      isUnderWay = false
      return 'revoked'
    }
    await create().revokeDue()
    expect([calls, atOnce]).toEqual([10, 0])
  })

  test('one that fails does not stop the others', async () => {
    await leavePending(45)
    answer = () =>
      calls % 2 === 0 ? Promise.reject(new AppError('provider_error', 'no')) : Promise.resolve('revoked')
    await create().revokeDue()
    expect(calls).toBe(45)
  })

  test('runs once at a time: a slow provider does not make calls pile up', async () => {
    await leavePending(1)
    let release = () => {}
    answer = () =>
      new Promise((done) => {
        release = () => done('revoked')
      })
    const tokenRevocation = create()
    const first = tokenRevocation.revokeDue()
    await expect.poll(() => calls).toBe(1)
    clock.advance(minutes(2))
    await tokenRevocation.revokeDue()
    expect(calls).toBe(1)
    release()
    await first
  })

  test('while the store does not answer, it throws nothing, and the next call continues', async () => {
    await leavePending(1)
    let isDown = true
    const tokenRevocation = create({
      takeDueRevocations: (...args) =>
        isDown
          ? Promise.reject(new AppError('store_unavailable', 'down'))
          : store.takeDueRevocations(...args),
    })
    await tokenRevocation.revokeDue()
    isDown = false
    await tokenRevocation.revokeDue()
    expect(await countPending(1)).toBe(0)
  })
})

test('a token that a provider cannot revoke is dropped, and not logged as revoked', async () => {
  await leavePending(1)
  answer = async () => 'unsupported'
  await create().revokeDue()
  expect(await countPending(1)).toBe(0)
  expect(events).toEqual([])
})

test('a token of a provider that this replica does not have is left to other replicas', async () => {
  await leavePending(1)
  isKnown = false
  const tokenRevocation = create()
  await tokenRevocation.revokeDue()
  expect([calls, await countPending(1)]).toEqual([0, 1])
  isKnown = true
  clock.advance(minutes(1))
  await tokenRevocation.revokeDue()
  expect(await countPending(1)).toBe(0)
})

test('a token that was inherited is logged with its own provider', async () => {
  await store.create('h0', session)
  const { pendingRevocation } = await store.end('h0')
  const [own] = toRefreshTokens(session)
  if (pendingRevocation === undefined || own === undefined) throw new Error('nothing to revoke')
  const logged: unknown[] = []
  const tokenRevocation = createTokenRevocation({
    store,
    providers: { findConfigured: () => ({ revoke: async () => 'revoked' }) as unknown as Provider },
    log: (event, fields) => void logged.push(`${event} ${fields?.provider}`),
  })
  tokenRevocation.revoke({
    ...pendingRevocation,
    inherited: [{ ...own, providerName: 'other', refreshToken: 'rt0' }],
  })
  await tokenRevocation.stop()
  expect(logged.sort()).toEqual(['refresh_token_revoked default', 'refresh_token_revoked other'])
})

test.each<[string, unknown, unknown]>([
  ['an outage', providerUnavailable('status 503', { outage: 'overloaded' }), 'status 503'],
  ['a refusal', new AppError('provider_error', 'no', { reason: 'invalid_client' }), 'invalid_client'],
  ['a refusal without a reason', new AppError('provider_error', 'no'), 'provider_error'],
  ['a defect', new Error('secret text'), 'internal_error'],
])('%s is logged with its reason', async (_name, error, reason) => {
  await leavePending(1)
  answer = () => Promise.reject(error)
  await create().revokeDue()
  expect(events).toEqual([{ event: 'revocation_failed', reason }])
})

test('an open circuit breaker is not logged', async () => {
  await leavePending(1)
  answer = () => Promise.reject(providerUnavailable('breaker is open', { outage: 'breaker-open' }))
  await create().revokeDue()
  expect([events, await countPending(1)]).toEqual([[], 1])
})

test('stop waits for what is in progress, and starts nothing new', async () => {
  await store.create('h0', session)
  const { pendingRevocation } = await store.end('h0')
  let release = () => {}
  answer = () =>
    new Promise((done) => {
      release = () => done('revoked')
    })
  const tokenRevocation = create()
  tokenRevocation.start()
  if (pendingRevocation !== undefined) tokenRevocation.revoke(pendingRevocation)
  let isStopped = false
  const stopping = tokenRevocation.stop().then(() => {
    isStopped = true
  })
  await new Promise((done) => setImmediate(done))
  expect(isStopped).toBe(false)
  release()
  await stopping
  expect(await countPending(1)).toBe(0)
})
