import type { Clock } from '../../clock.ts'
import { createExpiringMap } from '../../expiring-map.ts'
import type { Reservation, SharedState, VersionedText } from '../shared-state.ts'
import { assertStored } from './assert-stored.ts'

/** The state that replicas share, for a single process. */
export interface MemorySharedState extends SharedState {
  /** Number of reservations, with their texts, and of published texts. */
  size(): number
}

/** Creates the shared state of one process; `capacity` is the upper bound for the entries of each kind. */
export function createMemorySharedState(clock: Clock, capacity: number): MemorySharedState {
  const reservations = createExpiringMap<{ reservation: Reservation; expiresAt: number }>(clock, capacity)
  /** Texts of settled reservations; they live shorter than the reservations. */
  const reservationTexts = createExpiringMap<string>(clock, capacity)
  const publications = createExpiringMap<string>(clock, capacity)
  const counts = createExpiringMap<{ hits: number; until: number }>(clock, capacity)
  const shared = new Map<string, VersionedText>()
  let recent: { text: string; expiresAt: number }[] = []

  return {
    async reserveOnce(key, lifetime) {
      if (findReservation(key).state !== 'open') return false
      setReservation(key, { state: 'held' }, clock.now() + lifetime)
      return true
    },

    async settleReservation(key, { note, text }, textLifetime) {
      if (findReservation(key).state === 'cancelled') return false
      const textExpiresAt = clock.now() + textLifetime
      setReservation(
        key,
        { state: 'settled', note, text: undefined },
        reservations.get(key)?.expiresAt ?? textExpiresAt,
      )
      assertStored(reservationTexts.set(key, text, textExpiresAt))
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
      assertStored(publications.set(key, text, clock.now() + lifetime))
    },

    async readPublished(key) {
      return publications.get(key)
    },

    async count(key, window) {
      const now = clock.now()
      const { hits, until } = counts.get(key) ?? { hits: 0, until: now + window }
      assertStored(counts.set(key, { hits: hits + 1, until }, until))
      return { hits: hits + 1, remaining: until - now }
    },

    async appendRecent(texts, { lifetime, capacity }) {
      const expiresAt = clock.now() + lifetime
      recent = [...recent.filter(isKept), ...texts.map((text) => ({ text, expiresAt }))].slice(-capacity)
    },

    async readRecent() {
      return recent.filter(isKept).map(({ text }) => text)
    },

    async readVersioned(name) {
      return shared.get(name)
    },

    async writeVersioned(name, expectedVersion, text) {
      if ((shared.get(name)?.version ?? 0) !== expectedVersion) return false
      shared.set(name, { text, version: expectedVersion + 1 })
      return true
    },

    size: () => [reservations, reservationTexts, publications].reduce((sum, map) => sum + map.size(), 0),
  }

  function isKept({ expiresAt }: { expiresAt: number }): boolean {
    return expiresAt > clock.now()
  }

  function findReservation(key: string): Reservation {
    const { reservation = { state: 'open' } as const } = reservations.get(key) ?? {}
    if (reservation.state !== 'settled') return reservation
    return { ...reservation, text: reservationTexts.get(key) }
  }

  function setReservation(key: string, reservation: Reservation, expiresAt: number): void {
    assertStored(reservations.set(key, { reservation, expiresAt }, expiresAt))
  }
}
