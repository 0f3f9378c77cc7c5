import { stripTypeScriptTypes } from 'node:module'
import { type Node, type Program, parse } from 'acorn'

/** Parses TypeScript; types become spaces, so that lines and columns stay. */
export const parseTypeScript = (typescript: string): Program =>
  parse(stripTypeScriptTypes(typescript), {
    ecmaVersion: 'latest',
    sourceType: 'module',
    locations: true,
  })

export const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && 'type' in value

/** A node and all nodes in it. */
export function* walk(node: Node): Generator<Node> {
  yield node
  for (const child of Object.values(node).flat()) if (isNode(child)) yield* walk(child)
}
