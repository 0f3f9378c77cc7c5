import type { Merge } from './catalogue.ts'

/** One line of the exposition: a value with its labels, as prom-client writes it. */
export interface Sample {
  /** Where it is another name than that of the metric, such as `..._bucket`. */
  metricName?: string
  labels: Readonly<Record<string, string | number>>
  value: number
  exemplar?: Exemplar | undefined
}

/** The trace of a request that was counted in a bucket (OpenMetrics 1.0, exemplars). */
export interface Exemplar {
  labelSet: { trace_id: string }
  value: number
  /** Seconds since the epoch. */
  timestamp: number
}

/** A metric with its values at one moment, as prom-client has it and as processes send it to each other. */
export interface MetricSnapshot {
  name: string
  help: string
  type: 'counter' | 'gauge' | 'histogram' | 'summary'
  aggregator: Merge
  values: Sample[]
}

/**
 * Merges what several processes have counted, as each metric says. Unlike prom-client's own, it keeps
 * exemplars, and needs no prom-client: the primary process has none.
 */
export function mergeSnapshots(processes: readonly (readonly MetricSnapshot[])[]): MetricSnapshot[] {
  const [only = [], ...rest] = processes
  if (rest.length === 0) return [...only]
  const byName = Map.groupBy(processes.flat(), ({ name }) => name)
  return [...byName.values()].flatMap(([first, ...others]) => {
    if (first === undefined || first.aggregator === 'omit') return []
    const samples = [first, ...others].flatMap(({ values }) => values)
    const bySeries = Map.groupBy(samples, toSeriesKey)
    return [{ ...first, values: [...bySeries.values()].map((same) => mergeSamples(same, first.aggregator)) }]
  })
}

function mergeSamples(samples: readonly Sample[], merge: Merge): Sample {
  const [first = { labels: {}, value: 0 }] = samples
  // A value that is no number becomes null on its way between processes.
  const values = samples.map(({ value }) => value ?? Number.NaN)
  const exemplar = samples.findLast((sample) => sample.exemplar)?.exemplar
  return { ...first, value: mergeValues(values, merge), ...(exemplar && { exemplar }) }
}

function mergeValues(values: readonly number[], merge: Merge): number {
  const sum = () => values.reduce((total, value) => total + value, 0)
  switch (merge) {
    case 'min':
      return Math.min(...values)
    case 'max':
      return Math.max(...values)
    case 'average':
      return sum() / values.length
    case 'first':
      return values[0] ?? Number.NaN
    default:
      return sum()
  }
}

const toSeriesKey = ({ metricName, labels }: Sample): string => {
  const sorted = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))
  return JSON.stringify([metricName, sorted])
}

/**
 * What stays of a process that has ended: its counts. Without them, sums would fall, and look like a restart.
 */
export const onlyCounts = (snapshots: readonly MetricSnapshot[]): MetricSnapshot[] =>
  snapshots.filter(
    ({ type, aggregator }) => (type === 'counter' || type === 'histogram') && aggregator === 'sum',
  )
