/** The current time, passed in as a parameter, so that a test can move it instead of sleeping. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
}

/** The clock of the operating system. */
export const systemClock: Clock = { now: () => Date.now() }
