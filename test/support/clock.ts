import type { Clock } from '../../src/clock.ts'

/** A clock that starts now and moves only by hand. */
export interface TestClock extends Clock {
  advance(milliseconds: number): void
}

export function createTestClock(): TestClock {
  let now = Date.now()
  return {
    now: () => now,
    advance(milliseconds) {
      now += milliseconds
    },
  }
}

export const seconds = (count: number) => count * 1_000
export const minutes = (count: number) => count * 60_000
export const hours = (count: number) => count * 3_600_000
