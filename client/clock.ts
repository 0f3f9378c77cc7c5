/** A moment, by both clocks of the browser. */
export interface Moment {
  /** Milliseconds; never runs backwards, but stops in some browsers while the computer sleeps. */
  monotonic: number
  /** Milliseconds since the epoch; jumps when the computer's clock is set. */
  wall: number
}

export const now = (): Moment => ({ monotonic: performance.now(), wall: Date.now() })

/**
 * Seconds since a moment, by whichever clock says more: a token that looks older than it is costs a renewal,
 * but one that looks younger costs a refusal.
 */
export const secondsSince = (moment: Moment): number =>
  Math.max(performance.now() - moment.monotonic, Date.now() - moment.wall) / 1000
