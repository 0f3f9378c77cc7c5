import type { Navigations } from '../navigations.ts'
import type { PorticoUser } from '../types.ts'
import type { Activity } from './activity.ts'
import type { Session } from './session.ts'
import type { StateStore } from './state-store.ts'
import type { Timetable } from './timetable.ts'

interface VisitsOptions<User extends PorticoUser> {
  store: StateStore<User>
  activity: Activity
  session: Session<User>
  navigations: Navigations
  timetable: Timetable
  signal: AbortSignal
}

/** Seconds; a tab that gets the focus asks whether the session still exists, but not at every click. */
const focusPause = 5

const events = ['visibilitychange', 'pageshow', 'online', 'focus']

/**
 * Looks whether the user is still signed in when the user comes back to this tab, or the network does, until
 * the signal. A tab that gets out of sight stops its timers.
 */
export function watchVisits<User extends PorticoUser>({
  store,
  activity,
  session,
  navigations,
  timetable,
  signal,
}: VisitsOptions<User>): void {
  function look({ type, persisted }: Event & { persisted?: boolean }): void {
    if (document.hidden) {
      timetable.plan()
      return
    }
    if (type === 'visibilitychange') activity.note()
    if (type === 'pageshow') {
      // Every page is shown once. Only one that comes out of the back-forward cache is old.
      if (!persisted) return
      navigations.reset()
    }
    if (type === 'focus' && session.answeredAgo() < focusPause) return
    if (store.get().status !== 'loading') void session.check()
  }
  // Those of the document bubble to the window.
  for (const event of events) addEventListener(event, look, { signal })
}
