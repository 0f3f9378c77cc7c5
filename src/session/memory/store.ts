import type { Clock } from '../../clock.ts'
import { AppError } from '../../errors.ts'
import { createExpiringMap } from '../../expiring-map.ts'
import type { NewSession, PendingRevocation, Session } from '../session.ts'
import { toGroups } from '../session-groups.ts'
import type { SessionLifetimes, Store } from '../store.ts'
import {
  crossingTime,
  cutoffLifetime,
  idleExpiry,
  isDueForTouch,
  pendingRevocationLifetime,
  revocationGrace,
  tombstoneLifetime,
} from '../timeouts.ts'
import { createMemoryIndex, toGroupName } from './session-index.ts'
import { createMemorySharedState } from './shared-state.ts'

interface MemoryStoreOptions {
  clock: Clock
  lifetimes: SessionLifetimes
  /** Sessions it holds at the most, and ten times as many claims; a new one is refused, never an older one dropped. */
  capacity?: number
}

/** A store in this process's memory, with the number of its entries for tests and metrics. */
export interface MemoryStore extends Store {
  size(): number
  /** What its index of sessions by their groups knows. */
  indexSize(): number
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
  pendingRevocation?: PendingRevocation | undefined
  /** Counts the tokens that the session had. */
  version: number
  signedOutAt?: number | undefined
  successor?: string | undefined
  /** When the successor took its place. */
  replacedAt?: number | undefined
}

/** Creates the store for one process: sessions end with it. */
export function createMemoryStore({ clock, lifetimes, capacity = 100_000 }: MemoryStoreOptions): MemoryStore {
  const index = createMemoryIndex()
  const sessions = createExpiringMap<Session>(clock, capacity, index.delete)
  const locks = createExpiringMap<Lock>(clock, capacity)
  const tombstones = createExpiringMap<Tombstone>(clock, 10 * capacity)
  /** When somebody may look after what a session left. */
  const pending = new Map<string, number>()
  const cutoffs = createExpiringMap<number>(clock, 10 * capacity)
  const shared = createMemorySharedState({ clock, capacity: 10 * capacity, assertRoom })
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

  function bury(handle: string, tombstone: Tombstone): void {
    const { pendingRevocation } = tombstone
    const lifetime = pendingRevocation === undefined ? tombstoneLifetime : pendingRevocationLifetime
    tombstones.set(handle, tombstone, clock.now() + lifetime)
    if (pendingRevocation !== undefined) pending.set(handle, clock.now() + revocationGrace)
  }

  function isCutOff({ identity }: NewSession): boolean {
    const { startedAt } = identity.login
    return toGroups(identity).some((group) => (cutoffs.get(toGroupName(group)) ?? -1) > startedAt)
  }

  return {
    ...shared,

    async create(handle, session) {
      if (sessions.get(handle) !== undefined || tombstones.get(handle) !== undefined) return 'taken'
      if (isCutOff(session)) {
        bury(handle, { pendingRevocation: { ...session, handle, version: 1 }, version: 1 })
        return 'cut-off'
      }
      const now = clock.now()
      const absoluteExpiresAt = now + lifetimes.absoluteTimeout
      const idleExpiresAt = idleExpiry(now, absoluteExpiresAt, lifetimes)
      const times = { createdAt: now, lastSeenAt: now, idleExpiresAt, absoluteExpiresAt }
      assertRoom(sessions.set(handle, { ...session, ...times, handle, tokensVersion: 1 }, idleExpiresAt))
      index.set(handle, session.identity)
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

    async end(handle, { byBrowser = false, successor, withoutRevoking = false } = {}) {
      const session = sessions.get(handle)
      const before = tombstones.get(handle)
      const now = clock.now()
      // The first time counts: a cookie that is repeated for ever must not keep its browser from signing in.
      const signedOutAt = before?.signedOutAt ?? (byBrowser ? now : undefined)
      const isRecent = now - (before?.replacedAt ?? 0) <= crossingTime
      const found = { successor: isRecent ? before?.successor : undefined, signedOutAt }
      const news = successor === undefined ? { signedOutAt } : { signedOutAt, successor, replacedAt: now }
      if (session === undefined) {
        const isNews = successor !== undefined || signedOutAt !== before?.signedOutAt
        if (isNews) bury(handle, { version: 0, ...before, ...news })
        return { ...found, wasAlive: false, pendingRevocation: undefined }
      }
      const { identity, tokens, inherited, tokensVersion: version } = session
      sessions.delete(handle)
      index.delete(handle)
      locks.delete(handle)
      const pendingRevocation = { identity, tokens, handle, version, ...(inherited && { inherited }) }
      const isKept = !withoutRevoking && successor === undefined
      bury(handle, { pendingRevocation: isKept ? pendingRevocation : undefined, version, ...news })
      return { ...found, wasAlive: true, pendingRevocation: withoutRevoking ? undefined : pendingRevocation }
    },

    async inherit(handle, tokens) {
      const session = sessions.get(handle)
      if (session === undefined) return false
      const inherited = [...(session.inherited ?? []), ...tokens]
      if (tokens.length > 0) sessions.set(handle, { ...session, inherited }, session.idleExpiresAt)
      return true
    },

    async find(group) {
      const found = index.find(group).map((handle) => sessions.get(handle))
      return found.filter((session) => session !== undefined).sort((a, b) => a.createdAt - b.createdAt)
    },

    async cutOff(group) {
      assertRoom(cutoffs.set(toGroupName(group), clock.now(), clock.now() + cutoffLifetime))
    },

    async keepForRevocation(handle, { identity, tokens }, { isOver = false } = {}) {
      const before = tombstones.get(handle)
      const isReplaced = before?.successor !== undefined && before.signedOutAt === undefined
      if (isReplaced && !isOver) return { successor: before.successor ?? '' }
      const version = (before?.version ?? 0) + 1
      const inherited = before?.pendingRevocation?.inherited
      const pendingRevocation = { identity, tokens, handle, version, ...(inherited && { inherited }) }
      bury(handle, { ...before, pendingRevocation, version })
      return { pendingRevocation }
    },

    async readPendingRevocation(handle) {
      return tombstones.get(handle)?.pendingRevocation
    },

    async completeRevocation(handle, version) {
      const tombstone = tombstones.get(handle)
      if (tombstone?.pendingRevocation !== undefined && tombstone.version > version) return
      pending.delete(handle)
      if (tombstone !== undefined) bury(handle, { ...tombstone, pendingRevocation: undefined })
    },

    async takeDueRevocations(limit, pause) {
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
      index.set(handle, identity)
      setLock(handle, fence, 0)
      return 'committed'
    },

    async ping() {},
    async close() {},

    indexSize: () => index.size(),
    size: () => [sessions, locks, tombstones, shared].reduce((sum, part) => sum + part.size(), 0),
  }
}
