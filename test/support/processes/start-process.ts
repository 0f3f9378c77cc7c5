import { type ChildProcess, spawn } from 'node:child_process'
import { join, resolve } from 'node:path'
import type { Readable } from 'node:stream'
import { folderVariable, recordFile, recordOutput } from '../canaries/files.ts'
import { recordSettings } from '../canaries/secrets.ts'

export const root = resolve(import.meta.dirname, '../../..')

/** A process that a test started, with everything it has printed so far. */
export interface TestProcess {
  child: ChildProcess
  output: { text: string }
  /** Resolves with the exit code. */
  exited: Promise<number | null>
  /** Resolves with the first line of output that matches; rejects if the process ends without one. */
  line(pattern: RegExp): Promise<string>
  stop(signal?: NodeJS.Signals): Promise<number | null>
}

/** Where Node keeps what it has compiled: `compile-cache.ts` fills it. */
export const compileCache = { NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/node-compile') }

const preload = (file: string) => ['--import', join(root, 'test/support', file)]

/** Where each process writes the secrets that it issues; only in a test run. */
const canaries = (): Record<string, string> => {
  const folder = process.env[folderVariable]
  return folder === undefined ? {} : { [folderVariable]: folder }
}

/** Remembers whole lines: a chunk may end in the middle of a secret. */
function recordLines(channel: string, stream: Readable | null): void {
  let line = ''
  stream?.on('data', (chunk: Buffer) => {
    const lines = line + chunk.toString()
    const end = lines.lastIndexOf('\n') + 1
    recordOutput(channel, lines.slice(0, end))
    line = lines.slice(end)
  })
  stream?.once('end', () => recordOutput(channel, line))
}

const isPortico = (file: string) => file === 'src/main.ts' || file.startsWith('demo/')

interface ProcessOptions {
  /** Lets its clock be moved. */
  timeTravel?: boolean
  /** The root of another version of this tree, to run its file. */
  tree?: string
}

/** Starts a TypeScript file of this tree with exactly this environment and the compile cache. */
export function startProcess(
  file: string,
  args: string[],
  env: Record<string, string>,
  { timeTravel = false, tree = root }: ProcessOptions = {},
): TestProcess {
  const preloads = [
    ...(timeTravel ? preload('processes/time-travel.ts') : []),
    ...(process.env[folderVariable] === undefined ? [] : preload('canaries/watch.ts')),
  ]
  // These commands print new secrets: it is what they are for.
  const isServer = isPortico(file) && args[0] !== 'keys' && args[0] !== 'client'
  if (isServer) recordSettings(env)
  const child = spawn(process.execPath, [...preloads, join(tree, file), ...args], {
    env: { ...compileCache, ...canaries(), ...env },
    cwd: join(root, 'test'),
    stdio: timeTravel ? ['ignore', 'pipe', 'pipe', 'ipc'] : ['ignore', 'pipe', 'pipe'],
  })
  const output = { text: '' }
  const watchers = new Set<() => void>()
  for (const stream of [child.stdout, child.stderr]) {
    if (isServer) recordLines(`output of ${file}`, stream)
    stream?.on('data', (chunk: Buffer) => {
      output.text += chunk.toString()
      for (const watch of watchers) watch()
    })
  }
  const exited = new Promise<number | null>((done) => child.once('close', (code) => done(code)))
  if (isServer) void exited.then(() => recordFile('audit', env.AUDIT_LOG))
  return {
    child,
    output,
    exited,
    line: (pattern) =>
      new Promise((found, failed) => {
        const look = () => {
          const line = output.text.split('\n').find((candidate) => pattern.test(candidate))
          if (line === undefined) return
          watchers.delete(look)
          found(line)
        }
        watchers.add(look)
        look()
        void exited.then((code) => failed(new Error(`${file} ended with ${code}:\n${output.text}`)))
      }),
    stop(signal = 'SIGTERM') {
      child.kill(signal)
      return exited
    },
  }
}
