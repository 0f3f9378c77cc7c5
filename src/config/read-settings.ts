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

/** Whether two names are one slip of the keyboard or two apart (Levenshtein). */
function isMisspelt(name: string, known: string): boolean {
  if (Math.abs(name.length - known.length) > 2) return false
  let row = Array.from({ length: known.length + 1 }, (_, index) => index)
  for (const [line, letter] of [...name].entries()) {
    let left = line + 1
    const next = [left]
    for (const [column, other] of [...known].entries()) {
      const above = row[column + 1] ?? 0
      const diagonal = (row[column] ?? 0) + (letter === other ? 0 : 1)
      left = Math.min(left + 1, above + 1, diagonal)
      next.push(left)
    }
    row = next
  }
  return (row.at(-1) ?? 0) <= 2
}

/** Short names, such as PORT, are too near to those of other programs. */
const shortestGuessed = 8

/** Variables that look like ours but are not: of one of our families, or misspelt. */
export function findUnknownVariables(env: Environment): string[] {
  const known = entries.flatMap(([name, { secret }]) => (secret ? [name, `${name}_FILE`] : [name]))
  const isOurs = (name: string) =>
    /^(APP_TOKEN|BFF|OAUTH|OIDC|RATE_LIMIT|SESSION_COOKIE)(_|$)/.test(name) ||
    (name.length >= shortestGuessed && known.some((other) => isMisspelt(name, other)))
  return Object.keys(env).filter((name) => !known.includes(name) && isOurs(name))
}
