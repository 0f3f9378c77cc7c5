import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { isObject, type Parser, parser } from '../values/parsers.ts'

/** One route of PROXY_ROUTES_FILE: its members as they are written, not parsed yet. */
export interface RouteEntry {
  name: string
  members: unknown
}

/** The routes of a JSON or YAML file, in its order. */
export const routesFile: Parser<RouteEntry[]> = parser((path) => {
  const read = readers.find(([ending]) => ending.test(path))?.[1]
  if (read === undefined) throw new Error('must name a file that ends in .json, .yaml or .yml')
  const routes = read(readText(path))
  if (!isObject(routes)) throw new Error(`names a file that is not of the form ${form}`)
  const entries = Object.entries(routes)
  if (entries.length === 0) throw new Error(`names a file without a route: ${form}`)
  return entries.map(([name, members]) => ({ name, members }))
})

const form = '{ "orders": { "upstream": "https://..." }, ... }'

const readers: readonly (readonly [RegExp, (text: string) => unknown])[] = [
  [/\.json$/i, readJson],
  [/\.ya?ml$/i, readYaml],
]

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8').replace(/^\ufeff/, '')
  } catch {
    throw new Error('names a file that cannot be read')
  }
}

/** The message of a syntax error is not repeated, here and below: it quotes the file. */
function readJson(text: string): unknown {
  // The reviver is called once for each member that is kept, and once for the whole value.
  let kept = -1
  const count = function (this: unknown, _name: string, value: unknown) {
    if (!Array.isArray(this)) kept += 1
    return value
  }
  let value: unknown
  try {
    value = JSON.parse(text, count)
  } catch {
    throw new Error('names a file that is not JSON')
  }
  // Of two members with one name, JSON.parse keeps only the last: a rule of access could get lost.
  if (countMembers(text) > kept) throw new Error('names a file that has one name twice')
  return value
}

/** How many members are written in a JSON text: each has a colon outside of strings. */
function countMembers(json: string): number {
  const parts = json.replaceAll(/\\./g, '').split('"')
  const outside = parts.filter((_, index) => index % 2 === 0).join('')
  return outside.split(':').length - 1
}

function readYaml(text: string): unknown {
  // Only who has such a file waits for the library to load.
  const { parseDocument, YAMLError } = createRequire(import.meta.url)('yaml') as typeof import('yaml')
  try {
    const document = parseDocument(text)
    // A warning says that a value cannot be understood as it is meant: a tag of another program, for example.
    const [problem] = [...document.errors, ...document.warnings]
    if (problem !== undefined) throw problem
    return document.toJS()
  } catch (error) {
    const { code, linePos } = error instanceof YAMLError ? error : {}
    const place = linePos === undefined ? '' : `: see line ${linePos[0].line}`
    const what = code === 'DUPLICATE_KEY' ? 'has one name twice' : 'is not YAML'
    throw new Error(`names a file that ${what}${place}`)
  }
}
