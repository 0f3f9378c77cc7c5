import { expect, test } from 'vitest'
import { createMemoryStore } from '../../src/session/memory/store.ts'
import { createTestClock, hours, minutes } from '../support/clock.ts'
import { lifetimes } from '../support/session-fixture.ts'
import { describeStore } from './store.ts'

describeStore('the memory store', async () => {
  const clock = createTestClock()
  const passTime = async (milliseconds: number) => clock.advance(milliseconds)
  return { clock, passTime, store: createMemoryStore({ clock, lifetimes }) }
})

const login = {
  identity: {
    providerName: 'default',
    issuer: 'https://idp.example',
    providerSub: 'u',
    appSub: 'u',
    claims: {},
    login: { fingerprint: 'f', returnTo: '/', device: 'd', startedAt: 1 },
  },
  tokens: { accessToken: 'a', obtainedAt: 1, idToken: 'i', scope: [] },
}

test('a full memory store refuses another session and keeps the ones it has', async () => {
  const clock = createTestClock()
  const store = createMemoryStore({ clock, lifetimes, capacity: 3 })
  for (const handle of ['a', 'b', 'c']) await store.create(handle, login)
  await expect(store.create('d', login)).rejects.toMatchObject({ code: 'store_unavailable' })
  expect(await store.read('a')).toBeDefined()
  await store.end('a')
  expect(await store.create('d', login)).toBe('created')
})

test('a full memory store refuses another reservation, until the first ones have expired', async () => {
  const clock = createTestClock()
  const store = createMemoryStore({ clock, lifetimes, capacity: 1 })
  for (let index = 0; index < 10; index += 1) await store.reserveOnce(`a${index}`, minutes(10))
  await expect(store.reserveOnce('b', minutes(10))).rejects.toMatchObject({ code: 'store_unavailable' })
  clock.advance(minutes(10) - 1)
  await expect(store.reserveOnce('b', minutes(10))).rejects.toMatchObject({ code: 'store_unavailable' })
  clock.advance(1_001)
  expect(await store.reserveOnce('b', minutes(10))).toBe(true)
})

test('the memory store drops what has expired, including tombstones and reservations', async () => {
  const clock = createTestClock()
  const store = createMemoryStore({ clock, lifetimes })
  for (let index = 0; index < 100; index += 1) {
    await store.create(`s${index}`, login)
    if (index % 2 === 0) await store.end(`s${index}`)
    await store.reserveOnce(`c${index}`, minutes(10))
    await store.publish(`c${index}`, 'x', minutes(10))
  }
  expect(store.size()).toBe(300)
  clock.advance(hours(25))
  expect(store.size()).toBe(0)
})
