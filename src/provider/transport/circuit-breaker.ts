import type { Clock } from '../../clock.ts'
import { findCause } from './find-cause.ts'
import { type Outage, ProviderUnavailable, providerUnavailable } from './unavailable.ts'

/** Keeps calls away from a provider that does not answer, so that a hanging one costs one deadline and then nothing. */
export interface CircuitBreaker {
  /** @throws AppError `provider_unavailable` while no call may be made */
  assertClosed(): void
  /** Makes the call, if calls may be made, and learns from what becomes of it. */
  guard<T>(call: () => Promise<T>): Promise<T>
}

interface CircuitBreakerOptions {
  clock: Clock
  /** What counts as the provider's outage; whatever one person can cause must not. */
  opensOn: readonly Outage[]
}

const firstPause = 1_000
const longestPause = 30_000

/**
 * Creates the breaker. It opens for a pause that doubles, or for as long as the provider asks (429); after it one call goes through as a trial, and only its success lets the others follow.
 */
export function createCircuitBreaker({ clock, opensOn }: CircuitBreakerOptions): CircuitBreaker {
  let opened: { at: number; until: number; pause: number } | undefined
  let isTrying = false

  function assertClosed(): void {
    if (opened === undefined) return
    // The clock was set back: nobody knows how long it has been open.
    if (clock.now() < opened.at) opened = undefined
    if (opened === undefined) return
    const remaining = opened.until - clock.now()
    if (remaining <= 0 && !isTrying) return
    const retryAfter = Math.max(1, Math.ceil(remaining / 1000))
    throw providerUnavailable('breaker is open', { outage: 'breaker-open', retryAfter })
  }

  function open(error: ProviderUnavailable, startedAt: number): void {
    const now = clock.now()
    // Calls made before it opened say nothing new.
    if (opened !== undefined && startedAt <= opened.at) return
    const pause = opened === undefined ? firstPause : Math.min(opened.pause * 2, longestPause)
    opened = {
      at: now,
      until: now + Math.max(pause, (error.retryAfter ?? 0) * 1000),
      pause,
    }
  }

  return {
    assertClosed,
    async guard(call) {
      assertClosed()
      const isTrial = opened !== undefined
      if (isTrial) isTrying = true
      const startedAt = clock.now()
      try {
        const result = await call()
        opened = undefined
        return result
      } catch (error) {
        // One that was caused by an outage counts as one.
        const outage = findCause(error, ProviderUnavailable)
        if (outage === undefined) opened = undefined
        else if (opensOn.includes(outage.outage)) open(outage, startedAt)
        throw error
      } finally {
        if (isTrial) isTrying = false
      }
    },
  }
}
