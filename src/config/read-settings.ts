import type { Problem } from './config-error.ts'
import { readSecretFile } from './parsers.ts'
import { type Setting, type SettingName, type SettingValues, settings } from './settings.ts'

export type Environment = Readonly<Record<string, string | undefined>>

const entries = Object.entries(settings) as [SettingName, Setting<unknown>][]

/** The text given for a setting, from the variable or, for a secret, from the file that `X_FILE` names. */
function readText(
  env: Environment,
  name: SettingName,
  setting: Setting<unknown>,
): string | undefined | Problem {
  // An empty variable is an absent one: that is what `X=` in an .env file and in a compose file means.
  const text = env[name] || undefined
  const file = setting.secret ? env[`${name}_FILE`] || undefined : undefined
  if (file === undefined) return text
  if (text !== undefined) return { variable: name, problem: `is given twice, also as ${name}_FILE` }
  try {
    return readSecretFile(file)
  } catch {
    return { variable: name, problem: `cannot be read from the file that ${name}_FILE names` }
  }
}

/** Parses every setting on its own; what two of them mean together is for `readConfig`. */
export function readSettings(env: Environment): { values: Partial<SettingValues>; problems: Problem[] } {
  const problems: Problem[] = []
  const values: Record<string, unknown> = {}
  for (const [name, setting] of entries) {
    const text = readText(env, name, setting)
    if (typeof text === 'object') {
      problems.push(text)
      continue
    }
    const given = text ?? setting.fallback
    if (given === undefined) {
      if (setting.required) problems.push({ variable: name, problem: 'is required' })
      continue
    }
    const parsed = setting.parse.safeParse(given)
    if (parsed.success) values[name] = parsed.data
    else problems.push({ variable: name, problem: parsed.error.issues[0]?.message ?? 'is not valid' })
  }
  return { values: values as Partial<SettingValues>, problems }
}

/** The configuration in effect, as texts for the start log, with every secret redacted. */
export function describeSettings(env: Environment): Record<string, string> {
  return Object.fromEntries(
    entries.flatMap(([name, setting]) => {
      const given = env[name] || (setting.secret && env[`${name}_FILE`]) || setting.fallback
      if (!given) return []
      return [[name, setting.secret ? '[redacted]' : given]]
    }),
  )
}

/** Variables that look like ours but are not, such as a misspelt one. Other programs' names are left alone. */
export function findUnknownVariables(env: Environment): string[] {
  const known = new Set(entries.flatMap(([name, { secret }]) => (secret ? [name, `${name}_FILE`] : [name])))
  const ours = /^(APP_TOKEN|BFF|LOGIN|LOGOUT|OAUTH|OIDC|REDIS|SESSION_COOKIE|SESSION_IDLE|SPA)_/
  return Object.keys(env).filter((name) => ours.test(name) && !known.has(name))
}
