/** What one metric is, without its values. */
export interface MetricDefinition {
  type: 'counter' | 'gauge' | 'histogram'
  /** What it says; docs/metrics.md says the same. */
  help: string
  labels: readonly string[]
  /** Upper bounds in seconds, of a histogram. */
  buckets?: readonly number[]
  /** How the values of several processes (WORKERS) become one; the sum by default. */
  merge?: Merge
}

/** How the values that several processes have for one metric become one. */
export type Merge = 'sum' | 'min' | 'max' | 'average' | 'first' | 'omit'

/** In seconds: from a session check to a request that waits for a provider. */
const requestBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
/** A store answers within its deadline of one second, or not at all. */
const storeBuckets = [0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1]
/** From a call of a machine to what a user needs to sign in. */
const loginBuckets = [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600]
const callBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

/**
 * Every metric of this server; those of the process and of Node (`process_...`, `nodejs_...`) are
 * prom-client's. Dashboards and alerts are compared with these names, and docs/metrics.md has a line for
 * each. This module loads no other one.
 */
export const catalogue = {
  portico_build_info: {
    type: 'gauge',
    help: 'Always 1; the labels say what runs.',
    labels: ['version', 'node'],
    merge: 'max',
  },
  portico_ready: {
    type: 'gauge',
    help: '1 while /readyz answers 200, else 0.',
    labels: [],
    merge: 'min',
  },
  portico_draining: {
    type: 'gauge',
    help: '1 while the process drains: it is not ready, and serves what comes; else 0.',
    labels: [],
    merge: 'max',
  },
  portico_logins_total: {
    type: 'counter',
    help: 'Logins by outcome; reason is the error code of those that failed or were not needed.',
    labels: ['provider', 'outcome', 'reason'],
  },
  portico_login_duration_seconds: {
    type: 'histogram',
    help: 'Seconds of each step of a login; authorize is the time that the user and the provider took.',
    labels: ['provider', 'step', 'outcome'],
    buckets: loginBuckets,
  },
  portico_token_refreshes_total: {
    type: 'counter',
    help: 'Refreshes of provider tokens by outcome.',
    labels: ['provider', 'outcome'],
  },
  portico_sessions_active: {
    type: 'gauge',
    help: 'Sessions in the store, of all replicas; counted at most once a minute, and only when scraped.',
    labels: [],
    merge: 'max',
  },
  portico_sessions_created_total: {
    type: 'counter',
    help: 'Sessions that logins have started.',
    labels: ['provider'],
  },
  portico_sessions_ended_total: {
    type: 'counter',
    help: 'Sessions that were ended, by cause; those whose time has passed are not among them.',
    labels: ['cause'],
  },
  portico_provider_request_duration_seconds: {
    type: 'histogram',
    help: 'Seconds of each call of a provider.',
    labels: ['provider', 'endpoint', 'outcome'],
    buckets: callBuckets,
  },
  portico_provider_discovered: {
    type: 'gauge',
    help: '1 once the metadata of the provider is known, else 0: its logins answer 503.',
    labels: ['provider'],
    merge: 'min',
  },
  portico_provider_breaker_open: {
    type: 'gauge',
    help: '1 while calls of this kind are stopped because the provider did not answer, else 0.',
    labels: ['provider', 'breaker'],
    merge: 'max',
  },
  portico_store_command_duration_seconds: {
    type: 'histogram',
    help: 'Seconds of each command or script of Redis.',
    labels: ['command', 'outcome'],
    buckets: storeBuckets,
  },
  portico_store_up: {
    type: 'gauge',
    help: '1 if the store could be used at this scrape, else 0.',
    labels: [],
    merge: 'min',
  },
  portico_token_lock_wait_seconds: {
    type: 'histogram',
    help: 'Seconds that a refresh waited for another process, which refreshed the same tokens.',
    labels: ['outcome'],
    buckets: callBuckets,
  },
  portico_signing_key_age_seconds: {
    type: 'gauge',
    help: 'Seconds since the key that signs app tokens began to sign; not with APP_TOKEN_KEYS.',
    labels: [],
    merge: 'max',
  },
  portico_signing_key_next_rotation_seconds: {
    type: 'gauge',
    help: 'Seconds until the next key signs; not with APP_TOKEN_KEYS.',
    labels: [],
    merge: 'min',
  },
  portico_signing_key_readable: {
    type: 'gauge',
    help: '1 if this process has a key that signs app tokens, else 0.',
    labels: [],
    merge: 'min',
  },
  portico_revocations_pending: {
    type: 'gauge',
    help: 'Ended sessions, of all replicas, whose refresh tokens are not revoked yet.',
    labels: [],
    merge: 'max',
  },
  portico_revocations_total: {
    type: 'counter',
    help: 'Revocations of refresh tokens by outcome.',
    labels: ['provider', 'outcome'],
  },
  portico_rate_limited_total: {
    type: 'counter',
    help: 'Requests that a rate limit refused.',
    labels: ['limit'],
  },
  portico_proxy_request_duration_seconds: {
    type: 'histogram',
    help: 'Seconds until an upstream behind the session had answered, or the call had failed.',
    labels: ['route', 'outcome'],
    buckets: callBuckets,
  },
  portico_proxy_open_streams: {
    type: 'gauge',
    help: 'Event streams and WebSocket connections that are open.',
    labels: [],
  },
  portico_forward_auth_total: {
    type: 'counter',
    help: 'Answers to reverse proxies: ok, or the code of the refusal.',
    labels: ['outcome'],
  },
  portico_http_request_duration_seconds: {
    type: 'histogram',
    help: 'Seconds of each request; status 0 if its client has gone before the response.',
    labels: ['route', 'method', 'status'],
    buckets: requestBuckets,
  },
  portico_http_connections_refused_total: {
    type: 'counter',
    help: 'What came on a connection and was refused before it was a request.',
    labels: [],
  },
  portico_log_events_total: {
    type: 'counter',
    help: 'Events of the log, written or not; without those of completed requests.',
    labels: ['event', 'level'],
  },
  portico_audit_failures_total: {
    type: 'counter',
    help: 'Times at which the audit stream could not be written.',
    labels: [],
  },
} as const satisfies Record<string, MetricDefinition>

/** The name of a metric of this server. */
export type MetricName = keyof typeof catalogue
/** The name of a metric of one type. */
export type NameOf<Type extends MetricDefinition['type']> = {
  [Name in MetricName]: (typeof catalogue)[Name]['type'] extends Type ? Name : never
}[MetricName]

/** Every name, in the order in which they are exposed. */
export const metricNames = Object.keys(catalogue) as MetricName[]
