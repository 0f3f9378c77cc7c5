import { createClient, createCluster, createSentinel } from '@redis/client'
import type { RedisTarget } from '../config/redis-url.ts'
import { AppError } from '../errors.ts'
import { type Log, toLogText } from '../telemetry/logger.ts'

/** The part of node-redis that the store uses; its clients for one server, for Sentinel and for Cluster all have it. */
export interface RedisClient {
  get(key: string): Promise<string | null>
  set(key: string, value: string, options: SetOptions): Promise<string | null>
  hGetAll(key: string): Promise<Record<string, string>>
  zRange(key: string, from: number, to: number): Promise<string[]>
  zRem(key: string, member: string): Promise<number>
  eval(script: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>
  evalSha(sha: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>
}

interface SetOptions {
  condition?: 'NX'
  expiration: { type: 'PX'; value: number }
}

/** A client, with what differs between the three kinds of deployment. */
interface Deployment {
  client: RedisClient
  connect(): Promise<unknown>
  destroy(): void
  /** INFO of every server that holds keys. */
  info(section: string): Promise<string[]>
}

/** The connection of this process to Redis. */
export interface RedisConnection {
  /**
   * Runs commands, all of them within one deadline.
   *
   * @throws AppError `store_unavailable`, its reason the first word of Redis's error, `offline`, or `deadline passed`
   */
  run<T>(commands: (client: RedisClient) => Promise<T>): Promise<T>
  info(section: string): Promise<string[]>
  close(): Promise<void>
}

/**
 * Milliseconds after which a command counts as unanswered: more than a slow network takes (500 ms of latency work), and
 * little enough that people are told 503 within 1.5 s.
 */
const deadline = 1_000
/** Milliseconds between two looks at a connection nobody uses, so that a dead one is found before somebody needs it. */
const heartbeat = 500
/** Milliseconds between attempts to connect. */
const reconnectDelay = 250
/** Milliseconds between two new connections because Redis says it is read-only. */
const readonlyPause = 1_000
/** Milliseconds between two remarks in the log that Redis does not answer. */
const notePause = 1_000

/**
 * For each socket. A socket timeout helps while connecting only: node-redis starts it anew with each command it writes,
 * so that under load a frozen Redis never runs into it. `run` has the deadline that holds.
 */
const socket = {
  connectTimeout: deadline,
  socketTimeout: deadline,
  reconnectStrategy: () => reconnectDelay,
}
const toSocket = (tls: boolean) => (tls ? { ...socket, tls: true as const } : socket)
const nodeOptions = { disableOfflineQueue: true, socket } as const

function createDeployment(target: RedisTarget, onError: (error: unknown) => void): Deployment {
  switch (target.kind) {
    case 'standalone': {
      const client = createClient({ ...nodeOptions, url: target.url, socket: toSocket(target.tls) })
      client.on('error', onError)
      return {
        client,
        connect: () => client.connect(),
        destroy: () => client.destroy(),
        info: async (section) => [await client.info(section)],
      }
    }
    case 'cluster': {
      const { urls, tls, credentials } = target
      const cluster = createCluster({
        rootNodes: urls.map((url) => ({ ...nodeOptions, url, socket: toSocket(tls) })),
        defaults: { ...nodeOptions, ...credentials, socket: toSocket(tls) },
      })
      cluster.on('error', onError)
      return {
        client: cluster,
        connect: () => cluster.connect(),
        destroy: () => cluster.destroy(),
        info: (section) =>
          Promise.all(cluster.masters.map(async (node) => (await cluster.nodeClient(node)).info(section))),
      }
    }
    case 'sentinel': {
      const { master, nodes, database, credentials, tls } = target
      const sentinel = createSentinel({
        name: master,
        sentinelRootNodes: nodes,
        nodeClientOptions: { ...nodeOptions, ...credentials, database, socket: toSocket(tls) },
        sentinelClientOptions: { ...nodeOptions, socket: toSocket(tls) },
        scanInterval: deadline,
        passthroughClientErrorEvents: true,
      })
      sentinel.on('error', onError)
      return {
        client: sentinel,
        connect: () => sentinel.connect(),
        destroy: () => void sentinel.destroy().catch(() => {}),
        info: async (section) => [await sentinel.info(section)],
      }
    }
  }
}

/** Creates the connection. It never gives up: it connects in the background, and again whenever Redis stops answering. */
export function createRedisConnection(target: RedisTarget, log: Log): RedisConnection {
  let current: Deployment | undefined
  let isClosed = false
  let isUp: boolean | undefined
  let mayReplaceReadonlyAt = 0
  let mayNoteAt = 0

  /** Logs a change, at most one in each way a second: of a cluster, a part may be down. */
  function note(isUpNow: boolean, reason?: string): void {
    if (isUp === isUpNow || isClosed || (!isUpNow && performance.now() < mayNoteAt)) return
    isUp = isUpNow
    if (!isUp) mayNoteAt = performance.now() + notePause
    if (isUp) log('store_connected')
    else log('store_unavailable', { reason })
  }

  /** Takes a new connection and drops the one before with all that waits on it. */
  function replace(): void {
    current?.destroy()
    if (isClosed) return
    const next = createDeployment(target, (error) => note(false, toReason(error)))
    current = next
    void connect(next)
  }

  async function connect(deployment: Deployment): Promise<void> {
    try {
      await deployment.connect()
      if (deployment === current) note(true)
    } catch (error) {
      if (deployment !== current || isClosed) return
      note(false, toReason(error))
      setTimeout(() => {
        if (deployment === current) replace()
      }, reconnectDelay).unref()
    }
  }

  async function run<T>(commands: (deployment: Deployment) => Promise<T>): Promise<T> {
    const deployment = current
    if (deployment === undefined) throw createStoreUnavailable('closed')
    let timer: NodeJS.Timeout | undefined
    let isAnswered = false
    const late = new Promise<never>((_, reject) => {
      const giveUp = () => {
        if (isAnswered) return
        // Frozen, or behind a network that swallows everything: only another connection can tell.
        if (deployment === current) replace()
        note(false, 'deadline passed')
        reject(createStoreUnavailable('deadline passed'))
      }
      // A process that slept reads first what came meanwhile: it was late itself, not Redis.
      timer = setTimeout(() => setImmediate(giveUp), deadline)
    })
    try {
      const result = await Promise.race([commands(deployment), late])
      note(true)
      return result
    } catch (error) {
      if (error instanceof AppError) throw error
      const reason = toReason(error)
      // What answers was a master once and is none any more; its name may lead to another server by now.
      if (reason === 'READONLY' && deployment === current && performance.now() > mayReplaceReadonlyAt) {
        mayReplaceReadonlyAt = performance.now() + readonlyPause
        replace()
      }
      throw createStoreUnavailable(reason, error)
    } finally {
      isAnswered = true
      clearTimeout(timer)
    }
  }

  replace()
  const pulse = setInterval(
    () => void run(({ client }) => client.get('portico:ping')).catch(() => {}),
    heartbeat,
  )
  pulse.unref()

  return {
    run: (commands) => run(({ client }) => commands(client)),
    info: (section) => run((deployment) => deployment.info(section)),
    async close() {
      isClosed = true
      clearInterval(pulse)
      current?.destroy()
      current = undefined
    },
  }
}

function createStoreUnavailable(reason: string, cause?: unknown): AppError {
  return new AppError(
    'store_unavailable',
    'The session store does not answer right now. Try again in a moment.',
    {
      reason,
      cause,
    },
  )
}

/** Redis's errors begin with a word of capitals (READONLY, OOM, NOAUTH); of all others the name or code is told. */
function toReason(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  const [word = ''] = error.message.split(' ')
  if (/^[A-Z]{2,}$/.test(word)) return word
  return toLogText('code' in error && typeof error.code === 'string' ? error.code : error.constructor.name)
}
