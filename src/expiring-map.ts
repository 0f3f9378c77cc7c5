import type { Clock } from './clock.ts'

/**
 * A map of limited size whose entries expire: they cannot be read from then on, and are removed a little
 * later.
 */
export interface ExpiringMap<V> {
  get(key: string): V | undefined
  /**
   * Returns false, and sets nothing, if a new key finds the map full. `expiresAt` is milliseconds since the
   * epoch.
   */
  set(key: string, value: V, expiresAt: number): boolean
  delete(key: string): boolean
  /** Number of entries, including expired ones that are not removed yet. */
  size(): number
}

/** Milliseconds between two removals of expired entries. */
const cleanupInterval = 60_000
/** The same for a full map: refusing an entry must not cost more than accepting one. */
const cleanupIntervalWhenFull = 1_000

/** Creates the map; `onExpiry` receives the key of each expired entry when it is removed. */
export function createExpiringMap<V>(
  clock: Clock,
  capacity: number,
  onExpiry: (key: string) => void = () => {},
): ExpiringMap<V> {
  const entries = new Map<string, { value: V; expiresAt: number }>()
  let nextCleanup = 0

  return {
    get(key) {
      const entry = entries.get(key)
      return entry !== undefined && entry.expiresAt > clock.now() ? entry.value : undefined
    },
    set(key, value, expiresAt) {
      const isFull = entries.size >= capacity
      const dueAt = isFull ? nextCleanup - cleanupInterval + cleanupIntervalWhenFull : nextCleanup
      if (clock.now() >= dueAt) removeExpired()
      if (entries.size >= capacity && !entries.has(key)) return false
      entries.set(key, { value, expiresAt })
      return true
    },
    delete: (key) => entries.delete(key),
    size() {
      if (clock.now() >= nextCleanup) removeExpired()
      return entries.size
    },
  }

  function removeExpired(): void {
    const now = clock.now()
    nextCleanup = now + cleanupInterval
    for (const [key, { expiresAt }] of entries) {
      if (expiresAt > now) continue
      entries.delete(key)
      onExpiry(key)
    }
  }
}
