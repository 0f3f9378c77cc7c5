import {
  openMetricsContentType,
  prometheusContentType,
  Registry,
  type RegistryContentType,
} from 'prom-client'
import type { MetricSnapshot } from './snapshot.ts'

/** What a scrape is answered. */
export interface Exposition {
  contentType: string
  body: string
}

/** Writes snapshots as OpenMetrics where `accept` names it, else in the older text format of Prometheus. */
export async function expose(snapshots: readonly MetricSnapshot[], accept: string): Promise<Exposition> {
  const isOpenMetrics = accept.includes('application/openmetrics-text')
  const registry = new Registry<RegistryContentType>()
  registry.setContentType(isOpenMetrics ? openMetricsContentType : prometheusContentType)
  for (const snapshot of snapshots) {
    // prom-client adds the suffix again to the samples of each counter, and would rename its own counters for
    // good where a registry changes its format: hence a registry for each scrape.
    const name =
      isOpenMetrics && snapshot.type === 'counter' ? snapshot.name.replace(/_total$/, '') : snapshot.name
    registry.registerMetric({ ...snapshot, get: async () => ({ ...snapshot, name }) } as never)
  }
  return { contentType: registry.contentType, body: await registry.metrics() }
}
