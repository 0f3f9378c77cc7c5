import { beforeEach, describe, expect, test } from 'vitest'
import { createMemoryStore, type MemoryStore } from '../../../src/session/memory/store.ts'
import type { NewSession, PendingRevocation } from '../../../src/session/session.ts'
import { toProviderSidGroup, toUserGroup } from '../../../src/session/session-groups.ts'
import type { SessionStore } from '../../../src/session/store.ts'
import { createSessionTermination } from '../../../src/session/termination/session-termination.ts'
import { createTestClock, hours, minutes, type TestClock } from '../../support/clock.ts'
import { session } from '../../support/session-fixture.ts'

let clock: TestClock
let store: MemoryStore
let revoked: PendingRevocation[]
let logged: unknown[]
beforeEach(() => {
  clock = createTestClock()
  store = createMemoryStore({
    clock,
    lifetimes: { idleTimeout: minutes(30), absoluteTimeout: hours(12) },
    capacity: 1_000,
  })
  revoked = []
  logged = []
})

const group = toUserGroup(session.identity)
const create = (replaced: Partial<SessionStore> = {}) =>
  createSessionTermination({
    store: { ...store, ...replaced },
    tokenRevocation: { revoke: (pendingRevocation) => void revoked.push(pendingRevocation) },
    log: (...event) => void logged.push(event),
  })

test('a login that makes its session while the others are searched ends as well', async () => {
  const before = clock.now()
  clock.advance(1)
  const login = { ...session.identity.login, startedAt: before }
  const late: NewSession = { ...session, identity: { ...session.identity, login } }
  const termination = create({
    async findByGroup(one) {
      const found = await store.findByGroup(one)
      await store.create('late', late)
      return found
    },
  })
  await termination.endAll(group, 'logout')
  expect(await store.findByGroup(group)).toEqual([])
})

test('only active sessions are returned, each is revoked, and the others stay active', async () => {
  for (const handle of ['a', 'b', 'c']) await store.create(handle, session)
  const termination = create({
    async findByGroup(one) {
      const found = await store.findByGroup(one)
      await store.end('a')
      return found
    },
  })
  expect(await termination.endAll(group, 'logout', ({ handle }) => handle !== 'c')).toEqual(['b'])
  expect(revoked.map(({ handle }) => handle)).toEqual(['b'])
  expect(await store.read('c')).toBeDefined()
})

test('a user with very many sessions: all of them end, a batch at a time', async () => {
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
  expect(await termination.endAll(group, 'logout')).toHaveLength(250)
  expect(most).toBeLessThanOrEqual(100)
})

test('a session at the provider with the id of a user is another group', async () => {
  await store.create('a', session)
  const { issuer, providerSub } = session.identity
  expect(await create().endAll(toProviderSidGroup(issuer, providerSub), 'logout')).toEqual([])
  expect(await store.read('a')).toBeDefined()
})

test('an e-mail claim that is not a string is ignored', async () => {
  const identity = { ...session.identity, claims: { email: ['a@example.com'] } }
  expect(await store.create('a', { ...session, identity })).toBe('created')
  expect(await store.findByGroup(toUserGroup(identity))).toHaveLength(1)
})

describe('a session that another one of its user supersedes', () => {
  const successor = { ...session, handle: 'next' }
  const read = async (handle: string) => {
    const found = await store.read(handle)
    if (found === undefined) throw new Error(`${handle} has ended`)
    return found
  }
  const refreshTokens = async (handle: string) =>
    (await store.read(handle))?.inherited?.map(({ refreshToken }) => refreshToken)
  beforeEach(async () => {
    await store.create('old', session)
    await store.create('next', session)
  })

  test('passes its tokens on', async () => {
    await create().supersede(await read('old'), successor)
    expect(await store.read('old')).toBeUndefined()
    expect(await refreshTokens('next')).toEqual(['rt1'])
    expect(revoked).toEqual([])
  })

  test('stays active if the successor has ended itself', async () => {
    await store.end('next')
    expect(await create().supersede(await read('old'), successor)).toBeUndefined()
    expect(await store.read('old')).toBeDefined()
    expect(logged).toEqual([])
  })

  test('is logged once, also where two requests of its browser supersede it', async () => {
    const [termination, old] = [create(), await read('old')]
    await Promise.all([termination.supersede(old, successor), termination.supersede(old, successor)])
    const { appSub: sub, providerName: provider } = session.identity
    expect(logged).toEqual([['session_superseded', { session: 'old', sub, provider, successor: 'next' }]])
  })

  test('passes on the tokens of a concurrent refresh as well', async () => {
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

  test('passes on what it had inherited, at most the latest twenty', async () => {
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

test('late tokens go to the last session of the chain', async () => {
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

describe('the active session of a chain', () => {
  beforeEach(async () => {
    for (const handle of ['a', 'b', 'c']) await store.create(handle, session)
  })
  const findActive = async () => (await create().findActive('a'))?.handle
  const living = async () => (await store.findByGroup(group)).map(({ handle }) => handle)

  test.each<[string, () => unknown, string | undefined]>([
    ['the session itself, if it is active', () => {}, 'a'],
    ['the next one', () => store.end('a', { successor: 'b' }), 'b'],
    [
      'the one after that',
      async () => {
        await store.end('a', { successor: 'b' })
        await store.end('b', { successor: 'c' })
      },
      'c',
    ],
    ['none, if it ended by a logout', () => store.end('a', { byBrowser: true }), undefined],
    ['none, if another user superseded it', () => store.end('a'), undefined],
    [
      'none, if the next one ended by a logout',
      async () => {
        await store.end('a', { successor: 'b' })
        await store.end('b', { byBrowser: true })
      },
      undefined,
    ],
    [
      'none, once requests can no longer be concurrent',
      async () => {
        await store.end('a', { successor: 'b' })
        clock.advance(15_001)
      },
      undefined,
    ],
    [
      'none, if they superseded each other',
      async () => {
        await store.end('a', { successor: 'b' })
        await store.end('b', { successor: 'a' })
      },
      undefined,
    ],
  ])('%s', async (_what, happen, expected) => {
    await happen()
    const before = await living()
    expect(await findActive()).toBe(expected)
    expect(await living()).toEqual(before)
    expect(revoked).toEqual([])
  })
})

test('a supersession that fails further down the chain revokes no token of an active session', async () => {
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

describe('ending the sessions of everyone', () => {
  const begunAt = (startedAt: number, providerSub = 'u1'): NewSession => {
    const { identity } = session
    return { ...session, identity: { ...identity, providerSub, login: { ...identity.login, startedAt } } }
  }
  const endEveryone = async (replaced: Partial<SessionStore> = {}) => {
    const ended: string[] = []
    await create(replaced).endEveryone((handles) => void ended.push(...handles))
    return ended
  }
  const listed = async () => {
    const handles: string[] = []
    for await (const batch of store.listHandles()) handles.push(...batch)
    return handles
  }

  test('each ends, and its tokens wait for the look that revokes few at once', async () => {
    for (let index = 0; index < 250; index += 1) await store.create(`h${index}`, begunAt(1, `u${index}`))
    expect(await endEveryone()).toHaveLength(250)
    expect(await listed()).toEqual([])
    expect(revoked).toEqual([])
    clock.advance(minutes(1))
    expect(await store.takeDueRevocations(1_000, 1)).toHaveLength(250)
  })

  test('a login that makes its session while the others are listed ends as well', async () => {
    const before = clock.now()
    clock.advance(1)
    await store.create('a', begunAt(before))
    await endEveryone({
      async *listHandles() {
        const handles = await listed()
        yield handles
        // The last look has just found none.
        if (handles.length === 0) await store.create('late', begunAt(before, 'u2'))
      },
    })
    expect(await listed()).toEqual([])
    expect(await store.create('late', session)).toBe('taken')
  })

  test('a login that began afterwards stays, also while the others are listed', async () => {
    await store.create('a', begunAt(1))
    const ended = await endEveryone({
      async *listHandles() {
        await store.create('new', begunAt(clock.now()))
        yield* store.listHandles()
      },
    })
    expect(ended).toEqual(['a'])
    expect(await listed()).toEqual(['new'])
  })

  test('lists them again until none is left: a failover may have hidden some', async () => {
    for (const handle of ['a', 'b', 'c']) await store.create(handle, begunAt(1))
    const hidden = ['b', 'c']
    const ended = await endEveryone({
      async *listHandles() {
        for await (const handles of store.listHandles()) yield handles.filter((one) => !hidden.includes(one))
        hidden.pop()
      },
    })
    expect(ended).toEqual(['a', 'c', 'b'])
  })
})
