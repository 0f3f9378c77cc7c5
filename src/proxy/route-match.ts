import type { Config } from '../config/config.ts'
import type { ProxyRoute } from '../config/proxy/proxy-route.ts'
import { AppError } from '../errors.ts'
import { assertNormalPath } from './upstream-path.ts'

/** A call to an upstream: its route, and the path and query that it has there. */
export interface UpstreamTarget {
  readonly route: ProxyRoute
  /** With the upstream's base path and the query. */
  readonly path: string
}

/**
 * Finds the route of a call and its target there; `url` is what follows the address below which all are.
 *
 * @throws AppError `not_found`, `method_not_allowed`, or `invalid_request` where the path is not normal
 */
export type MatchRoute = (method: string, url: string) => UpstreamTarget

/** The address below which every upstream has its own, from the root of the origin. */
export const toProxyPrefix = ({ apiPath }: Pick<Config, 'apiPath'>): string => `${apiPath}/proxy/`

/** Creates the match of calls with the configured routes; nothing else reaches an upstream. */
export function createRouteMatch(routes: readonly ProxyRoute[]): MatchRoute {
  const byName = new Map(routes.map((route) => [route.name, route]))

  return (method, url) => {
    const queryAt = url.indexOf('?')
    const end = queryAt === -1 ? url.length : queryAt
    const slashAt = url.indexOf('/')
    const nameEnd = slashAt === -1 || slashAt > end ? end : slashAt
    const route = byName.get(url.slice(0, nameEnd))
    if (route === undefined) throw new AppError('not_found', 'This server has no API of this name.')
    const path = url.slice(nameEnd, end)
    assertNormalPath(path)
    if (!route.paths.some((prefix) => isBelow(path, prefix))) {
      throw new AppError('not_found', `The API ${route.name} has nothing here that may be called.`)
    }
    if (!route.methods.includes(method)) throw methodNotAllowed(route)
    return { route, path: `${`${route.basePath}${path}` || '/'}${url.slice(end)}` }
  }
}

/** Whether a path is the prefix or lies below it; the prefix `/` is above every path. */
function isBelow(path: string, prefix: string): boolean {
  if (prefix === '/') return true
  return path.startsWith(prefix) && (path.length === prefix.length || path[prefix.length] === '/')
}

function methodNotAllowed({ name, methods }: ProxyRoute): AppError {
  const allow = methods.join(', ')
  return new AppError('method_not_allowed', `The API ${name} accepts only ${allow}.`, {
    headers: { Allow: allow },
  })
}
