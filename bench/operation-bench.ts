import { setTimeout as pause } from 'node:timers/promises'
import type { TestRedis } from '../test/support/redis/start-redis.ts'
import type { Job } from './load/generator.ts'
import { type Cost, type Generator, type Load, measureCost, type Running } from './measure.ts'
import { bareExpress } from './targets.ts'

export type Operation = Exclude<Job['operation'], 'bare'>
/** What a server does for a session itself; capacity is planned by these. */
export const sessionOperations = ['check', 'token', 'login-start', 'login', 'refresh'] as const
export const operations: readonly Operation[] = [...sessionOperations, 'proxied-get', 'forward-auth']

/** Requests in flight. */
export const connections = { closed: 16, open: 64 }
/** Each refresh needs a session whose tokens have expired: each is used once in a round. */
const refreshedSessions = 2_000
/** Milliseconds until the tokens of the stub provider's short kind have expired. */
const shortLifetime = 2_500

/** Does one operation, whatever that needs. */
export interface OperationBench {
  /** In a closed loop, for so many milliseconds. */
  closed(running: Running, duration: number): Promise<Cost>
  /** In an open loop; returns latencies in milliseconds, sorted. */
  open(running: Running, rate: number, duration: number): Promise<number[]>
}

interface OperationOptions {
  /** Sessions that are used in turn. */
  sessions: number
  /** The Redis servers whose CPU time is measured as well. */
  redis?: readonly TestRedis[]
}

/** Creates it, for any number of servers. */
export function createOperationBench(
  generator: Generator,
  operation: Operation,
  { sessions, redis = [] }: OperationOptions,
): OperationBench {
  const loadedAt = new Map<Running, number>()
  const isRefresh = operation === 'refresh'
  const toLoad = ({ target }: Running, duration: number): Omit<Load, 'connections'> => {
    if (target === bareExpress) return { operation: 'bare', sessions, duration }
    return isRefresh
      ? { operation, sessions: refreshedSessions, operations: refreshedSessions }
      : { operation, sessions, duration }
  }

  return {
    async closed(running, duration) {
      const load = { ...toLoad(running, duration), connections: connections.closed }
      await prepare(running, load)
      return done(running, await measureCost(generator, running, load, redis))
    },
    async open(running, rate, duration) {
      const load = {
        ...toLoad(running, duration),
        connections: connections.open,
        rate,
        // A refresh ends when each session was used once.
        duration: isRefresh ? (refreshedSessions / rate) * 1000 : duration,
      }
      await prepare(running, load)
      return done(running, (await generator.run(running, load)).latencies)
    },
  }

  async function prepare(running: Running, load: Load): Promise<void> {
    if (!loadedAt.has(running)) {
      await generator.prepare(running, load)
      done(running, undefined)
    }
    const expiredAt = (loadedAt.get(running) ?? 0) + shortLifetime
    if (isRefresh && running.target !== bareExpress) await pause(Math.max(0, expiredAt - performance.now()))
  }

  function done<T>(running: Running, result: T): T {
    loadedAt.set(running, performance.now())
    return result
  }
}
