import { type SettingName, settings } from './settings.ts'

/** One thing wrong with the configuration. The value itself is never part of it. */
export interface Problem {
  variable: SettingName
  problem: string
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
        ...problems.map(
          ({ variable, problem }) =>
            `  ${variable} ${problem}\n      for example: ${variable}=${settings[variable].example}`,
        ),
        '',
        'README.md lists every setting, .env.example is a file to start from, and the command `keys` prints BFF_SECRETS:',
        '  npm start -- keys    or    portico-bff keys',
        'To see Portico work without any configuration, in a clone of its repository: npm run demo',
      ].join('\n'),
    )
    this.problems = problems
  }
}
