import { type ChildProcess, fork, spawn, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

/** A program under measurement, pinned to one core. */
export interface Measured {
  port: number
  pid: number
  /** CPU time that all its threads have used, in milliseconds. */
  cpu(): number
  /** Resident memory, in MB. */
  resident(): number
  stop(): Promise<void>
}

const hasTaskset = spawnSync('taskset', ['--version']).status === 0

/** Pins a program to a core, so that what one program costs does not depend on the others. */
const pinned = (core: number, command: string[]): string[] =>
  hasTaskset ? ['taskset', '-c', String(core), ...command] : command

/** Starts a program on a core and waits until `ready` answers below 500. */
export async function startMeasured(
  command: string[],
  { core, port, env, ready }: { core: number; port: number; env: Record<string, string>; ready: string },
): Promise<Measured> {
  const [file = '', ...args] = pinned(core, command)
  const child = spawn(file, args, {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { PATH: process.env.PATH ?? '', NODE_ENV: 'production', PORT: String(port), ...env },
  })
  process.once('exit', () => child.kill('SIGKILL'))
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const pid = child.pid ?? 0
  while (!(await answers(`http://127.0.0.1:${port}${ready}`))) {
    if (child.exitCode !== null) throw new Error(`${command.join(' ')} ended with ${child.exitCode}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  return {
    port,
    pid,
    cpu: () => readCpu(pid),
    resident: () => readResident(pid),
    async stop() {
      child.kill('SIGKILL')
      await ended
    },
  }
}

const answers = (url: string) =>
  fetch(url, { redirect: 'manual' }).then(
    ({ status }) => status < 500,
    () => false,
  )

/** Sum over threads: `schedstat` counts nanoseconds on the processor. */
function readCpu(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`)
  const nanoseconds = threads.map((thread) => {
    try {
      return Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0])
    } catch {
      return 0
    }
  })
  return nanoseconds.reduce((sum, one) => sum + one, 0) / 1e6
}

function readResident(pid: number): number {
  const [, kilobytes = ''] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kilobytes) / 1024
}

/** Forks a Node program of this bench on a core, and talks to it by messages. */
export function forkPinned(script: string, core: number): ChildProcess {
  const child = fork(script, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  process.once('exit', () => child.kill('SIGKILL'))
  if (hasTaskset) spawnSync('taskset', ['-a', '-p', '-c', String(core), String(child.pid)])
  return child
}
