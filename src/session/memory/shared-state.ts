import type { Clock } from '../../clock.ts'
import { createExpiringMap } from '../../expiring-map.ts'
import type { Reservation, SharedState, SharedText } from '../store.ts'

interface MemorySharedStateOptions {
  clock: Clock
  /** Entries of each kind that it holds at the most. */
  capacity: number
  /** Throws where an entry found no room. */
  assertRoom(isKept: boolean): void
}

/** What replicas would share, where there is one process alone; `size` counts the entries. */
export interface MemorySharedState extends SharedState {
  size(): number
}

/** Creates the shared state of one process. */
export function createMemorySharedState({
  clock,
  capacity,
  assertRoom,
}: MemorySharedStateOptions): MemorySharedState {
  const claims = createExpiringMap<{ claim: Reservation; expiresAt: number }>(clock, capacity)
  /** Texts of settled claims: they live for less than the claims. */
  const reservationTexts = createExpiringMap<string>(clock, capacity)
  const publications = createExpiringMap<string>(clock, capacity)
  const counts = createExpiringMap<{ hits: number; until: number }>(clock, capacity)
  const shared = new Map<string, SharedText>()

  function findReservation(key: string): Reservation {
    const { claim = { state: 'open' } as const } = claims.get(key) ?? {}
    return claim.state === 'settled' ? { ...claim, text: reservationTexts.get(key) } : claim
  }

  function setReservation(key: string, claim: Reservation, expiresAt: number): void {
    assertRoom(claims.set(key, { claim, expiresAt }, expiresAt))
  }

  return {
    async reserveOnce(key, lifetime) {
      if (findReservation(key).state !== 'open') return false
      setReservation(key, { state: 'held' }, clock.now() + lifetime)
      return true
    },

    async settle(key, { note, text }, textLifetime) {
      if (findReservation(key).state === 'cancelled') return false
      const textExpiresAt = clock.now() + textLifetime
      setReservation(
        key,
        { state: 'settled', note, text: undefined },
        claims.get(key)?.expiresAt ?? textExpiresAt,
      )
      assertRoom(reservationTexts.set(key, text, textExpiresAt))
      return true
    },

    async cancelReservation(key, lifetime) {
      const before = findReservation(key)
      if (before.state !== 'settled') setReservation(key, { state: 'cancelled' }, clock.now() + lifetime)
      return before
    },

    async findReservation(key) {
      return findReservation(key)
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

    size: () => [claims, reservationTexts, publications].reduce((sum, map) => sum + map.size(), 0),
  }
}
