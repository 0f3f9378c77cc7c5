import { beforeEach, expect, test } from 'vitest'
import { AppError, type ErrorCode } from '../../../src/errors.ts'
import { createTokenCache, type TokenCache, type TokenTimes } from '../../../src/proxy/tokens/token-cache.ts'
import type { Session } from '../../../src/session/session.ts'
import { createTestClock, minutes, seconds, type TestClock } from '../../support/clock.ts'
import { session as anySession } from '../../support/session-fixture.ts'
import { choose } from '../../support/upstream-tokens.ts'

type Token = TokenTimes & { text: string }

let clock: TestClock
let cache: TokenCache<Token>
let made: number

beforeEach(() => {
  clock = createTestClock()
  cache = createTokenCache(clock, 3)
  made = 0
})

const choice = choose('exchange', { audience: 'a' })

function toSession(handle: string): Session {
  const now = clock.now()
  const times = { createdAt: now, lastSeenAt: now, idleExpiresAt: now, absoluteExpiresAt: now }
  return { ...anySession, ...times, handle, tokensVersion: 1 }
}

const make = (handle: string, lifetime = minutes(5)) =>
  cache.make(toSession(handle), choice, async () => {
    made += 1
    return { text: `${handle} ${made}`, obtainedAt: clock.now(), expiresAt: clock.now() + lifetime }
  })
const find = (handle: string) => cache.find(toSession(handle), choice)?.text

const fail = (code: ErrorCode) =>
  cache.make(toSession('h'), choice, () => Promise.reject(new AppError(code, 'refused'))).catch(() => {})

test('a full cache drops the oldest token, not the one that is kept', async () => {
  for (const handle of ['one', 'two', 'three', 'four']) await make(handle)
  expect(['one', 'two', 'three', 'four'].map(find)).toEqual([undefined, 'two 2', 'three 3', 'four 4'])
})

test('a token that is made again counts as the newest', async () => {
  for (const handle of ['one', 'two', 'one', 'three', 'four']) await make(handle)
  expect(['one', 'two', 'three', 'four'].map(find)).toEqual(['one 3', undefined, 'three 4', 'four 5'])
})

test('a token is not found shortly before it expires, and is forgotten with the next one that is kept', async () => {
  await make('one', seconds(60))
  await make('two', seconds(60))
  clock.advance(seconds(57))
  expect(['one', 'two'].map(find)).toEqual([undefined, undefined])
  await make('three')
  expect([find('three'), cache.size()]).toEqual(['three 3', 1])
})

test('a dropped token is not found', async () => {
  await make('h')
  cache.drop(toSession('h'), choice)
  expect(find('h')).toBeUndefined()
})

test('calls at the same time share one token, and one failure', async () => {
  const texts = await Promise.all(Array.from({ length: 20 }, () => make('h')))
  expect(new Set(texts.map(({ text }) => text))).toEqual(new Set(['h 1']))
  let calls = 0
  const failures = await Promise.all(
    Array.from({ length: 20 }, () =>
      cache
        .make(toSession('other'), choice, () => {
          calls += 1
          return Promise.reject(new Error('no'))
        })
        .catch((error: unknown) => error),
    ),
  )
  expect([calls, new Set(failures).size]).toEqual([1, 1])
})

test.each<[ErrorCode]>([['provider_error'], ['invalid_token_response']])(
  'a refusal (%s) is repeated for half a minute, without a call',
  async (code) => {
    await fail(code)
    clock.advance(seconds(29))
    expect(() => find('h')).toThrow('refused')
    clock.advance(seconds(1))
    expect(find('h')).toBeUndefined()
  },
)

test.each<[ErrorCode]>([['provider_unavailable'], ['store_unavailable'], ['session_expired']])(
  'a failure that may pass (%s) is not repeated',
  async (code) => {
    await fail(code)
    expect(find('h')).toBeUndefined()
  },
)
