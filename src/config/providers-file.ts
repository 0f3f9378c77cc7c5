import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { type Parser, parser } from './parsers.ts'

/** One provider of PROVIDERS_FILE: its settings by the names they have in the environment, not parsed yet. */
export interface ProviderEntry {
  name: string
  settings: Readonly<Record<string, string>>
}

/** `default` is the one provider of the environment, whose subjects have no prefix. */
const names = z.string().regex(/^(?!default$)[a-z][a-z0-9-]{0,31}$/)
const file = z.record(names, z.record(z.string(), z.string()))

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    // The message of a syntax error repeats the text, which may hold a secret.
    throw new Error(
      error instanceof SyntaxError ? 'names a file that is no JSON' : 'names a file that cannot be read',
    )
  }
}

/** The providers of a JSON file, in its order: `{ "okta": { "OIDC_ISSUER": "...", ... }, "toki": { ... } }`. */
export const providersFile: Parser<ProviderEntry[]> = parser((path) => {
  const { data } = file.safeParse(readJson(path))
  const entries = Object.entries(data ?? {})
  if (entries.length > 0) return entries.map(([name, settings]) => ({ name, settings }))
  throw new Error(
    'names a file that is not of the form { "okta": { "OIDC_ISSUER": "..." }, ... }: names are of a-z, 0-9 and - (not "default"), values are texts',
  )
})
