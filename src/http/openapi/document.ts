import { z } from 'zod'
import type { CookieConfig } from '../request/cookies.ts'
import { parameters, responseHeaders, tags, toSecuritySchemes } from './components.ts'
import type { Operation } from './operation.ts'
import { machineOperations } from './operations/machines.ts'
import { proxyOperations } from './operations/proxies.ts'
import { sessionOperations } from './operations/session.ts'
import { signInOperations } from './operations/sign-in.ts'
import { type ResponseObject, toResponses, toSharedResponses } from './responses.ts'
import { type JsonSchema, toNamedSchemas, toSchema } from './schemas.ts'

interface DocumentOptions extends CookieConfig {
  version: string
  /** Undefined for a document of no server in particular. */
  publicUrl: string | undefined
  apiPrefix: string
}

/** An OpenAPI document, as far as the tests read it. */
export interface OpenApiDocument {
  openapi: string
  paths: Record<string, Record<string, OperationObject>>
  components: Record<string, Record<string, object>>
  [member: string]: unknown
}

/** An operation in the document. */
export interface OperationObject {
  operationId: string
  parameters: ParameterObject[]
  requestBody?: { required: boolean; content: Record<string, { schema: JsonSchema }> }
  responses: Record<string, ResponseObject>
  [member: string]: unknown
}

type ParameterObject =
  | { $ref: string }
  | { name: string; in: 'query' | 'path'; required: boolean; description?: unknown; schema: JsonSchema }

const toDescription = (
  apiPrefix: string,
) => `The HTTP API of Portico, an auth server for single-page apps. docs/http-api.md explains it.

A *navigation* is the browser itself opening an address (\`Sec-Fetch-Mode: navigate\`, or an \`Accept\` that prefers
HTML); everything else is a *fetch*. A refusal is a page for a navigation, and problem details for a fetch. GET answers
HEAD as well, except at addresses that begin or complete a login or logout. A method that an address does not have is
answered with 405, and OPTIONS below ${apiPrefix} with the answer to a CORS preflight. The port for operators is not part of this
document.`

/** Creates the OpenAPI document of the HTTP API, from the schemas that validate its requests. */
export function createOpenApiDocument({
  version,
  publicUrl,
  apiPrefix,
  ...naming
}: DocumentOptions): OpenApiDocument {
  return {
    openapi: '3.1.1',
    info: {
      title: 'Portico',
      version,
      description: toDescription(apiPrefix),
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [publicUrl === undefined ? anyServer : { url: publicUrl }],
    tags: Object.entries(tags).map(([name, description]) => ({ name, description })),
    paths: toPaths(operations, apiPrefix),
    components: {
      schemas: toNamedSchemas(),
      responses: toSharedResponses(operations),
      parameters,
      headers: Object.fromEntries(
        Object.entries(responseHeaders).map(([name, header]) => [name, { ...header, required: true }]),
      ),
      securitySchemes: toSecuritySchemes(naming),
    },
  }
}

const operations = [...signInOperations, ...sessionOperations, ...machineOperations, ...proxyOperations]

const anyServer = {
  url: '{publicUrl}',
  variables: { publicUrl: { default: 'https://app.example.com', description: 'PUBLIC_URL' } },
}

function toPaths(operations: readonly Operation[], apiPrefix: string): OpenApiDocument['paths'] {
  const paths: OpenApiDocument['paths'] = {}
  for (const operation of operations) {
    const path = operation.path.replace(/^{api}/, apiPrefix)
    paths[path] = { ...paths[path], [operation.method]: toOperationObject(operation) }
  }
  return paths
}

function toOperationObject(operation: Operation): OperationObject {
  const { id, tag, summary, description, security = [], body } = operation
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description !== undefined && { description }),
    parameters: [
      ...toParameters('path', operation.pathParameters),
      ...toParameters('query', operation.query),
      ...(operation.headers ?? []).map((name) => ({ $ref: `#/components/parameters/${name}` })),
    ],
    ...(body !== undefined && {
      requestBody: {
        required: body.required,
        content: {
          ...(body.json && { 'application/json': { schema: toSchema(body.json) } }),
          ...(body.form && { 'application/x-www-form-urlencoded': { schema: toSchema(body.form) } }),
        },
      },
    }),
    security: security.map((name) => (name === 'none' ? {} : { [name]: [] })),
    responses: toResponses(operation),
  }
}

function toParameters(place: 'query' | 'path', schema: z.ZodObject = z.object({})): ParameterObject[] {
  const { properties = {}, required = [] } = toSchema(schema) as {
    properties?: Record<string, JsonSchema>
    required?: string[]
  }
  return Object.entries(properties).map(([name, { description, ...rest }]) => ({
    name,
    in: place,
    required: required.includes(name),
    ...(description !== undefined && { description }),
    schema: rest,
  }))
}
