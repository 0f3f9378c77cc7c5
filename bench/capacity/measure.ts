import { createClient } from '@redis/client'
import type { TestRedis } from '../../test/support/redis/start-redis.ts'
import { measureMemory, toBytesOfSession } from '../compare.ts'
import { type Cost, type Generator, type Running, type Spread, toSpread } from '../measure.ts'
import { createOperationBench, type OperationBench, sessionOperations } from '../operation-bench.ts'
import { readRedisCpu, readRedisMemory, startPinnedCluster, startPinnedRedis } from '../redis.ts'
import { cores, type Surroundings } from '../surroundings.ts'
import { portico } from '../targets.ts'
import { createSessionFiller } from './sessions.ts'

/** What one call costs, in microseconds of CPU time, and in commands. */
export interface CallCost {
  operation: (typeof sessionOperations)[number]
  memory: Spread
  redis: Spread
  /** Of Redis itself. */
  redisServer: Spread
  /** Commands that are sent to Redis, and commands that its scripts run inside. */
  commands: { sent: number; inScripts: number }
}

/** What one kind of key takes of Redis, for one session. */
export interface KeyCost {
  kind: string
  keys: number
  bytes: number
  /** Seconds that the longest-lived of them has left. */
  timeToLive: number
}

/** What a check costs in a situation, in microseconds of CPU time. */
export interface CheckCost {
  server: Spread
  /** Of all Redis servers together. */
  redis: Spread
}

/** Everything that the capacity run has measured. */
export interface CapacityResults {
  calls: CallCost[]
  /** Bytes in use for one session in the memory of the process. */
  liveBytes: number | undefined
  keys: KeyCost[]
  /** By the number of sessions in Redis; `bytes` is what Redis uses for one. */
  growth: ({ sessions: number; bytes: number } & CheckCost)[]
  /** By the number of processes on one Redis. */
  processes: ({ processes: number; checksPerSecond: number } & CheckCost)[]
  /** A cluster of three: `shares` is how the work is spread over its nodes. */
  cluster: CheckCost & { shares: number[] }
}

const rounds = 3
const duration = 1_500
/** Checks are of as many sessions, in turn. */
const sessions = 1_000
const mostProcesses = 4

interface CapacityOptions {
  surroundings: Surroundings
  /** What Node runs of this server. */
  entry: string
  report(text: string): void
  /** The numbers of sessions in Redis at which a check is measured. */
  counts: readonly number[]
}

/** Measures what a session and a call cost, and how that changes with the number of both. */
export async function measureCapacity({
  surroundings,
  entry,
  report,
  counts,
}: CapacityOptions): Promise<CapacityResults> {
  const { issuer, upstream, start } = surroundings
  const targetAt = (redisUrl: string) =>
    portico('Portico, Redis', { issuer, upstream, entry }, { REDIS_URL: redisUrl })
  const inMemory = portico('Portico, memory', { issuer, upstream, entry })

  report('memory of a session ...')
  const liveBytes = toBytesOfSession(await measureMemory(surroundings, inMemory, [2_000, 12_000]))

  report('keys of a session ...')
  const keys = await withRedis(async (redis) =>
    measureKeys(surroundings, await start(targetAt(redis.url)), redis),
  )

  report('calls ...')
  const calls = await withRedis(async (redis) =>
    measureCalls(surroundings, await start(inMemory), await start(targetAt(redis.url)), redis),
  )

  report('many sessions in Redis ...')
  const growth = await withRedis(async (redis) =>
    measureGrowth(surroundings, await start(targetAt(redis.url)), redis, counts),
  )

  report('processes ...')
  const processes = await withRedis((redis) => {
    // One target for all: the processes share its secret.
    const target = targetAt(redis.url)
    return measureProcesses(surroundings, () => start(target), redis)
  })

  report('cluster ...')
  const nodes = await startPinnedCluster(cores.others)
  const cluster = await measureCluster(
    surroundings,
    await start(targetAt(nodes.map(({ url }) => url).join())),
    nodes,
  )
  for (const node of nodes) await node.close()
  return { calls, liveBytes, keys, growth, processes, cluster }
}

/** Runs a measurement with a Redis of its own. */
async function withRedis<T>(measure: (redis: TestRedis) => Promise<T>): Promise<T> {
  const redis = await startPinnedRedis(cores.others)
  try {
    return await measure(redis)
  } finally {
    await redis.close()
  }
}

async function measureKeys(
  { generator }: Surroundings,
  running: Running,
  redis: TestRedis,
): Promise<KeyCost[]> {
  // So few that none of their keys has expired when the last one is read.
  const logins = 200
  await generator.run(running, { operation: 'login', connections: 16, sessions: 0, operations: logins })
  const kinds = new Map<string, { keys: number; bytes: number; timeToLive: number }>()
  for (const key of (await redis.command('KEYS', 'portico:*')) as string[]) {
    const kind = key.split(':')[1] ?? ''
    const known = kinds.get(kind) ?? { keys: 0, bytes: 0, timeToLive: 0 }
    kinds.set(kind, {
      keys: known.keys + 1 / logins,
      bytes: known.bytes + Number(await redis.command('MEMORY', 'USAGE', key, 'SAMPLES', '0')) / logins,
      timeToLive: Math.max(known.timeToLive, Number(await redis.command('TTL', key))),
    })
  }
  await running.server.stop()
  return [...kinds].filter(([kind]) => !ofNoSession.includes(kind)).map(([kind, cost]) => ({ kind, ...cost }))
}

/** The signing keys, and a queue of sessions that have ended. */
const ofNoSession = ['shared', 'revocations']

async function measureCalls(
  { generator }: Surroundings,
  inMemory: Running,
  inRedis: Running,
  redis: TestRedis,
): Promise<CallCost[]> {
  const costs: CallCost[] = []
  for (const operation of sessionOperations) {
    const memory = createOperationBench(generator, operation, { sessions: 64 })
    const shared = createOperationBench(generator, operation, { sessions: 64, redis: [redis] })
    await memory.closed(inMemory, duration)
    const { server, redis: redisServer } = await measureRounds((milliseconds) =>
      shared.closed(inRedis, milliseconds),
    )
    costs.push({
      operation,
      memory: (await measureRounds((milliseconds) => memory.closed(inMemory, milliseconds))).server,
      redis: server,
      redisServer,
      commands: await countCommands(redis, () => shared.closed(inRedis, 300)),
    })
  }
  await inMemory.server.stop()
  await inRedis.server.stop()
  return costs
}

/** Measures the cost of an operation in several rounds, after one that does not count. */
async function measureRounds(measure: (milliseconds: number) => Promise<Cost>): Promise<CheckCost> {
  await measure(duration)
  const costs: Cost[] = []
  for (let round = 0; round < rounds; round += 1) costs.push(await measure(duration))
  return {
    server: toSpread(costs.map(({ cpu }) => cpu * 1000)),
    redis: toSpread(costs.map(({ redisCpu }) => sum(redisCpu) * 1000)),
  }
}

/**
 * Counts the commands of each operation by MONITOR, which tells what the server sends from what scripts run
 * inside: `INFO commandstats` adds both up.
 */
async function countCommands(redis: TestRedis, measure: () => Promise<Cost>): Promise<CallCost['commands']> {
  const monitor = createClient({ url: redis.url })
  await monitor.connect()
  const commands: string[] = []
  await monitor.monitor((line) => commands.push(String(line)))
  const { operations: count } = await measure()
  monitor.destroy()
  // What every process does at any time, and what the bench itself asks.
  const ofCalls = commands.filter((line) => !/"portico:(ping|revocations)"|"INFO"/i.test(line))
  const inScripts = ofCalls.filter((line) => /^\S+ \[\d+ lua\]/.test(line)).length
  return { sent: (ofCalls.length - inScripts) / count, inScripts: inScripts / count }
}

async function measureGrowth(
  { generator }: Surroundings,
  running: Running,
  redis: TestRedis,
  counts: readonly number[],
): Promise<CapacityResults['growth']> {
  const filler = await createSessionFiller(redis.url)
  const check = createOperationBench(generator, 'check', { sessions, redis: [redis] })
  await check.closed(running, duration)
  const used = await readRedisMemory(redis)
  const results: CapacityResults['growth'] = []
  for (const count of counts) {
    await filler.fillUpTo(count)
    const bytes = ((await readRedisMemory(redis)) - used) / count
    const costs = await measureRounds((milliseconds) => check.closed(running, milliseconds))
    results.push({ sessions: count, bytes, ...costs })
  }
  await filler.close()
  await running.server.stop()
  return results
}

async function measureProcesses(
  { startGenerator }: Surroundings,
  start: () => Promise<Running>,
  redis: TestRedis,
): Promise<CapacityResults['processes']> {
  const all: { running: Running; generator: Generator; check: OperationBench }[] = []
  const results: CapacityResults['processes'] = []
  for (let processes = 1; processes <= mostProcesses; processes += 1) {
    const generator = await startGenerator()
    const check = createOperationBench(generator, 'check', { sessions: sessions / 4 })
    all.push({ running: await start(), generator, check })
    let checksPerSecond = 0
    const costs = await measureRounds(async (milliseconds) => {
      const before = await readRedisCpu(redis)
      const each = await Promise.all(all.map((one) => one.check.closed(one.running, milliseconds)))
      const count = sum(each.map((cost) => cost.operations))
      checksPerSecond = sum(each.map((cost) => cost.rate))
      return {
        operations: count,
        cpu: sum(each.map((cost) => cost.cpu * cost.operations)) / count,
        redisCpu: [((await readRedisCpu(redis)) - before) / count],
        rate: checksPerSecond,
      }
    })
    results.push({ processes, checksPerSecond, ...costs })
  }
  for (const { running, generator } of all) {
    generator.stop()
    await running.server.stop()
  }
  return results
}

async function measureCluster(
  { generator }: Surroundings,
  running: Running,
  nodes: readonly TestRedis[],
): Promise<CapacityResults['cluster']> {
  const check = createOperationBench(generator, 'check', { sessions, redis: nodes })
  const costs = await measureRounds((milliseconds) => check.closed(running, milliseconds))
  const { redisCpu } = await check.closed(running, duration)
  await running.server.stop()
  return { ...costs, shares: redisCpu.map((one) => one / sum(redisCpu)) }
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)
