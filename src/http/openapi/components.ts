import { type CookieConfig, createCookieNames } from '../request/cookies.ts'

/** What operations share by name: tags, request headers, response headers, and ways to authenticate. */

/** Who calls an operation. */
export const tags = {
  browser: 'What the single-page app and its browser call.',
  APIs: 'What your APIs (resource servers) call, and the JWT middleware in them.',
  providers: 'What identity providers call.',
  balancers: 'What load balancers and orchestrators call.',
  'reverse proxies': 'What other reverse proxies ask.',
  proxy: 'The APIs behind the session; which there are, and what they answer, is configured.',
} as const

export type Tag = keyof typeof tags

const jwt = { type: 'string', pattern: '^[\\w-]+\\.[\\w-]+\\.[\\w-]*$' } as const
const seconds = { type: 'string', pattern: '^\\d+$' } as const
const text = { type: 'string' } as const

/** Request headers. */
export const parameters = {
  csrf: {
    name: 'X-CSRF',
    in: 'header',
    required: true,
    description: 'Shows that a script of an allowed page calls: a page of another site cannot send it.',
    schema: { type: 'string', const: '1' },
  },
  csrfUnlessForm: {
    name: 'X-CSRF',
    in: 'header',
    description: 'Needed, except with a form, where the address accepts one.',
    schema: { type: 'string', const: '1' },
  },
  dpop: {
    name: 'DPoP',
    in: 'header',
    description: 'A proof of the key to which the app token is to be bound (RFC 9449 4).',
    schema: jwt,
  },
  slideOfProxy: {
    name: 'X-Slide',
    in: 'header',
    description: 'With `false`, the call does not extend the idle timeout.',
    schema: text,
  },
  originalMethod: {
    name: 'X-Original-Method',
    in: 'header',
    description: 'The method of the original request; or X-Forwarded-Method.',
    schema: text,
  },
  originalUri: {
    name: 'X-Original-URI',
    in: 'header',
    description: 'The path and query of the original request; or X-Original-URL, or X-Forwarded-Uri.',
    schema: text,
  },
} as const

export type ParameterName = keyof typeof parameters

/** Response headers. */
export const responseHeaders = {
  'X-Request-Id': { description: 'By which the operator finds the request in the log.', schema: text },
  'Cache-Control': { schema: text },
  Location: { description: 'Where the browser goes.', schema: { type: 'string', format: 'uri-reference' } },
  'Set-Cookie': { description: "This server's cookies, HttpOnly.", schema: text },
  'Retry-After': { description: 'Seconds to wait before the next attempt.', schema: seconds },
  'WWW-Authenticate': { description: 'How to authenticate (RFC 9110 11.6.1).', schema: text },
  'DPoP-Nonce': { description: 'A nonce for the next proof (RFC 9449 8).', schema: text },
  RateLimit: {
    description: 'What is left of the limit (draft-ietf-httpapi-ratelimit-headers).',
    schema: text,
  },
  'RateLimit-Policy': { description: 'The limit of the client address.', schema: text },
  Allow: { description: 'The methods of this address.', schema: text },
  'Proxy-Status': { description: 'Why an upstream gave no answer (RFC 9209).', schema: text },
  'X-Auth-Subject': { description: 'The user; empty for one who is not signed in.', schema: text },
  'X-Auth-Session': { description: 'The public handle of the session.', schema: text },
  'X-Auth-Scope': { description: 'The granted scopes.', schema: text },
  'X-Auth-Error': { description: 'The code of the refusal.', schema: text },
  'X-Auth-Login': { description: 'Where the user signs in.', schema: { type: 'string', format: 'uri' } },
  Authorization: { description: 'The token for the upstream, where the rule asks for one.', schema: text },
} as const

export type ResponseHeaderName = keyof typeof responseHeaders

/** Ways to authenticate. */
export function toSecuritySchemes(naming: CookieConfig) {
  const { session, transactionPrefix, logout } = createCookieNames(naming)
  return {
    session: {
      type: 'apiKey',
      in: 'cookie',
      name: session,
      description: 'The session cookie, which a completed login sets.',
    },
    login: {
      type: 'apiKey',
      in: 'cookie',
      name: `${transactionPrefix}{id}`,
      description:
        'The sealed cookie of one login in progress; `id` is the part of its state before the dot.',
    },
    logoutTicket: {
      type: 'apiKey',
      in: 'cookie',
      name: logout,
      description: 'The secret of a logout ticket, which the answer of the logout sets.',
    },
    clientSecretBasic: {
      type: 'http',
      scheme: 'basic',
      description: 'One of INTROSPECTION_CLIENTS, both parts form-encoded (RFC 6749 2.3.1).',
    },
    providerToken: {
      type: 'http',
      scheme: 'bearer',
      bearerFormat: 'JWT',
      description: 'A JWT of the provider of the type global-token-revocation+jwt.',
    },
    forwardAuthSecret: {
      type: 'apiKey',
      in: 'header',
      name: 'X-Forward-Auth-Secret',
      description: 'FORWARD_AUTH_SECRET, where the rule asks for a token.',
    },
  } as const
}

export type SchemeName = keyof ReturnType<typeof toSecuritySchemes>
