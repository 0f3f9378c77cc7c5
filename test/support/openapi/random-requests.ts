import fc from 'fast-check'
import type { OpenApiDocument, OperationObject } from '../../../src/http/openapi/document.ts'
import type { BrowserRequest } from '../browser.ts'

/** A request for one operation of the document. */
export interface RandomRequest {
  operationId: string
  /** Path and query. */
  target: string
  init: BrowserRequest
}

type JsonSchema = Record<string, unknown>

interface Parameter {
  name: string
  in: 'query' | 'path' | 'header'
  required?: boolean
  schema: JsonSchema
}

/** Makes requests from a document: most of them fit its schemas, and some of their values do not. */
export function randomRequest(document: OpenApiDocument): fc.Arbitrary<RandomRequest> {
  const operations = Object.entries(document.paths).flatMap(([path, byMethod]) =>
    Object.entries(byMethod).map(([method, operation]) => requestTo(path, method, operation, document)),
  )
  return fc.oneof(...operations)
}

function requestTo(
  path: string,
  method: string,
  { operationId, parameters, requestBody }: OperationObject,
  { components }: OpenApiDocument,
): fc.Arbitrary<RandomRequest> {
  const all = parameters.map((parameter) =>
    '$ref' in parameter ? components.parameters?.[parameter.$ref.split('/').at(-1) ?? ''] : parameter,
  ) as Parameter[]
  const valuesOf = (place: Parameter['in']) => {
    const here = all.filter((parameter) => parameter.in === place)
    return fc.record(Object.fromEntries(here.map(({ name, schema }) => [name, text(schema)])), {
      requiredKeys: here.filter(({ required }) => required).map(({ name }) => name),
    })
  }
  return fc
    .record({
      inPath: valuesOf('path'),
      query: valuesOf('query'),
      given: valuesOf('header'),
      mode: fc.constantFrom('cors', 'navigate'),
      body: requestBody === undefined ? fc.constant(undefined) : bodyOf(requestBody.content),
    })
    .map(({ inPath, query, given, mode, body }) => ({
      operationId,
      target: toTarget(path, inPath, query),
      init: {
        method: method.toUpperCase() as NonNullable<BrowserRequest['method']>,
        headers: {
          ...mapValues(given, toHeaderValue),
          'sec-fetch-mode': mode,
          ...(body && { 'content-type': body.type }),
        },
        ...(body && { body: body.text }),
      },
    }))
}

function toTarget(path: string, inPath: Record<string, string>, query: Record<string, string>): string {
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(inPath[name] ?? '').replaceAll('.', '%2E'),
  )
  return `${filled}?${new URLSearchParams(query)}`
}

/** Bodies of each type that an operation takes, and bytes that fit none. */
function bodyOf(content: NonNullable<OperationObject['requestBody']>['content']) {
  const fitting = Object.entries(content).map(([type, { schema }]) =>
    value(schema).map((body) => ({
      type,
      text: type.endsWith('json') ? JSON.stringify(body) : toForm(body),
    })),
  )
  return fc.oneof(...fitting, oddBody, fc.constant(undefined))
}

function toForm(body: unknown): string {
  const members = typeof body === 'object' && body !== null ? Object.entries(body) : []
  return new URLSearchParams(members.map(([name, member]) => [name, toText(member)])).toString()
}

/** Values that fit by chance only; made once, because that takes longer than a request. */
const odd = fc.oneof(fc.string(), fc.jsonValue())
const strings = fc.string({ unit: 'binary', maxLength: 200 })

const oddBody = fc.record({
  type: fc.constantFrom('application/json', 'application/x-www-form-urlencoded', 'text/plain'),
  text: odd.map((body) => JSON.stringify(body)),
})

/** A value that mostly fits a schema. */
function value(schema: JsonSchema): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 8, arbitrary: fitting(schema) }, { weight: 1, arbitrary: odd })
}

const text = (schema: JsonSchema): fc.Arbitrary<string> => value(schema).map(toText)

function fitting(schema: JsonSchema): fc.Arbitrary<unknown> {
  const { type, const: only, enum: some, anyOf, oneOf, pattern } = schema
  if (only !== undefined) return fc.constant(only)
  if (Array.isArray(some)) return fc.constantFrom(...(some as unknown[]))
  const choices = (anyOf ?? oneOf) as JsonSchema[] | undefined
  if (choices !== undefined) return fc.oneof(...choices.map(value))
  if (type === 'boolean') return fc.boolean()
  if (type === 'integer') return fc.integer({ min: Number(schema.minimum), max: Number(schema.maximum) })
  if (type === 'array')
    return fc.array(value(schema.items as JsonSchema), {
      minLength: Number(schema.minItems ?? 0),
      maxLength: 5,
    })
  if (type === 'object') {
    const { properties = {}, required = [] } = schema as {
      properties?: Record<string, JsonSchema>
      required?: string[]
    }
    return fc.record(mapValues(properties, value), { requiredKeys: required })
  }
  if (type !== 'string') throw new TypeError(`no values for ${JSON.stringify(schema)}`)
  if (typeof pattern === 'string') return fc.stringMatching(new RegExp(pattern))
  const { minLength = 0, maxLength = Number.POSITIVE_INFINITY } = schema as {
    minLength?: number
    maxLength?: number
  }
  return strings.map((some) => some.slice(0, maxLength).padEnd(minLength, 'x'))
}

/** Not `String`: odd values have odd members, such as `toString`. */
const toText = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value))

/** Control characters and others that a header cannot have are not this test's subject. */
const toHeaderValue = (value: string) => value.replaceAll(/[^\x21-\x7e]/g, '')

const mapValues = <From, To>(members: Record<string, From>, map: (member: From) => To): Record<string, To> =>
  Object.fromEntries(Object.entries(members).map(([name, member]) => [name, map(member)]))
