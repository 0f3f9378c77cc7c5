import type { ErrorRequestHandler, IRouter, Request, RequestHandler } from 'express'
import { AppError } from '../errors.ts'

type Handler<P> = RequestHandler<P> | ErrorRequestHandler<P> | RequestHandler<P>[]

/** The handlers of one address, by method, each in the order in which they run. */
interface Methods<P> {
  /** Answers HEAD as well (RFC 9110 9.3.2). */
  get?: Handler<P>[]
  /**
   * A GET that is not safe (RFC 9110 9.2.1): it begins a login, or uses up a code. HEAD is refused, because a
   * link checker must not do that.
   */
  unsafeGet?: Handler<P>[]
  post?: Handler<P>[]
  delete?: Handler<P>[]
}

/**
 * Adds an address to the app; every method that it does not name is answered with 405 and Allow (RFC 9110
 * 15.5.6).
 */
type AddRoute = <P = Request['params']>(path: string, methods: Methods<P>) => void

/** Creates the function that adds addresses to an app or a router, and notes them in `added`. */
export function createAddRoute(app: IRouter, added: string[] = []): AddRoute {
  return (path, { get, unsafeGet, post, delete: remove }) => {
    const verbs = { GET: get ?? unsafeGet, POST: post, DELETE: remove }
    const refuse = allowOnly(...Object.keys(verbs).filter((verb) => verbs[verb as keyof typeof verbs]))
    const route = app.route(path)
    added.push(path)
    if (unsafeGet !== undefined) route.head(refuse).get(...unsafeGet)
    if (get !== undefined) route.get(...get)
    if (post !== undefined) route.post(...post)
    if (remove !== undefined) route.delete(...remove)
    route.all(refuse)
  }
}

/** What matches every address that begins with this one, which has no character but those of API_PREFIX. */
export const below = (address: string): RegExp => new RegExp(`^${address.replaceAll('.', '\\.')}`)

/**
 * Creates the check whether a path is one of these addresses. They are written as in `routes.ts`: `:name` at
 * the end stands for one segment, and `*` for everything.
 */
export function createAddressCheck(addresses: readonly string[]): (path: string) => boolean {
  const known = new Set(addresses.map((address) => address.replace(/:\w+$/, ':')))
  const prefixes = addresses.filter((address) => address.endsWith('*')).map((address) => address.slice(0, -1))
  return (path) => {
    // Express takes an address with a slash at its end as well.
    const address = path.endsWith('/') ? path.slice(0, -1) : path
    if (known.has(address) || prefixes.some((prefix) => path.startsWith(prefix))) return true
    const start = address.lastIndexOf('/') + 1
    return start < address.length && known.has(`${address.slice(0, start)}:`)
  }
}

/**
 * The address of the route that a request has found, as `routes.ts` writes it: there are few, whatever
 * clients send. A regular expression is written as the beginning that it stands for, and all of the app as
 * one.
 */
export function toRoutePattern({ route, res }: Request): string {
  if (res?.locals.appHeaders !== undefined) return ofApp
  const path: unknown = (route as { path: unknown } | undefined)?.path
  if (typeof path === 'string') return path
  return path instanceof RegExp ? `${path.source.replaceAll('\\', '').slice(1)}*` : noRoute
}

/** What stands for every address of the app. */
const ofApp = '(app)'

/** What stands for the address of a request that no route has. */
export const noRoute = '(none)'

/** Refuses a request whose method is not one of these. */
function allowOnly(...methods: string[]): RequestHandler {
  return () => {
    const allow = methods.join(', ')
    throw new AppError('method_not_allowed', `This address accepts only ${allow}.`, {
      headers: { Allow: allow },
    })
  }
}
