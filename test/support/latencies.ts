/** Returns the value that this part of all values does not exceed: 0.5 is the median, 0.99 the p99. */
export const percentile = (values: readonly number[], part: number): number =>
  values.toSorted((a, b) => a - b)[Math.ceil(values.length * part) - 1] ?? Number.NaN

export const median = (values: readonly number[]): number => percentile(values, 0.5)

/** Does two things in turns, so that whatever else the machine does meets both alike. */
export async function takeTurns<One, Other>(
  rounds: number,
  one: () => Promise<One>,
  other: () => Promise<Other>,
): Promise<[One[], Other[]]> {
  const results: [One[], Other[]] = [[], []]
  for (let round = 0; round < rounds; round += 1) {
    results[0].push(await one())
    results[1].push(await other())
  }
  return results
}

/** Milliseconds; each tick comes up to two late, which counts for little in 50. */
const tick = 50
let ticks = 0
setInterval(() => {
  ticks += 1
}, tick).unref()

/**
 * Milliseconds by the timers of this process, for deadlines that this process keeps: while it gets no
 * processor, this clock stands still, and the deadlines come later as well.
 */
export const timerTime = (): number => ticks * tick

/** Milliseconds by a clock that all processes of the machine have in common. */
export const machineTime = (): number => Number(process.hrtime.bigint() / 1_000n) / 1_000
