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
  /** Iterates over the keys of entries that have not expired; the map may change meanwhile. */
  keys(): Iterable<string>
  /** Number of entries, including expired ones that are not removed yet. */
  size(): number
}

/** Milliseconds between two removals of expired entries. */
const cleanupInterval = 60_000
/** The same for a full map: refusing an entry must not cost more than accepting one. */
const cleanupIntervalWhenFull = 1_000

/** Creates the map; `onExpiry` receives each expired entry when it is removed or replaced. */
export function createExpiringMap<V>(
  clock: Clock,
  capacity: number,
  onExpiry: (key: string, value: V) => void = () => {},
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
      const before = entries.get(key)
      if (before === undefined) {
        entries.set(key, { value, expiresAt })
        return true
      }
      if (before.expiresAt <= clock.now()) onExpiry(key, before.value)
      before.value = value
      before.expiresAt = expiresAt
      return true
    },
    delete: (key) => entries.delete(key),
    *keys() {
      for (const [key, { expiresAt }] of entries) if (expiresAt > clock.now()) yield key
    },
    size() {
      if (clock.now() >= nextCleanup) removeExpired()
      return entries.size
    },
  }

  function removeExpired(): void {
    const now = clock.now()
    nextCleanup = now + cleanupInterval
    for (const [key, { value, expiresAt }] of entries) {
      if (expiresAt > now) continue
      entries.delete(key)
      onExpiry(key, value)
    }
  }
}
