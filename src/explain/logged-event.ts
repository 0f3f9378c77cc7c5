import type { LogEvent, LogFields } from '../telemetry/events.ts'

/** An event as it was logged. */
export type LoggedEvent = LogFields & {
  /** ISO 8601. */
  readonly time: string
  readonly event: LogEvent
}

/** A field of an event as a text; empty where it has none. */
export const readText = (event: LoggedEvent, name: string): string => String(event[name] ?? '')
