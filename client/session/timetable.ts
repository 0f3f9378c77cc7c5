import { now, secondsSince } from '../clock.ts'

/** Something that a tab does by itself. */
export interface Job {
  /** Seconds until it is due; infinite while it is not needed. */
  dueIn(): number
  run(): unknown
}

/** Runs the jobs of this tab when they are due. While the tab is hidden, nothing runs. */
export interface Timetable {
  /** Plans the next job, after anything changed. */
  plan(): void
  /** A call failed: nothing runs for so many seconds; by default, for longer after each failure in a row. */
  pause(seconds?: number): void
  /** A call succeeded. */
  resume(): void
  /** Seconds until the next attempt after a failure; infinite after a success. */
  retryDue(): number
  stop(): void
}

/** Seconds between two runs at least, whatever a server answers. */
const shortestWait = 1
/** Seconds; a longer pause helps neither the user nor the server. */
const longestPause = 60
/** Seconds after which the jobs are looked at in any case; no timer can be set to more than 24 days. */
const longestWait = 86_400

/** Creates the timetable: one timer, for whichever job is due next. */
export function createTimetable(jobs: () => readonly Job[]): Timetable {
  let timer: ReturnType<typeof setTimeout> | undefined
  let isRunning = false
  let failures = 0
  let failedAt = now()
  /** Seconds of the pause that began with the last failure; undefined where none is in force. */
  let paused: number | undefined

  const pauseLeft = () => (paused ? paused - secondsSince(failedAt) : 0)
  const isDue = (job: Job) => pauseLeft() <= 0 && job.dueIn() <= 0

  function plan(): void {
    clearTimeout(timer)
    if (document.hidden || isRunning) return
    const next = Math.max(pauseLeft(), Math.min(...jobs().map((job) => job.dueIn())))
    timer = setTimeout(run, Math.min(Math.max(next, shortestWait), longestWait) * 1000)
  }

  async function run(): Promise<void> {
    isRunning = true
    try {
      for (const job of jobs()) {
        if (!isDue(job)) continue
        await job.run()
        // It was of no use, whatever the server answered.
        if (isDue(job)) pause()
      }
    } finally {
      isRunning = false
      plan()
    }
  }

  function pause(seconds?: number): void {
    // One call may go on failing while others succeed.
    failures = secondsSince(failedAt) > 2 * longestPause ? 1 : failures + 1
    failedAt = now()
    paused = seconds ?? Math.min(2 ** failures, longestPause)
    plan()
  }

  return {
    plan,
    pause,
    resume() {
      paused = undefined
    },
    retryDue: () => (paused ? pauseLeft() : Number.POSITIVE_INFINITY),
    stop: () => clearTimeout(timer),
  }
}
