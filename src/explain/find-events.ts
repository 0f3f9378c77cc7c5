import type { LoggedEvent } from './logged-event.ts'

/** Whose events are asked for: those of a login, request or session, or those of a user. */
export type Wanted = { readonly id: string } | { readonly subs: readonly string[] }

/**
 * Finds events, with all others of the same logins, requests and sessions: an event that fails before the
 * user is known names no user, but may belong to a login that does.
 */
export function findEvents(events: readonly LoggedEvent[], wanted: Wanted): LoggedEvent[] {
  const isWanted = (event: LoggedEvent) =>
    'id' in wanted
      ? toNames(event).includes(wanted.id)
      : typeof event.sub === 'string' && wanted.subs.includes(event.sub)
  const names = new Set(events.filter(isWanted).flatMap(toNames))
  return events.filter((event) => toNames(event).some((name) => names.has(name)))
}

/** The login, the request and the sessions that an event names. */
const toNames = ({ login, request_id, session, sessions }: LoggedEvent): string[] =>
  [login, request_id, session, sessions].flat().filter((name): name is string => typeof name === 'string')
