import { parse } from 'node:querystring'
import { z } from 'zod'
import type { Config } from '../../config/config.ts'
import type { AccessRule, TokenChoice } from '../../config/proxy/proxy-route.ts'
import { AppError } from '../../errors.ts'
import { parameter, readParameters } from '../request/parameters.ts'
import { type ClaimHeader, toClaimHeaders } from './identity-headers.ts'

/** Who may pass, and with which token. */
interface Protection {
  readonly access: AccessRule
  readonly token: TokenChoice
}

/** What a reverse proxy asks for: who may pass, and what it is to learn about them. */
export interface ForwardAuthRule extends Protection {
  readonly claims: readonly ClaimHeader[]
  /** Whether navigations without a session are redirected to the login; otherwise they get 401. */
  readonly redirectsToLogin: boolean
}

/**
 * Reads the rule of a request: that of a configured proxy route where it names one, and the parameters of its
 * query.
 *
 * @throws AppError `not_found` for an unknown route, `invalid_request` for parameters
 */
export type ReadForwardAuthRule = (route: string | undefined, query: string) => ForwardAuthRule

/** The parameters of a question. */
export const forwardAuthParameters = z.object({
  route: parameter(32).optional(),
  token: z.enum(['provider', 'app', 'exchange', 'optional', 'none']).optional(),
  audience: parameter(500).optional(),
  token_scopes: parameter(2_000).optional(),
  scope: parameter(2_000).optional(),
  group: parameter(2_000).optional(),
  provider: parameter(1_000).optional(),
  claims: parameter(1_000).optional(),
  login: z.enum(['redirect', '401']).optional(),
})
type Parameters = z.infer<typeof forwardAuthParameters>
const known = Object.keys(forwardAuthParameters.shape)

/** Parameters for which a route has settings. */
const ofRoutes = ['token', 'audience', 'token_scopes', 'scope', 'group', 'provider'] as const

/** Queries that are remembered; the configurations of a few proxies contain far fewer. */
const maxRemembered = 200

/** Creates the reader of rules. It remembers them, because a proxy asks for the same few all the time. */
export function createForwardAuthRules({ proxyRoutes }: Pick<Config, 'proxyRoutes'>): ReadForwardAuthRule {
  const routes = new Map(proxyRoutes.map((route) => [route.name, route]))
  const remembered = new Map<string, ForwardAuthRule>()

  return (route, query) => {
    const key = route === undefined ? `?${query}` : `/${route}?${query}`
    const before = remembered.get(key)
    if (before !== undefined) return before
    const rule = read(route, query)
    // A browser can ask through the proxy, too, with any query.
    if (remembered.size >= maxRemembered) remembered.clear()
    remembered.set(key, rule)
    return rule
  }

  function read(routeOfPath: string | undefined, query: string): ForwardAuthRule {
    const given = parse(query)
    if (Object.keys(given).some((name) => !known.includes(name))) {
      throw new AppError('invalid_request', `Forward auth knows only the parameters ${known.join(', ')}.`)
    }
    const input = readParameters(forwardAuthParameters, given)
    const claims = toClaimHeaders(toList(input.claims, ','))
    if (claims === undefined) {
      throw new AppError(
        'invalid_request',
        'claims: a header can have names of letters, digits, - and _, each once; subject, session, scope, login and error are taken.',
      )
    }
    if (routeOfPath !== undefined && input.route !== undefined) {
      throw new AppError('invalid_request', 'Name the route once, in the path or the query.')
    }
    const name = routeOfPath ?? input.route
    const protection = name === undefined ? toProtection(input) : readRoute(name, input)
    return { ...protection, claims, redirectsToLogin: input.login !== '401' }
  }

  function readRoute(name: string, input: Parameters): Protection {
    if (ofRoutes.some((parameter) => input[parameter] !== undefined)) {
      throw new AppError('invalid_request', `A route has settings of its own for ${ofRoutes.join(', ')}.`)
    }
    const route = routes.get(name)
    if (route === undefined) throw new AppError('not_found', 'No proxy route has this name.')
    return { access: route.access, token: route.token }
  }
}

const toProtection = (input: Parameters): Protection => ({
  access: {
    scopes: toList(input.scope, ' '),
    groups: toList(input.group, ','),
    providers: toList(input.provider, ','),
  },
  token: toTokenChoice(input),
})

function toTokenChoice({ token, audience, token_scopes }: Parameters): TokenChoice {
  const kind = token ?? 'none'
  const isMade = kind === 'app' || kind === 'exchange'
  if (!isMade && (audience !== undefined || token_scopes !== undefined)) {
    throw new AppError('invalid_request', 'audience and token_scopes need token=app or token=exchange.')
  }
  if (kind === 'exchange' && audience === undefined) {
    throw new AppError('invalid_request', 'token=exchange needs an audience.')
  }
  return { kind, audience, scopes: token_scopes === undefined ? undefined : toList(token_scopes, ' ') }
}

const toList = (text: string | undefined, separator: string): string[] =>
  (text ?? '').split(separator).filter((item) => item !== '')
