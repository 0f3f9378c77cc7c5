import { z } from 'zod'
import { namedSchemas } from './answers.ts'

/** A JSON Schema (draft 2020-12), which is also a Schema Object of OpenAPI 3.1. */
export type JsonSchema = Record<string, unknown>

/** Where the document keeps a named schema. */
const toReference = (id: string) => `#/components/schemas/${id}`

const options = {
  // What a request may contain before it is read; of answers, it leaves members open that come later.
  io: 'input',
  override({ jsonSchema }: { jsonSchema: JsonSchema }) {
    if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum
  },
} as const

/** The named schemas, for the components of the document. */
export function toNamedSchemas(): Record<string, JsonSchema> {
  const registry = z.registry<{ id: string }>()
  for (const schema of namedSchemas)
    registry.add(schema, { ...z.globalRegistry.get(schema), id: idOf(schema) })
  const { schemas } = z.toJSONSchema(registry, { ...options, uri: toReference })
  return Object.fromEntries(Object.entries(schemas).map(([id, schema]) => [id, withoutHead(schema)]))
}

/** The schema of a body or parameter: by reference where it has a name. */
export const toSchema = (schema: z.ZodType): JsonSchema =>
  z.globalRegistry.get(schema)?.id === undefined
    ? withoutHead(z.toJSONSchema(schema, options))
    : { $ref: toReference(idOf(schema)) }

function idOf(schema: z.ZodType): string {
  const id = z.globalRegistry.get(schema)?.id
  if (id === undefined) throw new TypeError('a named schema needs an id')
  return id
}

const withoutHead = ({ $schema: _, $id: __, id: ___, ...rest }: JsonSchema): JsonSchema => rest
