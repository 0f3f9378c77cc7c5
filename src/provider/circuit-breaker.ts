import type { Clock } from '../clock.ts'
import { AppError } from '../errors.ts'
import { createUnavailable } from './provider-fetch.ts'

/** Keeps calls away from a provider that does not answer, so that a hanging one costs one deadline and then nothing. */
export interface CircuitBreaker {
  /** @throws AppError `provider_unavailable` while no call may be made */
  assertClosed(): void
  /** Makes the call, if calls may be made, and learns from what becomes of it. */
  guard<T>(call: () => Promise<T>): Promise<T>
}

const firstPause = 1_000
const longestPause = 30_000
/** What a provider may ask for at the most, see `provider-fetch.ts`. */
const longestWait = 300_000

/**
 * Creates the breaker. It opens on `provider_unavailable`, for as long as the provider asks (429) or for a pause that
 * doubles; after it one call goes through as a trial, and only its success lets the others follow.
 */
export function createCircuitBreaker(clock: Clock): CircuitBreaker {
  let opened: { at: number; until: number; pause: number } | undefined
  let isTrying = false

  function assertClosed(): void {
    if (opened === undefined) return
    const remaining = opened.until - clock.now()
    // More than it was ever opened for: the clock was set back.
    if ((remaining <= 0 || remaining > longestWait) && !isTrying) return
    throw createUnavailable('breaker is open', { retryAfter: Math.max(1, Math.ceil(remaining / 1000)) })
  }

  function open(error: AppError, startedAt: number): void {
    const now = clock.now()
    // Calls made before it opened say nothing new.
    if (opened !== undefined && startedAt <= opened.at) return
    const pause = opened === undefined ? firstPause : Math.min(opened.pause * 2, longestPause)
    opened = {
      at: now,
      until: now + (error.retryAfter === undefined ? pause : error.retryAfter * 1000),
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
        if (error instanceof AppError && error.code === 'provider_unavailable') open(error, startedAt)
        else opened = undefined
        throw error
      } finally {
        if (isTrial) isTrying = false
      }
    },
  }
}
