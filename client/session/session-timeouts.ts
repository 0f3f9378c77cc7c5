import { type Moment, now, secondsSince } from '../clock.ts'
import type { PorticoSession } from '../types.ts'

/** How long the session lives on, as far as this tab knows. Times are seconds; infinite without a session. */
export interface SessionTimeouts {
  /** A session, as an answer has just brought it; undefined where there is none. */
  follow(session: PorticoSession | undefined): void
  /** Until the session ends, unless it is used. */
  endsIn(): number
  /** Until it is time to warn the user. */
  warningIn(): number
  /** Until half of the idle timeout is over. */
  halfIdleIn(): number
}

/** Seconds before the end at which the user is warned. */
const warningTime = 60

/** Creates the timeouts of this tab's session. */
export function createSessionTimeouts(): SessionTimeouts {
  let session: PorticoSession | undefined
  let followedAt: Moment = now()
  /** The longest one seen. It is shorter than the server's until an answer has extended the session. */
  let idleTimeout = 0

  /** The server counts no idle timeout beyond the absolute one. */
  const endsIn = () =>
    session ? session.idle_expires_in - secondsSince(followedAt) : Number.POSITIVE_INFINITY

  return {
    follow(next) {
      session = next
      followedAt = now()
      idleTimeout = next ? Math.max(idleTimeout, next.idle_expires_in) : 0
    },
    endsIn,
    warningIn: () => endsIn() - Math.min(warningTime, idleTimeout / 4),
    halfIdleIn: () => endsIn() - idleTimeout / 2,
  }
}
