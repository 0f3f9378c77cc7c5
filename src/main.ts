#!/usr/bin/env node

import cluster from 'node:cluster'
import { createHash } from 'node:crypto'
import { systemClock } from './clock.ts'
import { type Config, readConfig } from './config/config.ts'
import { ConfigError } from './config/config-error.ts'
import { loadEnvironment } from './config/environment.ts'
import { type Environment, readSettings } from './config/read-settings.ts'
import { isIntrospectionClientId } from './config/values/caller-secrets.ts'
import { randomToken } from './crypto/hash.ts'
import { createSubjectHashes } from './crypto/subject-hash.ts'
import { toLogDefect } from './errors.ts'
import type { RunningServer } from './server.ts'
import { serving, startWorkers, type Workers } from './workers.ts'

const usage = `Usage: portico-bff [command]

  serve   start the server (the default)
  keys    print a new line for BFF_SECRETS
  client  print a new secret for a resource server and its entry for INTROSPECTION_CLIENTS: \`client orders-api\`;
          the id may contain letters, digits and . _ ~ -
  subject print the hash by which the log names a user: \`subject okta:00u1abcd\`, with BFF_SECRETS of the server;
          one line for each of BFF_SECRETS, the newest first
  doctor  look for mistakes in the configuration; --json for pipelines; exits with 1 if a check failed
  explain say what became of a sign-in, from the log on standard input: \`explain {id} < portico.log\`; the id is
          the one on the error page, or that of a login; exits with 1 if the log does not have it
`

/** The exit codes EX_CONFIG and EX_USAGE of sysexits.h. */
const exitConfig = 78
const exitUsage = 64

async function runServer(): Promise<void> {
  const env = loadEnvironment()
  const config = readConfig(env)
  const server = await start(config, env)
  // logrotate sends it. Without a file, the signal of a terminal that is closed ends the process.
  if (isFile(config.log.audit)) process.on('SIGHUP', () => server.reopenAudit())
  let exitCode = 0
  let isClosing = false
  const end = (drain?: number) => {
    // A worker may get both: Ctrl+C reaches every process of a terminal, and the primary sends SIGTERM.
    if (isClosing) return
    isClosing = true
    server.close(drain).then(
      () => process.exit(exitCode),
      () => process.exit(1),
    )
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => end())
  // After an error that nothing handled, also a rejection, the state of the process is unknown: it takes no
  // more requests, and those in progress are answered. The primary or an orchestrator replaces it.
  process.on('uncaughtException', (error: unknown) => {
    server.log('process_failed', toLogDefect(error))
    exitCode = 1
    end(0)
    setTimeout(() => process.exit(exitCode), endAfterFailure).unref()
  })
}

const isFile = (audit: string | undefined) => audit !== undefined && audit !== 'stdout'
/** Milliseconds in which a process ends that has failed, whatever else fails in it. */
const endAfterFailure = 25_000

/**
 * Starts the server in this process, or the workers that serve in its place. The module is loaded only here,
 * so that the primary process stays small and other commands start at once.
 */
async function start(config: Config, env: Environment): Promise<RunningServer | Workers> {
  if (config.workers > 1 && cluster.isPrimary) return startWorkers(config)
  const { serve } = await import('./server.ts')
  const server = await serve(config, env)
  cluster.worker?.send(serving)
  return server
}

/** Prints how the log names a user: first as it does now, then as it did by older secrets. */
function printSubject([sub = '']: string[]): void {
  const { values, problems } = readSettings(loadEnvironment())
  const { BFF_SECRETS: secrets } = values
  if (secrets === undefined)
    throw new ConfigError(problems.filter(({ variable }) => variable === 'BFF_SECRETS'))
  const hashes = createSubjectHashes(secrets)(sub)
  process.stdout.write(hashes.map((hash) => `${hash}\n`).join(''))
}

function printKeys(): void {
  process.stdout.write(`BFF_SECRETS=${randomToken()}\n`)
}

function printClient([id = '']: string[]): void {
  const secret = randomToken()
  const hash = createHash('sha256').update(secret).digest('hex')
  process.stdout.write(
    `For ${id}, shown this once:\n  ${secret}\nFor Portico:\n  INTROSPECTION_CLIENTS=${id}:${hash}\n`,
  )
}

async function runDoctor(args: string[]): Promise<void> {
  const { examine } = await import('./doctor/doctor.ts')
  const { countFindings, renderJson, renderTable } = await import('./doctor/report.ts')
  const findings = await examine(loadEnvironment(), systemClock)
  process.stdout.write(args.includes('--json') ? renderJson(findings) : renderTable(findings))
  process.exitCode = countFindings(findings).fail === 0 ? 0 : 1
}

async function runExplain([id = '']: string[]): Promise<void> {
  const { explain } = await import('./explain/explain.ts')
  if (process.stdin.isTTY) process.stderr.write('Reading the log from standard input.\n')
  const { found, text } = await explain(process.stdin.setEncoding('utf8'), id)
  process.stdout.write(text)
  process.exitCode = found ? 0 : 1
}

interface Command {
  /** Whether the command may be called with these arguments. */
  accepts(args: string[]): boolean
  run(args: string[]): void | Promise<void>
}

const acceptsNothing = (args: string[]) => args.length === 0

const commands = new Map<string, Command>([
  ['serve', { accepts: acceptsNothing, run: runServer }],
  ['keys', { accepts: acceptsNothing, run: printKeys }],
  [
    'client',
    {
      accepts: ([id = '', ...rest]) => isIntrospectionClientId(id) && acceptsNothing(rest),
      run: printClient,
    },
  ],
  ['subject', { accepts: ([sub = '', ...rest]) => sub !== '' && acceptsNothing(rest), run: printSubject }],
  ['explain', { accepts: ([id = '', ...rest]) => id !== '' && acceptsNothing(rest), run: runExplain }],
  ['doctor', { accepts: (args) => args.every((arg) => arg === '--json'), run: runDoctor }],
])

/** The command that the arguments name; undefined where they name none or it does not accept them. */
function readCommand(args: string[]) {
  const [name = 'serve', ...rest] = args
  const command = commands.get(name)
  if (command === undefined || !command.accepts(rest)) return undefined
  return () => command.run(rest)
}

async function main(): Promise<void> {
  const command = readCommand(process.argv.slice(2))
  if (command !== undefined) return command()
  process.stderr.write(usage)
  process.exitCode = exitUsage
}

/** Says why the process ends, and sets its exit code. */
function reportFailure(error: unknown): void {
  // The process cannot end while it is connected with the primary.
  cluster.worker?.disconnect()
  if (error instanceof ConfigError) {
    process.stderr.write(`${error.message}\n`)
    process.exitCode = exitConfig
    return
  }
  const message = error instanceof Error ? error.message : 'unknown error'
  process.stderr.write(`Portico cannot start: ${message}.${toHint(error)}\n`)
  process.exitCode = 1
}

/** What to do about an error that the operating system reports. */
function toHint(error: unknown): string {
  if (!(error instanceof Error)) return ''
  if ('code' in error && error.code === 'EADDRINUSE') {
    return ' Choose another PORT (or OPERATOR_PORT), or stop the program that uses it.'
  }
  const isForeignAddress = /ENOTFOUND|EADDRNOTAVAIL/.test(error.message)
  return isForeignAddress ? ' HOST must be an address of this machine, such as 0.0.0.0.' : ''
}

await main().catch(reportFailure)
