import { join } from 'node:path'
import type { TestRedis } from '../test/support/redis/start-redis.ts'
import type { Job, JobResult } from './load/generator.ts'
import { forkPinned, type Measured } from './processes.ts'
import { readRedisCpu } from './redis.ts'
import type { Target } from './targets.ts'

/** A server that runs, and what it is. */
export interface Running {
  target: Target
  server: Measured
}

export type Load = Omit<Job, 'port' | 'dialect'>

/** The load generator, in a process of its own. */
export interface Generator {
  /**
   * Signs users in where the operation needs sessions, and does not count that.
   *
   * @throws Error if one operation failed, or did not do what it stands for
   */
  prepare(running: Running, load: Load): Promise<void>
  /** The same errors. */
  run(running: Running, load: Load): Promise<JobResult>
  stop(): void
}

/** Milliseconds that a job may take beyond its duration; one without a duration, in all. */
const patience = { timed: 60_000, counted: 1_800_000 }

/** Starts a load generator on a core. `issuer` is the stub provider, which says what it has served. */
export async function startGenerator(core: number, issuer: string): Promise<Generator> {
  const child = await forkPinned(join(import.meta.dirname, 'load/generator.ts'), core)
  const readServed = async () =>
    (await (await fetch(`${issuer}/served`)).json()) as { codes: number; refreshes: number }

  return {
    async prepare(running, { operation, connections, sessions }) {
      await run(running, { operation, connections, sessions, operations: 0 })
    },
    run,
    stop: () => void child.kill('SIGKILL'),
  }

  async function run({ target, server }: Running, load: Load): Promise<JobResult> {
    const before = await readServed()
    child.send({ ...load, port: server.port, dialect: target.dialect } satisfies Job)
    const result = await readResult(load).catch((error: Error) => {
      throw new Error(`${target.name}, ${load.operation}: ${error.message}\nIt printed:\n${server.printed()}`)
    })
    const after = await readServed()
    const isComplete =
      (load.operation !== 'login' || after.codes - before.codes >= result.operations) &&
      (load.operation !== 'refresh' || after.refreshes - before.refreshes >= result.operations)
    if (!isComplete) throw new Error(`${target.name}: not each ${load.operation} reached the provider`)
    return result
  }

  async function readResult({ duration }: Load): Promise<JobResult> {
    const { promise, resolve, reject } = Promise.withResolvers<JobResult | { error: string }>()
    const onExit = () => reject(new Error('the load generator ended'))
    const limit = duration === undefined ? patience.counted : duration + patience.timed
    const timer = setTimeout(() => reject(new Error(`not done after ${limit / 1000} s`)), limit)
    child.once('message', resolve)
    child.once('exit', onExit)
    try {
      const result = await promise
      if ('error' in result) throw new Error(result.error)
      return result
    } finally {
      clearTimeout(timer)
      child.off('message', resolve)
      child.off('exit', onExit)
    }
  }
}

/** What one operation costs. */
export interface Cost {
  operations: number
  /** Milliseconds of the server on the processor, for one operation. */
  cpu: number
  /** The same of each Redis server. */
  redisCpu: number[]
  /** Operations a second that were reached. */
  rate: number
}

/** Measures one operation in a closed loop. */
export async function measureCost(
  generator: Generator,
  running: Running,
  load: Load,
  redis: readonly TestRedis[],
): Promise<Cost> {
  const readCpu = async () => [running.server.cpu(), ...(await Promise.all(redis.map(readRedisCpu)))]
  const before = await readCpu()
  const { operations, seconds } = await generator.run(running, load)
  const after = await readCpu()
  const [cpu = Number.NaN, ...redisCpu] = after.map((one, index) => (one - (before[index] ?? 0)) / operations)
  return { operations, cpu, redisCpu, rate: operations / seconds }
}

/** The middle value, with the lowest and the highest. */
export interface Spread {
  median: number
  low: number
  high: number
}

/** Several measurements of one thing, as one value with its spread. */
export function toSpread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (index: number) => sorted[index] ?? Number.NaN
  const middle = Math.floor(sorted.length / 2)
  const median = sorted.length % 2 === 1 ? at(middle) : (at(middle - 1) + at(middle)) / 2
  return { median, low: at(0), high: at(sorted.length - 1) }
}
