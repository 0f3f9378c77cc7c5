import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { toLogText } from '../../telemetry/events.ts'
import { type Parser, parser } from '../values/parsers.ts'

/** One provider of PROVIDERS_FILE: its settings by the names they have in the environment, not parsed yet. */
export interface ProviderEntry {
  name: string
  settings: Readonly<Record<string, string>>
}

/** The providers of a JSON file, in its order. */
export const providersFile: Parser<ProviderEntry[]> = parser((path) => {
  const { data, error } = file.safeParse(readJson(path))
  if (error !== undefined) throw new Error(toMessage(error.issues))
  const entries = Object.entries(data)
  if (entries.length === 0) throw new Error(`names a file without a provider: ${form}`)
  return entries.map(([name, settings]) => ({ name, settings }))
})

/** `default` is the name of the provider of the environment, whose subjects have no prefix. */
const names = z.string().regex(/^(?!default$)[a-z][a-z0-9-]{0,31}$/)
const file = z.record(names, z.record(z.string(), z.string()))
const form = '{ "okta": { "OIDC_ISSUER": "..." }, ... }'

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8').replace(/^\ufeff/, ''))
  } catch (error) {
    // The message of a syntax error repeats the text, which may contain a secret.
    throw new Error(
      error instanceof SyntaxError ? 'names a file that is not JSON' : 'names a file that cannot be read',
    )
  }
}

/** Names the place of what has the wrong form. The value there is not repeated: it may be a secret. */
function toMessage([issue]: z.core.$ZodIssue[]): string {
  const [name, setting] = issue?.path ?? []
  if (name === undefined) return `names a file that is not of the form ${form}`
  if (setting !== undefined)
    return `names a file whose ${String(name)}.${String(setting)} is not a string: write it in quotes`
  if (issue?.code === 'invalid_key') {
    return `names a file with a provider "${toLogText(String(name))}": names are up to 32 characters of a-z, 0-9 and -, begin with a letter, and are not "default"`
  }
  return `names a file whose provider "${toLogText(String(name))}" is not of the form ${form}`
}
