import { join } from 'node:path'
import { root } from '../../test/support/processes/start-process.ts'
import { operationNames } from '../report/comparison.ts'
import { type Run, toSentence } from '../report/run.ts'
import { replaceMeasured, toDigits, toTable, withSpread, writeJson } from '../report/text.ts'
import type { CapacityResults, CheckCost } from './measure.ts'
import { type Plan, planFor, toBytes, toClusterFactor, usage } from './plan.ts'

/** What one capacity run has measured. */
export interface Capacity extends CapacityResults {
  run: Run
}

/** Writes the figures into docs/capacity.md, and the numbers beside the other results. */
export function writeCapacity(capacity: Capacity): void {
  for (const [name, text] of Object.entries(toSections(capacity))) {
    replaceMeasured(join(root, 'docs/capacity.md'), name, text)
  }
  writeJson(join(root, 'docs/benchmarks/capacity.json'), capacity)
}

/** The figures in Markdown, by their place in docs/capacity.md. */
export function toSections(capacity: Capacity): Record<string, string> {
  return {
    calls: [toSentence(capacity.run), toCallTable(capacity)].join('\n\n'),
    session: toSessionTable(capacity),
    growth: toGrowthTable(capacity),
    processes: toProcessTable(capacity),
    cluster: toClusterText(capacity),
    users: toUserTable(capacity),
  }
}

const toCallTable = ({ calls }: Capacity) =>
  toTable(
    [
      'CPU time in µs, and commands',
      'Portico, memory',
      'Portico, Redis',
      'Redis itself',
      'commands sent',
      'commands inside scripts',
    ],
    calls.map(({ operation, memory, redis, redisServer, commands }) => [
      operationNames[operation],
      withSpread(memory, toDigits),
      withSpread(redis, toDigits),
      withSpread(redisServer, toDigits),
      toCount(commands.sent),
      toCount(commands.inScripts),
    ]),
  )

const toCount = (value: number) => String(Number(value.toFixed(1)))

function toSessionTable(capacity: Capacity): string {
  const { keys, liveBytes } = capacity
  const bytes = toBytes(capacity)
  const rows = keys
    .toSorted((a, b) => b.bytes - a.bytes)
    .map((one) => [
      `\`${one.kind}\``,
      toCount(one.keys),
      toDigits(one.bytes),
      one.timeToLive < 0 ? 'without end' : toDuration(one.timeToLive),
    ])
  const text = [
    `With the tables of Redis itself, a session takes ${toDigits(bytes.session)} bytes, and its login`,
    `${toDigits(bytes.login)} bytes more for ${toDuration(bytes.loginSeconds)}. Without Redis, a session takes`,
    `${toDigits(liveBytes ?? Number.NaN)} bytes in the memory of the process.`,
  ]
  const head = ['keys in Redis of one login', 'keys', 'bytes', 'live at most']
  return [toTable(head, rows), text.join('\n')].join('\n\n')
}

function toDuration(seconds: number): string {
  if (seconds < 120) return `${seconds} s`
  return seconds < 7_200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3_600)} h`
}

const toGrowthTable = ({ growth }: Capacity) =>
  toTable(
    ['sessions in Redis', 'bytes of Redis for one', ...checkHead],
    growth.map(({ sessions, bytes, ...costs }) => [
      sessions.toLocaleString('en'),
      toDigits(bytes),
      ...toCheckCells(costs),
    ]),
  )

const checkHead = ['check: CPU of Portico, µs', 'check: CPU of Redis, µs']
const toCheckCells = ({ server, redis }: CheckCost) => [
  withSpread(server, toDigits),
  withSpread(redis, toDigits),
]

const toProcessTable = ({ processes }: Capacity) =>
  toTable(
    ['processes on one Redis', ...checkHead],
    processes.map(({ processes: count, ...costs }) => [String(count), ...toCheckCells(costs)]),
  )

function toClusterText(capacity: Capacity): string {
  const { cluster } = capacity
  const shares = cluster.shares.map((share) => `${Math.round(share * 100)} %`).join(', ')
  return [
    toTable(['cluster of three', ...checkHead], [['all nodes together', ...toCheckCells(cluster)]]),
    [
      `A check costs all nodes together ${toDigits(toClusterFactor(capacity))} times as much as one Redis (the factor of the`,
      `formulas). The nodes' shares of it: ${shares}.`,
    ].join('\n'),
  ].join('\n\n')
}

function toUserTable(capacity: Capacity): string {
  const plans = [1_000_000, 100_000_000].map((users) => ({
    users,
    plan: planFor({ ...usage, users }, capacity),
  }))
  const row = (name: string, read: (plan: Plan) => string) => [name, ...plans.map(({ plan }) => read(plan))]
  return toTable(
    ['at the peak', ...plans.map(({ users }) => `${users.toLocaleString('en')} users`)],
    [
      row('logins a second (L)', ({ logins }) => toDigits(logins)),
      row('sessions (S)', ({ sessions }) => toDigits(sessions)),
      row('session checks a second (C)', ({ checks }) => toDigits(checks)),
      row('app tokens a second (T)', ({ tokens }) => toDigits(tokens)),
      row('refreshes a second (R)', ({ refreshes }) => toDigits(refreshes)),
      row('cores of Portico', ({ processCores }) => toDigits(processCores)),
      row('processes', ({ processes }) => processes.toLocaleString('en')),
      row('cores of Redis', ({ redisCores }) => toDigits(redisCores)),
      row('memory of Redis, GB', ({ redisBytes }) => toDigits(redisBytes / 1e9)),
      row('Redis servers that take writes', ({ redisServers }) => redisServers.toLocaleString('en')),
    ],
  )
}
