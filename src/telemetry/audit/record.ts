import { randomUUID } from 'node:crypto'
import type { LogEvent, LogFields } from '../events.ts'
import { auditedEvents } from './audited-events.ts'

/** What `sub` of an event is: a keyed hash, or the user's own name. */
export type SubjectKind = 'hash' | 'plain'

/** The version of ECS whose fields are used. */
const ecsVersion = '8.17.0'

/** Sessions that one record names at most, so that a line remains short enough to be written at once. */
const mostSessions = 50

/** Fields of events that ECS has no field for: they become labels. No other field gets into a record. */
const labels = ['provider', 'providers', 'login', 'session', 'successor', 'step', 'limit', 'act', 'because']

/**
 * Returns the audit record of an event, in fields of ECS; undefined if the event is not audited. It holds
 * what the list above and below names, so that what an event says besides stays in the log.
 */
export function toAuditRecord(event: LogEvent, fields: LogFields, subject: SubjectKind): object | undefined {
  const audited = auditedEvents[event]
  if (audited === undefined) return undefined
  const { message, ...classification } = audited
  const { request_id: requestId, trace_id: traceId, address, path, sub, code, reason, duration_ms } = fields
  return {
    '@timestamp': new Date().toISOString(),
    ecs: { version: ecsVersion },
    event: {
      id: randomUUID(),
      kind: 'event',
      dataset: 'portico.audit',
      action: event,
      ...classification,
      code,
      reason,
      // ECS has nanoseconds.
      duration: typeof duration_ms === 'number' ? duration_ms * 1_000_000 : undefined,
    },
    message,
    service: { name: 'portico' },
    process: { pid: process.pid },
    ...(sub !== undefined && { user: subject === 'hash' ? { hash: sub } : { id: sub } }),
    // Where a record has `client`, ECS wants the same in `source`.
    ...(address !== undefined && { client: { ip: address }, source: { ip: address } }),
    ...(path !== undefined && { url: { path } }),
    ...(requestId !== undefined && { http: { request: { id: requestId } } }),
    ...(traceId !== undefined && { trace: { id: traceId } }),
    labels: toLabels(fields),
  }
}

function toLabels(fields: LogFields): LogFields | undefined {
  const named: LogFields = Object.fromEntries(
    labels.filter((name) => fields[name] !== undefined).map((name) => [name, fields[name]]),
  )
  const ended = fields.sessions ?? fields.others
  const all = Array.isArray(ended)
    ? { ...named, sessions: ended.slice(0, mostSessions), session_count: String(ended.length) }
    : named
  return Object.keys(all).length === 0 ? undefined : all
}
