import { Counter, type Registry } from 'prom-client'
import { isErrorCode } from '../../errors.ts'
import { type LogEvent, type LogFields, levels } from '../events.ts'
import type { EventSink } from '../fan-out.ts'
import { catalogue, type NameOf } from './catalogue.ts'

/**
 * Counts events. `providers` are the names in the configuration: a label never takes another one, and reasons
 * are error codes, so that no request can make series.
 */
export function createEventMetrics(registry: Registry, providers: readonly string[]): EventSink {
  const known = new Set(providers)
  const create = (name: NameOf<'counter'>) =>
    new Counter({
      name,
      help: catalogue[name].help,
      labelNames: catalogue[name].labels,
      registers: [registry],
    })
  const logins = create('portico_logins_total')
  const refreshes = create('portico_token_refreshes_total')
  const created = create('portico_sessions_created_total')
  const ended = create('portico_sessions_ended_total')
  const revocations = create('portico_revocations_total')
  const rateLimited = create('portico_rate_limited_total')
  const connectionsRefused = create('portico_http_connections_refused_total')
  const auditFailures = create('portico_audit_failures_total')
  const logEvents = create('portico_log_events_total')

  // A series that is there from the start shows its first event as a change.
  for (const provider of providers) {
    for (const outcome of ['started', 'succeeded']) logins.inc({ provider, outcome, reason: '' }, 0)
    for (const outcome of ['refreshed', 'failed', 'rejected', 'ended', 'lost']) {
      refreshes.inc({ provider, outcome }, 0)
    }
    for (const outcome of ['revoked', 'failed']) revocations.inc({ provider, outcome }, 0)
    created.inc({ provider }, 0)
  }
  for (const cause of causes) ended.inc({ cause }, 0)

  const login = (outcome: string) => (fields: LogFields) =>
    logins.inc({ provider: toProvider(fields), outcome, reason: isErrorCode(fields.code) ? fields.code : '' })
  const refresh = (outcome: string) => (fields: LogFields) =>
    refreshes.inc({ provider: toProvider(fields), outcome })
  const end =
    (cause: Cause, count = toSessionCount) =>
    (fields: LogFields) =>
      ended.inc({ cause }, count(fields))
  const revocation = (outcome: string) => (fields: LogFields) =>
    revocations.inc({ provider: toProvider(fields), outcome })

  const counted: Partial<Record<LogEvent, (fields: LogFields) => void>> = {
    login_started: login('started'),
    login_succeeded(fields) {
      login('succeeded')(fields)
      created.inc({ provider: toProvider(fields) })
    },
    login_repeated: login('repeated'),
    login_not_needed: login('not_needed'),
    login_failed: login('failed'),
    tokens_refreshed: refresh('refreshed'),
    token_refresh_failed: refresh('failed'),
    token_refresh_rejected: refresh('rejected'),
    refreshed_tokens_lost: refresh('lost'),
    session_ended_by_provider(fields) {
      refresh('ended')(fields)
      end('provider')(fields)
    },
    logout_succeeded(fields) {
      end('user')(fields)
      end('other_device', ({ others }) => (Array.isArray(others) ? others.length : 0))(fields)
    },
    session_ended_by_user: end('other_device'),
    session_superseded: end('superseded'),
    backchannel_logout_succeeded: end('back_channel'),
    frontchannel_logout_succeeded: end('front_channel'),
    universal_logout_succeeded: end('universal'),
    sessions_ended_by_operator: end('operator'),
    refresh_token_revoked: revocation('revoked'),
    revocation_failed: revocation('failed'),
    request_limited: ({ limit }) => rateLimited.inc({ limit: String(limit) }),
    request_refused: () => connectionsRefused.inc(),
    audit_failed: () => auditFailures.inc(),
  }

  return (event, fields = {}) => {
    if (!perRequest.has(event)) logEvents.inc({ event, level: levels[event] })
    counted[event]?.(fields)
  }

  /** The provider that an event names; empty where that is none of the configuration. */
  function toProvider({ provider }: LogFields): string {
    return typeof provider === 'string' && known.has(provider) ? provider : ''
  }
}

/** Why sessions end. */
const causes = [
  'user',
  'other_device',
  'back_channel',
  'front_channel',
  'universal',
  'operator',
  'provider',
  'superseded',
] as const
type Cause = (typeof causes)[number]

/**
 * Events of every request. They are counted by the duration of requests: whether the log makes them depends
 * on LOG_LEVEL.
 */
const perRequest: ReadonlySet<LogEvent> = new Set([
  'request_completed',
  'probe_completed',
  'app_request_completed',
])

/** How many sessions an event names. */
function toSessionCount({ session, sessions }: LogFields): number {
  if (Array.isArray(sessions)) return sessions.length
  return session === undefined ? 0 : 1
}
