import { STATUS_CODES } from 'node:http'
import type { Observer } from '../observer.ts'
import { catalogue, type NameOf } from './catalogue.ts'
import { createHistogram } from './histogram.ts'
import type { MetricSnapshot } from './snapshot.ts'

/** The metrics of what takes time, which are on the path of every session check. */
export interface ObserverMetrics {
  observer: Observer
  snapshot(): MetricSnapshot[]
}

/** Creates them; `traceId` is that of the current trace, which values are shown with. */
export function createObserverMetrics(traceId: () => string | undefined): ObserverMetrics {
  const http = create('portico_http_request_duration_seconds')
  const logins = create('portico_login_duration_seconds')
  const providers = create('portico_provider_request_duration_seconds')
  const store = create('portico_store_command_duration_seconds')
  const lockWaits = create('portico_token_lock_wait_seconds')
  const proxied = create('portico_proxy_request_duration_seconds')
  const forwardAuth = createForwardAuthCounts()

  const observer: Observer = {
    httpRequest({ route, method, status, startedAt, endedAt }) {
      const labels = [route, toMethodLabel(method), toStatusLabel(status)]
      http.observe((endedAt - startedAt) / 1000, labels, traceId())
    },
    providerCall({ provider, endpoint, outcome, startedAt, endedAt }) {
      providers.observe((endedAt - startedAt) / 1000, [provider, endpoint, outcome], traceId())
    },
    storeCommand({ command, outcome, startedAt, endedAt }) {
      store.observe((endedAt - startedAt) / 1000, [command, outcome])
    },
    tokenLock({ outcome, startedAt, endedAt }) {
      lockWaits.observe((endedAt - startedAt) / 1000, [outcome])
    },
    loginStep({ provider, step, outcome, startedAt, endedAt }) {
      logins.observe((endedAt - startedAt) / 1000, [provider, step, outcome], traceId())
    },
    proxiedCall({ route, outcome, startedAt, endedAt }) {
      proxied.observe((endedAt - startedAt) / 1000, [route, outcome])
    },
    forwardAuth: ({ outcome }) => forwardAuth.add(outcome),
  }

  const all = [http, logins, providers, store, lockWaits, proxied, forwardAuth]
  return { observer, snapshot: () => all.map((metric) => metric.snapshot()) }
}

const create = (name: NameOf<'histogram'>) => createHistogram(name, catalogue[name])

/** Counts outcomes of forward auth, which is asked before every request of other servers. */
function createForwardAuthCounts() {
  const name = 'portico_forward_auth_total'
  const { help } = catalogue[name]
  const counts = new Map<string, number>()
  return {
    add: (outcome: string) => void counts.set(outcome, (counts.get(outcome) ?? 0) + 1),
    snapshot: (): MetricSnapshot => ({
      ...{ name, help, type: 'counter', aggregator: 'sum' },
      values: [...counts].map(([outcome, value]) => ({ labels: { outcome }, value })),
    }),
  }
}

const methods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/** The method: a client may send any of some forty, and each would be a series of its own. */
export const toMethodLabel = (method: string): string => (methods.has(method) ? method : 'OTHER')

/**
 * The status: an upstream may send any number, and one that is not registered counts as the x00 of its class,
 * as for a client (RFC 9110 15). 0 says that there was no response.
 */
export function toStatusLabel(status: number): number {
  if (status === 0 || status in STATUS_CODES) return status
  return status < 600 ? Math.floor(status / 100) * 100 : 500
}
