import { findAdvice, upstreamAdvice } from '../advice/advice.ts'
import type { Clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import type { ProxyRoute, TokenKind } from '../config/proxy/proxy-route.ts'
import { isPrivate } from '../config/values/private-url.ts'
import { toLogReason } from '../errors.ts'
import { createProviderFetch } from '../provider/transport/fetch.ts'
import { type Finding, fail, pass, warn } from './finding.ts'

/** Milliseconds that the doctor waits for an upstream, which a route may allow much longer. */
const patience = 5_000

/** Shows each proxy route, and tries whether its upstream answers. */
export async function checkProxyRoutes({ proxyRoutes, apiPrefix }: Config, clock: Clock): Promise<Finding[]> {
  const found = await Promise.all(
    proxyRoutes.map(async (route) => [
      describeRoute(route, apiPrefix),
      ...checkEncryption(route),
      await tryUpstream(route, clock),
    ]),
  )
  return found.flat()
}

const toCheck = ({ name }: ProxyRoute) => `route ${name}`
const toUpstream = ({ origin, basePath }: ProxyRoute) => `${origin}${basePath}`

function describeRoute(route: ProxyRoute, apiPrefix: string): Finding {
  const { name, methods, paths, access, websocket } = route
  const parts = [
    `${apiPrefix}/proxy/${name}/ leads to ${toUpstream(route)}`,
    `${methods.join(', ')} of ${paths.join(', ')}${websocket ? ', and WebSocket' : ''}`,
    access.scopes.length === 0 ? [] : `for the scopes ${access.scopes.join(' ')}`,
    access.groups.length === 0 ? [] : `for members of ${access.groups.join(' or ')}`,
    access.providers.length === 0 ? [] : `for users of ${access.providers.join(' or ')}`,
    describeToken(route),
  ]
  return pass(toCheck(route), parts.flat().join('; '))
}

const tokens: Record<TokenKind, string> = {
  provider: "with the provider's access token",
  app: 'with an app token',
  exchange: 'with a token that the provider exchanges',
  optional: "with the provider's access token, and without one for users who are not signed in",
  none: 'without a token',
}

function describeToken({ token: { kind, audience } }: ProxyRoute): string {
  return audience === undefined ? tokens[kind] : `${tokens[kind]} for ${audience}`
}

function checkEncryption(route: ProxyRoute): Finding[] {
  if (isPrivate(new URL(route.origin))) return []
  return [
    warn(
      toCheck(route),
      `${toUpstream(route)} is http: tokens and data can be read on the way`,
      'use https, unless only machines that may read them are on that network',
    ),
  ]
}

/** Any answer is a good one: without a user, an upstream may well refuse. */
async function tryUpstream(route: ProxyRoute, clock: Clock): Promise<Finding> {
  const upstream = toUpstream(route)
  const http = createProviderFetch({ timeout: Math.min(route.timeout, patience), clock })
  const toAnswer = (status: string) => pass(toCheck(route), `${upstream} answers (${status})`)
  try {
    const { status } = await http.fetch(`${upstream}/`, { method: 'HEAD' })
    return toAnswer(`status ${status}`)
  } catch (error) {
    const reason = toLogReason(error, 'unknown')
    if (reason.startsWith('status ')) return toAnswer(reason)
    const fix = findAdvice(upstreamAdvice, reason, 'check whether this machine can reach the upstream')
    return fail(toCheck(route), `${upstream} does not answer: ${reason}`, fix)
  } finally {
    await http.close()
  }
}
