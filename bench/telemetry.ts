import { parseArgs } from 'node:util'
import { freePort } from '../test/support/network/http-server.ts'
import { type Running, toSpread } from './measure.ts'
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
    src: { type: 'boolean', default: false },
  },
})
const rounds = Number(options.rounds ?? (options.quick ? 5 : 21))
const [duration, warmUp] = options.quick ? [500, 1_500] : [1_000, 5_000]
const sessions = 500

/** What is compared with the first one. */
const variants: readonly { name: string; settings(): Promise<Record<string, string>> }[] = [
  { name: 'nothing', settings: async () => ({}) },
  { name: 'nothing, again', settings: async () => ({}) },
  { name: 'metrics', settings: async () => ({ OPERATOR_PORT: String(await freePort()) }) },
]

const surroundings = await startSurroundings()
const { redis, generator } = surroundings
const print = (text: string) => process.stdout.write(`${text}\n`)
print(`${toSentence(describeRun())}\n`)
const rows: string[][] = []
for (const operation of options.operations.split(',') as Operation[]) {
  rows.push(...(await measure(operation, 'memory', {})))
  rows.push(...(await measure(operation, 'Redis', { REDIS_URL: redis.url })))
}
print(toTable(['operation', 'with', 'CPU of one, µs', 'beside nothing'], rows))
await surroundings.stop()
process.exit()

/** Measures one operation with each variant, in rounds that begin with another one each time. */
async function measure(operation: Operation, store: string, settings: Record<string, string>) {
  const entry = options.src ? 'src/main.ts' : 'dist/main.js'
  const running: Running[] = []
  for (const { name, settings: own } of variants) {
    const target = portico(name, { ...surroundings, entry }, { ...settings, ...(await own()) })
    running.push(await surroundings.start(target))
  }
  const bench = createOperationBench(generator, operation, { sessions })
  for (const one of running) await bench.closed(one, warmUp)
  const costs = running.map((): number[] => [])
  for (let round = 0; round < rounds; round += 1) {
    for (let turn = 0; turn < running.length; turn += 1) {
      const index = (round + turn) % running.length
      const { cpu } = await bench.closed(running[index] as Running, duration)
      costs[index]?.push(1_000 * cpu)
    }
  }
  for (const { server } of running) await server.stop()
  const [before = []] = costs
  return costs.map((own, index) => {
    const shares = own.map((cost, round) => (100 * cost) / (before[round] ?? Number.NaN) - 100)
    const change = index === 0 ? '' : withSpread(toSpread(shares), (share) => `${share.toFixed(1)} %`)
    const cost = withSpread(toSpread(own), (cpu) => cpu.toFixed(1))
    return [`${operation}, ${store}`, variants[index]?.name ?? '', cost, change]
  })
}
