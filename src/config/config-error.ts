import type { Setting } from './setting.ts'
import { entryOnlySettings, type SettingName, settings } from './settings.ts'

/** One problem of the configuration. It never contains the value of a setting, which may be a secret. */
export interface Problem {
  variable: SettingName | ProxyVariable | OpenTelemetryVariable | OptionName
  /** What is wrong, as the rest of a sentence that begins with the name: `must be a port number`. */
  problem: string
  /** The provider of PROVIDERS_FILE that the setting belongs to. */
  provider?: string | undefined
  /** The setting, or a part of it, has to be removed: an example would not help. */
  isSurplus?: true
  /** What to do, where an example would not help. */
  fix?: string
  /** What would be accepted, where the example of the setting does not show it. */
  example?: string
}

/** A variable that gives the upstream of a proxy route. */
export type ProxyVariable = `PROXY_${string}`

/** What a host app gave as an option. */
export type OptionName = Uncapitalize<string>

/** A variable of OpenTelemetry, which all programs that send traces have in common. */
export type OpenTelemetryVariable = `OTEL_${string}`

/** The problem in one line, such as `PORT must be a port number`. */
export const describeProblem = ({ variable, provider, problem }: Problem): string =>
  `${variable}${provider === undefined ? '' : ` of provider ${provider}`} ${problem}`

/**
 * The problems of `found` about settings that have none in `known`. A setting that did not parse looks like
 * an absent one to the checks that run later; what they say about it would only confuse.
 */
export const keepNew = (found: readonly Problem[], known: readonly Problem[]): Problem[] =>
  found.filter((one) => !known.some(({ variable }) => variable === one.variable))

/** A line that would be accepted, in the form of the environment or of PROVIDERS_FILE. */
export function toExample({ variable, provider, isSurplus, fix, example: own }: Problem): string | undefined {
  if (isSurplus || fix !== undefined) return undefined
  if (own !== undefined) return own
  const all: Partial<Record<string, Setting<unknown>>> = { ...settings, ...entryOnlySettings }
  const example = all[variable]?.example
  if (example === undefined) return undefined
  return provider === undefined ? `${variable}=${example}` : `"${variable}": ${JSON.stringify(example)}`
}

/** How the settings were given: how a problem is written, and what helps in the end. */
export interface ConfigForm {
  toText(problem: string): string
  help: readonly string[]
}

const environment: ConfigForm = {
  toText: (problem) => problem,
  help: [
    'docs/configuration.md explains every setting, .env.example is a file to start from, and the command `keys`',
    'prints BFF_SECRETS:',
    '  npm start -- keys    or    portico-bff keys',
    'To see Portico work without any configuration, in a clone of its repository: npm run demo',
  ],
}

/** Every problem of the configuration at once; `main.ts` prints it and exits with 78 (EX_CONFIG). */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly Problem[]

  /** @param notes sentences about what may have caused them, such as a misspelt variable */
  constructor(
    problems: readonly Problem[],
    notes: readonly string[] = [],
    { toText, help }: ConfigForm = environment,
  ) {
    super(
      [
        `Portico cannot start: ${problems.length} ${problems.length === 1 ? 'setting needs' : 'settings need'} your attention.`,
        '',
        ...problems.map((problem) => toText(renderProblem(problem))),
        '',
        ...(notes.length === 0 ? [] : ['Also noticed:', ...notes.map((note) => `  ${note}`), '']),
        ...help,
      ].join('\n'),
    )
    this.problems = problems
  }
}

function renderProblem(problem: Problem): string {
  const example = toExample(problem)
  const help = example === undefined ? problem.fix : `for example: ${example}`
  return `  ${describeProblem(problem)}${help === undefined ? '' : `\n      ${help}`}`
}
