import { readdirSync, readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { join } from 'node:path'
import { type Node, parse } from 'acorn'

/** A regular expression as the source has it. */
export interface Pattern {
  /** File and line. */
  where: string
  source: string
  flags: string
}

interface Found {
  patterns: Pattern[]
  /** Files that make patterns out of texts, where no parser can see what they are. */
  made: string[]
}

/** Strings that these methods take become patterns. */
const stringMethods: ReadonlySet<string> = new Set(['match', 'matchAll', 'search'])
/** What Zod checks without a pattern of its own, `url` by the URL parser; `z.email()` and its like have one. */
const plainZod: ReadonlySet<string> = new Set(
  'array boolean coerce core custom discriminatedUnion enum int literal looseObject NEVER number object record strictObject string union unknown url'.split(
    ' ',
  ),
)

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && 'type' in value

function* walk(node: Node): Generator<Node> {
  yield node
  for (const child of Object.values(node).flat()) if (isNode(child)) yield* walk(child)
}

const nameOf = (node: unknown): unknown => (isNode(node) && 'name' in node ? node.name : undefined)

/** Whether a node makes a pattern that is no literal. */
function makesPattern(node: Node): boolean {
  if ('callee' in node && nameOf(node.callee) === 'RegExp') return true
  if (node.type === 'MemberExpression' && 'object' in node && 'property' in node) {
    return nameOf(node.object) === 'z' && !plainZod.has(String(nameOf(node.property)))
  }
  if (node.type !== 'CallExpression' || !('callee' in node) || !('arguments' in node)) return false
  const { callee } = node
  const method = isNode(callee) && 'property' in callee ? nameOf(callee.property) : undefined
  const [first] = Array.isArray(node.arguments) ? node.arguments : []
  const isText =
    isNode(first) && (first.type === 'TemplateLiteral' || ('value' in first && !('regex' in first)))
  return stringMethods.has(String(method)) && isText
}

/** Reads every regular expression of some code, by a parser: no comment and no division is taken for one. */
export function findPatternsIn(file: string, typescript: string): Found {
  const program = parse(stripTypeScriptTypes(typescript), {
    ecmaVersion: 'latest',
    sourceType: 'module',
    locations: true,
  })
  const nodes = [...walk(program)]
  const patterns = nodes.flatMap((node): Pattern[] => {
    if (!('regex' in node)) return []
    const { pattern: source, flags } = node.regex as { pattern: string; flags: string }
    return [{ where: `${file}:${node.loc?.start.line}`, source, flags }]
  })
  return { patterns, made: nodes.some(makesPattern) ? [file] : [] }
}

/** Every regular expression under a folder. */
export function findPatterns(folder: string): Found {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .sort()
  const found = files.map((file) => findPatternsIn(file, readFileSync(join(folder, file), 'utf8')))
  return { patterns: found.flatMap(({ patterns }) => patterns), made: found.flatMap(({ made }) => made) }
}
