import { join } from 'node:path'
import { freePort } from '../test/support/network/http-server.ts'
import type { TestRedis } from '../test/support/redis/start-redis.ts'
import { type Generator, type Running, startGenerator } from './measure.ts'
import { pin, startMeasured } from './processes.ts'
import { startPinnedRedis } from './redis.ts'
import type { Target } from './targets.ts'

/** What every measurement has around the servers. */
export interface Surroundings {
  issuer: string
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

/** Starts the stub provider, Redis and the load generator. */
export async function startSurroundings(): Promise<Surroundings> {
  pin(process.pid, cores.others)
  const port = await freePort()
  const issuer = `http://127.0.0.1:${port}`
  const command = [process.execPath, join(import.meta.dirname, 'servers/provider.ts')]
  const provider = await startMeasured({ command, env: {}, port, core: cores.others, ready: '/keys' })
  const redis = await startPinnedRedis(cores.others)
  const generator = await startGenerator(cores.others, issuer)
  return {
    issuer,
    redis,
    generator,
    start: startTarget,
    startGenerator: () => startGenerator(cores.others, issuer),
    async stop() {
      generator.stop()
      await provider.stop()
      await redis.close()
    },
  }
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
