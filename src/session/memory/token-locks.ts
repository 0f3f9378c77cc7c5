import type { Clock } from '../../clock.ts'
import { createExpiringMap } from '../../expiring-map.ts'
import type { TokenLock } from '../store.ts'
import { assertStored } from './assert-stored.ts'

/** The locks on the tokens of active sessions. Each lock has a fencing number greater than any before. */
export interface MemoryTokenLocks {
  acquire(handle: string, lease: number): TokenLock
  /** Returns false if the lock was lost. */
  renew(handle: string, fence: number, lease: number): boolean
  /** Does nothing if the lock was lost. */
  release(handle: string, fence: number, pause: number): void
  /**
   * Whether this fencing number is the newest one: its lease may have expired, but no later holder took the
   * lock.
   */
  isNewest(handle: string, fence: number): boolean
  /** Releases the lock of the newest fencing number, even if its lease has expired. */
  releaseNewest(handle: string, fence: number): void
  delete(handle: string): void
  size(): number
}

interface MemoryTokenLocksOptions {
  clock: Clock
  capacity: number
  /** Milliseconds for which a fencing number is kept: longer than its lease, to recognise a late commit. */
  fenceLifetime: number
}

interface Lock {
  /** Fencing number of the last holder. */
  fence: number
  /** End of the lease, or of the pause after a failure; milliseconds since the epoch. */
  until: number
  isPause: boolean
}

/** Creates the locks of one process. */
export function createMemoryTokenLocks({
  clock,
  capacity,
  fenceLifetime,
}: MemoryTokenLocksOptions): MemoryTokenLocks {
  const locks = createExpiringMap<Lock>(clock, capacity)
  let lastFence = 0

  return {
    acquire(handle, lease) {
      const lock = locks.get(handle)
      const remaining = (lock?.until ?? 0) - clock.now()
      if (remaining > 0) return lock?.isPause ? { state: 'paused', remaining } : { state: 'held' }
      lastFence += 1
      setLock(handle, lastFence, lease)
      return { state: 'locked', fence: lastFence }
    },
    renew(handle, fence, lease) {
      if (!isHolder(handle, fence)) return false
      setLock(handle, fence, lease)
      return true
    },
    release(handle, fence, pause) {
      if (isHolder(handle, fence)) setLock(handle, fence, pause, true)
    },
    isNewest: (handle, fence) => locks.get(handle)?.fence === fence,
    releaseNewest: (handle, fence) => setLock(handle, fence, 0),
    delete: (handle) => void locks.delete(handle),
    size: () => locks.size(),
  }

  function isHolder(handle: string, fence: number): boolean {
    const lock = locks.get(handle)
    return lock?.fence === fence && !lock.isPause && lock.until > clock.now()
  }

  function setLock(handle: string, fence: number, lifetime: number, isPause = false): void {
    const now = clock.now()
    assertStored(locks.set(handle, { fence, until: now + lifetime, isPause }, now + fenceLifetime))
  }
}
