import { readFileSync } from 'node:fs'
import { toLogText } from '../telemetry/events.ts'
import type { Problem } from './config-error.ts'
import type { Setting } from './setting.ts'
import {
  entryOnlySettings,
  type ProviderSettingValues,
  providerSettings,
  type ServerSettingValues,
  type SettingName,
  settings,
} from './settings.ts'
import { findPlaceholder } from './values/placeholder.ts'

/** Environment variables, or the settings of one entry of PROVIDERS_FILE, as texts. */
export type Environment = Readonly<Record<string, string | undefined>>

/** The values that parsed, and a problem for each one that did not or that is missing. */
export interface ParsedSettings<Values> {
  values: Partial<Values>
  problems: Problem[]
}

/** Parses the settings of the server, each by itself; `readConfig` compares them with each other. */
export const readSettings = (env: Environment): ParsedSettings<ServerSettingValues> =>
  parseSettings(env, serverEntries)

/** Parses the settings of the provider that the environment configures, each by itself. */
export const readProviderSettings = (env: Environment): ParsedSettings<ProviderSettingValues> =>
  parseSettings(env, providerEntries)

/** Parses the settings of a provider in PROVIDERS_FILE, each by itself. */
export const readProviderEntry = (entry: Environment): ParsedSettings<ProviderSettingValues> =>
  parseSettings(entry, fileEntries)

/** The settings of a provider that the environment sets, also those in a mounted file. */
export function findProviderVariables(env: Environment): SettingName[] {
  return providerEntries
    .filter(([name, { secret }]) => env[name] || (secret && env[`${name}_FILE`]))
    .map(([name]) => name)
}

/** The names in an entry of PROVIDERS_FILE that a provider does not have. */
export function findUnknownProviderSettings(entry: Environment): string[] {
  const known = toVariableNames(fileEntries)
  return Object.keys(entry).filter((name) => !known.includes(name))
}

/** The configuration in effect, as texts for the log, with every secret redacted. */
export function describeSettings(env: Environment): Record<string, string> {
  // PROVIDERS_FILE replaces the provider of the environment: its defaults are not in effect.
  const inEffect = env.PROVIDERS_FILE ? serverEntries : entries
  return Object.fromEntries(
    inEffect.flatMap(([name, setting]) => {
      const given =
        readVariable(env, name, setting) || (setting.secret && env[`${name}_FILE`]) || setting.fallback
      if (!given) return []
      return [[name, setting.secret ? '[redacted]' : given]]
    }),
  )
}

/**
 * The names of settings, by default all of the environment; a secret `X` may also come from a file in
 * `X_FILE`.
 */
export function toVariableNames(some: Entries = entries): string[] {
  return some.flatMap(([name, { secret }]) => (secret ? [name, `${name}_FILE`] : [name]))
}

type Entries = readonly [SettingName, Setting<unknown>][]

const toEntries = (some: Partial<Record<SettingName, Setting<unknown>>>) =>
  Object.entries(some) as [SettingName, Setting<unknown>][]

const entries = toEntries(settings)
const providerEntries = entries.filter(([name]) => name in providerSettings)
const serverEntries = entries.filter(([name]) => !(name in providerSettings))
/** The settings that an entry of PROVIDERS_FILE may have. */
const fileEntries = [...providerEntries, ...toEntries(entryOnlySettings)]

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
    const leftOver = given === undefined ? undefined : describePlaceholder(given, setting)
    if (leftOver !== undefined) {
      problems.push({ variable: name, problem: leftOver })
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

/** What is wrong with a value that was copied from instructions; a secret is not repeated. */
function describePlaceholder(text: string, { secret, isTemplate }: Setting<unknown>): string | undefined {
  const placeholder = isTemplate ? undefined : findPlaceholder(text, secret)
  if (placeholder === undefined) return undefined
  return secret
    ? 'is still a placeholder: replace it'
    : `still holds the placeholder ${toLogText(placeholder)}: replace it`
}

/** The text of a setting: from the variable or, for a secret, from the file that `X_FILE` names. */
function readText(
  env: Environment,
  name: SettingName,
  setting: Setting<unknown>,
): string | undefined | Problem {
  // An empty variable counts as an absent one: that is what `X=` means in an .env file and in a compose file.
  const text = readVariable(env, name, setting) || undefined
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
    const placeholder = findPlaceholder(file)
    const fix =
      placeholder === undefined
        ? 'correct the path, which begins with / or in the folder in which the server was started'
        : `replace the placeholder ${toLogText(placeholder)} in ${name}_FILE`
    return { variable: name, problem, fix }
  }
}

const readVariable = (env: Environment, name: string, { alsoInSmallLetters }: Setting<unknown>) =>
  (alsoInSmallLetters && env[name.toLowerCase()]) || env[name]

/** Reads a secret from a mounted file; one newline at its end is not part of the secret. */
function readSecretFile(path: string): string {
  return readFileSync(path, 'utf8').replace(/\r?\n$/, '')
}

/**
 * Quotes or white space around a value, which are a mistake. PEM and JSON may begin and end with line breaks.
 */
export function findWrapping(text: string): string | undefined {
  if (/^(".*"|'.*')$/s.test(text))
    return 'is in quotes, which count as a part of it (docker --env-file keeps them): remove them'
  const isPadded = text.trim() !== text && !/^\s*(\{|-----BEGIN)/.test(text)
  return isPadded ? 'begins or ends with a space or a line break: remove it' : undefined
}
