import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { root } from '../test/support/processes/start-process.ts'
import installRedis from '../test/support/redis/start-redis.ts'
import { measureCapacity } from './capacity/measure.ts'
import { toSections, writeCapacity } from './capacity/report.ts'
import { measureMemory, measureOperation, measureStartup, type Plan } from './compare.ts'
import { operations } from './operation-bench.ts'
import { type Comparison, toTables, writeComparison } from './report/comparison.ts'
import { describeRun } from './report/run.ts'
import { type Surroundings, startSurroundings } from './surroundings.ts'
import { listTargets } from './targets.ts'

/**
 * Measures this server beside its peers, and prints the tables; a complete run also writes them to
 * docs/benchmarks/. `bench/README.md` describes the options.
 */
const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true },
    operations: { type: 'string' },
    rounds: { type: 'string' },
    sessions: { type: 'string' },
    capacity: { type: 'boolean', default: false },
    src: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
  },
})

const toNumbers = (list: string) => list.split(',').map(Number)
const print = (text: string) => process.stdout.write(`${text}\n`)
const report = (text: string) => process.stderr.write(`${text}\n`)

const full: Plan = { rounds: 5, duration: 1_500, warmUp: 5_000, open: { rounds: 3, duration: 3_000 } }
const quick: Plan = { rounds: 3, duration: 500, warmUp: 700, open: { rounds: 0, duration: 0 } }
/** What the quick mode measures where the options do not say it. */
const quickParts = ['check', 'login-start', 'login']
const quickTargets = ['Portico, memory', 'Portico, Redis', 'express-openid-connect']

/** Whether the run measures everything, so that its report may replace the one before. */
const isComplete = !options.quick && options.only === undefined && options.operations === undefined

prepare()
const surroundings = await startSurroundings()
try {
  const entry = options.src ? 'src/main.ts' : 'dist/main.js'
  if (options.capacity) {
    const run = describeRun()
    const counts = toNumbers(options.sessions ?? '1000,10000,100000,1000000')
    const capacity = { run, ...(await measureCapacity({ surroundings, entry, report, counts })) }
    print(Object.values(toSections(capacity)).join('\n\n'))
    writeCapacity(capacity)
  } else {
    const comparison = await compare(surroundings, entry)
    print(toTables(comparison))
    if (isComplete || options.write) writeComparison(comparison)
  }
} finally {
  await surroundings.stop()
}
process.exit()

/** Checks what the bench needs, and builds and installs what it measures. */
function prepare(): void {
  const hasTaskset = spawnSync('taskset', ['--version']).status === 0
  if (!existsSync('/proc/self/schedstat') || !hasTaskset) {
    throw new Error('The bench needs Linux with taskset (util-linux): it pins programs, and reads /proc.')
  }
  if (availableParallelism() < 2) throw new Error('The bench needs two cores: one for the server alone.')
  installRedis()
  const npm = (args: string[], cwd: string) => execFileSync('npm', args, { cwd, stdio: ['ignore', 2, 2] })
  const peers = join(root, 'bench/peers')
  if (!existsSync(join(peers, 'node_modules'))) npm(['ci', '--no-audit', '--no-fund'], peers)
  if (!options.src) npm(['run', '--silent', 'build'], root)
}

async function compare(surroundings: Surroundings, entry: string): Promise<Comparison> {
  const { issuer, upstream, redis } = surroundings
  const wanted = options.only ?? (options.quick ? quickTargets : [''])
  const targets = listTargets({ issuer, upstream, redisUrl: redis.url, entry }).filter(({ name }) =>
    wanted.some((part) => name.includes(part)),
  )
  const parts: readonly string[] = [...operations, 'start', 'memory']
  const chosen = options.operations?.split(',') ?? (options.quick ? quickParts : parts)
  const unknown = chosen.filter((one) => !parts.includes(one))
  if (unknown.length > 0) throw new Error(`There is no ${unknown.join()}, but ${parts.join()}.`)
  if (targets.length === 0) throw new Error(`No server has ${wanted.join(' or ')} in its name.`)
  const rounds = options.rounds === undefined ? {} : { rounds: Number(options.rounds) }
  const plan = { ...(options.quick ? quick : full), ...rounds }

  const comparison: Comparison = { run: describeRun(), operations: [], startup: [], memory: [] }
  for (const operation of operations.filter((one) => chosen.includes(one))) {
    report(`${operation} ...`)
    const results = await measureOperation(surroundings, operation, targets, plan)
    comparison.operations.push({ operation, results })
  }
  if (chosen.includes('start')) {
    report('start ...')
    comparison.startup.push(...(await measureStartup(surroundings, targets, plan.rounds)))
  }
  for (const target of chosen.includes('memory') ? targets : []) {
    report(`memory of ${target.name} ...`)
    const steps = toNumbers(options.sessions ?? '10000,100000')
    comparison.memory.push(await measureMemory(surroundings, target, steps))
  }
  return comparison
}
