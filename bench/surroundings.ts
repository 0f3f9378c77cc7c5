import { join } from 'node:path'
import { freePort } from '../test/support/network/http-server.ts'
import type { TestRedis } from '../test/support/redis/start-redis.ts'
import { type Generator, type Running, startGenerator } from './measure.ts'
import { type Measured, pin, startMeasured } from './processes.ts'
import { startPinnedRedis } from './redis.ts'
import type { Target } from './targets.ts'

/** What every measurement has around the servers. */
export interface Surroundings {
  issuer: string
  /** The origin of the stub upstream. */
  upstream: string
  redis: TestRedis
  generator: Generator
  /** Starts a server on the servers' core; `flags` are Node's. */
  start(target: Target, flags?: readonly string[]): Promise<Running>
  /** Starts another load generator, for servers that are loaded at the same time. */
  startGenerator(): Promise<Generator>
  stop(): Promise<void>
}

/** The servers have a core for themselves; all others share the second one. */
export const cores = { servers: 0, others: 1 }

/** Starts the stub provider, the stub upstream, Redis and the load generator. */
export async function startSurroundings(): Promise<Surroundings> {
  pin(process.pid, cores.others)
  const provider = await startStub('provider', '/keys')
  const upstream = await startStub('upstream', '/ready')
  const issuer = toOrigin(provider)
  const redis = await startPinnedRedis(cores.others)
  const generator = await startGenerator(cores.others, issuer)
  return {
    issuer,
    upstream: toOrigin(upstream),
    redis,
    generator,
    start: startTarget,
    startGenerator: () => startGenerator(cores.others, issuer),
    async stop() {
      generator.stop()
      await provider.stop()
      await upstream.stop()
      await redis.close()
    },
  }
}

const toOrigin = ({ port }: Measured) => `http://127.0.0.1:${port}`

/** Starts a program of `servers/` that the servers under measurement call. */
async function startStub(name: string, ready: string): Promise<Measured> {
  const command = [process.execPath, join(import.meta.dirname, `servers/${name}.ts`)]
  return startMeasured({ command, env: {}, port: await freePort(), core: cores.others, ready })
}

async function startTarget(target: Target, flags: readonly string[] = []): Promise<Running> {
  const [program = '', ...args] = target.command
  const port = await freePort()
  const server = await startMeasured({
    command: [program, ...flags, ...args],
    env: target.toEnv(`http://127.0.0.1:${port}`),
    port,
    core: cores.servers,
    ready: target.ready,
  })
  return { target, server }
}
