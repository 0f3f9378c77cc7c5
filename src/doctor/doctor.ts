import type { Clock } from '../clock.ts'
import { type Config, readConfig } from '../config/config.ts'
import { ConfigError, describeProblem, toExample } from '../config/config-error.ts'
import type { Environment } from '../config/read-settings.ts'
import { checkServerSettings, checkVariableNames } from './config-checks.ts'
import { type Finding, fail } from './finding.ts'
import { checkProvider } from './provider-checks.ts'
import { checkProxyRoutes } from './proxy-checks.ts'
import { checkPublicUrl } from './public-url-checks.ts'
import { checkRedis } from './redis-checks.ts'

/**
 * Runs every check that is possible from outside, without a user who signs in. Whatever a provider answers
 * becomes a finding; nothing that it sends makes the doctor fail.
 */
export async function examine(env: Environment, clock: Clock): Promise<Finding[]> {
  const config = readConfigOrFindings(env)
  if (Array.isArray(config)) return [...config, ...checkVariableNames(env)]
  const isOnlyProvider = config.providers.length === 1
  const publicUrl = checkPublicUrl(config, clock)
  const isServed = publicUrl.then((findings) => findings.every(({ status }) => status === 'pass'))
  const found = await Promise.all([
    checkVariableNames(env),
    checkServerSettings(config, env),
    publicUrl,
    checkRedis(config),
    checkProxyRoutes(config, clock),
    ...config.providers.map(async (provider) => {
      const findings = await checkProvider({ provider, config, clock, isServed })
      return isOnlyProvider ? findings : findings.map((finding) => ({ ...finding, provider: provider.name }))
    }),
  ])
  return found.flat()
}

/** The configuration; or its problems: while there are any, nothing else can be checked. */
function readConfigOrFindings(env: Environment): Config | Finding[] {
  try {
    return readConfig(env)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.problems.map((problem) => {
      const example = toExample(problem)
      const fix =
        example === undefined ? (problem.fix ?? 'remove what is not needed') : `for example: ${example}`
      return fail('configuration', describeProblem(problem), fix)
    })
  }
}
