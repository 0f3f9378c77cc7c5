import type { Log } from './events.ts'

/** How a user is named; undefined: not at all. */
export type ShowSubject = (sub: string) => string | undefined

/**
 * A log that names users as `show` does. Every event has its user in `sub`, and in no other field. Whatever
 * is made of the events behind this log sees the name that is shown, and no other.
 */
export function withSubjects(log: Log, show: ShowSubject): Log {
  const shown: Log = (event, fields) => {
    const sub = fields?.sub
    log(event, typeof sub === 'string' ? { ...fields, sub: show(sub) } : fields)
  }
  shown.isWritten = (event) => log.isWritten?.(event) !== false
  return shown
}
