import type { Clock } from './clock.ts'

/** A map of limited size whose entries end by themselves: unseen from their time on, swept now and then. */
export interface ExpiringMap<V> {
  get(key: string): V | undefined
  /** False, and nothing set, where there is no room for another key. `expiresAt` is milliseconds since the epoch. */
  set(key: string, value: V, expiresAt: number): boolean
  delete(key: string): boolean
  /** Live entries and those not swept yet. */
  size(): number
}

const sweepInterval = 60_000

/** Creates the map; `onExpiry` learns the key of each entry that a sweep takes out. */
export function createExpiringMap<V>(
  clock: Clock,
  capacity: number,
  onExpiry: (key: string) => void = () => {},
): ExpiringMap<V> {
  const entries = new Map<string, { value: V; expiresAt: number }>()
  let nextSweep = 0

  function sweep(): void {
    const now = clock.now()
    nextSweep = now + sweepInterval
    for (const [key, { expiresAt }] of entries) {
      if (expiresAt > now) continue
      entries.delete(key)
      onExpiry(key)
    }
  }

  return {
    get(key) {
      const entry = entries.get(key)
      return entry !== undefined && entry.expiresAt > clock.now() ? entry.value : undefined
    },
    set(key, value, expiresAt) {
      // A full map sweeps at most once a second: refusing must not cost more than accepting.
      const isFull = entries.size >= capacity
      if (clock.now() >= (isFull ? nextSweep - sweepInterval + 1_000 : nextSweep)) sweep()
      if (entries.size >= capacity && !entries.has(key)) return false
      entries.set(key, { value, expiresAt })
      return true
    },
    delete: (key) => entries.delete(key),
    size() {
      if (clock.now() >= nextSweep) sweep()
      return entries.size
    },
  }
}
