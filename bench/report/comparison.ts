import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../../test/support/processes/start-process.ts'
import { type MemoryResult, type OperationResult, type StartupResult, toBytesOfSession } from '../compare.ts'
import type { Operation } from '../operation-bench.ts'
import { toChart } from './chart.ts'
import { listVersions, type Run, toSentence } from './run.ts'
import { replaceMeasured, toDigits, toTable, withSpread, writeJson } from './text.ts'

/** Everything that one run has measured. */
export interface Comparison {
  run: Run
  operations: { operation: Operation; results: OperationResult[] }[]
  startup: StartupResult[]
  memory: MemoryResult[]
}

/** What readers call the operations. */
export const operationNames: Readonly<Record<Operation, string>> = {
  check: 'session check',
  token: 'app token',
  'login-start': 'login start',
  login: 'full login',
  refresh: 'refresh',
  'proxied-get': 'proxied GET',
  'forward-auth': 'forward auth',
}

/** Writes the tables, the chart and the numbers to docs/benchmarks/. */
export function writeComparison(comparison: Comparison): void {
  const folder = join(root, 'docs/benchmarks')
  writeJson(join(folder, 'results.json'), comparison)
  // Without the floor: next to it, the servers that do the work would be hard to tell apart.
  const panels = comparison.operations.map(({ operation, results }) => ({
    title: operationNames[operation],
    bars: results.filter(({ kind }) => kind !== 'floor'),
  }))
  writeFileSync(join(folder, 'chart.svg'), toChart(panels, toSentence(comparison.run)))
  replaceMeasured(join(folder, 'README.md'), 'comparison', toTables(comparison))
}

/** The tables, in Markdown. */
export function toTables({ run, operations, startup, memory }: Comparison): string {
  const byOperation = (title: string, toCell: (result: OperationResult) => string) => {
    const servers = [...new Set(operations.flatMap(({ results }) => results.map(({ server }) => server)))]
    const head = [title, ...operations.map(({ operation }) => operationNames[operation])]
    const rows = servers.map((server) => [
      server,
      ...operations.map(({ results }) => {
        const result = results.find((one) => one.server === server)
        return result === undefined ? '' : toCell(result)
      }),
    ])
    return toTable(head, rows)
  }
  const hasLatencies = operations.some(({ results }) => results.some(({ latency }) => latency !== undefined))
  return [
    `${toSentence(run)}\n${listVersions()}`,
    byOperation('share of bare Express, higher is cheaper', ({ share }) =>
      withSpread(share, (value) => value.toFixed(3)),
    ),
    byOperation('CPU time of one operation, µs', ({ cpu }) => toDigits(cpu.median)),
    ...(hasLatencies
      ? [
          byOperation('p50 / p99 / p99.9 in ms, at half of capacity', ({ latency }) =>
            latency === undefined
              ? ''
              : [latency.p50, latency.p99, latency.p999].map(({ median }) => toDigits(median)).join(' / '),
          ),
        ]
      : []),
    ...(startup.length > 0 ? [toStartupTable(startup)] : []),
    ...(memory.length > 0 ? [toMemoryTable(memory)] : []),
  ].join('\n\n')
}

const toStartupTable = (startup: readonly StartupResult[]) =>
  toTable(
    ['start', 'ready after, ms', 'resident then, MB'],
    startup.map(({ server, ready, resident }) => [
      server,
      withSpread(ready, toDigits),
      withSpread(resident, toDigits),
    ]),
  )

function toMemoryTable(memory: readonly MemoryResult[]): string {
  const counts = memory[0]?.steps.slice(1).map(({ sessions }) => sessions) ?? []
  const head = counts.map((sessions) => `${sessions.toLocaleString('en')} sessions`)
  const rows = memory.map((one) => {
    const [, ...steps] = one.steps
    const bytes = toBytesOfSession(one)
    return [
      one.server,
      ...steps.map(({ resident }) => toDigits(resident)),
      ...steps.map(({ live }) => (live === undefined ? '' : toDigits(live / 2 ** 20))),
      bytes === undefined ? '' : toDigits(bytes),
    ]
  })
  return toTable(
    [
      'memory after logins, MB',
      ...head.map((text) => `resident, ${text}`),
      ...head.map((text) => `in use, ${text}`),
      'in use, bytes a session',
    ],
    rows,
  )
}
