import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * The dashboard of Portico: `npm run deploy:dashboard` writes it to `portico.json`, which Grafana imports. It
 * is written here, because a panel is one line here and fifty lines there.
 */

/** A line of a panel: a PromQL expression, and the text of its legend. */
export interface Query {
  expr: string
  legend: string
}

/** One panel. */
export interface Panel {
  title: string
  /** What it says, where the title does not. */
  description?: string
  kind: 'timeseries' | 'stat'
  unit: 'reqps' | 's' | 'percentunit' | 'short' | 'bytes'
  queries: readonly Query[]
}

/** The series of the chosen replicas. */
const of = (metric: string, matchers = '') =>
  `${metric}{job=~"$job",instance=~"$instance"${matchers === '' ? '' : `,${matchers}`}}`

/** How often each second, by labels. */
const rate = (metric: string, by: string, matchers = '') =>
  `sum by (${by}) (rate(${of(metric, matchers)}[$__rate_interval]))`

/** The time within which that share of the operations ends, by labels. */
const quantile = (share: number, histogram: string, by: string, matchers = '') => {
  const buckets = rate(`${histogram}_bucket`, by === '' ? 'le' : `le, ${by}`, matchers)
  return `histogram_quantile(${share}, ${buckets})`
}

const share = (part: string, whole: string) => `${part} / ${whole}`

/** A panel with one line for each value of the labels in its legend. */
const graph = (title: string, unit: Panel['unit'], ...queries: [expr: string, legend: string][]): Panel => ({
  ...{ title, unit, kind: 'timeseries' },
  queries: queries.map(([expr, legend]) => ({ expr, legend })),
})

/** A panel with one number. */
const stat = (title: string, unit: Panel['unit'], expr: string, legend = ''): Panel => ({
  ...{ title, unit, kind: 'stat' },
  queries: [{ expr, legend }],
})

const http = 'portico_http_request_duration_seconds'
const provider = 'portico_provider_request_duration_seconds'
const store = 'portico_store_command_duration_seconds'
const login = 'portico_login_duration_seconds'
const proxy = 'portico_proxy_request_duration_seconds'

/** The rows with their panels, from the top. */
export const rows: readonly { title: string; panels: readonly Panel[] }[] = [
  {
    title: 'Now',
    panels: [
      stat('Replicas that are ready', 'short', `sum(${of('portico_ready')})`),
      stat('Replicas that drain', 'short', `sum(${of('portico_draining')})`),
      stat('Active sessions', 'short', `max(${of('portico_sessions_active')})`),
      stat('Versions', 'short', `count by (version) (${of('portico_build_info')})`, '{{version}}'),
    ],
  },
  {
    title: 'Sign-in',
    panels: [
      graph('Sign-ins by outcome', 'reqps', [
        rate('portico_logins_total', 'provider, outcome'),
        '{{provider}} {{outcome}}',
      ]),
      {
        ...graph('Sign-ins that succeed', 'percentunit', [
          share(
            rate('portico_logins_total', 'provider', 'outcome="succeeded"'),
            rate('portico_logins_total', 'provider', 'outcome=~"succeeded|failed"'),
          ),
          '{{provider}}',
        ]),
        description: 'Of those that ended here: who closes the page of the provider counts in neither.',
      },
      graph('Failed sign-ins by reason', 'reqps', [
        rate('portico_logins_total', 'provider, reason', 'outcome="failed"'),
        '{{provider}} {{reason}}',
      ]),
      {
        ...graph('Time of each step (p95)', 's', [
          quantile(0.95, login, 'provider, step'),
          '{{provider}} {{step}}',
        ]),
        description: 'authorize is the time that the user and the provider take.',
      },
    ],
  },
  {
    title: 'Sessions',
    panels: [
      graph('Active sessions', 'short', [`max(${of('portico_sessions_active')})`, 'sessions']),
      graph('Sessions created', 'reqps', [
        rate('portico_sessions_created_total', 'provider'),
        '{{provider}}',
      ]),
      graph('Sessions ended, by cause', 'reqps', [
        rate('portico_sessions_ended_total', 'cause'),
        '{{cause}}',
      ]),
      graph(
        'Revocations of refresh tokens',
        'short',
        [`max(${of('portico_revocations_pending')})`, 'pending'],
        [rate('portico_revocations_total', 'provider, outcome'), '{{provider}} {{outcome}} each second'],
      ),
    ],
  },
  {
    title: 'Refresh',
    panels: [
      graph('Refreshes by outcome', 'reqps', [
        rate('portico_token_refreshes_total', 'provider, outcome'),
        '{{provider}} {{outcome}}',
      ]),
      graph('Refreshes that succeed', 'percentunit', [
        share(
          rate('portico_token_refreshes_total', 'provider', 'outcome="refreshed"'),
          rate('portico_token_refreshes_total', 'provider'),
        ),
        '{{provider}}',
      ]),
      {
        ...graph('Waiting for the refresh of another call (p95)', 's', [
          quantile(0.95, 'portico_token_lock_wait_seconds', 'outcome'),
          '{{outcome}}',
        ]),
        description: 'Of the calls that had to wait.',
      },
    ],
  },
  {
    title: 'Provider',
    panels: [
      graph('Provider calls by outcome', 'reqps', [
        rate(`${provider}_count`, 'provider, endpoint, outcome'),
        '{{provider}} {{endpoint}} {{outcome}}',
      ]),
      graph('Time of provider calls (p95)', 's', [
        quantile(0.95, provider, 'provider, endpoint'),
        '{{provider}} {{endpoint}}',
      ]),
      {
        ...graph('Circuit breakers that are open', 'short', [
          `sum by (provider, breaker) (${of('portico_provider_breaker_open')})`,
          '{{provider}} {{breaker}}',
        ]),
        description: 'Replicas that have stopped these calls, because the provider did not answer.',
      },
      graph('Replicas that know the provider', 'short', [
        `sum by (provider) (${of('portico_provider_discovered')})`,
        '{{provider}}',
      ]),
    ],
  },
  {
    title: 'Store',
    panels: [
      graph('Replicas that can use the store', 'short', [`sum(${of('portico_store_up')})`, 'replicas']),
      graph('Commands by outcome', 'reqps', [rate(`${store}_count`, 'outcome'), '{{outcome}}']),
      graph('Time of commands (p95)', 's', [quantile(0.95, store, 'command'), '{{command}}']),
    ],
  },
  {
    title: 'Proxy and forward auth',
    panels: [
      graph('Calls of APIs by outcome', 'reqps', [
        rate(`${proxy}_count`, 'route, outcome'),
        '{{route}} {{outcome}}',
      ]),
      graph('Time until an API has answered (p95)', 's', [quantile(0.95, proxy, 'route'), '{{route}}']),
      graph('Open streams', 'short', [`sum(${of('portico_proxy_open_streams')})`, 'streams']),
      graph('Answers to reverse proxies', 'reqps', [
        rate('portico_forward_auth_total', 'outcome'),
        '{{outcome}}',
      ]),
    ],
  },
  {
    title: 'HTTP',
    panels: [
      graph('Requests by route', 'reqps', [rate(`${http}_count`, 'route'), '{{route}}']),
      graph('Requests that fail here', 'percentunit', [
        `(${rate(`${http}_count`, 'job', 'status=~"5.."')} or 0 * ${rate(`${http}_count`, 'job')}) / ${rate(`${http}_count`, 'job')}`,
        '5xx',
      ]),
      graph('Requests by status', 'reqps', [rate(`${http}_count`, 'status'), '{{status}}']),
      graph(
        'Time of requests',
        's',
        [quantile(0.5, http, ''), 'p50'],
        [quantile(0.95, http, ''), 'p95'],
        [quantile(0.99, http, ''), 'p99'],
      ),
      graph('Time of requests by route (p95)', 's', [quantile(0.95, http, 'route'), '{{route}}']),
      graph(
        'Refused',
        'reqps',
        [rate('portico_rate_limited_total', 'limit'), 'rate limit {{limit}}'],
        [rate('portico_http_connections_refused_total', 'job'), 'before it was a request'],
      ),
    ],
  },
  {
    title: 'Process',
    panels: [
      graph('Event loop lag (p99)', 's', [of('nodejs_eventloop_lag_p99_seconds'), '{{instance}}']),
      graph('Memory', 'bytes', [of('process_resident_memory_bytes'), '{{instance}}']),
      graph('Processor', 'percentunit', [
        `rate(${of('process_cpu_seconds_total')}[$__rate_interval])`,
        '{{instance}}',
      ]),
      graph('Warnings and errors in the log', 'reqps', [
        rate('portico_log_events_total', 'level, event', 'level=~"warn|error"'),
        '{{level}} {{event}}',
      ]),
      graph('Audit records that could not be written', 'reqps', [
        rate('portico_audit_failures_total', 'instance'),
        '{{instance}}',
      ]),
    ],
  },
  {
    title: 'Signing keys',
    panels: [
      graph(
        'Signing key',
        's',
        [`max(${of('portico_signing_key_age_seconds')})`, 'signs since'],
        [`min(${of('portico_signing_key_next_rotation_seconds')})`, 'next one signs in'],
      ),
      graph('Replicas with a signing key', 'short', [
        `sum(${of('portico_signing_key_readable')})`,
        'replicas',
      ]),
    ],
  },
]

const datasource = { type: 'prometheus', uid: '$datasource' }

/** Columns of Grafana's grid, and the size of a panel in it. */
const columns = 24
const height = { timeseries: 8, stat: 4 }

function toPanel({ title, description, kind, unit, queries }: Panel, place: object, id: number): object {
  return {
    ...{
      id,
      type: kind,
      title,
      ...(description !== undefined && { description }),
      datasource,
      gridPos: place,
    },
    fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
    options:
      kind === 'stat'
        ? { reduceOptions: { calcs: ['lastNotNull'] }, textMode: 'auto' }
        : { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi', sort: 'desc' } },
    targets: queries.map(({ expr, legend }, index) => ({
      ...{ refId: String.fromCharCode(65 + index), datasource, expr, legendFormat: legend || '__auto' },
      // A point of a histogram shows its trace, where traces run.
      exemplar: expr.startsWith('histogram_quantile'),
    })),
  }
}

/** Puts the panels of each row beside each other, at most three to a line. */
function toPanels(): object[] {
  const panels: object[] = []
  let y = 0
  for (const row of rows) {
    const nextId = () => panels.length + 1
    panels.push({
      ...{ id: nextId(), type: 'row', title: row.title, collapsed: false, panels: [] },
      gridPos: { x: 0, y, w: columns, h: 1 },
    })
    y += 1
    const perLine = row.panels.length % 3 === 0 ? 3 : row.panels.length % 2 === 0 ? 2 : 3
    const inLine = row.panels[0]?.kind === 'stat' ? row.panels.length : perLine
    for (const [index, panel] of row.panels.entries()) {
      const w = columns / inLine
      const h = height[panel.kind]
      panels.push(toPanel(panel, { x: (index % inLine) * w, y, w, h }, nextId()))
      if (index % inLine === inLine - 1 || index === row.panels.length - 1) y += h
    }
  }
  return panels
}

const choice = (name: string) => ({
  ...{ name, label: name, type: 'query', datasource, refresh: 2, sort: 1 },
  query: { query: `label_values(portico_build_info, ${name})`, refId: name },
  ...{ multi: true, includeAll: true, allValue: '.*', current: { text: 'All', value: '$__all' } },
})

/** The dashboard as Grafana reads it. */
export const dashboard = (): string =>
  `${JSON.stringify(
    {
      ...{ uid: 'portico', title: 'Portico', tags: ['portico'], schemaVersion: 39, editable: true },
      ...{ refresh: '30s', time: { from: 'now-6h', to: 'now' }, timezone: 'browser', graphTooltip: 1 },
      templating: {
        list: [
          { name: 'datasource', label: 'data source', type: 'datasource', query: 'prometheus' },
          choice('job'),
          choice('instance'),
        ],
      },
      annotations: { list: [] },
      panels: toPanels(),
    },
    undefined,
    2,
  )}\n`

export const dashboardFile = join(import.meta.dirname, 'portico.json')

if (import.meta.main) writeFileSync(dashboardFile, dashboard())
