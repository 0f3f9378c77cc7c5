import type { Clock } from '../../clock.ts'
import { createExpiringMap } from '../../expiring-map.ts'
import { toBatches } from '../batches.ts'
import type { Session } from '../session.ts'
import type { SessionLifetimes, Store } from '../store.ts'
import { idleExpiry, touchInterval } from '../timeouts.ts'
import { assertStored } from './assert-stored.ts'
import { createMemoryEndSession } from './end-session.ts'
import { createMemoryLoginCutoffs } from './login-cutoffs.ts'
import { createMemorySessionIndex } from './session-index.ts'
import { createMemorySharedState } from './shared-state.ts'
import { createMemoryTokenLocks } from './token-locks.ts'
import { createMemoryTombstones } from './tombstones.ts'

interface MemoryStoreOptions {
  clock: Clock
  lifetimes: SessionLifetimes
  /**
   * Upper bound for sessions; ten times as many reservations. A full store refuses a new one and drops no
   * older one.
   */
  capacity?: number
}

/** Sessions that are listed in one step. */
const batchSize = 500

/** A store in the memory of this process. Tests compare its sizes, to show that nothing stays behind. */
export interface MemoryStore extends Store {
  /** Number of sessions, token locks, tombstones, reservations and published texts. */
  size(): number
  /** Number of entries in the index. */
  indexSize(): number
}

/** Creates the store of one process. Its sessions are gone once the process ends. */
export function createMemoryStore({ clock, lifetimes, capacity = 100_000 }: MemoryStoreOptions): MemoryStore {
  const index = createMemorySessionIndex()
  const sessions = createExpiringMap<Session>(clock, capacity, index.remove)
  const locks = createMemoryTokenLocks({ clock, capacity, fenceLifetime: lifetimes.absoluteTimeout })
  const tombstones = createMemoryTombstones(clock, 10 * capacity)
  const { isRejected, ...loginCutoffs } = createMemoryLoginCutoffs(clock, 10 * capacity)
  const shared = createMemorySharedState(clock, 10 * capacity)

  return {
    ...shared,
    ...loginCutoffs,

    async create(handle, session) {
      if (sessions.get(handle) !== undefined || tombstones.get(handle) !== undefined) return 'taken'
      if (isRejected(session)) {
        tombstones.write(handle, { pendingRevocation: { ...session, handle, version: 1 }, version: 1 })
        return 'rejected'
      }
      const now = clock.now()
      const absoluteExpiresAt = now + lifetimes.absoluteTimeout
      const idleExpiresAt = idleExpiry(now, absoluteExpiresAt, lifetimes)
      const times = { createdAt: now, lastSeenAt: now, idleExpiresAt, absoluteExpiresAt }
      assertStored(sessions.set(handle, { ...session, ...times, handle, tokensVersion: 1 }, idleExpiresAt))
      index.add(handle, session)
      return 'created'
    },

    async read(handle) {
      return sessions.get(handle)
    },

    async touch(handle) {
      const session = sessions.get(handle)
      const now = clock.now()
      if (session === undefined || now - session.lastSeenAt < touchInterval(lifetimes)) return session
      const idleExpiresAt = idleExpiry(now, session.absoluteExpiresAt, lifetimes)
      const touched = { ...session, lastSeenAt: now, idleExpiresAt }
      sessions.set(handle, touched, idleExpiresAt)
      return touched
    },

    end: createMemoryEndSession({ clock, sessions, index, locks, tombstones }),

    async inherit(handle, tokens) {
      const session = sessions.get(handle)
      if (session === undefined) return false
      const inherited = [...(session.inherited ?? []), ...tokens]
      if (tokens.length > 0) sessions.set(handle, { ...session, inherited }, session.idleExpiresAt)
      return true
    },

    async findByGroup(group) {
      const found = index.find(group).map((handle) => sessions.get(handle))
      return found.filter((session) => session !== undefined).sort((a, b) => a.createdAt - b.createdAt)
    },

    listHandles: () => toBatches(sessions.keys(), batchSize),

    keepForRevocation: tombstones.keepForRevocation,
    readPendingRevocation: tombstones.readPendingRevocation,
    completeRevocation: tombstones.completeRevocation,
    takeDueRevocations: tombstones.takeDueRevocations,
    countPendingRevocations: tombstones.countPendingRevocations,

    async lockTokens(handle, lease) {
      return sessions.get(handle) === undefined ? { state: 'ended' } : locks.acquire(handle, lease)
    },
    renewTokenLock: async (handle, fence, lease) => locks.renew(handle, fence, lease),
    unlockTokens: async (handle, fence, pause = 0) => locks.release(handle, fence, pause),

    async commitTokens(handle, { version, fence }, { identity, tokens }) {
      const session = sessions.get(handle)
      if (session === undefined) return 'ended'
      if (session.tokensVersion !== version) return 'stale'
      if (!locks.isNewest(handle, fence)) return 'lock-lost'
      const refreshed = { ...session, identity, tokens, tokensVersion: version + 1 }
      sessions.set(handle, refreshed, session.idleExpiresAt)
      index.remove(handle, session)
      index.add(handle, refreshed)
      locks.releaseNewest(handle, fence)
      return 'committed'
    },

    async ping() {},
    async close() {},

    indexSize: () => index.size(),
    size: () => [sessions, locks, tombstones, shared].reduce((sum, part) => sum + part.size(), 0),
  }
}
