import cluster, { type Worker } from 'node:cluster'
import { type MetricSnapshot, mergeSnapshots, onlyCounts } from './snapshot.ts'

/** Collects the metrics of every process that serves the same ports (WORKERS). */
export interface ProcessExchange {
  collect(): Promise<MetricSnapshot[][]>
}

/** What processes send to each other, by the primary, which connects them. */
type Message =
  | { type: 'metrics:collect'; id: number }
  | { type: 'metrics:read' }
  | { type: 'metrics:snapshot'; snapshots: MetricSnapshot[] }
  | { type: 'metrics:collected'; id: number; processes: MetricSnapshot[][] }

/** Milliseconds that a worker has for its answer; after that, its last one counts. */
const patience = 2_000

/**
 * Creates it; a process without workers beside it has only its own `snapshot`. Not each worker is one of this
 * server: a host app, or what starts it, may have workers of its own.
 */
export function createProcessExchange(
  snapshot: () => Promise<MetricSnapshot[]>,
  hasWorkers: boolean,
): ProcessExchange {
  if (!hasWorkers || !cluster.isWorker) return { collect: async () => [await snapshot()] }
  const waiting = new Map<number, (processes: MetricSnapshot[][]) => void>()
  let lastId = 0

  process.on('message', (message: Message) => {
    if (message.type === 'metrics:read') void answer()
    if (message.type === 'metrics:collected') waiting.get(message.id)?.(message.processes)
  })

  return {
    async collect() {
      lastId += 1
      const id = lastId
      const { promise, resolve } = Promise.withResolvers<MetricSnapshot[][]>()
      waiting.set(id, resolve)
      // Longer than the primary waits. Without an answer, it has gone, and this process ends.
      const timer = setTimeout(() => void snapshot().then((own) => resolve([own])), 2 * patience)
      send({ type: 'metrics:collect', id })
      try {
        return await promise
      } finally {
        clearTimeout(timer)
        waiting.delete(id)
      }
    },
  }

  async function answer(): Promise<void> {
    send({ type: 'metrics:snapshot', snapshots: await snapshot() })
  }

  function send(message: Message): void {
    if (process.connected) process.send?.(message)
  }
}

/**
 * Makes the primary process answer a worker that is scraped: with the metrics of all workers. What a worker
 * had counted stays after its end, as far as it was scraped, so that no sum ever falls.
 */
export function connectMetricsOfWorkers(): void {
  const latest = new Map<number, MetricSnapshot[]>()
  /** By the id of a worker, what is done once it has answered. */
  const asked = new Map<number, () => void>()
  let ended: MetricSnapshot[] = []
  let running: Promise<void> | undefined

  cluster.on('message', (worker, message: Message) => {
    if (message.type === 'metrics:collect') void collectFor(worker, message.id)
    if (message.type !== 'metrics:snapshot') return
    if (!worker.isDead()) latest.set(worker.id, message.snapshots)
    asked.get(worker.id)?.()
  })

  cluster.on('exit', ({ id }) => {
    const last = latest.get(id)
    if (last !== undefined) ended = mergeSnapshots([ended, onlyCounts(last)])
    latest.delete(id)
    asked.get(id)?.()
  })

  async function collectFor(asking: Worker, id: number): Promise<void> {
    running ??= readAll().finally(() => {
      running = undefined
    })
    await running
    const processes = [...latest.values(), ended]
    if (asking.isConnected()) asking.send({ type: 'metrics:collected', id, processes } satisfies Message)
  }

  async function readAll(): Promise<void> {
    const workers = Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined)
    await Promise.all(workers.filter((worker) => worker.isConnected()).map(read))
  }

  /** Resolves once a worker has answered, has ended, or had its time. */
  async function read(worker: Worker): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    asked.set(worker.id, resolve)
    const timer = setTimeout(resolve, patience)
    worker.send({ type: 'metrics:read' } satisfies Message)
    await promise
    clearTimeout(timer)
    asked.delete(worker.id)
  }
}
