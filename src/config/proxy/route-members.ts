import type { z } from 'zod'
import { duration } from '../values/duration-parsers.ts'
import { oneOf } from '../values/parsers.ts'
import {
  audience,
  cookieName,
  flag,
  group,
  headerName,
  listOf,
  method,
  pathPrefix,
  providerName,
  scope,
  size,
  someOf,
  text,
  upstream,
} from './member-parsers.ts'

/** One member of a route. docs/configuration.md lists the same names and defaults; a test compares them. */
export interface RouteMember<T> {
  parse: z.ZodType<T>
  /** A value that would be accepted, shown with a problem. */
  example: unknown
  /** What is parsed where the member is absent. */
  fallback?: unknown
}

const member = <T, const R extends Omit<RouteMember<T>, 'parse'>>(parse: z.ZodType<T>, rest: R) => ({
  parse,
  ...rest,
})

/** Every member that a route may have. */
export const routeMembers = {
  upstream: member(text.pipe(upstream), { example: 'https://orders.internal' }),
  allow_http: member(flag, { example: true, fallback: false }),
  methods: member(someOf(method), {
    example: ['GET', 'POST'],
    fallback: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
  }),
  paths: member(someOf(pathPrefix), { example: ['/orders'], fallback: ['/'] }),
  scopes: member(listOf(scope), { example: ['orders.read'], fallback: [] }),
  groups: member(listOf(group), { example: ['Admins'], fallback: [] }),
  providers: member(listOf(providerName), { example: ['okta'], fallback: [] }),
  token: member(text.pipe(oneOf('provider', 'app', 'exchange', 'optional', 'none')), {
    example: 'app',
    fallback: 'provider',
  }),
  audience: member(text.pipe(audience).optional(), { example: 'https://orders.internal' }),
  token_scopes: member(someOf(scope).optional(), { example: ['orders.read'] }),
  timeout: member(text.pipe(duration('1s', '10m')), { example: '30s', fallback: '30s' }),
  max_body: member(text.pipe(size), { example: '10mb', fallback: '10mb' }),
  websocket: member(flag, { example: true, fallback: false }),
  cache: member(text.pipe(oneOf('no-store', 'private')), { example: 'private', fallback: 'no-store' }),
  request_headers: member(listOf(headerName), { example: ['x-currency'], fallback: [] }),
  response_headers: member(listOf(headerName), { example: ['x-total-count'], fallback: [] }),
  cookies: member(listOf(cookieName), { example: ['region'], fallback: [] }),
  forwarded: member(flag, { example: true, fallback: false }),
} as const satisfies Record<string, RouteMember<unknown>>

export type MemberName = keyof typeof routeMembers

/** The values of a route's members. */
export type MemberValues = { [K in MemberName]: z.output<(typeof routeMembers)[K]['parse']> }

/** Parses the members of a route, each by itself; `problems` says what is wrong with the others. */
export function parseMembers(given: Readonly<Record<string, unknown>>): {
  values: Partial<MemberValues>
  problems: MemberProblem[]
} {
  const values: Record<string, unknown> = {}
  const problems: MemberProblem[] = []
  for (const [name, { parse, fallback }] of entries) {
    // YAML's null is no absence: `scopes:` without items must not mean that none is needed.
    const value = given[name] === undefined ? fallback : given[name]
    const { data, error } = parse.safeParse(value)
    if (error === undefined) values[name] = data
    else problems.push({ member: name, problem: toText(error.issues) })
  }
  return { values: values as Partial<MemberValues>, problems }
}

/** What is wrong with a member, as the rest of a sentence that begins with its name. */
export interface MemberProblem {
  member: MemberName
  problem: string
}

const entries = Object.entries(routeMembers) as [MemberName, RouteMember<unknown>][]

function toText([issue]: z.core.$ZodIssue[]): string {
  const [index] = issue?.path ?? []
  const problem = issue?.message ?? 'is not valid'
  return typeof index === 'number' ? `is wrong at value ${index + 1}, which ${problem}` : problem
}
