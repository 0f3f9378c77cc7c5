import { type ChildProcess, fork, spawn, spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

/** A program under measurement, pinned to one core. */
export interface Measured {
  port: number
  /** Milliseconds from its start until it was ready. */
  readyAfter: number
  /** CPU time that all its threads have used, in milliseconds. */
  cpu(): number
  /** Resident memory, in MB. */
  resident(): number
  /** The end of what it has printed. */
  printed(): string
  stop(): Promise<void>
}

export interface Program {
  command: readonly string[]
  env: Readonly<Record<string, string>>
  port: number
  core: number
  /** A path that answers below 500 once the program is ready. */
  ready: string
}

/** Milliseconds that a program has to become ready. */
const startDeadline = 30_000

/** Everything that was started and still runs: none of it may outlive the bench, however that ends. */
const running = new Set<number>()
const logs = mkdtempSync(join(tmpdir(), 'portico-bench-'))
process.once('exit', () => {
  for (const pid of running) killIfAlive(pid)
  rmSync(logs, { recursive: true, force: true })
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1))

/** Pins a process with all its threads to a core, and ends it with the bench. */
export function adopt(pid: number, core: number): void {
  running.add(pid)
  pin(pid, core)
}

/** Pins a process with all its threads to a core, so that what one program costs does not depend on others. */
export function pin(pid: number, core: number): void {
  const { status, stderr } = spawnSync('taskset', ['-a', '-p', '-c', String(core), String(pid)])
  if (status !== 0) throw new Error(`taskset: ${stderr}`)
}

/** Starts a program on a core and waits until it is ready; what it prints goes to a file. */
export async function startMeasured({ command, env, port, core, ready }: Program): Promise<Measured> {
  const log = join(logs, String(port))
  const output = openSync(log, 'w')
  const printed = () => readFileSync(log, 'utf8').slice(-3_000)
  const startedAt = performance.now()
  const child = spawn('taskset', ['-c', String(core), ...command], {
    stdio: ['ignore', output, output],
    env: { PATH: process.env.PATH ?? '', NODE_ENV: 'production', PORT: String(port), ...env },
  })
  closeSync(output)
  const pid = await toPid(child)
  running.add(pid)
  const ended = new Promise<void>((resolve) =>
    child.once('exit', () => {
      running.delete(pid)
      resolve()
    }),
  )
  while (!(await answers(`http://127.0.0.1:${port}${ready}`))) {
    const isLate = performance.now() - startedAt > startDeadline
    if (isLate || child.exitCode !== null || child.signalCode !== null) {
      const state = isLate ? `is not ready after ${startDeadline / 1000} s` : `ended with ${child.exitCode}`
      killIfAlive(pid)
      throw new Error(`${command.join(' ')} ${state}:\n${printed()}`)
    }
    // Asking without a pause would take time from the program.
    await pause(2)
  }
  return {
    port,
    readyAfter: performance.now() - startedAt,
    cpu: () => readCpu(pid),
    resident: () => readResident(pid),
    printed,
    async stop() {
      killIfAlive(pid)
      await ended
    },
  }
}

/** Forks a Node program of this bench on a core; it is talked to by messages, and its errors are printed. */
export async function forkPinned(script: string, core: number): Promise<ChildProcess> {
  const child = fork(script, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const pid = await toPid(child)
  adopt(pid, core)
  child.once('exit', () => running.delete(pid))
  return child
}

function toPid(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('spawn', () => resolve(child.pid ?? 0))
  })
}

function killIfAlive(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}

const answers = (url: string) =>
  fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(2_000) }).then(
    ({ status }) => status < 500,
    () => false,
  )

/** Sum over threads: `schedstat` counts nanoseconds on the processor. */
function readCpu(pid: number): number {
  const nanoseconds = readdirSync(`/proc/${pid}/task`).map((thread) => {
    try {
      return Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0])
    } catch {
      // The thread has ended between the two calls.
      return 0
    }
  })
  return nanoseconds.reduce((sum, one) => sum + one, 0) / 1e6
}

/** Resident memory of a process, in MB. */
export function readResident(pid: number): number {
  const [, kilobytes] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kilobytes) / 1024
}
