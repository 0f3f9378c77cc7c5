import type { Clock } from '../../clock.ts'
import { findCause } from './find-cause.ts'
import { type Outage, ProviderUnavailable, providerUnavailable } from './unavailable.ts'

/**
 * Stops calls to a provider that does not answer: a provider that hangs costs one deadline, and after that
 * nothing until the next trial.
 */
export interface CircuitBreaker {
  /** @throws AppError `provider_unavailable` while no call may be made */
  assertClosed(): void
  /** Whether calls are stopped, or only a trial goes through. */
  isOpen(): boolean
  /** Makes the call, if calls may be made, and opens or closes the breaker by its result. */
  guard<T>(call: () => Promise<T>): Promise<T>
}

interface CircuitBreakerOptions {
  clock: Clock
  /** The outages that open it; none that a single user's request can cause. */
  opensOn: readonly Outage[]
}

const firstPause = 1_000
const longestPause = 30_000

/**
 * Creates a breaker. It opens for a pause that doubles, or for as long as the provider asks (429). After the
 * pause, one call goes through as a trial, and only its success lets the others follow.
 */
export function createCircuitBreaker({ clock, opensOn }: CircuitBreakerOptions): CircuitBreaker {
  let opened: { at: number; until: number; pause: number } | undefined
  let isTrialRunning = false

  function assertClosed(): void {
    if (opened === undefined) return
    // The system clock went backwards, so the elapsed time is unknown: close the breaker.
    if (clock.now() < opened.at) opened = undefined
    if (opened === undefined) return
    const wait = opened.until - clock.now()
    if (wait <= 0 && !isTrialRunning) return
    const retryAfter = Math.max(1, Math.ceil(wait / 1000))
    throw providerUnavailable('breaker is open', { outage: 'breaker-open', retryAfter })
  }

  function open(error: ProviderUnavailable, startedAt: number): void {
    const now = clock.now()
    // A call that began before the breaker opened is part of the same outage.
    if (opened !== undefined && startedAt <= opened.at) return
    const pause = opened === undefined ? firstPause : Math.min(opened.pause * 2, longestPause)
    opened = { at: now, until: now + Math.max(pause, (error.retryAfter ?? 0) * 1000), pause }
  }

  return {
    assertClosed,
    isOpen: () => opened !== undefined,
    async guard(call) {
      assertClosed()
      const isTrial = opened !== undefined
      if (isTrial) isTrialRunning = true
      const startedAt = clock.now()
      try {
        const result = await call()
        opened = undefined
        return result
      } catch (error) {
        // An error that an outage caused counts as an outage.
        const unavailable = findCause(error, ProviderUnavailable)
        if (unavailable === undefined) opened = undefined
        else if (opensOn.includes(unavailable.outage)) open(unavailable, startedAt)
        throw error
      } finally {
        if (isTrial) isTrialRunning = false
      }
    },
  }
}
