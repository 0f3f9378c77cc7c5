import type { Clock } from '../clock.ts'
import { type Config, readConfig } from '../config/config.ts'
import { ConfigError, describeProblem, toExample } from '../config/config-error.ts'
import type { Environment } from '../config/read-settings.ts'
import { checkEnvironment, checkServer } from './config-checks.ts'
import { type Finding, fail } from './finding.ts'
import { checkProvider } from './provider-checks.ts'
import { checkPublicUrl } from './public-url-checks.ts'
import { checkRedis } from './redis-checks.ts'

/** Runs every check that can be run from outside, without anybody signing in. What a provider answers becomes a finding, whatever it is. */
export async function examine(env: Environment, clock: Clock): Promise<Finding[]> {
  const config = readWhole(env)
  if (Array.isArray(config)) return [...config, ...checkEnvironment(env)]
  const isOne = config.providers.length === 1
  const publicUrl = checkPublicUrl(config, clock)
  const isServed = publicUrl.then((findings) => findings.every(({ status }) => status === 'pass'))
  const found = await Promise.all([
    checkEnvironment(env),
    checkServer(config, env),
    publicUrl,
    checkRedis(config),
    ...config.providers.map(async (provider) => {
      const findings = await checkProvider({ provider, config, clock, isServed })
      return isOne ? findings : findings.map((finding) => ({ ...finding, provider: provider.name }))
    }),
  ])
  return found.flat()
}

/** The configuration, or what is wrong with it: then there is nothing else that could be checked. */
function readWhole(env: Environment): Config | Finding[] {
  try {
    return readConfig(env)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.problems.map((problem) => {
      const example = toExample(problem)
      const fix = example === undefined ? 'drop what is too much' : `for example: ${example}`
      return fail('configuration', describeProblem(problem), fix)
    })
  }
}
