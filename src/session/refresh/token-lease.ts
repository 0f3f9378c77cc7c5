import type { SessionStore, TokenLock } from '../store.ts'
import { leaseDuration, renewalInterval } from './refresh-timing.ts'

/** The lock on one session's tokens, whose lease is renewed for as long as this process holds it. */
export interface TokenLease {
  acquire(): Promise<TokenLock>
  /** The fencing number of the lock that was acquired last. */
  fence(): number
  /** Whether this process certainly holds the lock. A process that was paused has to ask the store again. */
  isHeld(): boolean
  /** Releases the lock; with `pause`, nothing can take it for that many milliseconds. */
  release(pause?: number): Promise<void>
  /** Stops renewing the lease; a lock that was not released expires by itself. */
  stop(): void
}

/**
 * Creates the lease on one session's tokens. It measures time by the monotonic clock of the process, never by
 * the injected one: that clock continues while the process is paused, as the lease in the store does.
 */
export function createTokenLease(store: SessionStore, handle: string): TokenLease {
  let held: { fence: number; until: number } | undefined
  let lastFence = 0
  let renewal: NodeJS.Timeout | undefined

  return {
    async acquire() {
      const sentAt = performance.now()
      const lock = await store.lockTokens(handle, leaseDuration)
      if (lock.state === 'locked') {
        stop()
        lastFence = lock.fence
        held = { fence: lock.fence, until: sentAt + leaseDuration }
        // If the store does not answer, the lease expires, and another process may try.
        renewal = setInterval(() => void renew(lock.fence).catch(() => {}), renewalInterval)
      }
      return lock
    },
    fence: () => lastFence,
    isHeld: () => held !== undefined && performance.now() < held.until,
    async release(pause = 0) {
      stop()
      await store.unlockTokens(handle, lastFence, pause)
    },
    stop,
  }

  async function renew(fence: number): Promise<void> {
    const sentAt = performance.now()
    const isRenewed = await store.renewTokenLock(handle, fence, leaseDuration)
    if (held?.fence === fence) held = isRenewed ? { fence, until: sentAt + leaseDuration } : undefined
  }

  function stop(): void {
    clearInterval(renewal)
    held = undefined
  }
}
