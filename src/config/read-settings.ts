import type { Problem } from './config-error.ts'
import {
  entrySettings,
  type ProviderSettingValues,
  providerSettings,
  type ServerSettingValues,
  type Setting,
  type SettingName,
  settings,
} from './settings.ts'
import { readSecretFile } from './values/parsers.ts'

export type Environment = Readonly<Record<string, string | undefined>>

type Entries = readonly [SettingName, Setting<unknown>][]

const toEntries = (some: Partial<Record<SettingName, Setting<unknown>>>) =>
  Object.entries(some) as [SettingName, Setting<unknown>][]

const entries = toEntries(settings)
const providerEntries = entries.filter(([name]) => name in providerSettings)
/** What an entry of PROVIDERS_FILE may hold. */
const fileEntries = [...providerEntries, ...toEntries(entrySettings)]
const serverEntries = entries.filter(([name]) => !(name in providerSettings))

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
  if (text !== undefined) {
    return { variable: name, problem: `is given twice, also as ${name}_FILE`, isSurplus: true }
  }
  try {
    return readSecretFile(file)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? ` (${error.code})` : ''
    const problem = `cannot be read from the file that ${name}_FILE names${code}`
    return { variable: name, problem, isSurplus: true }
  }
}

/** Parses the settings of the server, each on its own; what two of them mean together is for `readConfig`. */
export const readSettings = (env: Environment): ParsedSettings<ServerSettingValues> =>
  parseSettings(env, serverEntries)

/** Parses the settings of one provider, each on its own. */
export const readProviderSettings = (env: Environment): ParsedSettings<ProviderSettingValues> =>
  parseSettings(env, providerEntries)

/** The same of a provider in PROVIDERS_FILE. */
export const readEntrySettings = (entry: Environment): ParsedSettings<ProviderSettingValues> =>
  parseSettings(entry, fileEntries)

/** Values that parsed, and a problem for each one that did not or is missing. */
export interface ParsedSettings<Values> {
  values: Partial<Values>
  problems: Problem[]
}

/** The settings of a provider that these variables name, themselves or by a file. */
export function findProviderVariables(env: Environment): SettingName[] {
  return providerEntries
    .filter(([name, { secret }]) => env[name] || (secret && env[`${name}_FILE`]))
    .map(([name]) => name)
}

/** Names in an entry of PROVIDERS_FILE that are no setting of a provider. */
export function findUnknownProviderSettings(given: Environment): string[] {
  const known = fileEntries.flatMap(([name, { secret }]) => (secret ? [name, `${name}_FILE`] : [name]))
  return Object.keys(given).filter((name) => !known.some((other) => other === name))
}

function parseSettings<Values>(env: Environment, entries: Entries): ParsedSettings<Values> {
  const problems: Problem[] = []
  const values: Record<string, unknown> = {}
  for (const [name, setting] of entries) {
    const text = readText(env, name, setting)
    if (typeof text === 'object') {
      problems.push(text)
      continue
    }
    const given = text ?? setting.fallback
    const wrapping = given === undefined ? undefined : findWrapping(given)
    if (wrapping !== undefined) {
      problems.push({ variable: name, problem: wrapping, isSurplus: true })
      continue
    }
    if (given === undefined) {
      if (setting.required) problems.push({ variable: name, problem: 'is required' })
      continue
    }
    const parsed = setting.parse.safeParse(given)
    if (parsed.success) values[name] = parsed.data
    else problems.push({ variable: name, problem: parsed.error.issues[0]?.message ?? 'is not valid' })
  }
  return { values: values as Partial<Values>, problems }
}

/** What stands around a value and is not meant: PEM and JSON have lines of their own. */
function findWrapping(text: string): string | undefined {
  if (/^(".*"|'.*')$/s.test(text))
    return 'is in quotes, which count as a part of it (docker --env-file keeps them): drop them'
  const isPadded = text.trim() !== text && !/^\s*(\{|-----BEGIN)/.test(text)
  return isPadded ? 'begins or ends with a space or a line break: drop it' : undefined
}

/** The configuration in effect, as texts for the start log, with every secret redacted. */
export function describeSettings(env: Environment): Record<string, string> {
  // With PROVIDERS_FILE, the defaults of one provider are nobody's.
  const meant = env.PROVIDERS_FILE ? serverEntries : entries
  return Object.fromEntries(
    meant.flatMap(([name, setting]) => {
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
