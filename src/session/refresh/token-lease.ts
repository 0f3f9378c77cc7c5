import type { SessionStore, TokenLock } from '../store.ts'

/** The lock on one session's tokens, renewed for as long as this process holds it. */
export interface TokenLease {
  acquire(): Promise<TokenLock>
  /** The fencing number of the last lock that was won. */
  fence(): number
  /** Whether the lock is ours for certain; a process that slept cannot know it before it asks. */
  isHeld(): boolean
  /** Gives the lock back; with `pause` milliseconds, nobody gets it before. */
  release(pause?: number): Promise<void>
  /** Ends the renewing; a lock that was not given back runs out by itself. */
  stop(): void
}

/** Milliseconds after which a dead holder's lock is free, so that the next one succeeds within three seconds (F35). */
export const leaseDuration = 2_000
const renewEvery = 500

/**
 * Creates the lease on one session's tokens. Time here is the process's own monotonic clock, never the injected one: it
 * runs on while the process is stopped, and its lease with it.
 */
export function createTokenLease(store: SessionStore, handle: string): TokenLease {
  let held: { fence: number; until: number } | undefined
  let lastFence = 0
  let renewal: NodeJS.Timeout | undefined

  async function renew(fence: number): Promise<void> {
    const sentAt = performance.now()
    const isOurs = await store.renewTokenLock(handle, fence, leaseDuration)
    if (held?.fence === fence) held = isOurs ? { fence, until: sentAt + leaseDuration } : undefined
  }

  function stop(): void {
    clearInterval(renewal)
    held = undefined
  }

  return {
    async acquire() {
      const sentAt = performance.now()
      const lock = await store.lockTokens(handle, leaseDuration)
      if (lock.state === 'locked') {
        stop()
        lastFence = lock.fence
        held = { fence: lock.fence, until: sentAt + leaseDuration }
        // A store that does not answer lets the lease run out: somebody else may then try.
        renewal = setInterval(() => void renew(lock.fence).catch(() => {}), renewEvery)
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
}
