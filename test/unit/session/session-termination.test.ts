import { beforeEach, describe, expect, test } from 'vitest'
import { createMemoryStore, type MemoryStore } from '../../../src/session/memory/store.ts'
import type { NewSession, PendingRevocation } from '../../../src/session/session.ts'
import { toProviderSidGroup, toUserGroup } from '../../../src/session/session-groups.ts'
import type { SessionStore } from '../../../src/session/store.ts'
import { createSessionTermination } from '../../../src/session/termination/session-termination.ts'
import { session } from '../../contract/store.ts'
import { createTestClock, hours, minutes, type TestClock } from '../../support/clock.ts'

let clock: TestClock
let store: MemoryStore
let revoked: PendingRevocation[]
beforeEach(() => {
  clock = createTestClock()
  store = createMemoryStore({
    clock,
    lifetimes: { idleTimeout: minutes(30), absoluteTimeout: hours(12) },
    capacity: 1_000,
  })
  revoked = []
})

const group = toUserGroup(session.identity)
const create = (replaced: Partial<SessionStore> = {}) =>
  createSessionTermination({
    store: { ...store, ...replaced },
    tokenRevocation: { revoke: (pendingRevocation) => void revoked.push(pendingRevocation) },
  })

test('a login that makes its session while the others are looked for does not escape', async () => {
  const before = clock.now()
  clock.advance(1)
  const login = { ...session.identity.login, startedAt: before }
  const late: NewSession = { ...session, identity: { ...session.identity, login } }
  const termination = create({
    async find(one) {
      const found = await store.find(one)
      await store.create('late', late)
      return found
    },
  })
  await termination.endAll(group)
  expect(await store.find(group)).toEqual([])
})

test('only those that were alive are told, each is revoked, and the ones not meant live on', async () => {
  for (const handle of ['a', 'b', 'c']) await store.create(handle, session)
  const termination = create({
    async find(one) {
      const found = await store.find(one)
      await store.end('a')
      return found
    },
  })
  expect(await termination.endAll(group, ({ handle }) => handle !== 'c')).toEqual(['b'])
  expect(revoked.map(({ handle }) => handle)).toEqual(['b'])
  expect(await store.read('c')).toBeDefined()
})

test('a person with very many sessions: all of them end, some at a time', async () => {
  for (let index = 0; index < 250; index += 1) await store.create(`h${index}`, session)
  let atOnce = 0
  let most = 0
  const termination = create({
    async end(...args) {
      atOnce += 1
      most = Math.max(most, atOnce)
      const ended = await store.end(...args)
      atOnce -= 1
      return ended
    },
  })
  expect(await termination.endAll(group)).toHaveLength(250)
  expect(most).toBeLessThanOrEqual(100)
})

test('a session at the provider that is called like a person is another group', async () => {
  await store.create('a', session)
  const { issuer, providerSub } = session.identity
  expect(await create().endAll(toProviderSidGroup(issuer, providerSub))).toEqual([])
  expect(await store.read('a')).toBeDefined()
})

test('an address that is no text is none', async () => {
  const identity = { ...session.identity, claims: { email: ['a@example.com'] } }
  expect(await store.create('a', { ...session, identity })).toBe('created')
  expect(await store.find(toUserGroup(identity))).toHaveLength(1)
})

describe('a session that gives way to another one of its person', () => {
  const successor = { ...session, handle: 'next' }
  const read = async (handle: string) => {
    const found = await store.read(handle)
    if (found === undefined) throw new Error(`${handle} is over`)
    return found
  }
  const refreshTokens = async (handle: string) =>
    (await store.read(handle))?.inherited?.map(({ refreshToken }) => refreshToken)
  beforeEach(async () => {
    await store.create('old', session)
    await store.create('next', session)
  })

  test('leaves it its tokens', async () => {
    await create().supersede(await read('old'), successor)
    expect(await store.read('old')).toBeUndefined()
    expect(await refreshTokens('next')).toEqual(['rt1'])
    expect(revoked).toEqual([])
  })

  test('lives on where that has ended itself', async () => {
    await store.end('next')
    expect(await create().supersede(await read('old'), successor)).toBeUndefined()
    expect(await store.read('old')).toBeDefined()
  })

  test('leaves it those that a refresh brought meanwhile as well', async () => {
    const termination = create({
      async inherit(...args) {
        const isAlive = await store.inherit(...args)
        const lock = await store.lockTokens('old', 1_000)
        const fence = lock.state === 'locked' ? lock.fence : 0
        const tokens = { ...session.tokens, refreshToken: 'rt2' }
        await store.commitTokens('old', { version: 1, fence }, { ...session, tokens })
        return isAlive
      },
    })
    await termination.supersede(await read('old'), successor)
    expect(await refreshTokens('next')).toEqual(['rt1', 'rt2'])
    expect(revoked).toEqual([])
  })

  test('hands on what it had inherited, the latest twenty at the most', async () => {
    const { issuer, providerName } = session.identity
    const tokens = Array.from({ length: 30 }, (_, index) => ({
      issuer,
      providerName,
      refreshToken: `r${index}`,
    }))
    await store.inherit('old', tokens)
    await create().supersede(await read('old'), successor)
    const names = await refreshTokens('next')
    expect([names?.length, names?.[0], names?.at(-1)]).toEqual([20, 'r11', 'rt1'])
  })
})

test('late tokens go to whichever session has taken the place in the end', async () => {
  for (const handle of ['a', 'b', 'c']) await store.create(handle, session)
  await store.end('a', { successor: 'b' })
  await store.end('b', { successor: 'c' })
  await create().discardLateTokens('a', session)
  expect((await store.read('c'))?.inherited).toHaveLength(1)
  expect(revoked).toEqual([])
  await store.end('c')
  await create().discardLateTokens('a', session)
  expect(revoked.map(({ handle }) => handle)).toEqual(['a'])
})

describe('what lives of a session, and of those that took its place', () => {
  beforeEach(async () => {
    for (const handle of ['a', 'b', 'c']) await store.create(handle, session)
  })
  const findLiving = async () => (await create().findActive('a'))?.handle
  const living = async () => (await store.find(group)).map(({ handle }) => handle)

  test.each<[string, () => unknown, string | undefined]>([
    ['itself, where it lives', () => {}, 'a'],
    ['the next one', () => store.end('a', { successor: 'b' }), 'b'],
    [
      'the one after that',
      async () => {
        await store.end('a', { successor: 'b' })
        await store.end('b', { successor: 'c' })
      },
      'c',
    ],
    ['nothing, where it ended by a logout', () => store.end('a', { byBrowser: true }), undefined],
    ['nothing, where another person took its place', () => store.end('a'), undefined],
    [
      'nothing, where the next one ended by a logout',
      async () => {
        await store.end('a', { successor: 'b' })
        await store.end('b', { byBrowser: true })
      },
      undefined,
    ],
    [
      'nothing, once requests cannot cross any more',
      async () => {
        await store.end('a', { successor: 'b' })
        clock.advance(15_001)
      },
      undefined,
    ],
    [
      'nothing, where they took the place of each other',
      async () => {
        await store.end('a', { successor: 'b' })
        await store.end('b', { successor: 'a' })
      },
      undefined,
    ],
  ])('%s', async (_what, happen, expected) => {
    await happen()
    const before = await living()
    expect(await findLiving()).toBe(expected)
    expect(await living()).toEqual(before)
    expect(revoked).toEqual([])
  })
})

test('a replacement that fails further down the chain revokes nothing of a session that lives', async () => {
  for (const handle of ['a', 'b', 'c']) await store.create(handle, session)
  await store.end('a', { successor: 'b' })
  const own = { ...session, handle: 'c' }
  const termination = create({
    async end(handle, ending) {
      if (handle === 'b') throw new Error('the store fails')
      return store.end(handle, ending)
    },
  })
  await expect(termination.supersedeChain('a', own)).rejects.toThrow('the store fails')
  await termination.restorePrevious(own, 'a')
  expect([await store.read('b'), await store.read('c')].map((one) => one !== undefined)).toEqual([
    true,
    false,
  ])
  expect(revoked).toEqual([])
})
