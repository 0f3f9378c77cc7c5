import type { Clock } from '../clock.ts'

/** A map whose entries end by themselves: unseen from their time on, and swept at most once a minute. */
export interface ExpiringMap<V> {
  get(key: string): V | undefined
  /** `expiresAt` is in milliseconds since the epoch. */
  set(key: string, value: V, expiresAt: number): void
  delete(key: string): boolean
  /** Live entries and those not swept yet. */
  size(): number
}

const sweepInterval = 60_000

export function createExpiringMap<V>(clock: Clock): ExpiringMap<V> {
  const entries = new Map<string, { value: V; expiresAt: number }>()
  let nextSweep = 0

  function sweep(): void {
    const now = clock.now()
    if (now < nextSweep) return
    nextSweep = now + sweepInterval
    for (const [key, { expiresAt }] of entries) if (expiresAt <= now) entries.delete(key)
  }

  return {
    get(key) {
      const entry = entries.get(key)
      return entry !== undefined && entry.expiresAt > clock.now() ? entry.value : undefined
    },
    set(key, value, expiresAt) {
      sweep()
      entries.set(key, { value, expiresAt })
    },
    delete: (key) => entries.delete(key),
    size() {
      sweep()
      return entries.size
    },
  }
}
