import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Node } from 'acorn'
import { isNode, parseTypeScript, walk } from './syntax.ts'

/** A regular expression as the source has it. */
export interface Pattern {
  /** File and line. */
  where: string
  source: string
  flags: string
}

interface Found {
  patterns: Pattern[]
  /** Files that create patterns from texts at run time, which no parser can read. */
  made: string[]
}

/** Methods that turn a string argument into a pattern. */
const stringMethods: ReadonlySet<string> = new Set(['match', 'matchAll', 'search'])
/** Zod's types that use no pattern; `url` uses the URL parser, but `z.email()` and others have patterns. */
const plainZod: ReadonlySet<string> = new Set(
  'array boolean coerce core custom discriminatedUnion enum globalRegistry int literal looseObject NEVER number object record registry strictObject string toJSONSchema union unknown url'.split(
    ' ',
  ),
)

const nameOf = (node: unknown): unknown => (isNode(node) && 'name' in node ? node.name : undefined)

/** Whether a node creates a pattern that is not a literal. */
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

/**
 * Finds every regular expression of some code with a parser, which is not misled by comments or divisions.
 */
export function findPatternsIn(file: string, typescript: string): Found {
  const program = parseTypeScript(typescript)
  const nodes = [...walk(program)]
  const patterns = nodes.flatMap((node): Pattern[] => {
    if (!('regex' in node)) return []
    const { pattern: source, flags } = node.regex as { pattern: string; flags: string }
    return [{ where: `${file}:${node.loc?.start.line}`, source, flags }]
  })
  return { patterns, made: nodes.some(makesPattern) ? [file] : [] }
}

/** Finds every regular expression below a folder. */
export function findPatterns(folder: string): Found {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .sort()
  const found = files.map((file) => findPatternsIn(file, readFileSync(join(folder, file), 'utf8')))
  return { patterns: found.flatMap(({ patterns }) => patterns), made: found.flatMap(({ made }) => made) }
}
