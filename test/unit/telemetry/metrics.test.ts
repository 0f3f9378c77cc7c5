import { Registry } from 'prom-client'
import { describe, expect, test } from 'vitest'
import { levels } from '../../../src/telemetry/events.ts'
import { toOneObserver, withSinks } from '../../../src/telemetry/fan-out.ts'
import { catalogue, metricNames } from '../../../src/telemetry/metrics/catalogue.ts'
import { createEventMetrics } from '../../../src/telemetry/metrics/event-metrics.ts'
import { expose } from '../../../src/telemetry/metrics/exposition.ts'
import { createGauges, type ServerState } from '../../../src/telemetry/metrics/gauges.ts'
import { createHistogram } from '../../../src/telemetry/metrics/histogram.ts'
import { createMetrics } from '../../../src/telemetry/metrics/metrics.ts'
import { toMethodLabel, toStatusLabel } from '../../../src/telemetry/metrics/observer-metrics.ts'
import { type MetricSnapshot, mergeSnapshots, onlyCounts } from '../../../src/telemetry/metrics/snapshot.ts'
import { noObserver, type Observer } from '../../../src/telemetry/observer.ts'

const definition = { type: 'histogram', help: 'Seconds.', labels: ['a', 'b'], buckets: [0.1, 1] } as const
const openMetrics = 'application/openmetrics-text; version=1.0.0'

describe('a histogram', () => {
  test('counts each duration in its bucket and all above, for each combination of labels', async () => {
    const histogram = createHistogram('x_seconds', definition)
    for (const seconds of [0.1, 0.5, 2]) histogram.observe(seconds, ['one', 200])
    histogram.observe(0.25, ['one', 'two'])
    const { body } = await expose([histogram.snapshot()], '')
    expect(body.trim().split('\n')).toEqual([
      '# HELP x_seconds Seconds.',
      '# TYPE x_seconds histogram',
      'x_seconds_bucket{le="0.1",a="one",b="200"} 1',
      'x_seconds_bucket{le="1",a="one",b="200"} 2',
      'x_seconds_bucket{le="+Inf",a="one",b="200"} 3',
      'x_seconds_sum{a="one",b="200"} 2.6',
      'x_seconds_count{a="one",b="200"} 3',
      'x_seconds_bucket{le="0.1",a="one",b="two"} 0',
      'x_seconds_bucket{le="1",a="one",b="two"} 1',
      'x_seconds_bucket{le="+Inf",a="one",b="two"} 1',
      'x_seconds_sum{a="one",b="two"} 0.25',
      'x_seconds_count{a="one",b="two"} 1',
    ])
  })

  test('shows the trace of a duration at its bucket, in OpenMetrics only', async () => {
    const histogram = createHistogram('x_seconds', { ...definition, labels: ['a'] })
    histogram.observe(0.5, ['one'], '4bf92f3577b34da6a3ce929d0e0e4736')
    const { body, contentType } = await expose([histogram.snapshot()], openMetrics)
    expect(contentType).toMatch(/^application\/openmetrics-text; version=1\.0\.0/)
    expect(body).toMatch(
      /^x_seconds_bucket\{le="1",a="one"\} 1 # \{trace_id="4bf92f3577b34da6a3ce929d0e0e4736"\} 0\.5 \d+\.?\d*$/m,
    )
    expect(body.match(/trace_id/g)).toHaveLength(1)
    expect((await expose([histogram.snapshot()], 'text/plain')).body).not.toContain('trace_id')
  })
})

test('OpenMetrics has counters by their names without the suffix, and ends with its mark, at each scrape', async () => {
  const counter: MetricSnapshot = {
    ...{ name: 'x_total', help: 'Times.', type: 'counter', aggregator: 'sum' },
    values: [{ labels: {}, value: 3 }],
  }
  for (let scrape = 0; scrape < 2; scrape += 1) {
    const { body } = await expose([counter], openMetrics)
    expect(body).toBe('# HELP x Times.\n# TYPE x counter\nx_total 3\n# EOF\n')
    expect((await expose([counter], '')).body).toContain('# TYPE x_total counter\nx_total 3')
  }
})

describe('the values of several processes', () => {
  const of = (aggregator: MetricSnapshot['aggregator'], ...values: number[]): MetricSnapshot[][] =>
    values.map((value) => [
      { name: 'x', help: '', type: 'gauge', aggregator, values: [{ labels: { a: 'b' }, value }] },
    ])

  test.each([
    ['sum', 6],
    ['min', 1],
    ['max', 3],
    ['average', 2],
    ['first', 2],
  ] as const)('%s', (merge, expected) => {
    const [merged] = mergeSnapshots(of(merge, 2, 1, 3))
    expect(merged?.values).toEqual([{ labels: { a: 'b' }, value: expected }])
  })

  test('what has no meaning for several is left out, and kept of one', () => {
    expect(mergeSnapshots(of('omit', 1, 2))).toEqual([])
    expect(mergeSnapshots(of('omit', 1))).toHaveLength(1)
  })

  test('series are the same whatever the order of their labels, and exemplars stay', () => {
    const exemplar = { labelSet: { trace_id: 'f'.repeat(32) }, value: 1, timestamp: 2 }
    const histogram = (values: MetricSnapshot['values']): MetricSnapshot[] => [
      { name: 'x', help: '', type: 'histogram', aggregator: 'sum', values },
    ]
    const [merged] = mergeSnapshots([
      histogram([{ metricName: 'x_bucket', labels: { le: 1, a: 'b' }, value: 1, exemplar }]),
      histogram([{ metricName: 'x_bucket', labels: { a: 'b', le: 1 }, value: 2 }]),
      histogram([{ metricName: 'x_sum', labels: { a: 'b', le: 1 }, value: 5 }]),
    ])
    expect(merged?.values).toEqual([
      { metricName: 'x_bucket', labels: { le: 1, a: 'b' }, value: 3, exemplar },
      { metricName: 'x_sum', labels: { a: 'b', le: 1 }, value: 5 },
    ])
  })

  test('of a process that has ended, only counts stay', () => {
    const counter: MetricSnapshot = { name: 'y', help: '', type: 'counter', aggregator: 'sum', values: [] }
    expect(onlyCounts([...of('sum', 1).flat(), counter])).toEqual([counter])
  })
})

describe('labels that a client could choose', () => {
  test('methods: the usual seven, and one for all others', () => {
    expect(['GET', 'OPTIONS', 'PROPFIND', 'get', 'X'.repeat(99)].map(toMethodLabel)).toEqual([
      'GET',
      'OPTIONS',
      'OTHER',
      'OTHER',
      'OTHER',
    ])
  })

  test('statuses: registered ones, and one of each class for all others', () => {
    expect([0, 200, 418, 299, 499, 599, 999, 100].map(toStatusLabel)).toEqual([
      0, 200, 418, 200, 400, 500, 500, 100,
    ])
    const all = new Set(Array.from({ length: 1000 }, (_, status) => toStatusLabel(status)))
    expect(all.size).toBeLessThan(70)
  })
})

describe('events', () => {
  const create = () => {
    const registry = new Registry()
    const sink = createEventMetrics(registry, ['okta'])
    const read = async (metric: string, labels: Record<string, string> = {}) => {
      const { values = [] } = (await registry.getSingleMetric(metric)?.get()) ?? {}
      return values.find((value) => JSON.stringify(value.labels) === JSON.stringify(labels))?.value
    }
    return { registry, sink, read }
  }

  test('a provider that is not configured, and a code that is none, are no labels', async () => {
    const { sink, read } = create()
    sink('login_failed', { provider: '"}evil', code: 'x y' })
    sink('login_failed', { provider: 'okta', code: 'access_denied' })
    sink('login_failed')
    const failed = (provider: string, reason: string) =>
      read('portico_logins_total', { provider, outcome: 'failed', reason })
    expect(await failed('', '')).toBe(2)
    expect(await failed('okta', 'access_denied')).toBe(1)
  })

  test('an end counts each session that it names', async () => {
    const { sink, read } = create()
    sink('backchannel_logout_succeeded', { sessions: ['a', 'b', 'c'] })
    sink('logout_succeeded', { session: 'a', others: ['b', 'c'] })
    sink('logout_succeeded', { others: [] })
    sink('session_ended_by_user', { session: 'd' })
    expect(await read('portico_sessions_ended_total', { cause: 'back_channel' })).toBe(3)
    expect(await read('portico_sessions_ended_total', { cause: 'user' })).toBe(1)
    expect(await read('portico_sessions_ended_total', { cause: 'other_device' })).toBe(3)
    expect(await read('portico_sessions_ended_total', { cause: 'operator' })).toBe(0)
  })

  test.each<[keyof typeof levels, string, Record<string, string>]>([
    ['login_repeated', 'portico_logins_total', { provider: 'okta', outcome: 'repeated', reason: '' }],
    ['login_not_needed', 'portico_logins_total', { provider: 'okta', outcome: 'not_needed', reason: '' }],
    ['tokens_refreshed', 'portico_token_refreshes_total', { provider: 'okta', outcome: 'refreshed' }],
    ['token_refresh_failed', 'portico_token_refreshes_total', { provider: 'okta', outcome: 'failed' }],
    ['token_refresh_rejected', 'portico_token_refreshes_total', { provider: 'okta', outcome: 'rejected' }],
    ['refreshed_tokens_lost', 'portico_token_refreshes_total', { provider: 'okta', outcome: 'lost' }],
    ['session_ended_by_provider', 'portico_token_refreshes_total', { provider: 'okta', outcome: 'ended' }],
    ['session_ended_by_provider', 'portico_sessions_ended_total', { cause: 'provider' }],
    ['session_superseded', 'portico_sessions_ended_total', { cause: 'superseded' }],
    ['backchannel_logout_succeeded', 'portico_sessions_ended_total', { cause: 'back_channel' }],
    ['frontchannel_logout_succeeded', 'portico_sessions_ended_total', { cause: 'front_channel' }],
    ['universal_logout_succeeded', 'portico_sessions_ended_total', { cause: 'universal' }],
    ['sessions_ended_by_operator', 'portico_sessions_ended_total', { cause: 'operator' }],
    ['refresh_token_revoked', 'portico_revocations_total', { provider: 'okta', outcome: 'revoked' }],
    ['revocation_failed', 'portico_revocations_total', { provider: 'okta', outcome: 'failed' }],
    ['request_limited', 'portico_rate_limited_total', { limit: 'login' }],
    ['request_refused', 'portico_http_connections_refused_total', {}],
    ['audit_failed', 'portico_audit_failures_total', {}],
  ])('%s counts as one of %s %o', async (event, metric, labels) => {
    const { sink, read } = create()
    const before = (await read(metric, labels)) ?? 0
    sink(event, { provider: 'okta', session: 'a', limit: 'login' })
    expect(await read(metric, labels)).toBe(before + 1)
  })

  test('each is counted by its name, but not those of every request', async () => {
    const { sink, read } = create()
    for (const event of Object.keys(levels) as (keyof typeof levels)[]) sink(event)
    for (const [event, level] of Object.entries(levels)) {
      const expected = /^(?:app_)?request_completed$|^probe_completed$/.test(event) ? undefined : 1
      expect([event, await read('portico_log_events_total', { event, level })]).toEqual([event, expected])
    }
  })
})

describe('the state of the server', () => {
  /** A process in whose state all is as good as it can be. */
  const good: ServerState = {
    version: '1.2.3',
    isDraining: () => false,
    isReady: async () => true,
    isStoreUp: async () => true,
    countSessions: async () => 7,
    countPendingRevocations: async () => 3,
    openStreams: () => 2,
    providers: [{ name: 'okta', isDiscovered: () => true, breakers: () => ({ refresh: false }) }],
    signingKey: async () => ({ isReadable: true, age: 60, untilNext: 30 }),
  }
  const bad: ServerState = {
    ...good,
    isDraining: () => true,
    isReady: async () => false,
    isStoreUp: async () => false,
    providers: [{ name: 'okta', isDiscovered: () => false, breakers: () => ({ refresh: true }) }],
    signingKey: async () => ({ isReadable: false, age: 90, untilNext: 10 }),
  }
  test('are read once for all scrapes that come meanwhile', async () => {
    let reads = 0
    const metrics = createMetrics({ providers: ['okta'], hasWorkers: false, traceId: () => undefined })
    metrics.watch({
      ...good,
      async countPendingRevocations() {
        reads += 1
        return 3
      },
    })
    const scrapes = await Promise.all(Array.from({ length: 20 }, () => metrics.scrape('')))
    expect([reads, new Set(scrapes.map(({ body }) => body)).size]).toEqual([1, 1])
    await metrics.scrape('')
    expect(reads).toBe(2)
  })

  const show = async (state: ServerState) => {
    const registry = new Registry()
    createGauges(registry, state)
    return (await registry.getMetricsAsJSON()) as unknown as MetricSnapshot[]
  }
  const toValues = (snapshots: readonly MetricSnapshot[]) =>
    Object.fromEntries(snapshots.map(({ name, values }) => [name, values.map(({ value }) => value)]))
  const ofBad = {
    portico_build_info: [1],
    portico_ready: [0],
    portico_draining: [1],
    portico_sessions_active: [7],
    portico_store_up: [0],
    portico_revocations_pending: [3],
    portico_proxy_open_streams: [2],
    portico_signing_key_age_seconds: [90],
    portico_signing_key_next_rotation_seconds: [10],
    portico_signing_key_readable: [0],
    portico_provider_discovered: [0],
    portico_provider_breaker_open: [1],
  }

  test('is shown as it is', async () => {
    expect(toValues(await show(good))).toEqual({
      ...ofBad,
      portico_ready: [1],
      portico_draining: [0],
      portico_store_up: [1],
      portico_signing_key_age_seconds: [60],
      portico_signing_key_next_rotation_seconds: [30],
      portico_signing_key_readable: [1],
      portico_provider_discovered: [1],
      portico_provider_breaker_open: [0],
    })
    expect(toValues(await show(bad))).toEqual(ofBad)
  })

  test('of several processes is that of the worst one; what they share counts once, streams each', async () => {
    const merged = toValues(mergeSnapshots([await show(good), await show(bad), await show(good)]))
    expect(merged).toEqual({ ...ofBad, portico_proxy_open_streams: [6] })
  })

  test('has no value where it cannot be read', async () => {
    const down = () => Promise.reject(new Error('down'))
    const values = toValues(await show({ ...good, countSessions: down, countPendingRevocations: down }))
    expect(values).toMatchObject({ portico_sessions_active: [], portico_revocations_pending: [] })
  })
})

test('a sink gets each event whatever is written, and only the log says what is', () => {
  const written: string[] = []
  const [first, second]: [unknown[], unknown[]] = [[], []]
  const log = Object.assign((event: string) => void written.push(event), {
    isWritten: (event: string) => event !== 'request_completed',
  })
  const all = withSinks(log, [(...event) => void first.push(event), (...event) => void second.push(event)])
  all('login_started', { provider: 'okta' })
  expect(first).toEqual([['login_started', { provider: 'okta' }]])
  expect(second).toEqual(first)
  expect(written).toEqual(['login_started'])
  expect(all.isWritten?.('request_completed')).toBe(false)
  expect(all.isWritten?.('login_started')).toBe(true)
  expect(withSinks(log, [])).toBe(log)
})

test('several observers see everything; one is used as it is, none observes nothing', () => {
  const seen: string[] = []
  const create = (name: string) =>
    Object.fromEntries(
      Object.keys(noObserver).map((method) => [method, () => void seen.push(`${name} ${method}`)]),
    ) as unknown as Observer
  const [one, two] = [create('one'), create('two')]
  const both = toOneObserver([one, two])
  for (const method of Object.keys(noObserver) as (keyof Observer)[]) both[method]({} as never)
  expect(seen).toEqual(Object.keys(noObserver).flatMap((method) => [`one ${method}`, `two ${method}`]))
  expect(toOneObserver([one])).toBe(one)
  expect(toOneObserver([])).toBe(noObserver)
})

test('every name says what it counts: a counter ends in _total, and a duration in _seconds', () => {
  for (const name of metricNames) {
    const { type } = catalogue[name]
    expect([name, name.endsWith('_total')]).toEqual([name, type === 'counter'])
    if (type === 'histogram') expect(name).toMatch(/_seconds$/)
  }
})
