import { beforeEach, expect, test } from 'vitest'
import { createEndings } from '../../src/session/endings.ts'
import { createMemoryStore, type MemoryStore } from '../../src/session/memory-store.ts'
import type { NewSession, Remains } from '../../src/session/session.ts'
import { toProviderSidGroup, toUserGroup } from '../../src/session/session-groups.ts'
import type { SessionStore } from '../../src/session/store.ts'
import { session } from '../contract/store.ts'
import { createTestClock, hours, minutes, type TestClock } from '../support/clock.ts'

let clock: TestClock
let store: MemoryStore
let revoked: Remains[]
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
  createEndings({
    store: { ...store, ...replaced },
    revocations: { revoke: (remains) => void revoked.push(remains) },
  })

test('a login that makes its session while the others are looked for does not escape', async () => {
  const before = clock.now()
  clock.advance(1)
  const login = { ...session.identity.login, startedAt: before }
  const late: NewSession = { ...session, identity: { ...session.identity, login } }
  const endings = create({
    async find(one) {
      const found = await store.find(one)
      await store.create('late', late)
      return found
    },
  })
  await endings.endAll(group)
  expect(await store.find(group)).toEqual([])
})

test('only those that were alive are told, each is revoked, and the ones not meant live on', async () => {
  for (const handle of ['a', 'b', 'c']) await store.create(handle, session)
  const endings = create({
    async find(one) {
      const found = await store.find(one)
      await store.end('a')
      return found
    },
  })
  expect(await endings.endAll(group, ({ handle }) => handle !== 'c')).toEqual(['b'])
  expect(revoked.map(({ handle }) => handle)).toEqual(['b'])
  expect(await store.read('c')).toBeDefined()
})

test('a person with very many sessions: all of them end, some at a time', async () => {
  for (let index = 0; index < 250; index += 1) await store.create(`h${index}`, session)
  let atOnce = 0
  let most = 0
  const endings = create({
    async end(...args) {
      atOnce += 1
      most = Math.max(most, atOnce)
      const ended = await store.end(...args)
      atOnce -= 1
      return ended
    },
  })
  expect(await endings.endAll(group)).toHaveLength(250)
  expect(most).toBeLessThanOrEqual(100)
})

test('a session at the provider that is called like a person is another group', async () => {
  await store.create('a', session)
  const { issuer, sub } = session.identity
  expect(await create().endAll(toProviderSidGroup(issuer, sub))).toEqual([])
  expect(await store.read('a')).toBeDefined()
})

test('an address that is no text is none', async () => {
  const identity = { ...session.identity, claims: { email: ['a@example.com'] } }
  expect(await store.create('a', { ...session, identity })).toBe('created')
  expect(await store.find(toUserGroup(identity))).toHaveLength(1)
})
