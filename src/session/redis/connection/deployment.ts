import { createClient, createCluster, createSentinel, RESP_TYPES } from '@redis/client'
import type { RedisTarget } from '../../../config/values/redis-url.ts'

/**
 * The part of node-redis that the store uses. Its clients for one server, for Sentinel and for Cluster all
 * have it.
 */
export interface RedisClient extends ScriptClient {
  get(key: string): Promise<string | null>
  mGet(keys: string[]): Promise<(string | null)[]>
  set(key: string, value: string, options: SetOptions): Promise<string | null>
  del(key: string): Promise<number>
  hGetAll(key: string): Promise<Record<string, string>>
  lRange(key: string, start: number, stop: number): Promise<string[]>
  zRangeByScore(key: string, from: number, to: number): Promise<string[]>
  zRem(key: string, members: string | string[]): Promise<number>
  zCard(key: string): Promise<number>
}

/** The commands that run scripts. */
export interface ScriptClient {
  eval(script: string, options: ScriptOptions): Promise<unknown>
  evalSha(sha: string, options: ScriptOptions): Promise<unknown>
}

/** The same client with bytes for texts in the answers: sealed records are not texts. */
export interface BinaryClient extends ScriptClient {
  hmGet(key: string, fields: string[]): Promise<(Buffer | null)[]>
}

interface ScriptOptions {
  keys: string[]
  arguments: (string | Buffer)[]
}

interface SetOptions {
  condition?: 'NX'
  expiration: { type: 'PX'; value: number }
}

/** A client, with the operations that differ between the three kinds of deployment. */
export interface Deployment {
  client: RedisClient
  binary: BinaryClient
  connect(): Promise<unknown>
  destroy(): void
  /** Returns every server that holds keys: the master, in a cluster all of them. */
  servers(): Promise<ServerClient[]>
}

/** One server that holds keys. */
export interface ServerClient {
  info(section: string): Promise<string>
  /** Returns a page of the keys, and the cursor of the next one, which only this server understands. */
  scan(cursor: string, options: { MATCH: string; COUNT: number }): Promise<{ cursor: string; keys: string[] }>
}

/**
 * Milliseconds after which a command counts as unanswered: longer than a slow network needs (500 ms of
 * latency work), and short enough for a 503 within 1.5 s.
 */
export const deadline = 1_000
/** Milliseconds between attempts to connect. */
export const reconnectDelay = 250

/**
 * Options of each socket. The socket timeout helps only while connecting: node-redis restarts it with each
 * command that it writes, so that it never expires while a frozen Redis gets many commands. The deadline in
 * `connection.ts` does.
 */
const socket = {
  connectTimeout: deadline,
  socketTimeout: deadline,
  reconnectStrategy: () => reconnectDelay,
}
/** Makes a client answer with bytes instead of texts. */
const bytes = { [RESP_TYPES.BLOB_STRING]: Buffer }
const toSocket = (tls: boolean) => (tls ? { ...socket, tls: true as const } : socket)
/** Without a signal for each command, which would be a cost of every check: `deadlines.ts` has one timer. */
const commandOptions = { timeout: 0 }
/** The pings keep the socket timeout from closing connections that are not in use. */
const nodeOptions = { disableOfflineQueue: true, pingInterval: deadline / 2, socket } as const

/**
 * Creates a client, not connected yet. `attempt` counts the clients before it: each starts with another
 * sentinel.
 */
export function createDeployment(
  target: RedisTarget,
  attempt: number,
  onError: (error: unknown) => void,
): Deployment {
  switch (target.kind) {
    case 'standalone': {
      const client = createClient({
        ...nodeOptions,
        commandOptions,
        url: target.url,
        socket: toSocket(target.tls),
      })
      client.on('error', onError)
      return {
        client,
        binary: client.withTypeMapping(bytes),
        connect: () => client.connect(),
        destroy: () => client.destroy(),
        servers: async () => [client],
      }
    }
    case 'cluster': {
      const { urls, tls, credentials } = target
      const cluster = createCluster({
        rootNodes: urls.map((url) => ({ ...nodeOptions, url, socket: toSocket(tls) })),
        defaults: { ...nodeOptions, ...credentials, socket: toSocket(tls) },
        commandOptions,
        // The other nodes can be used while one does not answer.
        minimizeConnections: true,
        topologyRefreshOnReconnectionAttemptStrategy: deadline,
      })
      cluster.on('error', onError)
      return {
        client: cluster,
        binary: cluster.withTypeMapping(bytes),
        connect: () => cluster.connect(),
        destroy: () => cluster.destroy(),
        servers: () => Promise.all(cluster.masters.map((node) => cluster.nodeClient(node))),
      }
    }
    case 'sentinel': {
      const { master, nodes, database, credentials, tls } = target
      const first = attempt % nodes.length
      const sentinel = createSentinel({
        name: master,
        sentinelRootNodes: [...nodes.slice(first), ...nodes.slice(0, first)],
        nodeClientOptions: { ...nodeOptions, ...credentials, database, socket: toSocket(tls) },
        sentinelClientOptions: { ...nodeOptions, socket: toSocket(tls) },
        commandOptions,
        scanInterval: deadline,
        passthroughClientErrorEvents: true,
      })
      sentinel.on('error', onError)
      return {
        client: sentinel,
        binary: sentinel.withTypeMapping(bytes),
        connect: () => sentinel.connect(),
        destroy: () => void sentinel.destroy().catch(() => {}),
        servers: async () => [sentinel],
      }
    }
  }
}

/** Returns the address of Redis for the log, without user names and passwords. */
export function toAddress(target: RedisTarget): string {
  switch (target.kind) {
    case 'standalone':
      return new URL(target.url).host
    case 'cluster':
      return target.urls.map((url) => new URL(url).host).join()
    case 'sentinel':
      return `${target.nodes.map(({ host, port }) => `${host}:${port}`).join()}/${target.master}`
  }
}
