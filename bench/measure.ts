import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Job, JobResult } from './load/generator.ts'
import { forkPinned, type Measured } from './processes.ts'
import type { Target } from './targets.ts'

/** A server that runs, and what it is. */
export interface Running {
  target: Target
  server: Measured
}

/** The load generator, in a process and on a core of its own. */
export interface Generator {
  run(running: Running, job: Omit<Job, 'port' | 'dialect'>): Promise<JobResult>
  stop(): void
}

/** Starts the load generator. */
export function startGenerator(core: number): Generator {
  const child: ChildProcess = forkPinned(join(import.meta.dirname, 'load/generator.ts'), core)
  return {
    async run({ target, server }, job) {
      child.send({ ...job, port: server.port, dialect: target.dialect } satisfies Job)
      const [result] = (await once(child, 'message')) as [JobResult | { error: string }]
      if ('error' in result) throw new Error(`${target.name}, ${job.operation}: ${result.error}`)
      return result
    },
    stop: () => void child.kill('SIGKILL'),
  }
}

/** What one operation costs: milliseconds on the processor, and operations a second with a core to itself. */
export interface Cost {
  cpu: number
  rate: number
}

/** Measures one operation in a closed loop for `duration` milliseconds. */
export async function measureCost(
  generator: Generator,
  running: Running,
  job: Pick<Job, 'operation' | 'connections' | 'duration'>,
): Promise<Cost> {
  const before = running.server.cpu()
  const { operations, seconds } = await generator.run(running, job)
  return { cpu: (running.server.cpu() - before) / operations, rate: operations / seconds }
}

/** The middle value. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2
}

/** The value below which this share of sorted values lies. */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}
