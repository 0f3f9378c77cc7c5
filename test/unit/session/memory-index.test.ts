import express from 'express'
import request from 'supertest'
import { beforeEach, describe, expect, test } from 'vitest'
import { createFrontChannelLogoutHandler } from '../../../src/http/machine-endpoints/front-channel-logout.ts'
import { createFrontChannelLogout } from '../../../src/logout/front-channel.ts'
import type { Provider } from '../../../src/provider/provider.ts'
import { createMemoryStore, type MemoryStore } from '../../../src/session/memory/store.ts'
import type { NewSession } from '../../../src/session/session.ts'
import { toEmailGroup, toProviderSidGroup, toUserGroup } from '../../../src/session/session-groups.ts'
import { createSessionTermination } from '../../../src/session/termination/session-termination.ts'
import { createTestClock, hours, minutes, seconds, type TestClock } from '../../support/clock.ts'

const issuer = 'https://idp.example'
const lifetimes = { idleTimeout: minutes(30), absoluteTimeout: hours(12) }
const tokens = { accessToken: 'a', obtainedAt: 1, idToken: 'i', scope: [] }
const login = { fingerprint: 'f', returnTo: '/', device: 'd', startedAt: 1 }

let clock: TestClock
let store: MemoryStore
beforeEach(() => {
  clock = createTestClock()
  store = createMemoryStore({ clock, lifetimes })
})

/** A session of a user; `email` may change. */
const toSession = (sub: string, email = `${sub}@example.com`): NewSession => ({
  identity: {
    providerName: 'default',
    issuer,
    providerSub: sub,
    appSub: sub,
    claims: { email },
    providerSid: `sid-${sub}`,
    login,
  },
  tokens,
})
const findHandles = async (group: Parameters<MemoryStore['findByGroup']>[0]) =>
  (await store.findByGroup(group)).map(({ handle }) => handle)

async function refresh(handle: string, refreshed: NewSession) {
  const lock = await store.lockTokens(handle, seconds(20))
  if (lock.state !== 'locked') throw new Error(`the lock is ${lock.state}`)
  const version = (await store.read(handle))?.tokensVersion ?? 0
  return store.commitTokens(handle, { version, fence: lock.fence }, refreshed)
}

describe('with 5,000 sessions of 5,000 users', () => {
  /** The `sub` of each user whose identity was read. */
  let looked: Set<string>
  beforeEach(async () => {
    looked = new Set()
    for (let count = 0; count < 5_000; count += 1) {
      const { identity } = toSession(`u${count}`)
      const counting = new Proxy(identity, {
        get(target, name, receiver) {
          looked.add(target.providerSub)
          return Reflect.get(target, name, receiver) as unknown
        },
      })
      await store.create(`h${count}`, { identity: counting, tokens })
    }
    expect(looked.size).toBe(5_000)
    looked.clear()
  })

  test.each([
    ['user', toUserGroup({ issuer, providerSub: 'u7' })],
    ['session at the provider', toProviderSidGroup(issuer, 'sid-u7')],
    ['e-mail address', toEmailGroup(issuer, 'U7@example.com')],
  ])('a search for one %s reads only their session', async (_what, group) => {
    const found = await store.findByGroup(group)
    expect(found.map(({ handle }) => handle)).toEqual(['h7'])
    expect([...looked].filter((sub) => sub !== 'u7')).toEqual([])
  })

  test('a front-channel logout reads only their session, and a guess reads none', async () => {
    const provider = { issuer, pageOrigins: async () => [] } as unknown as Provider
    const app = express()
    app.use((_req, res, next) => {
      res.locals.log = () => {}
      next()
    })
    const termination = createSessionTermination({
      store,
      tokenRevocation: { revoke: () => {} },
      log: () => {},
    })
    const providers = { all: [provider], findByIssuer: () => [provider] }
    const frontChannelLogout = createFrontChannelLogout({ providers, store, termination })
    app.get('/', createFrontChannelLogoutHandler(frontChannelLogout))
    await request(app).get('/').query({ iss: issuer, sid: 'sid-guessed' }).expect(200)
    expect([...looked]).toEqual([])
    await request(app).get('/').query({ iss: issuer, sid: 'sid-u7' }).expect(200)
    expect([...looked].filter((sub) => sub !== 'u7')).toEqual([])
    expect(await store.read('h7')).toBeUndefined()
    expect(await store.read('h8')).toBeDefined()
  })
})

describe('the index follows', () => {
  test('a refresh: the groups are those of the new claims', async () => {
    await store.create('h', toSession('u', 'old@example.com'))
    const before = store.indexSize()
    expect(await refresh('h', toSession('u', 'new@example.com'))).toBe('committed')
    expect(await findHandles(toEmailGroup(issuer, 'old@example.com'))).toEqual([])
    expect(await findHandles(toEmailGroup(issuer, 'new@example.com'))).toEqual(['h'])
    expect(await findHandles(toUserGroup({ issuer, providerSub: 'u' }))).toEqual(['h'])
    expect(store.indexSize()).toBe(before)
  })

  test('a session that ends, or is rejected: no entry stays', async () => {
    await store.create('h', toSession('u'))
    await store.end('h')
    await store.rejectEarlierLogins(toUserGroup({ issuer, providerSub: 'u' }))
    expect(await store.create('late', toSession('u'))).toBe('rejected')
    expect(store.indexSize()).toBe(0)
  })

  test('a session that finds the store full: no entry stays', async () => {
    const full = createMemoryStore({ clock, lifetimes, capacity: 1 })
    await full.create('h', toSession('u'))
    const before = full.indexSize()
    await expect(full.create('h2', toSession('u2'))).rejects.toMatchObject({ code: 'store_unavailable' })
    expect(full.indexSize()).toBe(before)
  })

  test('time: expired sessions are not found, and none of their entries stays', async () => {
    for (let count = 0; count < 100; count += 1) await store.create(`h${count}`, toSession(`u${count % 10}`))
    clock.advance(minutes(30))
    expect(await findHandles(toUserGroup({ issuer, providerSub: 'u1' }))).toEqual([])
    expect(store.size()).toBe(0)
    expect(store.indexSize()).toBe(0)
  })

  test('a new session under the handle of an expired one: only in its own groups', async () => {
    await store.create('h', toSession('u'))
    clock.advance(minutes(30))
    expect(await store.create('h', toSession('other'))).toBe('created')
    expect(await findHandles(toUserGroup({ issuer, providerSub: 'u' }))).toEqual([])
    expect(await findHandles(toUserGroup({ issuer, providerSub: 'other' }))).toEqual(['h'])
    expect(store.indexSize()).toBe(3)
  })
})
