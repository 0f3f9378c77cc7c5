#!/usr/bin/env node

import { createHash } from 'node:crypto'
import { systemClock } from './clock.ts'
import { createComponents } from './components.ts'
import { hasSharedRateLimit, readConfig } from './config/config.ts'
import { ConfigError } from './config/config-error.ts'
import { loadEnvironment } from './config/environment.ts'
import { describeSettings } from './config/read-settings.ts'
import { findUnknownVariables } from './config/unknown-variables.ts'
import { isIntrospectionClientId } from './config/values/caller-secrets.ts'
import { randomToken } from './crypto/hash.ts'
import { examine } from './doctor/doctor.ts'
import { countFindings, renderJson, renderTable } from './doctor/report.ts'
import { startServer } from './server.ts'

const usage = `Usage: portico-bff [command]

  serve   start the server (the default)
  keys    print a new line for BFF_SECRETS
  client  print a new secret for a resource server and its entry for INTROSPECTION_CLIENTS: \`client orders-api\`;
          the id may contain letters, digits and . _ ~ -
  doctor  look for mistakes in the configuration; --json for pipelines; exits with 1 if a check failed
`

/** The exit codes EX_CONFIG and EX_USAGE of sysexits.h. */
const exitConfig = 78
const exitUsage = 64

async function serve(): Promise<void> {
  const env = loadEnvironment()
  const components = createComponents(readConfig(env))
  const { log } = components
  const providers = components.config.providers.map(({ name, issuer }) => `${name} ${issuer}`)
  const claims = components.config.providers.map(({ name, claimNames }) => `${name} ${claimNames.join(',')}`)
  log('server_starting', { ...describeSettings(env), providers, claims })
  const unknown = findUnknownVariables(env)
  if (unknown.length > 0) log('config_unknown_variable', { variables: unknown })
  if (hasSharedRateLimit(components.config)) log('config_shared_rate_limit', { variable: 'TRUST_PROXY' })
  for (const { name, pkce } of components.config.providers) {
    if (!pkce) log('config_pkce_disabled', { provider: name, variable: 'OIDC_PKCE' })
  }
  if (components.config.redis === undefined) log('store_in_memory', { variable: 'REDIS_URL' })
  const server = await startServer(components).catch(async (error: unknown) => {
    // The process cannot end while a connection to Redis is open.
    await Promise.all([
      ...components.providers.all.map((provider) => provider.close()),
      components.store.close(),
    ])
    throw error
  })
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      server.close().then(
        () => process.exit(0),
        () => process.exit(1),
      )
    })
  }
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
  const findings = await examine(loadEnvironment(), systemClock)
  process.stdout.write(args.includes('--json') ? renderJson(findings) : renderTable(findings))
  process.exitCode = countFindings(findings).fail === 0 ? 0 : 1
}

interface Command {
  /** Whether the command may be called with these arguments. */
  accepts(args: string[]): boolean
  run(args: string[]): void | Promise<void>
}

const acceptsNothing = (args: string[]) => args.length === 0

const commands = new Map<string, Command>([
  ['serve', { accepts: acceptsNothing, run: serve }],
  ['keys', { accepts: acceptsNothing, run: printKeys }],
  [
    'client',
    {
      accepts: ([id = '', ...rest]) => isIntrospectionClientId(id) && acceptsNothing(rest),
      run: printClient,
    },
  ],
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
