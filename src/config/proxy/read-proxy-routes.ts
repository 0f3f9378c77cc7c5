import { toLogText } from '../../telemetry/events.ts'
import type { Problem, ProxyVariable } from '../config-error.ts'
import { type Environment, findWrapping } from '../read-settings.ts'
import { isObject } from '../values/parsers.ts'
import { crossCheckRoute } from './cross-checks.ts'
import type { ProxyRoute } from './proxy-route.ts'
import { type MemberProblem, type MemberValues, parseMembers, routeMembers } from './route-members.ts'
import type { RouteEntry } from './routes-file.ts'
import { isOwnCookie } from './unpassable-names.ts'

interface ReadRoutes {
  /** Those without a problem. */
  routes: ProxyRoute[]
  problems: Problem[]
}

/** Reads the proxy routes: those of PROXY_ROUTES_FILE, and those of the variables PROXY_{NAME}. */
export function readProxyRoutes(env: Environment, entries: readonly RouteEntry[] = []): ReadRoutes {
  const inFile = entries.map(readEntry)
  const names = new Map<string, string>(entries.map(({ name }) => [name, 'in PROXY_ROUTES_FILE']))
  const inEnvironment = findUpstreams(env).map(({ variable, name, upstream }): ReadRoutes => {
    const other = names.get(name)
    if (other !== undefined) {
      const problem = `makes a route ${name}, which is also ${other}: remove one of them`
      return { routes: [], problems: [{ variable, problem, isSurplus: true }] }
    }
    names.set(name, `made by ${variable}`)
    return readUpstream(variable, name, upstream)
  })
  const all = [...inFile, ...inEnvironment]
  return {
    routes: all.flatMap(({ routes }) => routes),
    problems: all.flatMap(({ problems }) => problems),
  }
}

/** The problems of routes for users of providers that do not exist. */
export function findUnknownProviders(
  routes: readonly ProxyRoute[],
  providers: readonly { readonly name: string }[],
): Problem[] {
  const known = providers.map(({ name }) => name)
  return routes.flatMap(({ name, access }) =>
    access.providers
      .filter((provider) => !known.includes(provider))
      .map(() => ({
        variable: 'PROXY_ROUTES_FILE',
        problem: `has a route ${name} whose member providers names one that does not exist`,
        example: `"providers": ${JSON.stringify(known)}`,
      })),
  )
}

/** The problems of routes that name a cookie which is Portico's by its COOKIE_NAME. */
export function findOwnCookies(routes: readonly ProxyRoute[], cookieName: string | undefined): Problem[] {
  return routes
    .filter(({ cookies }) => cookies.some((name) => isOwnCookie(name, cookieName)))
    .map(({ name }) => ({
      variable: 'PROXY_ROUTES_FILE',
      problem: `has a route ${name} whose member cookies names one that begins with ${cookieName}_: such cookies are Portico's own (COOKIE_NAME)`,
      isSurplus: true,
    }))
}

/** The short form: `PROXY_ORDERS_API=https://...` is the upstream of a route `orders-api`. */
function findUpstreams(env: Environment): { variable: ProxyVariable; name: string; upstream: string }[] {
  return Object.entries(env).flatMap(([variable, upstream]) => {
    if (!isProxyVariable(variable) || !upstream) return []
    const name = variable.slice('PROXY_'.length).toLowerCase().replaceAll('_', '-')
    return [{ variable, name, upstream }]
  })
}

const isProxyVariable = (name: string): name is ProxyVariable =>
  name.startsWith('PROXY_') && name !== 'PROXY_ROUTES_FILE'

function readUpstream(variable: ProxyVariable, name: string, upstream: string): ReadRoutes {
  const toProblem = (problem: string): Problem => ({
    variable,
    problem,
    example: `${variable}=${routeMembers.upstream.example}`,
  })
  if (!isName(name)) {
    const problem = `makes a route "${toLogText(name)}", as every variable that begins with PROXY_ does: ${ofNames}`
    return {
      routes: [],
      problems: [{ ...toProblem(problem), example: 'PROXY_ORDERS=https://orders.internal' }],
    }
  }
  const wrapping = findWrapping(upstream)
  if (wrapping !== undefined)
    return { routes: [], problems: [{ variable, problem: wrapping, isSurplus: true }] }
  const { route, problems } = toRoute(name, { upstream })
  return {
    routes: route === undefined ? [] : [route],
    problems: problems.map(({ problem }) =>
      toProblem(
        `makes a route ${name}, as every variable that begins with PROXY_ does: its upstream ${problem}`,
      ),
    ),
  }
}

function readEntry({ name, members }: RouteEntry): ReadRoutes {
  const toProblem = (problem: string, example: string): Problem => ({
    variable: 'PROXY_ROUTES_FILE',
    problem: `has a route ${name} ${problem}`,
    example,
  })
  const wholeExample = JSON.stringify({ orders: { upstream: routeMembers.upstream.example } })
  if (!isName(name)) {
    const problem = `has a route "${toLogText(name)}": ${ofNames}`
    return { routes: [], problems: [{ variable: 'PROXY_ROUTES_FILE', problem, example: wholeExample }] }
  }
  if (!isObject(members)) {
    return { routes: [], problems: [toProblem('that is not an object with an upstream', wholeExample)] }
  }
  const { route, problems } = toRoute(name, members)
  const found = problems.map(({ member, problem }) =>
    toProblem(
      `whose member ${member} ${problem}`,
      `"${member}": ${JSON.stringify(routeMembers[member].example)}`,
    ),
  )
  const unknown = Object.keys(members).filter((member) => !Object.hasOwn(routeMembers, member))
  if (unknown.length > 0) {
    const names = unknown.map((member) => `"${toLogText(member)}"`).join(', ')
    const known = Object.keys(routeMembers).join(', ')
    const problem = `has a route ${name} with members that no route has: ${names}; a route may have ${known}`
    found.push({ variable: 'PROXY_ROUTES_FILE', problem, isSurplus: true })
  }
  return { routes: route === undefined ? [] : [route], problems: found }
}

function toRoute(
  name: string,
  members: Readonly<Record<string, unknown>>,
): { route: ProxyRoute | undefined; problems: MemberProblem[] } {
  const { values, problems: ofMembers } = parseMembers(members)
  // A member that did not parse looks like an absent one to the checks that compare members.
  const isNew = ({ member }: MemberProblem) => !ofMembers.some((one) => one.member === member)
  const problems = [...ofMembers, ...crossCheckRoute(values).filter(isNew)]
  if (problems.length > 0) return { route: undefined, problems }
  // Without a problem, every member has its value.
  const all = values as MemberValues
  const { methods } = all
  const route: ProxyRoute = {
    name,
    ...all.upstream,
    methods: methods.includes('GET') ? [...new Set([...methods, 'HEAD'])] : methods,
    paths: all.paths,
    access: { scopes: all.scopes, groups: all.groups, providers: all.providers },
    token: { kind: all.token, audience: all.audience, scopes: all.token_scopes },
    timeout: all.timeout,
    maxBody: all.max_body,
    websocket: all.websocket,
    cache: all.cache,
    requestHeaders: all.request_headers,
    responseHeaders: all.response_headers,
    cookies: all.cookies,
    forwarded: all.forwarded,
  }
  return { route, problems }
}

const isName = (text: string) => /^[a-z][a-z0-9-]{0,31}$/.test(text)
const ofNames = 'names are up to 32 characters of a-z, 0-9 and -, and begin with a letter'
