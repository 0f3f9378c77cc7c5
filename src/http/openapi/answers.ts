import { z } from 'zod'
import { type ErrorCode, errorCodes } from '../../errors.ts'

/** The bodies of all answers, each under the name that it has in the document. */

const seconds = z.int().min(0)
const time = z.string().meta({ format: 'date-time' })
const user = z.looseObject({ sub: z.string() }).meta({
  id: 'User',
  description: "The user: the app's `sub`, and the claims of USER_CLAIMS that are known.",
})

const session = z
  .object({
    id: z.string().describe('The public handle of the session; the `sid` of its app tokens.'),
    created_at: time,
    idle_expires_in: seconds,
    absolute_expires_in: seconds,
  })
  .meta({ id: 'Session', description: 'The session; durations are seconds.' })

const appToken = {
  token: z.string().describe('The app token, a JWT.'),
  token_type: z.enum(['Bearer', 'DPoP']),
  expires_in: seconds,
}

export const loginStarted = z.object({ login_url: z.url() }).meta({ id: 'LoginStarted' })

export const signedIn = z
  .object({ ...appToken, return_to: z.string(), user, session })
  .meta({ id: 'SignedIn' })

export const sessionState = z
  .discriminatedUnion('active', [
    z.object({ active: z.literal(false) }),
    z.object({
      active: z.literal(true),
      user,
      session,
      provider_token: z.object({
        expires_in: seconds.nullable().describe('Null where the provider does not say.'),
        refreshable: z.boolean(),
      }),
      app_token: z.object({
        left_out: z.array(z.string()).describe('Claims that do not fit into the app token.'),
      }),
    }),
  ])
  .meta({ id: 'SessionState' })

export const newAppToken = z.object({ ...appToken, sub: z.string(), session }).meta({ id: 'AppToken' })

export const userinfo = z
  .looseObject({})
  .meta({ id: 'Userinfo', description: 'The claims that the provider sends.' })

export const providerList = z
  .object({
    providers: z
      .array(
        z.object({
          name: z.string(),
          label: z.string().describe('What users read.'),
          icon: z.string().nullable().describe('A data: URL.'),
        }),
      )
      .min(1),
  })
  .meta({ id: 'Providers' })

export const sessionList = z
  .object({
    sessions: z.array(
      z.object({
        ...session.shape,
        device: z.string().describe('Such as "Firefox on Linux".'),
        address: z.string().nullable().describe('Where the login came from; null where it is not known.'),
        last_seen_at: time,
        current: z.boolean().describe('Whether it is the session of this browser.'),
      }),
    ),
  })
  .meta({ id: 'Sessions' })

export const endedSessions = z.object({ ended: z.int().min(0) }).meta({ id: 'EndedSessions' })

export const loggedOut = z
  .object({ logout_url: z.url().nullable().describe('Where the page sends the browser now, if anywhere.') })
  .meta({ id: 'LoggedOut' })

export const logoutTokenError = z
  .object({
    error: z.enum([
      'internal_error',
      'invalid_logout_token',
      'invalid_request',
      'payload_too_large',
      'provider_unavailable',
      'request_timeout',
      'store_unavailable',
      'unsupported_media_type',
    ] satisfies ErrorCode[]),
    error_description: z.string(),
  })
  .meta({ id: 'LogoutTokenError', description: 'OpenID Connect Back-Channel Logout 1.0, 2.8.' })

export const introspected = z
  .union([
    z.object({ active: z.literal(false) }),
    z.looseObject({
      active: z.literal(true),
      token_type: z.enum(['Bearer', 'DPoP']),
      iss: z.url(),
      sub: z.string(),
      aud: z.union([z.string(), z.array(z.string())]),
      client_id: z.string(),
      exp: z.int(),
      iat: z.int(),
      jti: z.string(),
      sid: z.string(),
      scope: z.string(),
    }),
  ])
  .meta({ id: 'Introspected', description: 'The state of an app token (RFC 7662 2.2), with its claims.' })

export const jwks = z
  .object({ keys: z.array(z.looseObject({ kty: z.string(), alg: z.string(), use: z.literal('sig') })) })
  .meta({ id: 'Jwks', description: 'Public keys (RFC 7517 5).' })

const metadata = {
  issuer: z.url(),
  jwks_uri: z.url(),
  scopes_supported: z.array(z.string()),
  response_types_supported: z.array(z.string()),
  grant_types_supported: z.array(z.string()),
  dpop_signing_alg_values_supported: z.array(z.string()).optional(),
  introspection_endpoint: z.url().optional(),
  introspection_endpoint_auth_methods_supported: z.array(z.string()).optional(),
}

export const serverMetadata = z.object(metadata).meta({ id: 'ServerMetadata', description: 'RFC 8414 2.' })

export const openidConfiguration = z
  .object({
    ...metadata,
    subject_types_supported: z.array(z.string()),
    id_token_signing_alg_values_supported: z.array(z.string()).describe('Of app tokens.'),
  })
  .meta({ id: 'OpenidConfiguration', description: 'OpenID Connect Discovery 1.0, 3.' })

export const openApiDocument = z
  .looseObject({ openapi: z.string() })
  .meta({ id: 'OpenApi', description: 'An OpenAPI document, such as this one.' })

export const live = z.object({ status: z.literal('ok') }).meta({ id: 'Live' })

export const readiness = z
  .object({
    status: z.enum(['ready', 'not ready']),
    parts: z.object({
      server: z.enum(['ok', 'draining']),
      store: z.string(),
      signing_keys: z.string(),
      provider: z.string(),
    }),
  })
  .meta({ id: 'Readiness', description: 'A word for each part: `ok`, or what is wrong.' })

export const problem = z
  .object({
    type: z.literal('about:blank'),
    title: z.string(),
    status: z.int(),
    detail: z.string().describe('For people; code never depends on it.'),
    code: z.enum(errorCodes).describe('Stable: code may depend on it.'),
    request_id: z.string(),
  })
  .meta({ id: 'Problem', description: 'A refusal (RFC 9457).' })

/** Every body that has a name of its own in the document. */
export const namedSchemas = [
  user,
  session,
  loginStarted,
  signedIn,
  sessionState,
  newAppToken,
  userinfo,
  providerList,
  sessionList,
  endedSessions,
  loggedOut,
  logoutTokenError,
  introspected,
  jwks,
  serverMetadata,
  openidConfiguration,
  openApiDocument,
  live,
  readiness,
  problem,
]
