import { describe, expect, test } from 'vitest'
import type { Clock } from '../../src/clock.ts'
import { inBatches } from '../../src/session/batches.ts'
import type { NewSession } from '../../src/session/session.ts'
import { toEmailGroup, toGroups, toProviderSidGroup, toUserGroup } from '../../src/session/session-groups.ts'
import type { Store } from '../../src/session/store.ts'
import { hours, minutes, seconds } from '../support/clock.ts'
import { session } from '../support/session-fixture.ts'

/** A store under test: idle timeout 30 minutes, absolute timeout 12 hours. */
export interface StoreUnderTest {
  store: Store
  clock: Clock
  /** Lets milliseconds pass for the store and for the server that it uses. */
  passTime(milliseconds: number): Promise<void>
}

const token = (refreshToken: string) => ({
  providerName: 'default',
  issuer: 'https://idp.example',
  refreshToken,
})

const lease = seconds(20)

const renewed: NewSession = {
  identity: { ...session.identity, claims: { name: 'Grace', groups: ['Retired'] } },
  tokens: { ...session.tokens, accessToken: 'at2', refreshToken: 'rt2' },
}

const findBySid = (store: Store, issuer: string, sid: string) =>
  store.findByGroup(toProviderSidGroup(issuer, sid))

/** Takes the lock on a session's tokens, which must be free; returns its fencing number. */
async function lock(store: Store, handle: string): Promise<number> {
  const taken = await store.lockTokens(handle, lease)
  if (taken.state !== 'locked') throw new Error(`the lock is ${taken.state}`)
  return taken.fence
}

/** The tests that every implementation of the store has to pass. */
export function describeStore(name: string, create: () => Promise<StoreUnderTest>): void {
  const handle = () => `h-${crypto.randomUUID()}`

  describe(`${name} as a store`, () => {
    test('returns what was written, with its times', async () => {
      const { store, clock } = await create()
      const h = handle()
      expect(await store.create(h, session)).toBe('created')
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

    test('returns nothing for a handle that was never written', async () => {
      const { store } = await create()
      const h = handle()
      expect(await store.read(h)).toBeUndefined()
      expect(await store.end(h)).toMatchObject({ wasAlive: false, pendingRevocation: undefined })
      expect(await store.lockTokens(h, lease)).toEqual({ state: 'ended' })
      expect(await store.commitTokens(h, { version: 1, fence: 1 }, renewed)).toBe('ended')
      expect(await store.read(h)).toBeUndefined()
    })

    test('does not overwrite an active session', async () => {
      const { store } = await create()
      const h = handle()
      await store.create(h, session)
      expect(await store.create(h, renewed)).toBe('taken')
      expect((await store.read(h))?.tokens).toEqual(session.tokens)
    })

    test('an ended session never comes back, even if a request still holds it (R49)', async () => {
      const { store, passTime } = await create()
      const h = handle()
      await store.create(h, session)
      const held = await store.read(h)
      const fence = await lock(store, h)
      expect(await store.end(h)).toMatchObject({ wasAlive: true })
      expect(await store.end(h)).toMatchObject({ wasAlive: false, pendingRevocation: undefined })
      await passTime(minutes(10))
      expect(held).toBeDefined()
      expect(await store.touch(h)).toBeUndefined()
      expect(await store.renewTokenLock(h, fence, lease)).toBe(false)
      expect(await store.commitTokens(h, { version: 1, fence }, renewed)).toBe('ended')
      expect(await store.lockTokens(h, lease)).toEqual({ state: 'ended' })
      expect(await store.findByGroup(toUserGroup(session.identity))).not.toContainEqual(
        expect.objectContaining({ handle: h }),
      )
      expect(await store.create(h, session)).toBe('taken')
      expect(await store.read(h)).toBeUndefined()
    })

    test('a session expires after the idle timeout (R48)', async () => {
      const { store, passTime } = await create()
      const h = handle()
      await store.create(h, session)
      await passTime(minutes(30) - 1)
      expect(await store.read(h)).toBeDefined()
      await passTime(1)
      expect(await store.read(h)).toBeUndefined()
    })

    test('a touch extends the idle timeout, but never past the absolute one (R48)', async () => {
      const { store, clock, passTime } = await create()
      const h = handle()
      await store.create(h, session)
      const started = clock.now()
      for (let held = await store.read(h); held !== undefined; held = await store.read(h)) {
        const touched = await store.touch(h)
        expect(touched?.idleExpiresAt).toBe(Math.min(clock.now() + minutes(30), started + hours(12)))
        await passTime(minutes(20))
      }
      expect(clock.now() - started).toBe(hours(12))
    })

    test('touches within a tenth of the idle timeout are not written', async () => {
      const { store, clock, passTime } = await create()
      const h = handle()
      await store.create(h, session)
      const before = await store.read(h)
      await passTime(minutes(3) - 1)
      await store.touch(h)
      expect(await store.read(h)).toEqual(before)
      await passTime(1)
      await store.touch(h)
      expect((await store.read(h))?.lastSeenAt).toBe(clock.now())
    })

    test('lists the handles of all active sessions in batches, also while others begin and end', async () => {
      const { store, passTime } = await create()
      const [expired, ended, staying, fleeting] = [1, 2, 1_200, 50].map((count) =>
        Array.from({ length: count }, handle),
      ) as [string[], string[], string[], string[]]
      const createAll = (handles: readonly string[]) =>
        inBatches(handles, 100, (batch) => Promise.all(batch.map((h) => store.create(h, session))))
      await createAll(expired)
      await passTime(minutes(30) - seconds(10))
      await createAll([...ended, ...staying, ...fleeting])
      await passTime(seconds(10))
      for (const h of ended) await store.end(h)

      const listed: string[] = []
      let largest = 0
      for await (const batch of store.listHandles()) {
        largest = Math.max(largest, batch.length)
        listed.push(...batch)
        const passing = fleeting.pop()
        if (passing !== undefined) await store.end(passing)
        await store.create(handle(), session)
      }
      expect(new Set(listed)).toEqual(new Set([...listed, ...staying]))
      for (const h of [...expired, ...ended]) expect(listed).not.toContain(h)
      expect(largest).toBeLessThan(700)
    })

    describe("the lock on a session's tokens", () => {
      test('has one holder, with a greater fencing number each time', async () => {
        const { store } = await create()
        const h = handle()
        await store.create(h, session)
        const locks = await Promise.all(Array.from({ length: 20 }, () => store.lockTokens(h, lease)))
        expect(locks.filter(({ state }) => state === 'locked')).toHaveLength(1)
        expect(locks.filter(({ state }) => state === 'held')).toHaveLength(19)
        const first = locks.find((one) => one.state === 'locked')?.fence ?? 0
        await store.unlockTokens(h, first)
        expect(await lock(store, h)).toBeGreaterThan(first)
      })

      test('is free once its lease has expired, unless it was renewed', async () => {
        const { store, passTime } = await create()
        const h = handle()
        await store.create(h, session)
        const fence = await lock(store, h)
        await passTime(lease - seconds(5))
        expect(await store.renewTokenLock(h, fence, lease)).toBe(true)
        await passTime(lease - seconds(5))
        expect(await store.lockTokens(h, lease)).toEqual({ state: 'held' })
        await passTime(seconds(5))
        expect(await lock(store, h)).toBeGreaterThan(fence)
        expect(await store.renewTokenLock(h, fence, lease)).toBe(false)
      })

      test('is neither renewed nor paused after its lease has expired', async () => {
        const { store, passTime } = await create()
        const h = handle()
        await store.create(h, session)
        const fence = await lock(store, h)
        await passTime(lease)
        expect(await store.renewTokenLock(h, fence, lease)).toBe(false)
        await store.unlockTokens(h, fence, seconds(30))
        await lock(store, h)
      })

      test('is released only by its holder', async () => {
        const { store, passTime } = await create()
        const h = handle()
        await store.create(h, session)
        const first = await lock(store, h)
        await passTime(lease)
        const second = await lock(store, h)
        await store.unlockTokens(h, first)
        expect(await store.lockTokens(h, lease)).toEqual({ state: 'held' })
        await store.unlockTokens(h, second)
        await lock(store, h)
      })

      test('released with a pause, it cannot be taken before the pause has ended', async () => {
        const { store, passTime } = await create()
        const h = handle()
        await store.create(h, session)
        const fence = await lock(store, h)
        await store.unlockTokens(h, fence, seconds(30))
        const paused = await store.lockTokens(h, lease)
        expect(paused).toMatchObject({ state: 'paused' })
        if (paused.state === 'paused') {
          expect(paused.remaining).toBeGreaterThan(seconds(25))
          expect(paused.remaining).toBeLessThanOrEqual(seconds(30))
        }
        expect(await store.renewTokenLock(h, fence, lease)).toBe(false)
        await passTime(seconds(30))
        await lock(store, h)
      })

      test('a commit writes the tokens and the identity that came with them, and releases the lock', async () => {
        const { store } = await create()
        const h = handle()
        await store.create(h, session)
        const fence = await lock(store, h)
        expect(await store.commitTokens(h, { version: 1, fence }, renewed)).toBe('committed')
        expect(await store.read(h)).toMatchObject({ ...renewed, tokensVersion: 2 })
        const next = await lock(store, h)
        expect(await store.commitTokens(h, { version: 2, fence: next }, session)).toBe('committed')
        expect(await store.read(h)).toMatchObject({ ...session, tokensVersion: 3 })
      })

      test('a commit of what was read before another commit is refused (compare-and-set)', async () => {
        const { store } = await create()
        const h = handle()
        await store.create(h, session)
        const fence = await lock(store, h)
        const commits = await Promise.all(
          Array.from({ length: 20 }, () => store.commitTokens(h, { version: 1, fence }, renewed)),
        )
        expect(commits.filter((result) => result === 'committed')).toHaveLength(1)
        expect(commits.filter((result) => result === 'stale')).toHaveLength(19)
      })

      test('a commit of a holder that was paused while another took the lock is refused (fencing)', async () => {
        const { store, passTime } = await create()
        const h = handle()
        await store.create(h, session)
        const slow = await lock(store, h)
        await passTime(lease)
        const quick = await lock(store, h)
        expect(await store.commitTokens(h, { version: 1, fence: slow }, session)).toBe('lock-lost')
        expect(await store.commitTokens(h, { version: 1, fence: quick }, renewed)).toBe('committed')
        expect(await store.commitTokens(h, { version: 1, fence: slow }, session)).toBe('stale')
        expect((await store.read(h))?.tokens).toEqual(renewed.tokens)
      })

      test('a commit after the lease expired is accepted if no other holder took the lock', async () => {
        const { store, passTime } = await create()
        const h = handle()
        await store.create(h, session)
        const fence = await lock(store, h)
        await passTime(lease)
        expect(await store.commitTokens(h, { version: 1, fence }, renewed)).toBe('committed')
      })

      test('a touch that read before a commit does not undo it, nor a commit the touch', async () => {
        const { store, clock, passTime } = await create()
        const h = handle()
        await store.create(h, session)
        const held = await store.read(h)
        const fence = await lock(store, h)
        await passTime(minutes(5))
        await store.commitTokens(h, { version: 1, fence }, renewed)
        expect(held?.tokensVersion).toBe(1)
        await store.touch(h)
        expect(await store.read(h)).toMatchObject({ ...renewed, tokensVersion: 2, lastSeenAt: clock.now() })
        const idleExpiresAt = (await store.read(h))?.idleExpiresAt
        const next = await lock(store, h)
        await store.commitTokens(h, { version: 2, fence: next }, session)
        expect(await store.read(h)).toMatchObject({ lastSeenAt: clock.now(), idleExpiresAt })
      })

      test('does not keep a session alive', async () => {
        const { store, passTime } = await create()
        const h = handle()
        await store.create(h, session)
        await passTime(minutes(20))
        const fence = await lock(store, h)
        await store.commitTokens(h, { version: 1, fence }, renewed)
        await passTime(minutes(10))
        expect(await store.read(h)).toBeUndefined()
        expect(await store.lockTokens(h, lease)).toEqual({ state: 'ended' })
      })
    })

    describe('finds', () => {
      const someone = () => ({
        ...session.identity,
        providerSub: `u-${crypto.randomUUID()}`,
        providerSid: handle(),
      })

      test("a user's sessions, the oldest first, and no other user's (R50)", async () => {
        const { store, passTime } = await create()
        const identity = someone()
        const [first, second, other] = [handle(), handle(), handle()]
        await store.create(first, { ...session, identity })
        await passTime(seconds(1))
        await store.create(second, { ...session, identity })
        await store.create(other, { ...session, identity: { ...identity, issuer: 'https://other.example' } })
        expect((await store.findByGroup(toUserGroup(identity))).map((one) => one.handle)).toEqual([
          first,
          second,
        ])
        await store.end(first)
        expect(await store.findByGroup(toUserGroup(identity))).toMatchObject([
          { ...session, identity, handle: second },
        ])
        expect(await store.findByGroup(toUserGroup(someone()))).toEqual([])
      })

      test('sessions by the session at the provider', async () => {
        const { store } = await create()
        const identity = someone()
        const [mine, other] = [handle(), handle()]
        await store.create(mine, { ...session, identity })
        await store.create(other, { ...session, identity: { ...identity, providerSid: handle() } })
        const found = await findBySid(store, identity.issuer, identity.providerSid)
        expect(found.map((one) => one.handle)).toEqual([mine])
        expect(await findBySid(store, 'https://other.example', identity.providerSid)).toEqual([])
      })

      test('sessions by their e-mail address in any case, as long as the provider reports it', async () => {
        const { store } = await create()
        const name = handle()
        const identity = { ...someone(), claims: { email: `${name}@Example.com` } }
        const h = handle()
        await store.create(h, { ...session, identity })
        const byEmail = async (email: string) =>
          (await store.findByGroup(toEmailGroup(identity.issuer, email))).map((one) => one.handle)
        expect(await byEmail(`${name.toUpperCase()}@example.com`)).toEqual([h])
        expect(await store.findByGroup(toEmailGroup('https://other.example', `${name}@example.com`))).toEqual(
          [],
        )
        const fence = await lock(store, h)
        const moved = { ...identity, claims: { email: `new-${name}@example.com` } }
        await store.commitTokens(h, { version: 1, fence }, { ...session, identity: moved })
        expect(await byEmail(`new-${name}@example.com`)).toEqual([h])
        expect(await byEmail(`${name}@example.com`)).toEqual([])
      })

      test('sessions only as long as they are active', async () => {
        const { store, passTime } = await create()
        const identity = someone()
        const h = handle()
        await store.create(h, { ...session, identity })
        for (let turn = 0; turn < 20; turn += 1) {
          await passTime(minutes(29))
          const [found] = await store.findByGroup(toUserGroup(identity))
          expect(found?.handle).toBe(h)
          await store.touch(h)
        }
        await passTime(minutes(31))
        expect(await store.findByGroup(toUserGroup(identity))).toEqual([])
      })
    })

    test('a tombstone is kept for longer than any request that still holds the session', async () => {
      const { store, passTime } = await create()
      const h = handle()
      await store.create(h, session)
      await store.end(h, { withoutRevoking: true })
      await passTime(minutes(59))
      expect(await store.create(h, session)).toBe('taken')
    })

    test('an active session has no pending revocation to read or to complete', async () => {
      const { store } = await create()
      const h = handle()
      await store.create(h, session)
      await store.completeRevocation(h, 9)
      expect(await store.readPendingRevocation(h)).toBeUndefined()
      expect(await store.read(h)).toMatchObject({ ...session, tokensVersion: 1 })
    })

    describe('the pending revocation of an ended session', () => {
      const pendingRevocationOf = (h: string, { identity, tokens }: NewSession, version: number) => ({
        handle: h,
        identity,
        tokens,
        version,
      })

      test('is returned once by end, and kept until it is completed', async () => {
        const { store, passTime } = await create()
        const h = handle()
        await store.create(h, session)
        const fence = await lock(store, h)
        await store.commitTokens(h, { version: 1, fence }, renewed)
        expect(await store.readPendingRevocation(h)).toBeUndefined()
        const left = pendingRevocationOf(h, renewed, 2)
        expect((await store.end(h)).pendingRevocation).toEqual(left)
        expect((await store.end(h)).pendingRevocation).toBeUndefined()
        await passTime(hours(23))
        expect(await store.readPendingRevocation(h)).toEqual(left)
        await store.completeRevocation(h, 2)
        expect(await store.readPendingRevocation(h)).toBeUndefined()
        expect(await store.create(h, session)).toBe('taken')
      })

      test('expires after a day', async () => {
        const { store, passTime } = await create()
        const h = handle()
        await store.create(h, session)
        await store.end(h)
        await passTime(hours(24))
        expect(await store.readPendingRevocation(h)).toBeUndefined()
      })

      test('late tokens replace the earlier ones, and are completed by their own version', async () => {
        const { store } = await create()
        const h = handle()
        await store.create(h, session)
        await store.end(h)
        const { pendingRevocation: late } = await store.keepForRevocation(h, renewed)
        expect(late).toEqual(pendingRevocationOf(h, renewed, 2))
        await store.completeRevocation(h, 1)
        expect(await store.readPendingRevocation(h)).toEqual(late)
        await store.completeRevocation(h, 2)
        expect(await store.readPendingRevocation(h)).toBeUndefined()
        const { pendingRevocation: later } = await store.keepForRevocation(h, session)
        expect(later?.version).toBe(3)
        expect(await store.readPendingRevocation(h)).toEqual(later)
        expect(await store.read(h)).toBeUndefined()
      })

      test('late tokens of a session that expired are kept as well', async () => {
        const { store, passTime } = await create()
        const [gone, forgotten] = [handle(), handle()]
        await store.create(gone, session)
        await passTime(minutes(30))
        for (const h of [gone, forgotten]) {
          const { pendingRevocation: late } = await store.keepForRevocation(h, renewed)
          expect(await store.readPendingRevocation(h)).toEqual(late)
          expect(await store.read(h)).toBeUndefined()
          expect(await store.create(h, session)).toBe('taken')
        }
      })

      test('is taken by one caller at a time, after the process that ended it had its time', async () => {
        const { store, passTime } = await create()
        const h = handle()
        const claim = async () => {
          const claimed: string[] = []
          for (let some = await store.takeDueRevocations(50, minutes(1)); some.length > 0; ) {
            claimed.push(...some)
            some = await store.takeDueRevocations(50, minutes(1))
          }
          return claimed
        }
        await claim()
        await store.create(h, session)
        await store.end(h)
        expect(await claim()).not.toContain(h)
        await passTime(seconds(15))
        expect(await claim()).toContain(h)
        expect(await claim()).not.toContain(h)
        await passTime(minutes(1))
        expect(await claim()).toContain(h)
        await store.completeRevocation(h, 1)
        await passTime(minutes(1))
        expect(await claim()).not.toContain(h)
        await store.keepForRevocation(h, renewed)
        await passTime(seconds(15))
        expect(await claim()).toContain(h)
      })

      test('stays due if what was revoked is older than what is kept', async () => {
        const { store, passTime } = await create()
        const h = handle()
        await store.create(h, session)
        await store.end(h)
        await store.keepForRevocation(h, renewed)
        await passTime(seconds(16))
        expect(await store.takeDueRevocations(10, seconds(60))).toEqual([h])
        await store.completeRevocation(h, 1)
        await passTime(seconds(61))
        expect(await store.takeDueRevocations(10, seconds(60))).toEqual([h])
      })

      test('is counted until it is done', async () => {
        const { store } = await create()
        const before = await store.countPendingRevocations()
        const [one, other] = [handle(), handle()]
        for (const h of [one, other]) {
          await store.create(h, session)
          expect(await store.countPendingRevocations()).toBe(before + (h === one ? 0 : 1))
          await store.end(h)
          await store.end(h)
        }
        expect(await store.countPendingRevocations()).toBe(before + 2)
        await store.completeRevocation(one, 1)
        expect(await store.countPendingRevocations()).toBe(before + 1)
      })

      test('is taken in portions', async () => {
        const { store, passTime } = await create()
        for (let count = 0; count < 7; count += 1) {
          const h = handle()
          await store.create(h, session)
          await store.end(h)
        }
        await passTime(seconds(15))
        expect(await store.takeDueRevocations(5, minutes(1))).toHaveLength(5)
      })
    })

    describe('a logout and a concurrent login of one browser', () => {
      test('the login first: the logout receives the session that superseded the one before', async () => {
        const { store } = await create()
        const [h, next] = [handle(), handle()]
        await store.create(h, session)
        expect(await store.end(h, { successor: next })).toMatchObject({
          wasAlive: true,
          signedOutAt: undefined,
          successor: undefined,
        })
        expect(await store.end(h, { byBrowser: true })).toMatchObject({ wasAlive: false, successor: next })
      })

      test('of two logins that found the same session, the later one receives the session of the other', async () => {
        const { store } = await create()
        const [h, one, other] = [handle(), handle(), handle()]
        await store.create(h, session)
        await store.end(h, { successor: one })
        expect(await store.end(h, { successor: other })).toMatchObject({ successor: one })
        expect(await store.end(h, { byBrowser: true })).toMatchObject({ successor: other })
      })

      test('receives it only for some seconds, however often it asks', async () => {
        const { store, passTime } = await create()
        const [h, next] = [handle(), handle()]
        await store.create(h, session)
        await store.end(h, { successor: next })
        await passTime(seconds(15))
        expect(await store.end(h, { byBrowser: true })).toMatchObject({ successor: next })
        await passTime(1)
        for (let count = 0; count < 2; count += 1) {
          expect(await store.end(h, { byBrowser: true })).toMatchObject({ successor: undefined })
        }
      })

      test('the first logout counts: a cookie that is repeated for ever prevents no later login', async () => {
        const { store, clock, passTime } = await create()
        for (const isAlive of [true, false]) {
          const h = handle()
          if (isAlive) await store.create(h, session)
          const signedOutAt = clock.now()
          await store.end(h, { byBrowser: true })
          await passTime(seconds(1))
          expect(await store.end(h, { byBrowser: true })).toMatchObject({ signedOutAt })
          expect(await store.end(h, { successor: handle() })).toMatchObject({ signedOutAt })
        }
      })

      test('the logout first: the login receives its time', async () => {
        const { store, clock, passTime } = await create()
        const [h, next] = [handle(), handle()]
        await store.create(h, session)
        const first = await store.end(h, { byBrowser: true })
        const signedOutAt = clock.now()
        expect(first).toMatchObject({ wasAlive: true, signedOutAt, successor: undefined })
        await passTime(seconds(5))
        expect(await store.end(h, { successor: next })).toMatchObject({ signedOutAt })
      })

      test('the same if the session before had expired long ago', async () => {
        const { store, clock } = await create()
        const [one, other, next] = [handle(), handle(), handle()]
        await store.end(one, { byBrowser: true })
        expect(await store.end(one, { successor: next })).toMatchObject({ signedOutAt: clock.now() })
        await store.end(other, { successor: next })
        expect(await store.end(other, { byBrowser: true })).toMatchObject({ successor: next })
        expect(await store.create(one, session)).toBe('taken')
      })

      test('the same if another browser had ended the session before', async () => {
        const { store, clock } = await create()
        const [one, other, next] = [handle(), handle(), handle()]
        for (const h of [one, other]) {
          await store.create(h, session)
          await store.end(h)
        }
        await store.end(one, { byBrowser: true })
        expect(await store.end(one, { successor: next })).toMatchObject({ signedOutAt: clock.now() })
        await store.end(other, { successor: next })
        expect(await store.end(other, { byBrowser: true })).toMatchObject({ successor: next })
      })

      test('a session that another browser ended prevents no login from superseding it', async () => {
        const { store } = await create()
        const h = handle()
        await store.create(h, session)
        await store.end(h)
        expect(await store.end(h, { successor: handle() })).toMatchObject({ signedOutAt: undefined })
      })

      test('late tokens of a superseded session are for its successor, or kept if that has ended', async () => {
        const { store } = await create()
        const [h, next] = [handle(), handle()]
        await store.create(h, session)
        await store.end(h, { successor: next })
        expect(await store.readPendingRevocation(h)).toBeUndefined()
        expect(await store.keepForRevocation(h, renewed)).toEqual({ successor: next })
        expect(await store.readPendingRevocation(h)).toBeUndefined()
        const left = await store.keepForRevocation(h, renewed, { successorEnded: true })
        expect(left.pendingRevocation?.tokens).toEqual(renewed.tokens)
        expect(await store.readPendingRevocation(h)).toEqual(left.pendingRevocation)
      })

      test('late tokens of a session that its own browser signed out are kept, even if it was superseded', async () => {
        const { store } = await create()
        const [h, next] = [handle(), handle()]
        await store.create(h, session)
        await store.end(h, { successor: next })
        await store.end(h, { byBrowser: true })
        expect((await store.keepForRevocation(h, renewed)).pendingRevocation?.tokens).toEqual(renewed.tokens)
      })

      test('a session that ends without revoking leaves no pending revocation', async () => {
        const { store, passTime } = await create()
        const h = handle()
        await store.create(h, session)
        expect(await store.end(h, { withoutRevoking: true })).toMatchObject({
          wasAlive: true,
          pendingRevocation: undefined,
        })
        expect(await store.readPendingRevocation(h)).toBeUndefined()
        await passTime(minutes(1))
        expect(await store.takeDueRevocations(100, minutes(1))).not.toContain(h)
      })

      test('the end of a superseded session returns its tokens, and leaves no pending revocation', async () => {
        const { store } = await create()
        const h = handle()
        await store.create(h, session)
        const { pendingRevocation } = await store.end(h, { successor: handle() })
        expect(pendingRevocation?.tokens).toEqual(session.tokens)
        expect(await store.readPendingRevocation(h)).toBeUndefined()
        await store.end(h)
        await store.end(h, { byBrowser: true })
        expect(await store.readPendingRevocation(h)).toBeUndefined()
      })

      test('a session keeps the refresh tokens that it inherits, and its tombstone does so after it', async () => {
        const { store, clock } = await create()
        const h = handle()
        await store.create(h, session)
        expect(await store.inherit(h, [])).toBe(true)
        expect((await store.read(h))?.inherited).toBeUndefined()
        const [one, other] = [token('one'), token('other')]
        expect(await store.inherit(h, [one])).toBe(true)
        expect(await store.inherit(h, [other])).toBe(true)
        expect((await store.read(h))?.inherited).toEqual([one, other])
        const fence = await lock(store, h)
        expect(await store.commitTokens(h, { version: 1, fence }, renewed)).toBe('committed')
        expect((await store.read(h))?.idleExpiresAt).toBe(clock.now() + minutes(30))
        expect((await store.end(h)).pendingRevocation?.inherited).toEqual([one, other])
        expect((await store.readPendingRevocation(h))?.inherited).toEqual([one, other])
        const late = await store.keepForRevocation(h, renewed)
        expect(late.pendingRevocation?.inherited).toEqual([one, other])
        await store.completeRevocation(h, late.pendingRevocation?.version ?? 0)
        expect((await store.keepForRevocation(h, renewed)).pendingRevocation?.inherited).toBeUndefined()
        expect(await store.inherit(h, [one])).toBe(false)
        expect(await store.inherit(handle(), [])).toBe(false)
      })

      test('late tokens do not change how the session ended', async () => {
        const { store } = await create()
        const h = handle()
        await store.create(h, session)
        await store.end(h, { byBrowser: true })
        await store.keepForRevocation(h, renewed)
        await store.completeRevocation(h, 2)
        expect(await store.end(h, { successor: handle() })).toMatchObject({
          signedOutAt: expect.any(Number),
        })
      })
    })

    describe('rejecting earlier logins', () => {
      const person = () => {
        const name = handle()
        const claims = { email: `${name}@example.com` }
        return { ...session.identity, providerSub: name, providerSid: `sid-${name}`, claims }
      }
      const begunAt = (identity: NewSession['identity'], startedAt: number): NewSession => ({
        ...session,
        identity: { ...identity, login: { ...identity.login, startedAt } },
      })

      test.each(['user', 'providerSid', 'email'] as const)(
        'keeps logins that began before it from making a session, and leaves their tokens to be revoked (%s)',
        async (by) => {
          const { store, clock, passTime } = await create()
          const identity = person()
          const group = toGroups(identity).find((one) => one.by === by)
          const before = clock.now()
          await passTime(seconds(1))
          if (group !== undefined) await store.rejectEarlierLogins(group)
          await passTime(seconds(1))
          const h = handle()
          expect(await store.create(h, begunAt(identity, before))).toBe('rejected')
          expect(await store.read(h)).toBeUndefined()
          expect(await store.findByGroup(toUserGroup(identity))).toEqual([])
          expect((await store.readPendingRevocation(h))?.tokens).toEqual(session.tokens)
          expect(await store.create(handle(), begunAt(identity, clock.now()))).toBe('created')
          expect(await store.create(handle(), begunAt(person(), before))).toBe('created')
        },
      )

      test('accepts a login that began in the same moment', async () => {
        const { store, clock } = await create()
        const identity = person()
        await store.rejectEarlierLogins(toUserGroup(identity))
        expect(await store.create(handle(), begunAt(identity, clock.now()))).toBe('created')
      })

      test('lasts longer than any login takes', async () => {
        const { store, clock, passTime } = await create()
        const identity = person()
        const before = clock.now()
        await passTime(1)
        await store.rejectEarlierLogins(toUserGroup(identity))
        await passTime(minutes(14))
        expect(await store.create(handle(), begunAt(identity, before))).toBe('rejected')
        await passTime(minutes(1))
        expect(await store.create(handle(), begunAt(identity, before))).toBe('created')
      })

      test('of everyone: as for one user, and says when', async () => {
        const { store, clock, passTime } = await create()
        const people = Array.from({ length: 20 }, person)
        const before = clock.now()
        await passTime(seconds(1))
        const cutoff = await store.rejectAllEarlierLogins()
        expect(cutoff).toBe(clock.now())
        await passTime(minutes(14))
        const outcome = (identity: NewSession['identity'], startedAt: number) =>
          store.create(handle(), begunAt(identity, startedAt))
        for (const identity of people) expect(await outcome(identity, before)).toBe('rejected')
        for (const identity of people) expect(await outcome(identity, cutoff)).toBe('created')
        // The other tests use the same server.
        await passTime(minutes(1))
      })
    })

    test('a key is reserved by one caller, until its lifetime has ended', async () => {
      const { store, passTime } = await create()
      const key = handle()
      const claims = await Promise.all(Array.from({ length: 20 }, () => store.reserveOnce(key, minutes(10))))
      expect(claims.filter(Boolean)).toHaveLength(1)
      await passTime(minutes(9))
      expect(await store.reserveOnce(key, minutes(10))).toBe(false)
      await passTime(minutes(1))
      expect(await store.reserveOnce(key, minutes(10))).toBe(true)
    })

    test('a published text can be read until its lifetime has ended', async () => {
      const { store, passTime } = await create()
      const key = handle()
      await store.reserveOnce(key, minutes(10))
      expect(await store.readPublished(key)).toBeUndefined()
      await store.publish(key, 'text', minutes(10))
      expect(await store.readPublished(key)).toBe('text')
      await passTime(minutes(10))
      expect(await store.readPublished(key)).toBeUndefined()
    })

    describe('a reservation', () => {
      const record = { note: 'a note', text: 'a text' }

      test('that is settled keeps its note for its whole lifetime, its text for less', async () => {
        const { store, passTime } = await create()
        const key = handle()
        expect(await store.findReservation(key)).toEqual({ state: 'open' })
        await store.reserveOnce(key, minutes(10))
        expect(await store.findReservation(key)).toEqual({ state: 'held' })
        await passTime(minutes(1))
        expect(await store.settleReservation(key, record, seconds(15))).toBe(true)
        expect(await store.findReservation(key)).toEqual({ state: 'settled', ...record })
        expect(await store.reserveOnce(key, minutes(10))).toBe(false)
        await passTime(seconds(15))
        expect(await store.findReservation(key)).toEqual({
          state: 'settled',
          note: 'a note',
          text: undefined,
        })
        await passTime(minutes(9))
        expect(await store.findReservation(key)).toEqual({ state: 'open' })
      })

      test('that is cancelled before or while it is held can be neither reserved nor settled', async () => {
        const { store, passTime } = await create()
        for (const state of ['open', 'held'] as const) {
          const key = handle()
          if (state === 'held') await store.reserveOnce(key, minutes(10))
          expect(await store.cancelReservation(key, minutes(10))).toEqual({ state })
          expect(await store.cancelReservation(key, minutes(10))).toEqual({ state: 'cancelled' })
          expect(await store.reserveOnce(key, minutes(10))).toBe(false)
          expect(await store.settleReservation(key, record, seconds(15))).toBe(false)
          expect(await store.findReservation(key)).toEqual({ state: 'cancelled' })
          await passTime(minutes(10))
          expect(await store.findReservation(key)).toEqual({ state: 'open' })
        }
      })

      test('that is settled can no longer be cancelled, and returns its record each time', async () => {
        const { store } = await create()
        const key = handle()
        await store.reserveOnce(key, minutes(10))
        await store.settleReservation(key, record, seconds(15))
        for (let count = 0; count < 2; count += 1) {
          expect(await store.cancelReservation(key, minutes(10))).toMatchObject({
            state: 'settled',
            note: 'a note',
          })
        }
      })
    })

    test('counts within a window that began with the first hit', async () => {
      const { store, passTime } = await create()
      const key = handle()
      const counts = await Promise.all(Array.from({ length: 20 }, () => store.count(key, minutes(1))))
      expect(counts.map(({ hits }) => hits).sort((a, b) => a - b)).toEqual(
        counts.map((_, index) => index + 1),
      )
      await passTime(seconds(40))
      const { hits, remaining } = await store.count(key, minutes(1))
      expect(hits).toBe(21)
      expect(remaining).toBeGreaterThan(seconds(15))
      expect(remaining).toBeLessThanOrEqual(seconds(20))
      expect((await store.count(handle(), minutes(1))).hits).toBe(1)
      await passTime(seconds(20))
      expect((await store.count(key, minutes(1))).hits).toBe(1)
    })

    test('a shared text is written by the caller that has read the latest one (compare-and-set)', async () => {
      const { store } = await create()
      const name = handle()
      expect(await store.readVersioned(name)).toBeUndefined()
      const writes = await Promise.all(
        Array.from({ length: 10 }, (_, index) => store.writeVersioned(name, 0, `text ${index}`)),
      )
      expect(writes.filter(Boolean)).toHaveLength(1)
      expect(await store.readVersioned(name)).toEqual({ text: `text ${writes.indexOf(true)}`, version: 1 })
      expect(await store.writeVersioned(name, 1, 'next')).toBe(true)
      expect(await store.writeVersioned(name, 1, 'late')).toBe(false)
      expect(await store.readVersioned(name)).toEqual({ text: 'next', version: 2 })
    })

    test('a shared text never expires', async () => {
      const { store, passTime } = await create()
      const name = handle()
      await store.writeVersioned(name, 0, 'text')
      await passTime(hours(24 * 400))
      expect((await store.readVersioned(name))?.text).toBe('text')
    })

    describe('recent texts', () => {
      const keep = { lifetime: minutes(60), capacity: 5 }

      test('are read in the order in which they came, each for its own lifetime', async () => {
        const { store, passTime } = await create()
        await store.appendRecent(['a first', 'b'], keep)
        await passTime(minutes(40))
        await store.appendRecent(['c'], keep)
        expect((await store.readRecent()).slice(-3)).toEqual(['a first', 'b', 'c'])
        await passTime(minutes(20))
        expect(await store.readRecent()).toEqual(['c'])
        await store.appendRecent(['d'], keep)
        expect(await store.readRecent()).toEqual(['c', 'd'])
        await passTime(minutes(60))
        expect(await store.readRecent()).toEqual([])
      })

      test('are as many as may be kept: the newest', async () => {
        const { store } = await create()
        for (const text of ['a', 'b', 'c', 'd']) await store.appendRecent([text], keep)
        await store.appendRecent(['e', 'f'], keep)
        expect(await store.readRecent()).toEqual(['b', 'c', 'd', 'e', 'f'])
        await store.appendRecent(['1', '2', '3', '4', '5', '6', '7'], keep)
        expect(await store.readRecent()).toEqual(['3', '4', '5', '6', '7'])
      })
    })

    test('answers a ping', async () => {
      await (await create()).store.ping()
    })
  })
}
