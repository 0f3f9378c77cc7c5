import { percentile } from '../test/support/latencies.ts'
import { freePort } from '../test/support/network/http-server.ts'
import { readLiveHeap } from './live-heap.ts'
import { type Cost, type Running, type Spread, toSpread } from './measure.ts'
import { connections, createOperationBench, type Operation, type OperationBench } from './operation-bench.ts'
import type { Surroundings } from './surroundings.ts'
import { bareExpress, type Target } from './targets.ts'

/** How long each step takes. */
export interface Plan {
  rounds: number
  /** Milliseconds of a closed loop in each round, and before the first one. */
  duration: number
  warmUp: number
  /** Rounds and milliseconds of the open loop; it is left out with none. */
  open: { rounds: number; duration: number }
}

/** How one server did in one operation. */
export interface OperationResult {
  server: string
  kind: Target['kind']
  /** CPU time of bare Express for its answer, divided by that of this operation in the same round. */
  share: Spread
  /** Microseconds of CPU time. */
  cpu: Spread
  /** At `rate` operations a second: half of what the server reached. */
  latency?: Latency & { rate: number }
}

/** Milliseconds within which these shares of all operations were answered. */
interface Latency {
  p50: Spread
  p99: Spread
  p999: Spread
}

/** Milliseconds of an open loop that opens the connections. */
const openWarmUp = 500

/** Measures one operation of each server in turn, round by round, so that a disturbance meets all of them. */
export async function measureOperation(
  { start, generator }: Surroundings,
  operation: Operation,
  targets: readonly Target[],
  plan: Plan,
): Promise<OperationResult[]> {
  const able = targets.filter(
    ({ dialect }) => dialect.token !== undefined || !['token', 'refresh'].includes(operation),
  )
  const servers: Running[] = []
  for (const target of [bareExpress, ...able]) servers.push(await start(target))
  const bench = createOperationBench(generator, operation, { sessions: 64 })
  try {
    const costs = await measureCosts(bench, servers, plan)
    const bare = costs.get(bareExpress) ?? []
    const results = able.map((target) => {
      const known = costs.get(target) ?? []
      return {
        target,
        share: toSpread(known.map(({ cpu }, round) => (bare[round]?.cpu ?? Number.NaN) / cpu)),
        cpu: toSpread(known.map(({ cpu }) => cpu * 1000)),
        rate: toSpread(known.map(({ rate }) => rate)).median / 2,
      }
    })
    const rates = new Map(results.map(({ target, rate }) => [target, rate]))
    const latencies = await measureLatencies(bench, servers, rates, plan.open)
    return results.map(({ target: { name, kind }, share, cpu, rate }) => {
      const latency = latencies.get(name)
      return {
        server: name,
        kind,
        share,
        cpu,
        ...(latency !== undefined && { latency: { rate, ...latency } }),
      }
    })
  } finally {
    for (const { server } of servers) await server.stop()
  }
}

async function measureCosts(
  bench: OperationBench,
  servers: readonly Running[],
  { rounds, duration, warmUp }: Plan,
): Promise<Map<Target, Cost[]>> {
  for (const one of servers) await bench.closed(one, warmUp)
  const costs = new Map(servers.map(({ target }) => [target, [] as Cost[]]))
  for (let round = 0; round < rounds; round += 1) {
    for (const one of servers) costs.get(one.target)?.push(await bench.closed(one, duration))
  }
  return costs
}

/** Measures each server at a rate of its own; by the server's name. */
async function measureLatencies(
  bench: OperationBench,
  servers: readonly Running[],
  rates: ReadonlyMap<Target, number>,
  { rounds, duration }: Plan['open'],
): Promise<Map<string, Latency>> {
  const measured = new Map<string, number[][]>()
  for (let round = 0; round < rounds; round += 1) {
    for (const one of servers) {
      const rate = rates.get(one.target)
      if (rate === undefined) continue
      // The first one opens the connections.
      if (round === 0) await bench.open(one, rate, openWarmUp)
      const known = measured.get(one.target.name) ?? []
      measured.set(one.target.name, [...known, await bench.open(one, rate, duration)])
    }
  }
  return new Map(
    [...measured].map(([name, all]) => {
      const at = (share: number) => toSpread(all.map((sorted) => percentile(sorted, share)))
      return [name, { p50: at(0.5), p99: at(0.99), p999: at(0.999) }]
    }),
  )
}

/** How a server starts. */
export interface StartupResult {
  server: string
  /** Milliseconds from the start of the process until it answers that it is ready. */
  ready: Spread
  /** MB at that moment. */
  resident: Spread
}

/** Starts each server in turn, `rounds` times. */
export async function measureStartup(
  { start }: Surroundings,
  targets: readonly Target[],
  rounds: number,
): Promise<StartupResult[]> {
  const starts = new Map(targets.map((target) => [target, [] as { ready: number; resident: number }[]]))
  for (let round = 0; round < rounds; round += 1) {
    for (const [target, known] of starts) {
      const { server } = await start(target)
      known.push({ ready: server.readyAfter, resident: server.resident() })
      await server.stop()
    }
  }
  return [...starts].map(([{ name }, known]) => ({
    server: name,
    ready: toSpread(known.map(({ ready }) => ready)),
    resident: toSpread(known.map(({ resident }) => resident)),
  }))
}

/** What a server's sessions take of its memory. */
export interface MemoryResult {
  server: string
  /** The first one is without any session. */
  steps: {
    sessions: number
    /** MB. */
    resident: number
    /** Bytes that are in use; Node only. */
    live?: number
  }[]
}

/** Signs in as many users as `steps` says, one after the other, and reads the server's memory at each step. */
export async function measureMemory(
  { start, generator }: Surroundings,
  target: Target,
  steps: readonly number[],
): Promise<MemoryResult> {
  const inspector = target.command[0] === process.execPath ? await freePort() : undefined
  const flags = inspector === undefined ? [] : [`--inspect=127.0.0.1:${inspector}`]
  const running = await start(target, flags)
  // Resident first: a collection of garbage that no user of the server asks for would change it.
  const read = async (sessions: number) => ({
    sessions,
    resident: running.server.resident(),
    ...(inspector !== undefined && { live: await readLiveHeap(inspector) }),
  })
  try {
    const results = [await read(0)]
    let existing = 0
    for (const sessions of steps) {
      const load = { operation: 'login', connections: connections.closed, sessions: 0 } as const
      await generator.run(running, { ...load, operations: sessions - existing })
      existing = sessions
      results.push(await read(sessions))
    }
    return { server: target.name, steps: results }
  } finally {
    await running.server.stop()
  }
}

/**
 * Bytes in use that one session adds; undefined where they are not known. From the first step with sessions
 * on: what a server only does once, such as compiling, is no part of a session.
 */
export function toBytesOfSession({ steps }: MemoryResult): number | undefined {
  const [first, last] = [steps[1], steps.at(-1)]
  if (first?.live === undefined || last?.live === undefined || first === last) return undefined
  return (last.live - first.live) / (last.sessions - first.sessions)
}
