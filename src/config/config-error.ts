import { entrySettings, type SettingName, settings } from './settings.ts'

/** One thing wrong with the configuration. The value itself is never part of it. */
export interface Problem {
  variable: SettingName
  problem: string
  /** The provider of PROVIDERS_FILE whose setting it is. */
  provider?: string
  /** Too much of it is given: there is nothing to write instead. */
  isSurplus?: true
}

/** The problem in one line, such as `PORT must be a port number`. */
export const describeProblem = ({ variable, provider, problem }: Problem): string =>
  `${variable}${provider === undefined ? '' : ` of provider ${provider}`} ${problem}`

/** Those of `found` whose setting has no problem in `known`: a setting that did not parse looks like an absent one. */
export const withoutKnown = (found: readonly Problem[], known: readonly Problem[]): Problem[] =>
  found.filter((one) => !known.some(({ variable }) => variable === one.variable))

/** A line that would be accepted, as the place where it stands wants it. */
export function toExample({ variable, provider, isSurplus }: Problem): string | undefined {
  if (isSurplus) return undefined
  const { example } = { ...settings, ...entrySettings }[variable]
  return provider === undefined ? `${variable}=${example}` : `"${variable}": ${JSON.stringify(example)}`
}

function renderProblem(problem: Problem): string {
  const example = toExample(problem)
  return `  ${describeProblem(problem)}${example === undefined ? '' : `\n      for example: ${example}`}`
}

/** Every problem of the configuration at once; `main.ts` prints it and exits with 78 (EX_CONFIG). */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly Problem[]

  constructor(problems: readonly Problem[]) {
    super(
      [
        `Portico cannot start: ${problems.length} ${problems.length === 1 ? 'setting needs' : 'settings need'} your attention.`,
        '',
        ...problems.map(renderProblem),
        '',
        'README.md lists every setting, .env.example is a file to start from, and the command `keys` prints BFF_SECRETS:',
        '  npm start -- keys    or    portico-bff keys',
        'To see Portico work without any configuration, in a clone of its repository: npm run demo',
      ].join('\n'),
    )
    this.problems = problems
  }
}
