#!/usr/bin/env node

import { createHash } from 'node:crypto'
import { systemClock } from './clock.ts'
import { createComponents } from './components.ts'
import { readConfig, sharesLimits } from './config/config.ts'
import { ConfigError } from './config/config-error.ts'
import { readEnvironment } from './config/environment.ts'
import { describeSettings, findUnknownVariables } from './config/read-settings.ts'
import { isClientId } from './config/values/caller-secrets.ts'
import { randomToken } from './crypto/hash.ts'
import { examine } from './doctor/doctor.ts'
import { countFindings, renderJson, renderTable } from './doctor/report.ts'
import { startServer } from './server.ts'

const usage = `Usage: portico-bff [command]

  serve   start the server (the default)
  keys    print a fresh line for BFF_SECRETS
  client  print a fresh secret for a resource server, such as \`client orders-api\`, and its entry of INTROSPECTION_CLIENTS;
          the id is of letters, digits and . _ ~ -
  doctor  look for what is misconfigured; --json for pipelines; exits with 1 where a check failed
`

/** EX_CONFIG and EX_USAGE of sysexits.h. */
const exitConfig = 78
const exitUsage = 64

async function serve(): Promise<void> {
  const env = readEnvironment()
  const components = createComponents(readConfig(env))
  const { log } = components
  const providers = components.config.providers.map(({ name, issuer }) => `${name} ${issuer}`)
  const claims = components.config.providers.map(({ name, claimNames }) => `${name} ${claimNames.join(',')}`)
  log('server_starting', { ...describeSettings(env), providers, claims })
  const unknown = findUnknownVariables(env)
  if (unknown.length > 0) log('config_unknown_variable', { variables: unknown })
  if (sharesLimits(components.config)) log('config_shared_rate_limit', { variable: 'TRUST_PROXY' })
  for (const { name, pkce } of components.config.providers) {
    if (!pkce) log('config_pkce_disabled', { provider: name, variable: 'OIDC_PKCE' })
  }
  if (components.config.redis === undefined) log('store_in_memory', { variable: 'REDIS_URL' })
  const server = await startServer(components).catch(async (error: unknown) => {
    // An open connection to Redis would keep the process from ending.
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
  const findings = await examine(readEnvironment(), systemClock)
  process.stdout.write(args.includes('--json') ? renderJson(findings) : renderTable(findings))
  process.exitCode = countFindings(findings).fail === 0 ? 0 : 1
}

interface Command {
  /** Whether the command can be run with these arguments. */
  takes(args: string[]): boolean
  run(args: string[]): void | Promise<void>
}

const takesNothing = (args: string[]) => args.length === 0

const commands = new Map<string, Command>([
  ['serve', { takes: takesNothing, run: serve }],
  ['keys', { takes: takesNothing, run: printKeys }],
  ['client', { takes: ([id = '', ...rest]) => isClientId(id) && takesNothing(rest), run: printClient }],
  ['doctor', { takes: (args) => args.every((arg) => arg === '--json'), run: runDoctor }],
])

/** The command of these arguments, or undefined where they name none. */
function readCommand(args: string[]) {
  const [name = 'serve', ...rest] = args
  const command = commands.get(name)
  if (command === undefined || !command.takes(rest)) return undefined
  return () => command.run(rest)
}

async function main(): Promise<void> {
  const command = readCommand(process.argv.slice(2))
  if (command !== undefined) return command()
  process.stderr.write(usage)
  process.exitCode = exitUsage
}

try {
  await main()
} catch (error) {
  if (error instanceof ConfigError) {
    process.stderr.write(`${error.message}\n`)
    process.exitCode = exitConfig
  } else {
    const isPortTaken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
    const isNotHere = error instanceof Error && /ENOTFOUND|EADDRNOTAVAIL/.test(error.message)
    const hint = isPortTaken
      ? ' Choose another PORT (or OPERATOR_PORT), or stop what listens there.'
      : isNotHere
        ? ' HOST must be an address of this machine, such as 0.0.0.0.'
        : ''
    process.stderr.write(
      `Portico cannot start: ${error instanceof Error ? error.message : 'unknown error'}.${hint}\n`,
    )
    process.exitCode = 1
  }
}
