import cluster, { type Worker } from 'node:cluster'
import type { Config } from './config/config.ts'
import { connectLifecycleOfWorkers } from './lifecycle.ts'
import type { Log } from './telemetry/events.ts'
import { openLog } from './telemetry/logger.ts'
import { connectMetricsOfWorkers } from './telemetry/metrics/process-exchange.ts'

/** Processes that serve the same ports. */
export interface Workers {
  log: Log
  /** Lets each of them drain and end; rejects if one fails to. */
  close(): Promise<void>
  /** Lets each of them open the file of the audit stream again. */
  reopenAudit(): void
}

/** What a worker sends to the primary process once it listens on each of its ports. */
export const serving = 'serving'

/** Milliseconds before a worker is replaced, so that workers which always end do not use up the machine. */
const pause = 1_000

/**
 * Starts processes that serve the same ports, and replaces each that ends. This process, the primary, accepts
 * the connections and hands them out in turn; if it dies, Node ends the workers.
 *
 * The first one starts alone: what it cannot do, such as to listen on a port that is in use, the others could
 * not either. It says why, and the primary ends with its exit code.
 */
export async function startWorkers(config: Config): Promise<Workers> {
  const { workers: count, operator } = config
  const { level, format } = config.log
  const log = await openLog({ level, format })
  if (operator !== undefined) connectMetricsOfWorkers()
  connectLifecycleOfWorkers()
  const running = new Set<Worker>()
  let isClosing = false

  function startOne(): Worker {
    const worker = cluster.fork()
    running.add(worker)
    worker.once('exit', () => running.delete(worker))
    // A message that it does not take, because it has just ended: without a listener, the primary would end
    // with it, and all other workers.
    worker.on('error', (error) => {
      if (worker.process.pid === undefined) throw error
    })
    log('worker_started', { worker: worker.id, pid: worker.process.pid })
    return worker
  }

  function startReplaced(): void {
    if (isClosing) return
    replaceAtEnd(startOne())
  }

  function replaceAtEnd(worker: Worker): void {
    worker.once('exit', (code, signal) => {
      if (isClosing) return
      log('worker_ended', { worker: worker.id, exit: signal ?? code })
      setTimeout(startReplaced, pause)
    })
  }

  const first = startOne()
  await serves(first, log)
  replaceAtEnd(first)
  for (let others = count - 1; others > 0; others -= 1) startReplaced()

  return {
    log,
    reopenAudit() {
      for (const worker of running) worker.process.kill('SIGHUP')
    },
    async close() {
      isClosing = true
      const ends = [...running].map(toEnd)
      for (const worker of running) worker.process.kill('SIGTERM')
      const failed = (await Promise.all(ends)).filter((isClean) => !isClean)
      if (failed.length > 0) throw new Error(`${failed.length} workers did not end as they should`)
    },
  }
}

/** Waits until a worker serves; if it ends instead, this process ends with its exit code. */
function serves(worker: Worker, log: Log): Promise<void> {
  return new Promise((resolve) => {
    const endWithIt = (code: number | null, signal: string | null) => {
      log('worker_ended', { worker: worker.id, exit: signal ?? code ?? undefined })
      process.exit(code ?? 1)
    }
    worker.once('exit', endWithIt)
    worker.once('message', () => {
      worker.off('exit', endWithIt)
      resolve()
    })
  })
}

/** Waits for the end of a worker; returns whether it was clean. */
function toEnd(worker: Worker): Promise<boolean> {
  return new Promise((resolve) => {
    // One that does not handle signals yet has no requests, either.
    worker.once('exit', (code, signal) => resolve(code === 0 || signal === 'SIGTERM' || signal === 'SIGINT'))
  })
}
