/**
 * A moment, by both clocks of the browser, in milliseconds. The first one never runs backwards, but stops in
 * some browsers while the computer sleeps; the second one jumps when the computer's clock is set.
 */
export type Moment = readonly [monotonic: number, wall: number]

export const now = (): Moment => [performance.now(), Date.now()]

/**
 * Seconds since a moment, by whichever clock says more: a token that looks older than it is costs a renewal,
 * but one that looks younger costs a refusal.
 */
export const secondsSince = ([monotonic, wall]: Moment): number =>
  Math.max(performance.now() - monotonic, Date.now() - wall) / 1000
