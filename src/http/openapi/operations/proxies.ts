import { z } from 'zod'
import type { ErrorCode } from '../../../errors.ts'
import { forwardAuthParameters } from '../../proxy-endpoints/forward-auth-rules.ts'
import { type Operation, redirect } from '../operation.ts'
import { ofCsrf, ofEveryRequest, ofRefresh, ofSession } from '../refusals.ts'

/** Who may pass, and the token that they bring. */
const ofAccess: readonly ErrorCode[] = [
  ...ofEveryRequest,
  ...ofCsrf,
  ...ofSession,
  ...ofRefresh,
  'insufficient_authorization',
  'insufficient_group',
  'insufficient_scope',
  'login_required',
  'not_found',
  'provider_error',
]

const question: Omit<Operation, 'path' | 'id' | 'summary'> = {
  method: 'get',
  tag: 'reverse proxies',
  headers: ['originalMethod', 'originalUri', 'slideOfProxy'],
  security: ['session', 'forwardAuthSecret', 'none'],
  answers: [
    {
      status: 200,
      description: 'The request may pass. The headers say who it is from, also by `claims`.',
      headers: ['X-Auth-Subject', 'X-Auth-Session', 'X-Auth-Scope'],
      optionalHeaders: ['Authorization'],
    },
    redirect(302, 'A navigation of a user who has to sign in.'),
  ],
  refusals: [...ofAccess, 'unprocessable'],
}

const methods = ['get', 'post', 'put', 'patch', 'delete'] as const
const named = (method: string) => method.charAt(0).toUpperCase() + method.slice(1)

const envoyPath = z.object({
  rule: z.string().describe('A proxy route, and behind `;` the parameters of the question; may be empty.'),
  path: z.string().describe('The path of the original request, with all its slashes.'),
})

const upstreamPath = z.object({
  route: z.string().describe('The name of a proxy route.'),
  path: z.string().describe('The path at the upstream, with all its slashes.'),
})

/** What reverse proxies ask, and the APIs behind the session. */
export const proxyOperations: readonly Operation[] = [
  {
    ...question,
    path: '{api}/forward-auth',
    id: 'authorizeRequest',
    summary: 'Whether a request may pass, and who it is from.',
    query: forwardAuthParameters,
  },
  {
    ...question,
    path: '{api}/forward-auth/{route}',
    id: 'authorizeRequestToRoute',
    summary: 'The same, by the rule of a proxy route.',
    pathParameters: z.object({ route: z.string().describe('The name of a proxy route.') }),
    query: forwardAuthParameters.omit({ route: true }),
    refusals: [...question.refusals, 'method_not_allowed'],
  },
  ...methods.map((method) => ({
    ...question,
    path: '{api}/forward-auth/{rule}/{path}' as const,
    method,
    id: `authorizeEnvoy${named(method)}`,
    summary: `The same for Envoy's ext_authz, which asks with the original method ${method.toUpperCase()}.`,
    pathParameters: envoyPath,
    // The request line says the rest.
    headers: ['slideOfProxy'] as const,
  })),
  ...methods.map((method) => ({
    path: '{api}/proxy/{route}/{path}' as const,
    method,
    id: `proxy${named(method)}`,
    tag: 'proxy' as const,
    summary: `Calls an API behind the session by ${method.toUpperCase()}, with the user's token.`,
    pathParameters: upstreamPath,
    headers: ['csrf', 'slideOfProxy'] as const,
    security: ['session', 'none'] as const,
    answers: [
      {
        status: 'default' as const,
        description: 'What the upstream answers, with the headers that may pass.',
        content: { '*/*': 'anything' as const },
      },
    ],
    refusals: [
      ...ofAccess,
      'method_not_allowed',
      'payload_too_large',
      'upstream_unavailable',
      'upstream_timeout',
    ] as const,
  })),
]
