import { beforeEach, describe, expect, test } from 'vitest'
import { AppError } from '../../../src/errors.ts'
import type { RefusedRefresh } from '../../../src/provider/grants/token-refresh.ts'
import { UnverifiedRefresh } from '../../../src/provider/grants/unverified-refresh.ts'
import type { Provider } from '../../../src/provider/provider.ts'
import { createMemoryStore, type MemoryStore } from '../../../src/session/memory/store.ts'
import { leaseDuration } from '../../../src/session/refresh/refresh-timing.ts'
import { createTokenRefresher, type TokenRefresher } from '../../../src/session/refresh/token-refresher.ts'
import type { NewSession, PendingRevocation, Session } from '../../../src/session/session.ts'
import type { SessionStore } from '../../../src/session/store.ts'
import { createSessionTermination } from '../../../src/session/termination/session-termination.ts'
import { noTracing } from '../../../src/telemetry/tracing/tracing.ts'
import { createTestClock, hours, minutes, type TestClock } from '../../support/clock.ts'
import { session as anySession } from '../../support/session-fixture.ts'

/** Replicas over one store, with a provider whose answers a test sets. */
let clock: TestClock
let store: MemoryStore
let events: string[]
let calls: number
/** The pending revocations that were passed on to be revoked. */
let revoked: PendingRevocation[]
let answer: (session: NewSession) => Promise<NewSession | RefusedRefresh>
let assertReachable: () => void

beforeEach(async () => {
  clock = createTestClock()
  store = createMemoryStore({ clock, lifetimes: { idleTimeout: hours(2), absoluteTimeout: hours(12) } })
  events = []
  calls = 0
  revoked = []
  answer = async (session) => renew(session)
  assertReachable = () => {}
  const now = clock.now()
  const tokens = { ...anySession.tokens, obtainedAt: now, accessTokenExpiresAt: now + hours(1) }
  await store.create('h', { ...anySession, tokens })
})

function renew({ identity, tokens }: NewSession): NewSession {
  const now = clock.now()
  return {
    identity,
    tokens: { ...tokens, accessToken: `at ${calls}`, obtainedAt: now, accessTokenExpiresAt: now + hours(1) },
  }
}

function createReplica(replaced: Partial<SessionStore> = {}): TokenRefresher {
  const provider = {
    assertReachable: () => assertReachable(),
    refresh(session: NewSession) {
      calls += 1
      return answer(session)
    },
  }
  const log = (event: string) => void events.push(event)
  const all = { ...store, ...replaced }
  const tokenRevocation = {
    revoke: (pendingRevocation: PendingRevocation) => void revoked.push(pendingRevocation),
  }
  return createTokenRefresher({
    store: all,
    termination: createSessionTermination({ store: all, tokenRevocation, log: () => {} }),
    providers: { findConfigured: () => provider as unknown as Provider },
    clock,
    log,
    tracing: noTracing,
    timeout: 3_000,
  })
}

async function expired(): Promise<Session> {
  clock.advance(hours(1))
  return stored()
}

async function stored(): Promise<Session> {
  const session = await store.read('h')
  if (session === undefined) throw new Error('the session has ended')
  return session
}

/** Pauses this process for longer than a lease, as SIGSTOP does. */
function sleepThroughLease(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, leaseDuration + 50)
  clock.advance(leaseDuration + 50)
}

test('requests of one process share one attempt, and one lock', async () => {
  const session = await expired()
  let locks = 0
  const replica = createReplica({
    lockTokens(...args) {
      locks += 1
      return store.lockTokens(...args)
    },
  })
  const outcomes = await Promise.all(Array.from({ length: 150 }, () => replica.ensureFresh(session)))
  expect(outcomes.every(({ outcome }) => outcome === 'ok')).toBe(true)
  expect([calls, locks]).toEqual([1, 1])
})

test('while the breaker is open, the store is not asked either', async () => {
  const session = await expired()
  assertReachable = () => {
    throw new AppError('provider_unavailable', 'down', { retryAfter: 7 })
  }
  const replica = createReplica({ lockTokens: () => Promise.reject(new Error('asked')) })
  expect(await replica.ensureFresh(session)).toMatchObject({
    outcome: 'unknown',
    error: { code: 'provider_unavailable', retryAfter: 7 },
  })
})

test('F37: a replica that was paused before the call does not use a spent refresh token', async () => {
  const session = await expired()
  const other = createReplica()
  let hasSlept = false
  const sleeper = createReplica({
    async read(handle) {
      const found = await store.read(handle)
      if (!hasSlept) {
        hasSlept = true
        sleepThroughLease()
        await other.ensureFresh(session)
      }
      return found
    },
  })
  expect(await sleeper.ensureFresh(session)).toMatchObject({ outcome: 'ok', session: { tokensVersion: 2 } })
  expect(calls).toBe(1)
})

test('F37: a replica that is refused after a pause does not end a session that another one has refreshed', async () => {
  const session = await expired()
  const other = createReplica()
  answer = async () => {
    sleepThroughLease()
    answer = async (again) => renew(again)
    await other.ensureFresh(session)
    return { refused: 'invalid_grant' }
  }
  expect(await createReplica().ensureFresh(session)).toMatchObject({
    outcome: 'ok',
    session: { tokensVersion: 2 },
  })
  expect((await stored()).tokensVersion).toBe(2)
})

test('F36: a replica whose lock went to one that crashed still writes the tokens that it received', async () => {
  const session = await expired()
  answer = async (asked) => {
    sleepThroughLease()
    expect(await store.lockTokens('h', leaseDuration)).toMatchObject({ state: 'locked' })
    setTimeout(() => clock.advance(leaseDuration), 100)
    return renew(asked)
  }
  expect(await createReplica().ensureFresh(session)).toMatchObject({ outcome: 'ok' })
  expect((await stored()).tokens.accessToken).toBe('at 1')
  expect(calls).toBe(1)
})

test('F52: the commit is repeated until the store accepts the tokens', async () => {
  const session = await expired()
  let failures = 5
  const replica = createReplica({
    commitTokens(...args) {
      failures -= 1
      if (failures >= 0) return Promise.reject(new AppError('store_unavailable', 'down'))
      return store.commitTokens(...args)
    },
  })
  expect(await replica.ensureFresh(session)).toMatchObject({ outcome: 'ok' })
  expect((await stored()).tokens.accessToken).toBe('at 1')
  expect(events).not.toContain('refreshed_tokens_lost')
})

test('F52: a commit counts even if its response was lost', async () => {
  const session = await expired()
  let isFirst = true
  const replica = createReplica({
    async commitTokens(...args) {
      const result = await store.commitTokens(...args)
      if (!isFirst) return result
      isFirst = false
      throw new AppError('store_unavailable', 'cut')
    },
  })
  expect(await replica.ensureFresh(session)).toMatchObject({ outcome: 'ok', session: { tokensVersion: 2 } })
  expect(calls).toBe(1)
})

test('F38: a session that ended during the refresh does not come back, and its lock is not renewed', async () => {
  const session = await expired()
  let renewals = 0
  const replica = createReplica({
    renewTokenLock(...args) {
      renewals += 1
      return store.renewTokenLock(...args)
    },
  })
  answer = async (asked) => {
    await store.end('h')
    while (renewals === 0) await new Promise((done) => setTimeout(done, 20))
    return renew(asked)
  }
  expect(await replica.ensureFresh(session)).toEqual({ outcome: 'ended' })
  expect(await store.read('h')).toBeUndefined()
  await new Promise((done) => setTimeout(done, 1_100))
  expect(renewals).toBe(1)
})

test('tokens that were changed but not refreshed are refreshed all the same', async () => {
  const session = await expired()
  answer = () =>
    Promise.reject(new UnverifiedRefresh('the next one', new AppError('provider_unavailable', 'no keys')))
  expect(await createReplica().ensureFresh(session)).toMatchObject({ outcome: 'unknown' })
  expect((await stored()).tokens).toEqual({ ...session.tokens, refreshToken: 'the next one' })
  expect(await createReplica().ensureFresh(session)).toMatchObject({ outcome: 'unknown' })
  expect(calls).toBe(1)
  clock.advance(1_000)
  answer = async (asked) => renew(asked)
  // The caller still holds the earlier session, with an older version of its tokens.
  expect(await createReplica().ensureFresh(session)).toMatchObject({
    outcome: 'ok',
    session: { tokensVersion: 3 },
  })
  expect(calls).toBe(2)
})

describe('a refresh in the background', () => {
  test('is finished before the process ends', async () => {
    clock.advance(minutes(59) + 30_000)
    let release = () => {}
    const held = new Promise<void>((done) => {
      release = done
    })
    answer = async (asked) => {
      await held
      return renew(asked)
    }
    const replica = createReplica()
    expect(await replica.ensureFresh(await stored())).toMatchObject({
      outcome: 'ok',
      session: { tokensVersion: 1 },
    })
    await expect.poll(() => calls).toBe(1)
    const settled = replica.drain()
    release()
    await settled
    expect((await stored()).tokensVersion).toBe(2)
  })

  test('that fails does not fail the request, and leaves a pause', async () => {
    clock.advance(minutes(59) + 30_000)
    answer = () => Promise.reject(new AppError('provider_unavailable', 'down', { reason: 'status 500' }))
    const replica = createReplica()
    expect(await replica.ensureFresh(await stored())).toMatchObject({ outcome: 'ok' })
    await replica.drain()
    expect(events).toEqual(['token_refresh_failed'])
    expect(await store.lockTokens('h', 1_000)).toMatchObject({ state: 'paused' })
  })
})

test('the time that the provider asks for holds for every replica', async () => {
  const session = await expired()
  answer = () => Promise.reject(new AppError('provider_unavailable', 'busy', { retryAfter: 42 }))
  await createReplica().ensureFresh(session)
  expect(await createReplica().ensureFresh(session)).toMatchObject({ error: { retryAfter: 42 } })
  expect(calls).toBe(1)
})

test('only the provider’s final refusal ends a session', async () => {
  const session = await expired()
  for (const [code, received] of [
    ['provider_error', 'provider_unavailable'],
    ['invalid_id_token', 'invalid_id_token'],
    ['internal_error', 'provider_unavailable'],
  ] as const) {
    answer = () => Promise.reject(new AppError(code, 'refused'))
    clock.advance(minutes(1))
    expect(await createReplica().ensureFresh(session)).toMatchObject({
      outcome: 'unknown',
      error: { code: received },
    })
  }
  answer = () => Promise.reject(new TypeError('a defect'))
  clock.advance(minutes(1))
  expect(await createReplica().ensureFresh(session)).toMatchObject({ outcome: 'unknown' })
  expect((await stored()).tokensVersion).toBe(1)
})

test('a refusal that comes after a logout is not logged as the end of the session', async () => {
  const session = await expired()
  answer = async () => {
    await store.end('h')
    return { refused: 'invalid_grant' }
  }
  expect(await createReplica().ensureFresh(session)).toEqual({ outcome: 'ended' })
  expect(events).not.toContain('session_ended_by_provider')
  expect(revoked).toEqual([])
})
