import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { dashboard, dashboardFile, rows } from '../../deploy/grafana/dashboard.ts'
import { isErrorCode } from '../../src/errors.ts'
import { levels } from '../../src/telemetry/events.ts'
import type { TestBrowser } from '../support/browser.ts'
import { hours, minutes, seconds } from '../support/clock.ts'
import type { Fleet, Replica } from '../support/deployments/fleet.ts'
import { askForwardAuth } from '../support/forward-auth.ts'
import { root } from '../support/processes/start-process.ts'
import { accelerate, readUses } from '../support/prometheus/expressions.ts'
import { ensurePrometheus } from '../support/prometheus/install.ts'
import { startPrometheus, type TestPrometheus } from '../support/prometheus/prometheus.ts'
import { alan } from '../support/providers/okta.ts'
import { type ProxiedFleet, startProxiedFleet } from '../support/upstreams/proxied-fleet.ts'

/**
 * The dashboard and the alerts of `deploy/`, at a real Prometheus that scrapes real servers: what each panel
 * and each rule reads exists, and the alerts fire in a drill. The durations of the rules are tested by
 * promtool; here they are far shorter.
 */

const rulesFile = join(root, 'deploy/prometheus/alerts.yaml')
const rulesText = readFileSync(rulesFile, 'utf8')

interface Rule {
  alert: string
  expr: string
  annotations: { runbook_url: string }
}
const { groups } = parse(rulesText) as { groups: { rules: Rule[] }[] }
const rules = groups.flatMap((group) => group.rules)
const queries = rows.flatMap(({ panels }) =>
  panels.flatMap((panel) => panel.queries.map(({ expr }) => [panel.title, expr] as const)),
)

describe('the files', () => {
  test('the dashboard is what its source says (npm run deploy:dashboard)', () => {
    expect(JSON.parse(readFileSync(dashboardFile, 'utf8'))).toEqual(JSON.parse(dashboard()))
  })

  test('promtool fires each alert where it should, and nowhere else', () => {
    const file = join(root, 'deploy/prometheus/alerts.test.yaml')
    execFileSync(ensurePrometheus().promtool, ['test', 'rules', file], { encoding: 'utf8' })
    const tested = readFileSync(file, 'utf8')
    for (const { alert } of rules) {
      const cases = tested.split(`alertname: ${alert}\n`).slice(1)
      expect([alert, cases.some((one) => /^ *eval_time: \w+\n *exp_alerts:\n/.test(one))]).toEqual([
        alert,
        true,
      ])
      expect([alert, cases.some((one) => /^ *eval_time: \w+\n *exp_alerts: \[\]\n/.test(one))]).toEqual([
        alert,
        true,
      ])
    }
  })

  test('each alert leads to a heading that exists', () => {
    for (const { annotations } of rules) {
      const [file = '', anchor] = annotations.runbook_url.split('#')
      const headings = [...readFileSync(join(root, file), 'utf8').matchAll(/^#+ (.+)$/gm)]
      const anchors = headings.map(([, heading = '']) => heading.toLowerCase().replaceAll(' ', '-'))
      expect(anchors).toContain(anchor)
    }
  })

  test('each reason and each event in a rule is one of the code', () => {
    const named = (label: string) =>
      rules.flatMap(({ expr }) =>
        [...expr.matchAll(new RegExp(`\\b${label}[=!]~"([^"]+)"`, 'g'))].flatMap(([, list = '']) =>
          list.split('|'),
        ),
      )
    expect(named('reason').length).toBeGreaterThan(0)
    expect(named('reason').filter((reason) => !isErrorCode(reason))).toEqual([])
    expect(named('event').length).toBeGreaterThan(0)
    expect(named('event').filter((event) => !Object.hasOwn(levels, event))).toEqual([])
  })
})

describe('at a real Prometheus', () => {
  let proxied: ProxiedFleet
  let fleet: Fleet
  let limited: Replica
  let prometheus: TestPrometheus
  beforeAll(async () => {
    proxied = await startProxiedFleet({
      routes: { orders: {} },
      replicas: 2,
      env: {
        OPERATOR_PORT: '0',
        TRUST_PROXY: '127.0.0.1',
        FORWARD_AUTH_SECRET: 'test-secret-of-more-than-32-characters',
        OIDC_TIMEOUT: '1s',
        APP_TOKEN_ROTATION: '1h',
        LOG_LEVEL: 'info',
      },
      provider: { FAMILIES: 'false' },
    })
    fleet = proxied.fleet
    limited = await fleet.start({ RATE_LIMIT_API: '1/1m' })
    const ports = fleet.replicas.map(async ({ process }) => {
      const { port } = JSON.parse(await process.line(/"operator_listening"/)) as { port: number }
      return `127.0.0.1:${port}`
    })
    prometheus = await startPrometheus({
      targets: await Promise.all(ports),
      rules: accelerate(rulesText, { looks: 60, waits: 180 }),
    })
  }, 120_000)
  afterAll(async () => {
    await prometheus?.close()
    await proxied?.close()
  })

  const [one, other] = [() => at(0), () => at(1)]
  function at(index: number): Replica {
    const replica = fleet.replicas[index]
    if (replica === undefined) throw new Error('no such replica')
    return replica
  }
  /** Lets the access tokens expire, and has each browser ask for a token at a replica. */
  async function refreshAll(browsers: readonly TestBrowser[]): Promise<void> {
    await fleet.advance(seconds(61))
    await Promise.all(browsers.map((browser) => fleet.askToken(browser, one().url)))
  }

  /** What happens in a day, a little of each. */
  async function live(): Promise<void> {
    const [browser, second] = [await fleet.signIn(), await fleet.signIn({ person: alan })]
    await fleet.call(browser, 'GET', '/api/session', one().url)
    await fleet.call(browser, 'GET', '/api/proxy/orders/1', one().url)
    await askForwardAuth(one(), fleet.moved(browser, one().url))
    for (let call = 0; call < 3; call += 1) await fleet.call(browser, 'GET', '/api/session', limited.url)

    // Two replicas want to refresh the same tokens, and one of them waits.
    await fleet.advance(seconds(61))
    await Promise.all([one(), other(), one(), other()].map(({ url }) => fleet.askToken(second, url)))
    await fleet.call(second, 'POST', '/api/logout', one().url)

    await fleet.provider({ codeFault: { status: 400 } })
    await fleet.signIn().catch(() => {})
    await fleet.provider({ codeFault: 'none' })
  }

  test('what each panel shows and each rule reads, this run has made', async () => {
    const expressions = [...queries.map(([, expr]) => expr), ...rules.map(({ expr }) => expr)]
    const uses = expressions.flatMap(readUses)
    expect(uses.length).toBeGreaterThan(50)
    const wanted = new Map(
      uses.flatMap(({ metric, labels }) => [
        [metric, `count(${metric})`],
        ...labels.map((label) => [`${metric} ${label}`, `count(${metric}{${label}!=""})`] as const),
      ]) as [string, string][],
    )
    const shown = queries.map(
      ([title, expr]) =>
        [
          `${title}: ${expr}`,
          expr.replaceAll('$job', '.*').replaceAll('$instance', '.*').replaceAll('$__rate_interval', '10s'),
        ] as const,
    )
    const missing = async () => {
      await live()
      const answers = await Promise.all(
        [...wanted, ...shown].map(async ([name, query]) => ({ name, series: await prometheus.query(query) })),
      )
      return answers.filter(({ series }) => series.length === 0).map(({ name }) => name)
    }
    // Rates need two scrapes.
    await expect.poll(missing, { timeout: 30_000, interval: 500 }).toEqual([])
    expect(await prometheus.firing()).toEqual([])
  })

  describe('the drill', () => {
    /** Does something again and again until an alert fires. */
    const fires = (alert: string, again: () => Promise<unknown> = async () => {}) =>
      expect
        .poll(
          async () => {
            await again()
            return prometheus.firing()
          },
          { timeout: 40_000, interval: 200 },
        )
        .toContain(alert)

    const signInMany = () => Promise.all([1, 2, 3, 4, 5, 6].map(() => fleet.signIn()))

    test('the signing keys can no longer be written, and the last one signs: key about to expire', async () => {
      const key = 'portico:shared:{signing-keys}'
      const text = await fleet.redis.command('HGET', key, 'text')
      await fleet.redis.command('HSET', key, 'text', 'sealed with a secret that no replica has')
      await fleet.advance(hours(1) + minutes(2))
      await fires('PorticoSigningKeyAboutToExpire')
      // It is no outage yet.
      expect((await fleet.askToken(await fleet.signIn())).status).toBe(200)
      await fleet.redis.command('HSET', key, 'text', String(text))
      await fleet.advance(minutes(2))
    })

    test('the provider refuses this client: refresh failing', async () => {
      const browsers = await signInMany()
      await fleet.provider({ fault: { status: 401 } })
      await fires('PorticoRefreshFailing', () => refreshAll(browsers))
      await fleet.provider({ fault: 'none' })
    })

    test('the provider hangs: provider down', async () => {
      const browsers = await signInMany()
      await fleet.provider({ hangs: true })
      await fires('PorticoProviderDown', () => refreshAll(browsers))
      await fleet.provider({ hangs: false })
    })

    test('Redis is down: store down, for each replica that cannot reach it, until it is back', async () => {
      for (const { redis } of [one(), other()]) redis.cut()
      await fires('PorticoStoreDown')
      const cutOff = () => prometheus.query('ALERTS{alertname="PorticoStoreDown",alertstate="firing"}')
      await expect.poll(async () => (await cutOff()).length).toBe(2)
      for (const { redis } of [one(), other()]) redis.mend()
      await expect.poll(prometheus.firing, { timeout: 20_000 }).not.toContain('PorticoStoreDown')
    })
  })
})
