import { collectDefaultMetrics, Registry } from 'prom-client'
import type { EventSink } from '../fan-out.ts'
import type { Observer } from '../observer.ts'
import { metricNames } from './catalogue.ts'
import { createEventMetrics } from './event-metrics.ts'
import { type Exposition, expose } from './exposition.ts'
import { createGauges, type ServerState } from './gauges.ts'
import { createObserverMetrics } from './observer-metrics.ts'
import { createProcessExchange } from './process-exchange.ts'
import { type MetricSnapshot, mergeSnapshots } from './snapshot.ts'

/** The metrics of this process. */
export interface Metrics {
  /** Counts events. */
  sink: EventSink
  /** Counts what takes time. */
  observer: Observer
  /** Shows the state of the server from now on. */
  watch(state: ServerState): void
  /** The metrics of this process and of the others that serve the same ports (WORKERS), for one scrape. */
  scrape(accept: string): Promise<Exposition>
}

interface MetricsOptions {
  /** The names of the configured providers. */
  providers: readonly string[]
  /** Whether other processes serve the same ports (WORKERS). */
  hasWorkers: boolean
  /** The id of the current trace, where traces run. */
  traceId(): string | undefined
}

/** Creates the metrics. This module loads prom-client: it is loaded only where there is a port to scrape. */
export function createMetrics({ providers, hasWorkers, traceId }: MetricsOptions): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const sink = createEventMetrics(registry, providers)
  const observed = createObserverMetrics(traceId)
  const exchange = createProcessExchange(snapshot, hasWorkers)
  let collecting: Promise<MetricSnapshot[]> | undefined

  return {
    sink,
    observer: observed.observer,
    watch: (state) => createGauges(registry, state),
    scrape: async (accept) => expose(await collectOnce(), accept),
  }

  /** Collects for all scrapes that come meanwhile: it needs no secret, and asks the store and all workers. */
  function collectOnce(): Promise<MetricSnapshot[]> {
    collecting ??= exchange
      .collect()
      .then((processes) => inOrder(mergeSnapshots(processes)))
      .finally(() => {
        collecting = undefined
      })
    return collecting
  }

  async function snapshot(): Promise<MetricSnapshot[]> {
    const ofRegistry = (await registry.getMetricsAsJSON()) as unknown as MetricSnapshot[]
    return [...observed.snapshot(), ...ofRegistry]
  }
}

const order = new Map<string, number>(metricNames.map((name, index) => [name, index]))

/** Those of this server as the catalogue has them, then those of the process. */
const inOrder = (snapshots: readonly MetricSnapshot[]): MetricSnapshot[] =>
  snapshots.toSorted((a, b) => (order.get(a.name) ?? order.size) - (order.get(b.name) ?? order.size))
