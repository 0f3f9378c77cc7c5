import { isPrivate } from '../values/private-url.ts'
import type { MemberProblem, MemberValues } from './route-members.ts'

/** Values that parsed; one with a problem of its own is absent, and is not checked again here. */
type Values = Partial<MemberValues>

/** The problems that no member of a route shows alone. */
export const crossCheckRoute = (values: Values): MemberProblem[] =>
  crossChecks.flatMap((check) => check(values) ?? [])

const crossChecks: readonly ((values: Values) => MemberProblem | undefined)[] = [
  upstreamIsPrivate,
  exchangeHasAnAudience,
  onlyMadeTokensHaveAnAudience,
  onlyMadeTokensHaveScopes,
  websocketMayGet,
]

function upstreamIsPrivate({ upstream, allow_http: isAllowed }: Values): MemberProblem | undefined {
  return upstream === undefined || isAllowed !== false || isPrivate(new URL(upstream.origin))
    ? undefined
    : {
        member: 'upstream',
        problem:
          'must be https; http is accepted on a loopback host, or in a routes file with "allow_http": true',
      }
}

function exchangeHasAnAudience({ token, audience }: Values): MemberProblem | undefined {
  return token === 'exchange' && audience === undefined
    ? { member: 'audience', problem: 'is needed for "token": "exchange"' }
    : undefined
}

/** Whether a token is made for a route, with an audience and scopes of its own. */
const isMade = (token: MemberValues['token'] | undefined) =>
  token === undefined || token === 'app' || token === 'exchange'

function onlyMadeTokensHaveAnAudience({ token, audience }: Values): MemberProblem | undefined {
  return isMade(token) || audience === undefined
    ? undefined
    : {
        member: 'audience',
        problem: `has no effect with "token": "${token}": set "app" or "exchange", or remove it`,
      }
}

function onlyMadeTokensHaveScopes({ token, token_scopes: scopes }: Values): MemberProblem | undefined {
  return isMade(token) || scopes === undefined
    ? undefined
    : {
        member: 'token_scopes',
        problem: `has no effect with "token": "${token}": set "app" or "exchange", or remove it`,
      }
}

/** A WebSocket connection begins with a GET request (RFC 6455 4.1). */
function websocketMayGet({ websocket, methods }: Values): MemberProblem | undefined {
  return websocket === true && methods !== undefined && !methods.includes('GET')
    ? { member: 'methods', problem: 'must include GET for "websocket": true' }
    : undefined
}
