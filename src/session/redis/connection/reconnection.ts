import type { RedisTarget } from '../../../config/values/redis-url.ts'
import type { ConnectionLog } from './connection-log.ts'
import { createDeployment, type Deployment, reconnectDelay } from './deployment.ts'
import { storeUnavailable, toRedisReason } from './redis-errors.ts'

/** The client in use. It is replaced by a new one whenever it does not connect or no longer answers. */
export interface Reconnection {
  /**
   * Returns the connected client.
   *
   * @throws AppError `store_unavailable` while there is none
   */
  current(): Deployment
  /**
   * Replaces a client by a new one if it is still in use and was created more than `minimumAge` milliseconds
   * ago.
   */
  replace(deployment: Deployment, minimumAge: number): void
  close(): void
}

/** Milliseconds that a new client has to connect, perhaps after asking several sentinels or nodes. */
const connectDeadline = 3_000

/** Creates the first client, and connects it in the background. It never gives up. */
export function createReconnection(target: RedisTarget, log: ConnectionLog): Reconnection {
  /** The newest client; undefined once closed. */
  let newest: Deployment | undefined
  /** The client that connected last. node-redis reconnects it, within the deadline of a command. */
  let connected: Deployment | undefined
  let attempts = 0
  let createdAt = 0

  connectAnother()

  return {
    current() {
      if (newest === undefined) throw storeUnavailable('closed')
      if (newest !== connected) throw storeUnavailable(`not connected: ${log.lastReason()}`)
      return newest
    },
    replace(deployment, minimumAge) {
      if (deployment === newest && performance.now() > createdAt + minimumAge) connectAnother()
    },
    close() {
      newest?.destroy()
      newest = undefined
    },
  }

  /** Creates a new client, and destroys the one before with all commands that wait for it. */
  function connectAnother(): void {
    createdAt = performance.now()
    newest?.destroy()
    newest = createDeployment(target, attempts, (error) => log.unavailable(toRedisReason(error)))
    attempts += 1
    void connect(newest)
  }

  async function connect(deployment: Deployment): Promise<void> {
    const timer = replaceLater(deployment, connectDeadline)
    try {
      await deployment.connect()
      if (deployment !== newest) return
      connected = deployment
      log.connected()
    } catch (error) {
      if (deployment !== newest) return
      log.unavailable(toRedisReason(error))
      replaceLater(deployment, reconnectDelay)
    } finally {
      clearTimeout(timer)
    }
  }

  function replaceLater(deployment: Deployment, delay: number): NodeJS.Timeout {
    return setTimeout(() => {
      if (deployment === newest) connectAnother()
    }, delay).unref()
  }
}
