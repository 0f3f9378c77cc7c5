import type { RedisTarget } from '../../../config/values/redis-url.ts'
import { AppError } from '../../../errors.ts'
import type { Log } from '../../../telemetry/events.ts'
import { noObserver, type Observer } from '../../../telemetry/observer.ts'
import { pingKey } from '../keys.ts'
import { createConnectionLog } from './connection-log.ts'
import { createDeadlines } from './deadlines.ts'
import type { BinaryClient, Deployment, RedisClient } from './deployment.ts'
import { createReconnection } from './reconnection.ts'
import { isRefusal, storeUnavailable, toRedisReason } from './redis-errors.ts'

/** The connection of this process to Redis. */
export interface RedisConnection {
  /**
   * Runs commands, all of them within one deadline; `name` is what metrics call them.
   *
   * @throws AppError `store_unavailable`; its reason is the first word of Redis's error, `not connected:
   * ...`, or `deadline passed`
   */
  run<T>(name: string, commands: (client: RedisClient, binary: BinaryClient) => Promise<T>): Promise<T>
  /** Whether keys are on several nodes: a script can then use keys of one hash tag only. */
  readonly isCluster: boolean
  /** Returns one section of INFO, of every server that holds keys. */
  info(section: string): Promise<string[]>
  /**
   * Returns the keys of every server that match a pattern, a page at a time, each within a deadline of its
   * own. A key that exists all the time is found, perhaps twice; after a failover in between, some may be
   * missing.
   */
  listKeys(pattern: string): AsyncIterable<string[]>
  close(): Promise<void>
}

/** Milliseconds between two pings, by which a dead connection is found before a request needs it. */
const heartbeat = 500
/** Milliseconds between two new clients because a part of a cluster does not answer. */
const partialPause = 5_000
/** Keys that one step of `listKeys` looks at: it must not hold up the commands of requests. */
const pageSize = 500
/** Milliseconds between two new clients because Redis says that it is read-only. */
const readonlyPause = 1_000

/** Creates the connection. It connects in the background, again and again whenever Redis stops answering. */
export function createRedisConnection(
  target: RedisTarget,
  log: Log,
  observer: Pick<Observer, 'storeCommand'> = noObserver,
): RedisConnection {
  const connectionLog = createConnectionLog(target, log)
  const reconnection = createReconnection(target, connectionLog)
  const deadlines = createDeadlines()
  let answeredAt = 0

  const pings = setInterval(
    () => void run('heartbeat', ({ client }) => client.get(pingKey)).catch(() => {}),
    heartbeat,
  ).unref()

  return {
    run: (name, commands) => run(name, ({ client, binary }) => commands(client, binary)),
    isCluster: target.kind === 'cluster',
    info: (section) =>
      run('info', async (deployment) =>
        Promise.all((await deployment.servers()).map((server) => server.info(section))),
      ),
    listKeys,
    async close() {
      clearInterval(pings)
      deadlines.stop()
      connectionLog.stop()
      reconnection.close()
    },
  }

  async function* listKeys(pattern: string): AsyncGenerator<string[]> {
    for (const server of await run('servers', (deployment) => deployment.servers())) {
      let cursor = '0'
      do {
        const from = cursor
        const page = await run('scan', () => server.scan(from, { MATCH: pattern, COUNT: pageSize }))
        cursor = page.cursor
        yield page.keys
      } while (cursor !== '0')
    }
  }

  async function run<T>(command: string, commands: (deployment: Deployment) => Promise<T>): Promise<T> {
    const startedAt = performance.now()
    let deployment: Deployment | undefined
    try {
      const current = reconnection.current()
      deployment = current
      const result = await deadlines.wait(commands(current), () => {
        giveUp(current, startedAt)
        return storeUnavailable(deadlinePassed)
      })
      answeredAt = performance.now()
      observer.storeCommand({ command, startedAt, endedAt: answeredAt, outcome: 'ok' })
      connectionLog.connected()
      return result
    } catch (error) {
      const outcome = toOutcome(error)
      observer.storeCommand({ command, startedAt, endedAt: performance.now(), outcome })
      if (error instanceof AppError) throw error
      const reason = toRedisReason(error)
      if (outcome === 'refused') connectionLog.refused(reason)
      // The server was a master and is a replica now; its name may already lead to the new master.
      if (reason === 'READONLY' && deployment !== undefined) reconnection.replace(deployment, readonlyPause)
      throw storeUnavailable(reason, error)
    }
  }

  /**
   * Replaces a client that did not answer in time: Redis may be frozen, or the network may drop everything,
   * which only a new connection can find out. If other commands were answered meanwhile, one node of a
   * cluster does not answer; its replica may have taken over, so that a new client may help, but not at once.
   */
  function giveUp(deployment: Deployment, startedAt: number): void {
    const isDead = answeredAt < startedAt
    reconnection.replace(deployment, isDead ? 0 : partialPause)
    connectionLog.unavailable(deadlinePassed)
  }
}

const deadlinePassed = 'deadline passed'

/** How a command ended that failed, in few words: they are the label of a metric. */
function toOutcome(error: unknown): 'refused' | 'late' | 'unreachable' {
  if (isRefusal(error)) return 'refused'
  return error instanceof AppError && error.reason === deadlinePassed ? 'late' : 'unreachable'
}

/** Returns the field of INFO that each server reports; undefined if one does not report it. */
export const readInfo = (sections: readonly string[], field: string): (string | undefined)[] =>
  sections.map((section) => new RegExp(`^${field}:(\\S+)`, 'm').exec(section)?.[1])
