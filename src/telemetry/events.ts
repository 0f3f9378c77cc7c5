/**
 * Every event that the log can contain, with its level. A call names an event and passes scalar fields, never
 * an error object and never a request: an openid-client error holds access tokens, refresh tokens and codes.
 */
export const levels = {
  server_starting: 'info',
  server_listening: 'info',
  operator_listening: 'info',
  server_draining: 'info',
  server_stopped: 'info',
  worker_started: 'info',
  worker_ended: 'error',
  process_failed: 'error',
  hook_failed: 'error',
  router_misplaced: 'error',
  audit_reopened: 'info',
  audit_failed: 'error',
  config_unknown_variable: 'warn',
  config_shared_rate_limit: 'warn',
  config_pkce_disabled: 'warn',
  store_in_memory: 'warn',
  store_command_refused: 'error',
  request_completed: 'info',
  probe_completed: 'debug',
  app_request_completed: 'debug',
  request_refused: 'info',
  request_limited: 'info',
  request_failed: 'error',
  login_started: 'info',
  login_succeeded: 'info',
  login_repeated: 'info',
  login_failed: 'warn',
  login_not_needed: 'info',
  login_outcome_lost: 'warn',
  user_claims_dropped: 'warn',
  session_claims_dropped: 'warn',
  login_refused_by_provider: 'warn',
  pushed_request_skipped: 'warn',
  return_to_refused: 'warn',
  app_token_issued: 'info',
  dpop_key_mismatch: 'warn',
  csrf_check_failed: 'warn',
  logout_succeeded: 'info',
  logout_at_provider_skipped: 'warn',
  backchannel_logout_succeeded: 'info',
  backchannel_logout_refused: 'warn',
  frontchannel_logout_succeeded: 'info',
  frontchannel_logout_refused: 'warn',
  universal_logout_succeeded: 'info',
  universal_logout_refused: 'warn',
  refresh_token_revoked: 'info',
  revocation_failed: 'warn',
  provider_discovered: 'info',
  provider_unavailable: 'warn',
  provider_keys_fetched: 'info',
  provider_keys_unavailable: 'warn',
  tokens_refreshed: 'info',
  token_refresh_failed: 'warn',
  token_refresh_rejected: 'error',
  refreshed_tokens_lost: 'error',
  session_ended_by_provider: 'info',
  session_ended_by_user: 'info',
  session_superseded: 'info',
  sessions_ended_by_operator: 'info',
  operator_refused: 'warn',
  operator_acted: 'info',
  introspection_refused: 'warn',
  session_unreadable: 'warn',
  user_claims_refresh_failed: 'warn',
  userinfo_unavailable: 'warn',
  store_connected: 'info',
  store_unavailable: 'error',
  recent_events_dropped: 'warn',
  signing_keys_changed: 'info',
  signing_keys_unavailable: 'error',
  traces_not_exported: 'warn',
} as const satisfies Record<string, 'debug' | 'info' | 'warn' | 'error'>

/** The name of an event; docs/operations.md explains each. */
export type LogEvent = keyof typeof levels
/** The lowest level that is written. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'
/** What an event says besides its name. An undefined field is left out. */
export type LogFields = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>

/** Receives an event: what it says goes to the log, and whatever else is made of events. */
export interface Log {
  (event: LogEvent, fields?: LogFields): void
  /** Whether the event's line is written at all, for callers whose fields cost something. */
  isWritten?(event: LogEvent): boolean
}

/** A log that adds these fields to every event. */
export const withFields =
  (log: Log, added: LogFields): Log =>
  (event, fields) =>
    log(event, { ...added, ...fields })

/** Makes a foreign text safe for one log field: printable ASCII, and at most `longestText` characters. */
export function toLogText(text: string): string {
  return text.replace(unprintable, ' ').slice(0, longestText)
}

const unprintable = /[^\x20-\x7e]+/g

/** In characters. In Ory Hydra's error descriptions, the part that matters follows 130 other characters. */
const longestText = 400
