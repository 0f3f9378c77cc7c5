import type { PorticoUser } from '../types.ts'
import type { Activity } from './activity.ts'
import type { SessionTimeouts } from './session-timeouts.ts'
import type { StateStore } from './state-store.ts'
import type { Job, Timetable } from './timetable.ts'

interface SessionJobsOptions<User extends PorticoUser> {
  timeouts: SessionTimeouts
  activity: Activity
  timetable: Timetable
  store: StateStore<User>
  /** Asks who is signed in; extends the session if the user did something. */
  check(): Promise<unknown>
}

/** What a tab does for its session without being asked. */
export function createSessionJobs<User extends PorticoUser>({
  timeouts,
  activity,
  timetable,
  store,
  check,
}: SessionJobsOptions<User>): readonly Job[] {
  let hasWarned = false
  return [
    { dueIn: timetable.retryDue, run: check },
    // A user who does something keeps the session alive, also where the app calls nothing.
    { dueIn: () => (activity.isUsed() ? timeouts.halfIdleIn() : Number.POSITIVE_INFINITY), run: check },
    {
      dueIn() {
        const seconds = timeouts.warningIn()
        if (seconds > 0) hasWarned = false
        return hasWarned ? Number.POSITIVE_INFINITY : seconds
      },
      run() {
        hasWarned = true
        store.emit('expiring', { seconds: Math.max(0, Math.round(timeouts.endsIn())) })
      },
    },
    // The server counts in whole seconds.
    { dueIn: () => timeouts.endsIn() + 1, run: check },
  ]
}
