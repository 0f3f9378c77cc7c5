import { describe, expect, test } from 'vitest'
import type { NewSession } from '../../src/session/session.ts'
import type { SessionStore } from '../../src/session/store.ts'
import { hours, minutes, type TestClock } from '../support/clock.ts'

/** A store under test: idle timeout 30 minutes, absolute timeout 12 hours. */
export interface StoreUnderTest {
  store: SessionStore
  clock: TestClock
}

export const lifetimes = { idleTimeout: minutes(30), absoluteTimeout: hours(12) }

const session: NewSession = {
  identity: {
    issuer: 'https://idp.example',
    sub: 'u1',
    claims: { name: 'Grace', groups: ['Navy'] },
    authTime: 1,
    acr: 'urn:a',
    amr: ['pwd'],
    providerSid: 'ps1',
    login: { fingerprint: 'f1', returnTo: '/' },
  },
  tokens: {
    accessToken: 'at1',
    accessTokenExpiresAt: 5,
    refreshToken: 'rt1',
    idToken: 'id1',
    scope: ['openid', 'a'],
  },
}
const newTokens = { ...session.tokens, accessToken: 'at2', refreshToken: 'rt2' }

/** What every session store must do; run against each of them. */
export function describeSessionStore(name: string, create: () => Promise<StoreUnderTest>): void {
  const handle = () => `h-${crypto.randomUUID()}`

  describe(`${name} as a session store`, () => {
    test('gives back what was written, with its times', async () => {
      const { store, clock } = await create()
      const h = handle()
      expect(await store.create(h, session)).toBe(true)
      expect(await store.read(h)).toEqual({
        ...session,
        handle: h,
        createdAt: clock.now(),
        lastSeenAt: clock.now(),
        idleExpiresAt: clock.now() + minutes(30),
        absoluteExpiresAt: clock.now() + hours(12),
        tokensVersion: 1,
      })
    })

    test('knows nothing of what was never written', async () => {
      const { store } = await create()
      const h = handle()
      expect(await store.read(h)).toBeUndefined()
      expect(await store.end(h)).toBe(false)
      expect(await store.replaceTokens(h, 1, newTokens)).toBe('ended')
      expect(await store.read(h)).toBeUndefined()
    })

    test('does not write over a living session', async () => {
      const { store } = await create()
      const h = handle()
      await store.create(h, session)
      expect(await store.create(h, { ...session, tokens: newTokens })).toBe(false)
      expect((await store.read(h))?.tokens).toEqual(session.tokens)
    })

    test('an ended session stays dead, whoever still holds it (R49)', async () => {
      const { store } = await create()
      const h = handle()
      await store.create(h, session)
      const held = await store.read(h)
      expect(await store.end(h)).toBe(true)
      expect(await store.end(h)).toBe(false)
      if (held !== undefined) expect(await store.touch(held)).toBeUndefined()
      expect(await store.replaceTokens(h, 1, newTokens)).toBe('ended')
      expect(await store.create(h, session)).toBe(false)
      expect(await store.read(h)).toBeUndefined()
    })

    test('ends by itself after the idle timeout (R48)', async () => {
      const { store, clock } = await create()
      const h = handle()
      await store.create(h, session)
      clock.advance(minutes(30) - 1)
      expect(await store.read(h)).toBeDefined()
      clock.advance(1)
      expect(await store.read(h)).toBeUndefined()
    })

    test('a touch moves the idle timeout, but never past the absolute one (R48)', async () => {
      const { store, clock } = await create()
      const h = handle()
      await store.create(h, session)
      const started = clock.now()
      for (let held = await store.read(h); held !== undefined; held = await store.read(h)) {
        const touched = await store.touch(held)
        expect(touched?.idleExpiresAt).toBe(Math.min(clock.now() + minutes(30), started + hours(12)))
        clock.advance(minutes(20))
      }
      expect(clock.now() - started).toBe(hours(12))
    })

    test('touches within a tenth of the idle timeout are not written', async () => {
      const { store, clock } = await create()
      const h = handle()
      await store.create(h, session)
      const before = await store.read(h)
      clock.advance(minutes(3) - 1)
      if (before !== undefined) await store.touch(before)
      expect(await store.read(h)).toEqual(before)
      clock.advance(1)
      if (before !== undefined) await store.touch(before)
      expect((await store.read(h))?.lastSeenAt).toBe(clock.now())
    })

    test('replaces tokens only for the one who saw the latest (compare-and-set)', async () => {
      const { store } = await create()
      const h = handle()
      await store.create(h, session)
      expect(await store.replaceTokens(h, 1, newTokens)).toBe('replaced')
      expect(await store.replaceTokens(h, 1, session.tokens)).toBe('stale')
      expect(await store.read(h)).toMatchObject({
        tokens: newTokens,
        tokensVersion: 2,
        identity: session.identity,
      })
      expect(await store.replaceTokens(h, 2, session.tokens)).toBe('replaced')
    })

    test('of many replacements at once, one wins', async () => {
      const { store } = await create()
      const h = handle()
      await store.create(h, session)
      const results = await Promise.all(
        Array.from({ length: 20 }, () => store.replaceTokens(h, 1, newTokens)),
      )
      expect(results.filter((result) => result === 'replaced')).toHaveLength(1)
    })

    test('a touch that read before a replacement does not undo it', async () => {
      const { store, clock } = await create()
      const h = handle()
      await store.create(h, session)
      const held = await store.read(h)
      await store.replaceTokens(h, 1, newTokens)
      clock.advance(minutes(5))
      if (held !== undefined) await store.touch(held)
      expect(await store.read(h)).toMatchObject({
        tokens: newTokens,
        tokensVersion: 2,
        lastSeenAt: clock.now(),
      })
    })

    test('a claim has one winner, until its lifetime is over', async () => {
      const { store, clock } = await create()
      const key = handle()
      const claims = await Promise.all(Array.from({ length: 20 }, () => store.claim(key, minutes(10))))
      expect(claims.filter(Boolean)).toHaveLength(1)
      clock.advance(minutes(10) - 1)
      expect(await store.claim(key, minutes(10))).toBe(false)
      clock.advance(1)
      expect(await store.claim(key, minutes(10))).toBe(true)
    })

    test('what the winner published is there for the others, until its lifetime is over', async () => {
      const { store, clock } = await create()
      const key = handle()
      await store.claim(key, minutes(10))
      expect(await store.published(key)).toBeUndefined()
      await store.publish(key, 'outcome', minutes(10))
      expect(await store.published(key)).toBe('outcome')
      clock.advance(minutes(10))
      expect(await store.published(key)).toBeUndefined()
    })

    test('answers a ping', async () => {
      await (await create()).store.ping()
    })
  })
}
