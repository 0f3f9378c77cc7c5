import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createClient } from '@redis/client'
import { freePort } from '../network/http-server.ts'
import { ensureInstalled } from '../processes/install.ts'
import { ensureValkey } from './valkey.ts'

/** Redis's server, from Debian if need be, and Valkey's. */
export default function setUp(): void {
  ensureInstalled('redis-server', '--version')
  ensureValkey()
}

/** The server of all tests that do not choose one: `npm run test:valkey` names Valkey's. */
const { REDIS_SERVER: usualProgram = 'redis-server' } = process.env

/** Makes every key with a time to live `ARGV[1]` milliseconds older. */
const passTimeScript = `
for _, key in ipairs(redis.call('KEYS', '*')) do
  local left = redis.call('PTTL', key)
  if left >= 0 then redis.call('PEXPIRE', key, math.max(0, left - ARGV[1])) end
end`

/** A real redis-server that a test can disturb. */
export interface TestRedis {
  port: number
  url: string
  command(...args: string[]): Promise<unknown>
  /** Makes everything it holds older, in milliseconds. */
  passTime(milliseconds: number): Promise<void>
  /** Returns every key with its value, as texts. */
  dump(): Promise<string[]>
  /** Pauses the process (SIGSTOP): connections stay open, and nothing is answered. */
  freeze(): void
  thaw(): void
  kill(): Promise<void>
  /** Starts it again, empty, on the same port. */
  restart(): Promise<void>
  close(): Promise<void>
}

interface RedisOptions {
  port?: number
  args?: string[]
  /** The server to start; for TLS it is Redis's, because the wheel of Valkey is built without. */
  program?: string
  /** The URL of clients, where it is not plain TCP. */
  url?: (port: number) => string
}

export async function startRedis({
  port: wanted,
  args = [],
  program = args.includes('--tls-port') ? 'redis-server' : usualProgram,
  url: toUrl = (port) => `redis://127.0.0.1:${port}`,
}: RedisOptions = {}): Promise<TestRedis> {
  const port = wanted ?? (await freePort())
  const url = toUrl(port)
  // Each has its own folder, because replicas write what they receive to disk.
  const folder = mkdtempSync(join(tmpdir(), 'portico-redis-'))
  let child: ChildProcess
  let exited: Promise<unknown>
  const admin = createClient({ url, socket: { reconnectStrategy: () => 20 } })
  admin.on('error', () => {})

  async function launch(): Promise<void> {
    const plain = args.includes('--tls-port') ? [] : ['--port', String(port)]
    child = spawn(
      program,
      [...args, ...plain, '--save', '', '--appendonly', 'no', '--bind', '127.0.0.1', '--dir', folder],
      {
        stdio: 'ignore',
      },
    )
    exited = new Promise((done) => child.once('exit', done))
    if (!admin.isOpen) await admin.connect()
    while ((await admin.ping().catch(() => undefined)) === undefined) {}
  }

  async function kill(): Promise<void> {
    child.kill('SIGKILL')
    await exited
  }

  await launch()
  return {
    port,
    url,
    command: (...args) => admin.sendCommand(args),
    async passTime(milliseconds) {
      await admin.eval(passTimeScript, { keys: [], arguments: [String(milliseconds)] })
    },
    async dump() {
      const keys = await admin.keys('*')
      const values = await Promise.all(
        keys.map(async (key) => {
          const type = await admin.type(key)
          if (type === 'hash') return JSON.stringify(await admin.hGetAll(key))
          if (type === 'zset') return JSON.stringify(await admin.zRange(key, 0, -1))
          if (type === 'list') return JSON.stringify(await admin.lRange(key, 0, -1))
          return String(await admin.get(key))
        }),
      )
      return keys.map((key, index) => `${key} = ${values[index]}`)
    },
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
    kill,
    restart: launch,
    async close() {
      admin.destroy()
      child.kill('SIGCONT')
      await kill()
      rmSync(folder, { recursive: true })
    },
  }
}

/** Starts a cluster of three nodes; `keep` receives each of them. */
export async function startCluster(keep: (server: TestRedis) => TestRedis): Promise<TestRedis[]> {
  const nodes = await Promise.all(
    [1, 2, 3].map(async () => keep(await startRedis({ args: ['--cluster-enabled', 'yes'] }))),
  )
  for (const [index, node] of nodes.entries()) {
    const bounds = [Math.floor((index * 16_384) / 3), Math.floor(((index + 1) * 16_384) / 3) - 1]
    await node.command('CLUSTER', 'ADDSLOTSRANGE', ...bounds.map(String))
  }
  for (const { port } of nodes.slice(1)) await nodes[0]?.command('CLUSTER', 'MEET', '127.0.0.1', String(port))
  for (const node of nodes) {
    for (const wanted of ['cluster_known_nodes:3', 'cluster_state:ok']) {
      while (!String(await node.command('CLUSTER', 'INFO')).includes(wanted)) await delay(20)
    }
  }
  return nodes
}
