import type { Clock } from '../clock.ts'
import { AppError } from '../errors.ts'
import { createExpiringMap } from './expiring-map.ts'
import type { NewSession, Remains, Session } from './session.ts'
import { isIn, type SessionGroup, toGroups } from './session-groups.ts'
import type { SessionLifetimes, SharedText, Store } from './store.ts'
import {
  cutoffLifetime,
  idleExpiry,
  isDueForTouch,
  remainsGrace,
  remainsLifetime,
  tombstoneLifetime,
} from './timeouts.ts'

interface MemoryStoreOptions {
  clock: Clock
  lifetimes: SessionLifetimes
  /** Sessions it holds at the most, and ten times as many claims; a new one is refused, never an older one dropped. */
  capacity?: number
}

/** A store in this process's memory, with the number of its entries for tests and metrics. */
export interface MemoryStore extends Store {
  size(): number
}

interface Lock {
  /** Of the last holder. */
  fence: number
  /** Until when it is the holder's, or nobody's where the holder failed; milliseconds since the epoch. */
  until: number
  isPause: boolean
}

/** What stands where a session was. */
interface Tombstone {
  remains?: Remains | undefined
  /** Counts the tokens that the session had. */
  version: number
  signedOutAt: number | undefined
  successor: string | undefined
}

const toName = ({ by, issuer, value }: SessionGroup) => JSON.stringify([by, issuer, value])

/** Creates the store for one process: sessions end with it. */
export function createMemoryStore({ clock, lifetimes, capacity = 100_000 }: MemoryStoreOptions): MemoryStore {
  const sessions = createExpiringMap<Session>(clock, capacity)
  const locks = createExpiringMap<Lock>(clock, capacity)
  const tombstones = createExpiringMap<Tombstone>(clock, 10 * capacity)
  /** When somebody may look after what a session left. */
  const pending = new Map<string, number>()
  const cutoffs = createExpiringMap<number>(clock, 10 * capacity)
  const claims = createExpiringMap<true>(clock, 10 * capacity)
  const publications = createExpiringMap<string>(clock, 10 * capacity)
  const counts = createExpiringMap<{ hits: number; until: number }>(clock, 10 * capacity)
  const shared = new Map<string, SharedText>()
  let lastFence = 0

  function assertRoom(isKept: boolean): void {
    if (isKept) return
    throw new AppError('store_unavailable', 'There is no room for another sign-in right now.', {
      reason: 'memory store is full',
    })
  }

  function setLock(handle: string, fence: number, lifetime: number, isPause = false): void {
    const now = clock.now()
    // Longer than its lease: a late commit is held against the last fencing number.
    assertRoom(locks.set(handle, { fence, until: now + lifetime, isPause }, now + lifetimes.absoluteTimeout))
  }

  const isHolder = (handle: string, fence: number) => {
    const lock = locks.get(handle)
    return lock?.fence === fence && !lock.isPause && lock.until > clock.now()
  }

  function find(isWanted: (session: Session) => boolean): Session[] {
    return sessions
      .values()
      .filter(isWanted)
      .sort((a, b) => a.createdAt - b.createdAt)
  }

  function bury(handle: string, tombstone: Tombstone): void {
    const { remains } = tombstone
    const lifetime = remains === undefined ? tombstoneLifetime : remainsLifetime
    tombstones.set(handle, tombstone, clock.now() + lifetime)
    if (remains !== undefined) pending.set(handle, clock.now() + remainsGrace)
  }

  function isCutOff({ identity }: NewSession): boolean {
    const { startedAt } = identity.login
    return toGroups(identity).some((group) => (cutoffs.get(toName(group)) ?? -1) > startedAt)
  }

  return {
    async create(handle, session) {
      if (sessions.get(handle) !== undefined || tombstones.get(handle) !== undefined) return 'taken'
      if (isCutOff(session)) {
        const remains = { ...session, handle, version: 1 }
        bury(handle, { remains, version: 1, signedOutAt: undefined, successor: undefined })
        return 'cut-off'
      }
      const now = clock.now()
      const absoluteExpiresAt = now + lifetimes.absoluteTimeout
      const idleExpiresAt = idleExpiry(now, absoluteExpiresAt, lifetimes)
      const times = { createdAt: now, lastSeenAt: now, idleExpiresAt, absoluteExpiresAt }
      assertRoom(sessions.set(handle, { ...session, ...times, handle, tokensVersion: 1 }, idleExpiresAt))
      return 'created'
    },

    async read(handle) {
      return sessions.get(handle)
    },

    async touch(seen) {
      const session = sessions.get(seen.handle)
      const now = clock.now()
      if (session === undefined || !isDueForTouch(session, now, lifetimes)) return session
      const idleExpiresAt = idleExpiry(now, session.absoluteExpiresAt, lifetimes)
      const touched = { ...session, lastSeenAt: now, idleExpiresAt }
      sessions.set(seen.handle, touched, idleExpiresAt)
      return touched
    },

    async end(handle, { byBrowser = false, successor: next, quietly = false } = {}) {
      const session = sessions.get(handle)
      const before = tombstones.get(handle)
      const signedOutAt = byBrowser ? clock.now() : before?.signedOutAt
      const known = before?.successor
      const successor = next ?? known
      if (session === undefined) {
        const isNews = byBrowser || next !== undefined
        if (isNews) bury(handle, { version: 0, ...before, signedOutAt, successor })
        return { wasAlive: false, remains: undefined, successor: known, signedOutAt }
      }
      sessions.delete(handle)
      locks.delete(handle)
      const { identity, tokens, tokensVersion: version } = session
      const remains = quietly ? undefined : { identity, tokens, handle, version }
      bury(handle, { remains, version, signedOutAt, successor })
      return { wasAlive: true, remains, successor: known, signedOutAt }
    },

    async find(group) {
      return find(({ identity }) => isIn(identity, group))
    },

    async cutOff(group) {
      assertRoom(cutoffs.set(toName(group), clock.now(), clock.now() + cutoffLifetime))
    },

    async leave(handle, { identity, tokens }) {
      const before = tombstones.get(handle)
      if (before?.successor !== undefined && before.signedOutAt === undefined) return undefined
      const version = (before?.version ?? 0) + 1
      const remains = { identity, tokens, handle, version }
      bury(handle, { signedOutAt: undefined, successor: undefined, ...before, remains, version })
      return remains
    },

    async readRemains(handle) {
      return tombstones.get(handle)?.remains
    },

    async forgetRemains(handle, version) {
      const tombstone = tombstones.get(handle)
      if (tombstone?.remains !== undefined && tombstone.version > version) return
      pending.delete(handle)
      if (tombstone !== undefined) bury(handle, { ...tombstone, remains: undefined })
    },

    async claimRemains(limit, pause) {
      const due = [...pending].filter(([, at]) => at <= clock.now()).slice(0, limit)
      for (const [handle] of due) pending.set(handle, clock.now() + pause)
      return due.map(([handle]) => handle)
    },

    async lockTokens(handle, lease) {
      if (sessions.get(handle) === undefined) return { state: 'ended' }
      const lock = locks.get(handle)
      const remaining = (lock?.until ?? 0) - clock.now()
      if (remaining > 0) return lock?.isPause ? { state: 'paused', remaining } : { state: 'held' }
      lastFence += 1
      setLock(handle, lastFence, lease)
      return { state: 'locked', fence: lastFence }
    },

    async renewTokenLock(handle, fence, lease) {
      if (!isHolder(handle, fence)) return false
      setLock(handle, fence, lease)
      return true
    },

    async unlockTokens(handle, fence, pause = 0) {
      if (!isHolder(handle, fence)) return
      setLock(handle, fence, pause, true)
    },

    async commitTokens(handle, { version, fence }, { identity, tokens }) {
      const session = sessions.get(handle)
      if (session === undefined) return 'ended'
      if (session.tokensVersion !== version) return 'stale'
      if (locks.get(handle)?.fence !== fence) return 'fenced'
      const renewed = { ...session, identity, tokens, tokensVersion: version + 1 }
      sessions.set(handle, renewed, session.idleExpiresAt)
      setLock(handle, fence, 0)
      return 'committed'
    },

    async claim(key, lifetime) {
      if (claims.get(key) !== undefined) return false
      assertRoom(claims.set(key, true, clock.now() + lifetime))
      return true
    },

    async publish(key, text, lifetime) {
      assertRoom(publications.set(key, text, clock.now() + lifetime))
    },

    async published(key) {
      return publications.get(key)
    },

    async count(key, window) {
      const now = clock.now()
      const { hits, until } = counts.get(key) ?? { hits: 0, until: now + window }
      assertRoom(counts.set(key, { hits: hits + 1, until }, until))
      return { hits: hits + 1, remaining: until - now }
    },

    async readShared(name) {
      return shared.get(name)
    },

    async writeShared(name, expectedVersion, text) {
      if ((shared.get(name)?.version ?? 0) !== expectedVersion) return false
      shared.set(name, { text, version: expectedVersion + 1 })
      return true
    },

    async ping() {},
    async close() {},

    size: () => [sessions, locks, tombstones, claims, publications].reduce((sum, map) => sum + map.size(), 0),
  }
}
