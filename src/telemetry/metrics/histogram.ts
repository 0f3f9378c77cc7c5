import type { MetricDefinition } from './catalogue.ts'
import type { Exemplar, MetricSnapshot, Sample } from './snapshot.ts'

/** Counts durations, for each combination of label values. */
export interface Histogram {
  /** Adds a duration; `labels` are in the order of the definition. */
  observe(seconds: number, labels: readonly LabelValue[], traceId?: string): void
  snapshot(): MetricSnapshot
}

type LabelValue = string | number

/** The durations with one combination of label values. */
interface Series {
  labels: Readonly<Record<string, string>>
  /** How many there were in each bucket; the last one is for those above every bound. */
  counts: number[]
  sum: number
  exemplars: (Exemplar | undefined)[]
}

/** The series by the values of their labels, one after the other. */
type Branch = Map<LabelValue, Branch | Series>

/**
 * Creates a histogram. It exists beside prom-client's because it is filled in every session check: that one
 * makes a text of all labels each time, which costs as much as all other observing together.
 */
export function createHistogram(
  name: string,
  { help, labels: labelNames, buckets = [] }: MetricDefinition,
): Histogram {
  const root: Branch = new Map()
  const all: Series[] = []
  const last = labelNames.length - 1

  function find(labels: readonly LabelValue[]): Series {
    let branch = root
    for (let depth = 0; depth < last; depth += 1) {
      const value = labels[depth] ?? ''
      let next = branch.get(value) as Branch | undefined
      if (next === undefined) {
        next = new Map()
        branch.set(value, next)
      }
      branch = next
    }
    const value = labels[last] ?? ''
    const known = branch.get(value) as Series | undefined
    if (known !== undefined) return known
    const series = createSeries(labels)
    branch.set(value, series)
    all.push(series)
    return series
  }

  const createSeries = (labels: readonly LabelValue[]): Series => ({
    labels: Object.fromEntries(labelNames.map((label, index) => [label, String(labels[index] ?? '')])),
    counts: [...buckets, Number.POSITIVE_INFINITY].map(() => 0),
    sum: 0,
    exemplars: [],
  })

  return {
    observe(seconds, labels, traceId) {
      const series = find(labels)
      let bucket = 0
      while (bucket < buckets.length && seconds > (buckets[bucket] as number)) bucket += 1
      series.counts[bucket] = (series.counts[bucket] as number) + 1
      series.sum += seconds
      if (traceId === undefined) return
      const timestamp = Date.now() / 1000
      series.exemplars[bucket] = { labelSet: { trace_id: traceId }, value: seconds, timestamp }
    },
    snapshot: () => ({
      ...{ name, help, type: 'histogram', aggregator: 'sum' },
      values: all.flatMap((series) => toSamples(name, buckets, series)),
    }),
  }
}

/** The lines of one series: each bucket has those below it as well (OpenMetrics 1.0). */
function toSamples(name: string, buckets: readonly number[], series: Series): Sample[] {
  const { labels, counts, sum, exemplars } = series
  let total = 0
  const ofBuckets = counts.map((count, index): Sample => {
    total += count
    const le = buckets[index] ?? '+Inf'
    const exemplar = exemplars[index]
    return {
      metricName: `${name}_bucket`,
      labels: { le, ...labels },
      value: total,
      ...(exemplar && { exemplar }),
    }
  })
  return [
    ...ofBuckets,
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: total },
  ]
}
