import { parseArgs } from 'node:util'
import { createObserverMetrics } from '../src/telemetry/metrics/observer-metrics.ts'
import { freePort, startTestServer } from '../test/support/network/http-server.ts'
import type { Running, Spread } from './measure.ts'
import { createOperationBench, type Operation } from './operation-bench.ts'
import { describeRun, toSentence } from './report/run.ts'
import { toTable, withSpread } from './report/text.ts'
import { startSurroundings } from './surroundings.ts'
import { portico } from './targets.ts'

/**
 * Measures what telemetry costs: the same server without it, again without it (which shows what this machine
 * can tell apart), and with each kind of it, by turns. `npm run bench:telemetry`
 */
const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    operations: { type: 'string', default: 'check' },
  },
})
/** Many short rounds: what else the machine does meets all variants alike, and few of the rounds. */
const rounds = Number(options.rounds ?? (options.quick ? 60 : 200))
const duration = 150
const warmUp = options.quick ? 2_000 : 5_000
/** Each time with new processes: two of the same program differ by a percent or two for as long as they live. */
const generations = options.quick ? 1 : 3
const sessions = 500

/** Takes all spans, and keeps none. */
const receiver = await startTestServer()
receiver.serve((req, res) => void req.resume().once('end', () => res.end()))
const traces = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.origin }
const oneInHundred = { OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.01' }

/** What is compared with the first one. */
const variants: readonly { name: string; settings(): Promise<Record<string, string>> }[] = [
  { name: 'nothing', settings: async () => ({}) },
  { name: 'nothing, again', settings: async () => ({}) },
  { name: 'metrics', settings: async () => ({ OPERATOR_PORT: String(await freePort()) }) },
  { name: 'traces', settings: async () => traces },
  { name: 'traces, one in 100', settings: async () => ({ ...traces, ...oneInHundred }) },
]

const surroundings = await startSurroundings()
const { redis, generator } = surroundings
const print = (text: string) => process.stdout.write(`${text}\n`)
print(`${toSentence(describeRun())}\n`)
const rows: string[][] = []
for (const operation of options.operations.split(',') as Operation[]) {
  for (const [store, url] of [['memory'], ['Redis', redis.url]] as const) {
    const costs = variants.map((): number[] => [])
    for (let count = 0; count < generations; count += 1) await measure(operation, url, costs)
    rows.push(...toRows(`${operation}, ${store}`, costs))
  }
}
print(`To observe one request and one command of Redis: ${measureObservations().toFixed(2)} µs.\n`)
print(toTable(['operation', 'with', 'CPU of one, µs', 'beside nothing', 'the quietest tenth'], rows))
await surroundings.stop()
process.exit()

/** Measures one operation with new processes, in rounds that begin with another one each time. */
async function measure(operation: Operation, redisUrl: string | undefined, costs: readonly number[][]) {
  const running = await startAll(redisUrl)
  const bench = createOperationBench(generator, operation, { sessions })
  for (const one of running) await bench.closed(one, warmUp)
  for (let round = 0; round < rounds; round += 1) {
    for (let turn = 0; turn < running.length; turn += 1) {
      const index = (round + turn) % running.length
      const { cpu } = await bench.closed(running[index] as Running, duration)
      costs[index]?.push(1_000 * cpu)
    }
  }
  for (const { server } of running) await server.stop()
}

async function startAll(redisUrl: string | undefined): Promise<Running[]> {
  const running: Running[] = []
  for (const [index, { name, settings }] of variants.entries()) {
    // Each has a database and secrets of its own.
    const shared: Record<string, string> = redisUrl === undefined ? {} : { REDIS_URL: `${redisUrl}/${index}` }
    const target = portico(
      name,
      { ...surroundings, entry: 'src/main.ts' },
      { ...shared, ...(await settings()) },
    )
    running.push(await surroundings.start(target))
  }
  return running
}

/**
 * What the metrics add to a session check on Redis besides reading the time, alone and in a loop, in
 * microseconds: the best of many rounds, which does not depend on what else the machine does.
 */
function measureObservations(): number {
  const { observer } = createObserverMetrics(() => undefined)
  const count = 200_000
  const observeAll = () => {
    for (let index = 0; index < count; index += 1) {
      const times = { startedAt: index, endedAt: index + (index % 50) / 10 }
      observer.storeCommand({ command: 'touch', outcome: 'ok', ...times })
      observer.httpRequest({ route: '/api/session', method: 'GET', status: 200, ...times })
    }
  }
  const durations = Array.from({ length: 25 }, () => {
    const startedAt = performance.now()
    observeAll()
    return (1_000 * (performance.now() - startedAt)) / count
  })
  return Math.min(...durations)
}

/**
 * The middle of all rounds, with its quartiles, and what each variant costs beside the first one in the same
 * rounds. Others on the machine can only add to a cost: the tenth of its rounds with the lowest says most.
 */
function toRows(name: string, costs: readonly number[][]): string[][] {
  const [before = []] = costs
  const toShare = (cost: number, own: number) => (100 * cost) / own - 100
  const toPercent = (share: number) => `${share.toFixed(1)} %`
  return costs.map((own, index) => {
    const shares = own.map((cost, round) => toShare(cost, before[round] ?? Number.NaN))
    const quietest = toShare(quantile(own, 0.1), quantile(before, 0.1))
    const cost = withSpread(toQuartiles(own), (cpu) => cpu.toFixed(1))
    const changes = index === 0 ? ['', ''] : [withSpread(toQuartiles(shares), toPercent), toPercent(quietest)]
    return [name, variants[index]?.name ?? '', cost, ...changes]
  })
}

function toQuartiles(values: readonly number[]): Spread {
  return { median: quantile(values, 0.5), low: quantile(values, 0.25), high: quantile(values, 0.75) }
}

function quantile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(share * (values.length - 1))] ?? Number.NaN
}
