import { type ErrorCode, errorCodes, errors } from '../../errors.ts'
import { problem } from './answers.ts'
import { type ResponseHeaderName, responseHeaders } from './components.ts'
import type { Answer, Operation } from './operation.ts'
import { type JsonSchema, toSchema } from './schemas.ts'

/** A Response Object of OpenAPI, or a reference to one. */
export type ResponseObject = Record<string, unknown>

interface Described {
  descriptions: string[]
  content: Record<string, JsonSchema>
  required: ReadonlySet<ResponseHeaderName>
  optional: ReadonlySet<ResponseHeaderName>
}

/** Headers that a refusal always has. */
const headersOfRefusals: Partial<Record<ErrorCode, readonly ResponseHeaderName[]>> = {
  use_dpop_nonce: ['DPoP-Nonce'],
  invalid_client: ['WWW-Authenticate'],
  invalid_token: ['WWW-Authenticate'],
  method_not_allowed: ['Allow'],
  too_many_requests: ['Retry-After', 'RateLimit', 'RateLimit-Policy'],
  provider_unavailable: ['Retry-After'],
  store_unavailable: ['Retry-After'],
}

/** The responses of an operation by status: its answers and its refusals. */
export function toResponses({ answers, refusals }: Operation): Record<string, ResponseObject> {
  const responses: Record<string, ResponseObject> = {}
  const bySameStatus = groupByStatus(refusals)
  for (const { status } of answers) {
    const refused = bySameStatus.get(Number(status))
    const same = answers.filter((answer) => answer.status === status).map(describeAnswer)
    responses[status] = toResponse(refused === undefined ? same : [...same, describeRefusals(refused)])
  }
  for (const [status, codes] of bySameStatus) {
    responses[status] ??= isShared(codes)
      ? { $ref: `#/components/responses/${toName(codes)}` }
      : toRefusal(codes)
  }
  return responses
}

/** The responses that operations share, by their names among the components. */
export function toSharedResponses(operations: readonly Operation[]): Record<string, ResponseObject> {
  const groups = operations.flatMap(({ refusals }) => [...groupByStatus(refusals).values()])
  return Object.fromEntries(groups.filter(isShared).map((codes) => [toName(codes), toRefusal(codes)]))
}

function groupByStatus(refusals: readonly ErrorCode[]): Map<number, readonly ErrorCode[]> {
  const inOrder = errorCodes.filter((code) => refusals.includes(code))
  return Map.groupBy(inOrder, (code) => errors[code].status)
}

/** Refusals for more reasons are those of one endpoint, and their name would be a sentence. */
const isShared = (codes: readonly ErrorCode[]) => codes.length <= 3

/** `StoreUnavailable`, `SessionExpiredOrSessionRequired`. */
const toName = (codes: readonly ErrorCode[]) =>
  codes
    .map((code) => code.replaceAll(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase()))
    .join('Or')

const toRefusal = (codes: readonly ErrorCode[]) => toResponse([describeRefusals(codes)])

function describeAnswer({ status, description, content = {}, headers, optionalHeaders }: Answer): Described {
  // An upstream has cache directives of its own.
  const ofAll: ResponseHeaderName[] =
    status === 'default' ? ['X-Request-Id'] : ['X-Request-Id', 'Cache-Control']
  const schemas = Object.entries(content).map(([type, schema]) => [type, toContentSchema(schema)])
  return {
    descriptions: [description],
    content: Object.fromEntries(schemas),
    required: new Set([...ofAll, ...(headers ?? [])]),
    optional: new Set(optionalHeaders),
  }
}

function toContentSchema(content: NonNullable<Answer['content']>[string]): JsonSchema {
  if (content === 'page') return html
  return content === 'anything' ? {} : toSchema(content)
}

const html: JsonSchema = { type: 'string' }

/** The refusals of one status: problem details for a fetch, a page for a navigation. */
function describeRefusals(codes: readonly ErrorCode[]): Described {
  const headers = codes.map((code) => headersOfRefusals[code] ?? [])
  const always = (name: ResponseHeaderName) => headers.every((names) => names.includes(name))
  const all = headers.flat()
  return {
    descriptions: codes.map((code) => `\`${code}\`: ${errors[code].title}.`),
    content: {
      'application/problem+json': {
        allOf: [toSchema(problem), { properties: { code: { enum: codes } } }],
      },
      'text/html': html,
    },
    required: new Set(['X-Request-Id', 'Cache-Control', ...all.filter(always)]),
    optional: new Set(all.filter((name) => !always(name))),
  }
}

/** One response of everything that has the same status. */
function toResponse(all: readonly Described[]): ResponseObject {
  const names = [...new Set(all.flatMap(({ required, optional }) => [...required, ...optional]))]
  const isRequired = (name: ResponseHeaderName) => all.every(({ required }) => required.has(name))
  const content: [string, JsonSchema][] = all.flatMap((one) => Object.entries(one.content))
  return {
    description: all.flatMap(({ descriptions }) => descriptions).join(' '),
    headers: Object.fromEntries(names.map((name) => [name, toHeader(name, isRequired(name))])),
    ...(content.length > 0 && {
      content: Object.fromEntries(content.map(([type, schema]) => [type, { schema }])),
    }),
  }
}

/** The components have the headers as those that a response always has. */
const toHeader = (name: ResponseHeaderName, isRequired: boolean) =>
  isRequired ? { $ref: `#/components/headers/${name}` } : responseHeaders[name]
