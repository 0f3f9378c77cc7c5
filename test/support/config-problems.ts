import { readConfig } from '../../src/config/config.ts'
import { ConfigError, describeProblem } from '../../src/config/config-error.ts'

type Env = Record<string, string | undefined>

/** What is wrong with a configuration; undefined if it is accepted. */
export function findConfigError(env: Env): ConfigError | undefined {
  try {
    readConfig(env)
    return undefined
  } catch (error) {
    if (error instanceof ConfigError) return error
    throw error
  }
}

/** Its problems as users read them; empty if it is accepted. */
export const problemsOf = (env: Env): string[] => findConfigError(env)?.problems.map(describeProblem) ?? []
