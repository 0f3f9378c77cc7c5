import { type Config, readConfig } from './config.ts'
import { ConfigError, type ConfigForm, type OptionName, type Problem } from './config-error.ts'
import { readEnvironment } from './environment.ts'
import type { Environment } from './read-settings.ts'
import { settings } from './settings.ts'

/** Settings that only a server of its own has: a host app listens, ends and starts processes itself. */
const serverSettings: ReadonlySet<string> = new Set([
  'HOST',
  'PORT',
  'WORKERS',
  'SHUTDOWN_DRAIN',
  'OPERATOR_PORT',
  'SPA_DIR',
  'SPA_DEV_URL',
  'SPA_CSP',
])

/** The name of a setting as an option: `oidcIssuer` for OIDC_ISSUER. */
const toOptionName = (variable: string): string =>
  variable.toLowerCase().replaceAll(/_(.)/g, (_match, letter: string) => letter.toUpperCase())

/** Variables by their names as options. */
const variables = new Map(
  Object.keys(settings)
    .filter((name) => !serverSettings.has(name))
    .map((name) => [toOptionName(name), name]),
)

/**
 * Reads the configuration of an app that Portico is embedded in: from its options or, without any, from an
 * environment. What is no option, such as NODE_ENV, is that of the process.
 *
 * @throws {ConfigError} with every problem, in the names by which the settings were given
 */
export function readOptions({ env: given, ...options }: { env?: Environment | undefined }): {
  config: Config
  env: Environment
} {
  if (Object.keys(options).length === 0) {
    const env = withoutServerSettings(given ?? readEnvironment())
    return { config: readConfig(env), env }
  }
  const { env, problems } = toEnvironment(options)
  if (given !== undefined) problems.push({ variable: 'env', problem: 'is given beside settings: choose one' })
  try {
    const config = readConfig(env)
    if (problems.length === 0) return { config, env }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    problems.push(...error.problems)
  }
  throw new ConfigError(problems, [], optionForm)
}

/** The environment that options stand for, and a problem for each that is none. */
function toEnvironment(options: object): { env: Environment; problems: Problem[] } {
  const problems: Problem[] = []
  const env: Record<string, string | undefined> = { NODE_ENV: readEnvironment().NODE_ENV }
  for (const [name, value] of Object.entries(options) as [OptionName, unknown][]) {
    const variable = variables.get(name)
    if (variable === undefined)
      problems.push({ variable: name, problem: describeUnknown(name), isSurplus: true })
    else if (value !== undefined) {
      const text = toText(value, variable === 'OIDC_SCOPES' ? ' ' : ',')
      if (text === undefined) {
        problems.push({ variable: name, problem: 'must be a text, a list of texts or a boolean' })
      }
      env[variable] = text
    }
  }
  return { env, problems }
}

function describeUnknown(name: string): string {
  const right = toOptionName(name)
  if (right !== name && variables.has(right)) return `is written as in the environment: write ${right}`
  if (Object.keys(settings).some((setting) => toOptionName(setting) === name))
    return 'is no option: the app that Portico is embedded in does that itself'
  return 'is no option'
}

function toText(value: unknown, separator: string): string | undefined {
  if (typeof value === 'string') return value
  if (typeof value === 'boolean') return String(value)
  const isList = Array.isArray(value) && value.every((item) => typeof item === 'string')
  return isList ? value.join(separator) : undefined
}

/** The environment as far as a host app leaves it to Portico; OpenTelemetry is the host's own. */
const withoutServerSettings = (env: Environment): Environment =>
  Object.fromEntries(
    Object.entries(env).filter(
      ([name]) => (!serverSettings.has(name) || name === 'OPERATOR_PORT') && !name.startsWith('OTEL_'),
    ),
  )

/** Problems in the names of options. */
const optionForm: ConfigForm = {
  toText: (problem) =>
    problem
      .replace(/(for example: \w+)=(.*)/, "$1: '$2'")
      .replaceAll(/\b[A-Z\d]+(?:_[A-Z\d]+)+\b/g, (name) =>
        variables.has(toOptionName(name)) ? toOptionName(name) : name,
      ),
  help: [
    'docs/configuration.md explains every setting under its name in the environment, docs/embedding.md the options',
    'of createPortico, and `npx portico-bff keys` prints bffSecrets.',
  ],
}
