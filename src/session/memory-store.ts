import type { Clock } from '../clock.ts'
import { AppError } from '../errors.ts'
import { createExpiringMap } from './expiring-map.ts'
import type { Session } from './session.ts'
import type { SessionLifetimes, SessionStore } from './store.ts'

interface MemoryStoreOptions {
  clock: Clock
  lifetimes: SessionLifetimes
  /** Sessions it holds at the most, and ten times as many claims; a new one is refused, never an older one dropped. */
  capacity?: number
}

/** A store in this process's memory, with the number of its entries for tests and metrics. */
export interface MemoryStore extends SessionStore {
  size(): number
}

/** Milliseconds a tombstone stands: longer than any request that might still hold the session. */
const tombstoneLifetime = 60 * 60_000

/** Creates the store for one process: sessions end with it. */
export function createMemoryStore({ clock, lifetimes, capacity = 100_000 }: MemoryStoreOptions): MemoryStore {
  const sessions = createExpiringMap<Session>(clock, capacity)
  const tombstones = createExpiringMap<true>(clock, 10 * capacity)
  const claims = createExpiringMap<true>(clock, 10 * capacity)
  const publications = createExpiringMap<string>(clock, 10 * capacity)

  const idleExpiry = (now: number, absoluteExpiresAt: number) =>
    Math.min(now + lifetimes.idleTimeout, absoluteExpiresAt)

  function assertRoom(isKept: boolean): void {
    if (isKept) return
    throw new AppError('store_unavailable', 'There is no room for another sign-in right now.', {
      reason: 'memory store is full',
    })
  }

  return {
    async create(handle, { identity, tokens }) {
      if (sessions.get(handle) !== undefined || tombstones.get(handle) !== undefined) return false
      const now = clock.now()
      const absoluteExpiresAt = now + lifetimes.absoluteTimeout
      const idleExpiresAt = idleExpiry(now, absoluteExpiresAt)
      const times = { createdAt: now, lastSeenAt: now, idleExpiresAt, absoluteExpiresAt }
      assertRoom(
        sessions.set(handle, { handle, identity, tokens, ...times, tokensVersion: 1 }, idleExpiresAt),
      )
      return true
    },

    async read(handle) {
      return sessions.get(handle)
    },

    async touch(seen) {
      const session = sessions.get(seen.handle)
      const now = clock.now()
      if (session === undefined || now - session.lastSeenAt < lifetimes.idleTimeout / 10) return session
      const idleExpiresAt = idleExpiry(now, session.absoluteExpiresAt)
      const touched = { ...session, lastSeenAt: now, idleExpiresAt }
      sessions.set(seen.handle, touched, idleExpiresAt)
      return touched
    },

    async replaceTokens(handle, expectedVersion, tokens) {
      const session = sessions.get(handle)
      if (session === undefined) return 'ended'
      if (session.tokensVersion !== expectedVersion) return 'stale'
      sessions.set(handle, { ...session, tokens, tokensVersion: expectedVersion + 1 }, session.idleExpiresAt)
      return 'replaced'
    },

    async end(handle) {
      const session = sessions.get(handle)
      if (session === undefined) return false
      sessions.delete(handle)
      tombstones.set(handle, true, clock.now() + tombstoneLifetime)
      return true
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

    async ping() {},

    size: () => sessions.size() + tombstones.size() + claims.size() + publications.size(),
  }
}
