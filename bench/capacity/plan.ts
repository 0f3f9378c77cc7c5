import type { CallCost, CapacityResults } from './measure.ts'

/** How an app is used; docs/capacity.md has the same letters and formulas. */
export interface Usage {
  users: number
  /** Logins of a user in a day. */
  logins: number
  /** Logins a second in the busiest minutes, as a multiple of the day's average. */
  peak: number
  /** Seconds for which a user uses the app after a login. */
  use: number
  /** Seconds until a session that is not used any more has gone. */
  idle: number
  /** Session checks a minute while the app is used. */
  checks: number
  /** Seconds between two app tokens, and between two refreshes of the provider's tokens. */
  tokenEvery: number
  refreshEvery: number
}

/** An app that is used for an hour a day, with the default lifetimes of Portico and of most providers. */
export const usage: Omit<Usage, 'users'> = {
  logins: 1,
  peak: 5,
  use: 3_600,
  idle: 1_800,
  checks: 2,
  tokenEvery: 240,
  refreshEvery: 3_000,
}

/** The shares of a core, of a Redis and of its memory that are planned for: the rest is for what goes wrong. */
const reserves = { processCore: 0.6, redisCore: 0.5, redisMemory: 0.6 }
/** Memory of one Redis server, in bytes. */
const redisSize = 16e9

/** What the usage takes. */
export interface Plan {
  logins: number
  sessions: number
  checks: number
  tokens: number
  refreshes: number
  processCores: number
  processes: number
  redisCores: number
  redisBytes: number
  redisServers: number
}

/** Seconds beyond which a key counts as a part of its session. */
const lasting = 900

/**
 * Bytes in Redis for a session, with its part of the index and of Redis's own tables, and for a login on top of
 * that, with how long these live in seconds.
 */
export function toBytes({ keys, growth }: Pick<CapacityResults, 'keys' | 'growth'>) {
  const short = keys.filter(({ timeToLive }) => timeToLive <= lasting)
  return {
    session: growth.at(-1)?.bytes ?? Number.NaN,
    login: short.reduce((total, { bytes }) => total + bytes, 0),
    loginSeconds: Math.max(0, ...short.map(({ timeToLive }) => timeToLive)),
  }
}

/** Applies the formulas of docs/capacity.md. */
export function planFor(
  { users, logins, peak, use, idle, checks, tokenEvery, refreshEvery }: Usage,
  results: CapacityResults,
): Plan {
  const loginRate = ((users * logins) / 86_400) * peak
  const active = loginRate * use
  const sessions = loginRate * (use + idle)
  const rates: Readonly<Record<CallCost['operation'], number>> = {
    'login-start': 0, // A part of `login`.
    login: loginRate,
    check: (active * checks) / 60,
    token: active / tokenEvery,
    refresh: active / refreshEvery,
  }
  const { calls } = results
  const toCores = (read: (call: CapacityResults['calls'][number]) => number) =>
    calls.reduce((cores, call) => cores + (rates[call.operation] * read(call)) / 1e6, 0)
  const processCores = toCores(({ redis }) => redis.median)
  const oneRedisCores = toCores(({ redisServer }) => redisServer.median)
  const bytes = toBytes(results)
  const redisBytes = sessions * bytes.session + loginRate * bytes.loginSeconds * bytes.login
  const fitsOne = oneRedisCores <= reserves.redisCore && redisBytes <= redisSize * reserves.redisMemory
  const redisCores = fitsOne ? oneRedisCores : oneRedisCores * toClusterFactor(results)
  return {
    logins: loginRate,
    sessions,
    checks: rates.check,
    tokens: rates.token,
    refreshes: rates.refresh,
    processCores,
    processes: Math.max(2, Math.ceil(processCores / reserves.processCore)),
    redisCores,
    redisBytes,
    redisServers: Math.max(
      1,
      Math.ceil(redisCores / reserves.redisCore),
      Math.ceil(redisBytes / (redisSize * reserves.redisMemory)),
    ),
  }
}

/** By how much a call costs a cluster more than one Redis: measured with the session check. */
export function toClusterFactor({ calls, cluster }: Pick<CapacityResults, 'calls' | 'cluster'>): number {
  const check = calls.find(({ operation }) => operation === 'check')
  return cluster.redis.median / (check?.redisServer.median ?? Number.NaN)
}
