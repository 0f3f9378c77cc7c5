import cluster from 'node:cluster'

/** The state of the server between its start and its end. */
export interface Lifecycle {
  /** Whether it should get no new requests: it is not ready, and still serves those that come. */
  readonly draining: boolean
  /** Whether it ends, so that it cannot be made ready again. */
  readonly ending: boolean
  /** Lets the server drain or be ready again, with WORKERS in every process; resolves once this one does. */
  setDraining(draining: boolean): Promise<void>
  /** From now on it drains, and ends. */
  end(): void
}

/** What workers and the primary send to each other. */
interface Message {
  type: 'lifecycle:drain'
  draining: boolean
}

/**
 * Creates the state of one process. With WORKERS, it shares its draining with the other workers; a host app
 * may have workers that are none of this server.
 */
export function createLifecycle(hasWorkers: boolean): Lifecycle {
  const isWorker = hasWorkers && cluster.isWorker
  let isDraining = false
  let isEnding = false
  let onAnswer: (() => void)[] = []

  if (isWorker) {
    process.on('message', (message: Message) => {
      if (message.type !== 'lifecycle:drain') return
      isDraining = message.draining
      for (const resolve of onAnswer) resolve()
      onAnswer = []
    })
  }

  return {
    get draining() {
      return isDraining || isEnding
    },
    get ending() {
      return isEnding
    },
    async setDraining(draining) {
      isDraining = draining
      if (!isWorker) return
      const answer = new Promise<void>((resolve) => onAnswer.push(resolve))
      process.send?.({ type: 'lifecycle:drain', draining } satisfies Message)
      await answer
    },
    end() {
      isEnding = true
    },
  }
}

/** Makes the primary process hand on to all workers that they shall drain, also to those that start later. */
export function connectLifecycleOfWorkers(): void {
  let isDraining = false
  const send = (worker: { send(message: Message): boolean }) =>
    worker.send({ type: 'lifecycle:drain', draining: isDraining })

  cluster.on('message', (_worker, message: Message) => {
    if (message.type !== 'lifecycle:drain') return
    isDraining = message.draining
    for (const worker of Object.values(cluster.workers ?? {})) if (worker?.isConnected()) send(worker)
  })
  cluster.on('listening', (worker) => {
    if (isDraining && worker.isConnected()) send(worker)
  })
}
