import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import type { OpenApiDocument } from '../../../src/http/openapi/document.ts'

/** An answer, and the request line that it is for. */
export interface Exchange {
  method: string
  /** The request target, with its query. */
  target: string
  status: number
  /** By their names in lower case. */
  headers: ReadonlyMap<string, string>
  body: string
}

/** Says how an answer differs from the document; undefined where it does not. */
export type FindDeviation = (exchange: Exchange) => string | undefined

/** What the document says of one status of an operation. */
interface Expectation {
  /** In lower case. */
  requiredHeaders: string[]
  /** By content type: whether a body fits; null where it may be any text. */
  content: Map<string, ValidateFunction | null> | undefined
}

interface ResponseObject {
  headers?: Record<string, { required?: boolean } | { $ref: string }>
  content?: Record<string, object>
}

/** All addresses below are this server's own; elsewhere may be an app. */
const prefix = '/api/'

/**
 * Creates the comparison of answers with the document. It is stricter than the document: an answer has no
 * member that its schema does not name, unless the schema says that it may have any.
 */
export function createConformance(document: OpenApiDocument): FindDeviation {
  const compile = createCompiler(document)
  const isProblem = compile(['components', 'schemas', 'Problem'])
  const findPath = createPathFinder(Object.keys(document.paths))
  const expectations = new Map<string, Expectation | undefined>()

  return (exchange) => {
    const { method, target, status } = exchange
    const [address = ''] = target.split('?')
    const path = findPath(address)
    // What a preflight is answered, CORS defines.
    if (method === 'OPTIONS' || (path === undefined && !address.startsWith(prefix))) return undefined
    const verb = method === 'HEAD' ? 'get' : method.toLowerCase()
    if (path === undefined || document.paths[path]?.[verb] === undefined)
      return compareRefusal(exchange, path)
    // Some addresses refuse HEAD though they have GET.
    if (method === 'HEAD' && status === 405) return compareRefusal(exchange, undefined)
    const key = `${verb} ${path} ${status}`
    if (!expectations.has(key)) expectations.set(key, expect(path, verb, status))
    const expectation = expectations.get(key)
    if (expectation === undefined) return `the status ${status} is not documented`
    return compare(exchange, expectation)
  }

  /** What the document says of a status; undefined where it does not have it. */
  function expect(path: string, verb: string, status: number): Expectation | undefined {
    const responses = document.paths[path]?.[verb]?.responses ?? {}
    const key = status in responses ? String(status) : 'default'
    const given = responses[key]
    if (given === undefined) return undefined
    const [, ...shared] = '$ref' in given ? String(given.$ref).split('/') : []
    const at = shared.length > 0 ? shared : ['paths', path, verb, 'responses', key]
    const { headers = {}, content } = readAt(document, at) as ResponseObject
    const types = Object.keys(content ?? {}).map((type): [string, ValidateFunction | null] => [
      type,
      type.endsWith('json') ? compile([...at, 'content', type, 'schema']) : null,
    ])
    return {
      requiredHeaders: Object.entries(headers)
        .filter(([, header]) => '$ref' in header || header.required)
        .map(([name]) => name.toLowerCase()),
      content: content && new Map(types),
    }
  }

  /** An answer where no operation is: a refusal, which names the methods where one of them is wrong. */
  function compareRefusal({ status, headers, body }: Exchange, path: string | undefined): string | undefined {
    if (status < 400) return 'the address does not have this method, or is not documented'
    if (status === 405 && path !== undefined) {
      const methods = Object.keys(document.paths[path] ?? {}).map((verb) => verb.toUpperCase())
      const allow = headers.get('allow') ?? ''
      if (allow.split(', ').toSorted().join() !== methods.toSorted().join()) return `Allow is ${allow}`
    }
    const isJson = headers.get('content-type')?.startsWith('application/problem+json')
    return isJson && body !== '' && !isProblem(JSON.parse(body)) ? toText(isProblem) : undefined
  }
}

function compare({ method, status, headers, body }: Exchange, expected: Expectation): string | undefined {
  const missing = expected.requiredHeaders.find((name) => !headers.has(name))
  if (missing !== undefined) return `the header ${missing} is missing`
  const { content } = expected
  if (content === undefined) return body === '' ? undefined : 'its body is not documented'
  // A redirect has a note where the request accepts it.
  if (content.has('*/*') || (status < 400 && status >= 300 && body === '')) return undefined
  const [type = ''] = (headers.get('content-type') ?? '').split(';')
  const validate = content.get(type)
  if (validate === undefined) return `the content type "${type}" is not documented`
  if (validate === null || method === 'HEAD' || validate(JSON.parse(body))) return undefined
  return toText(validate)
}

const toText = ({ errors }: ValidateFunction) =>
  `the body does not fit: ${JSON.stringify(errors?.map(({ instancePath, message, params }) => [instancePath, message, params]))}`

/** Finds the path of the document that an address is of: one without variables first (OpenAPI 3.1.1, 4.8.8). */
function createPathFinder(paths: readonly string[]): (address: string) => string | undefined {
  const fixed = new Set(paths.filter((path) => !path.includes('{')))
  const patterns = paths
    .filter((path) => path.includes('{'))
    .sort((a, b) => a.split('{').length - b.split('{').length)
    // `{path}` at the end stands for all the rest.
    .map((path) => ({ path, source: path.replace(/\/\{path\}$/, '(/.*)?').replaceAll(/\{\w+\}/g, '[^/]+') }))
    .map(({ path, source }) => ({ path, pattern: new RegExp(`^${source}$`) }))
  return (address) =>
    fixed.has(address) ? address : patterns.find(({ pattern }) => pattern.test(address))?.path
}

/** Creates the compiler of the schemas of a document, each by its place there. */
function createCompiler(document: OpenApiDocument): (at: readonly string[]) => ValidateFunction {
  const ajv = new Ajv2020({ strict: true, strictTypes: false, strictRequired: false })
  addFormats.default(ajv)
  // The document as a whole is no schema.
  ajv.addVocabulary(['paths', 'components'])
  const { paths, components } = structuredClone(document)
  close(Object.values(paths).flatMap((operations) => Object.values(operations).map((each) => each.responses)))
  close(components)
  ajv.addSchema({ paths, components }, 'openapi.json')
  return (at) => ajv.compile({ $ref: `openapi.json#/${at.map(toPointerPart).join('/')}` })
}

/** RFC 6901, 6. */
const toPointerPart = (part: string) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))

/** Closes the objects of schemas to members that they do not name. */
function close(node: unknown): void {
  if (typeof node !== 'object' || node === null) return
  const schema = node as Record<string, unknown>
  if (schema.type === 'object' && schema.properties !== undefined) schema.additionalProperties ??= false
  for (const child of Object.values(schema)) close(child)
}

const readAt = (root: object, at: readonly string[]): unknown =>
  at.reduce<unknown>((node, part) => (node as Record<string, unknown>)[part], root)
