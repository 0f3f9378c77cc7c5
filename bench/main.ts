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
import { type Operation, operations } from './operation-bench.ts'
import { type Comparison, toTables, writeComparison } from './report/comparison.ts'
import { describeRun } from './report/run.ts'
import { type Surroundings, startSurroundings } from './surroundings.ts'
import { listTargets, type Target } from './targets.ts'

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

const numbers = (list: string) => list.split(',').map(Number)
const print = (text: string) => process.stdout.write(`${text}\n`)
const report = (text: string) => process.stderr.write(`${text}\n`)

const full: Plan = { rounds: 5, duration: 1_500, warmUp: 2_000, open: { rounds: 3, duration: 4_000 } }
const quick: Plan = { rounds: 3, duration: 500, warmUp: 700, open: { rounds: 0, duration: 0 } }
/** What the quick mode measures where the options do not say it. */
const quickOperations: readonly Operation[] = ['check', 'login-start', 'login']
const quickTargets = ['Portico, memory', 'Portico, Redis', 'express-openid-connect']

/** Whether the run measures everything, so that its report may replace the one before. */
const isComplete = !options.quick && options.only === undefined && options.operations === undefined

prepare()
const surroundings = await startSurroundings()
try {
  const entry = options.src ? 'src/main.ts' : 'dist/main.js'
  if (options.capacity) {
    const counts = numbers(options.sessions ?? '1000,10000,100000,1000000')
    const results = await measureCapacity({ surroundings, entry, report, counts })
    const capacity = { run: describeRun(), ...results }
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

async function compare({ issuer, redis }: Surroundings, entry: string): Promise<Comparison> {
  const wanted = options.only ?? (options.quick ? quickTargets : [''])
  const targets = listTargets({ issuer, redisUrl: redis.url, entry }).filter(({ name }) =>
    wanted.some((part) => name.includes(part)),
  )
  const chosen = options.operations?.split(',') ?? (options.quick ? quickOperations : operations)
  const unknown = chosen.filter((one) => !operations.some((known) => known === one))
  if (unknown.length > 0) throw new Error(`unknown operation ${unknown}; there are ${operations}`)
  if (targets.length === 0) throw new Error(`no server has a name with ${wanted.join(' or ')} in it`)
  const rounds = options.rounds === undefined ? {} : { rounds: Number(options.rounds) }
  const plan = { ...(options.quick ? quick : full), ...rounds }

  const measured: Comparison['operations'] = []
  for (const operation of operations.filter((one) => chosen.includes(one))) {
    report(`${operation} ...`)
    measured.push({ operation, results: await measureOperation(surroundings, operation, targets, plan) })
  }
  return { run: describeRun(), operations: measured, ...(await measureFootprints(targets)) }
}

/** How servers start, and what sessions take of their memory; not in the quick mode, because it takes long. */
async function measureFootprints(
  targets: readonly Target[],
): Promise<Pick<Comparison, 'startup' | 'memory'>> {
  if (options.quick) return { startup: [], memory: [] }
  report('start ...')
  const startup = await measureStartup(surroundings, targets, full.rounds)
  const memory: Comparison['memory'] = []
  for (const target of targets) {
    report(`memory of ${target.name} ...`)
    memory.push(await measureMemory(surroundings, target, numbers(options.sessions ?? '10000,100000')))
  }
  return { startup, memory }
}
