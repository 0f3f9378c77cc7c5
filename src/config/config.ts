import type { LogLevel } from '../telemetry/logger.ts'
import { ConfigError } from './config-error.ts'
import { findContradictions, toAccessTokenAudience, toAllowedOrigins } from './contradictions.ts'
import type { RateLimit } from './parsers.ts'
import type { PrivateJwk } from './private-jwk-set.ts'
import { type Environment, readSettings } from './read-settings.ts'
import type { RedisTarget } from './redis-url.ts'
import type { SettingValues } from './settings.ts'

/** How the client proves itself at the token endpoint (RFC 6749 2.3). */
export type ClientAuth =
  | { method: 'none' }
  | { method: 'client_secret_basic' | 'client_secret_post'; secret: string }

/** Whether the provider's access tokens are JWTs that we verify, or texts we never look into. */
export type AccessTokenFormat = { format: 'jwt'; audience: string } | { format: 'opaque' }

/** The whole configuration, checked. All durations are milliseconds; origins have no trailing slash. */
export interface Config {
  publicUrl: string
  /** False only for http on a loopback host: then cookies lose Secure and their `__Host-` prefix. */
  secureCookies: boolean
  listen: { host: string; port: number }
  /** Master secrets, newest first; older ones only open and verify. */
  secrets: readonly Uint8Array[]
  provider: {
    issuer: string
    clientId: string
    clientAuth: ClientAuth
    redirectUri: string
    scopes: readonly string[]
    idTokenAlg: string
    accessToken: AccessTokenFormat
    timeout: number
  }
  /** Origins whose pages may call with credentials, this server's own included. */
  allowedOrigins: readonly string[]
  loginReturnTo: string
  logoutReturnTo: string
  session: { idleTimeout: number; absoluteTimeout: number; sameSite: 'strict' | 'lax' }
  appToken: {
    audiences: readonly [string, ...string[]]
    ttl: number
    alg: 'ES256' | 'EdDSA' | 'RS256'
    claims: readonly string[]
    rotation: number
    /** Signing keys of the operator's own; without them the server makes and rotates its own. */
    keys: readonly PrivateJwk[] | undefined
  }
  /** Where sessions live; in this process's memory where it is undefined. */
  redis: RedisTarget | undefined
  /** For each client address; undefined where there is no limit. */
  rateLimits: { login: RateLimit | undefined; api: RateLimit | undefined }
  trustProxy: readonly string[]
  shutdownDrain: number
  logLevel: LogLevel
}

function toAccessTokenFormat(values: SettingValues): AccessTokenFormat {
  const audience = toAccessTokenAudience(values)
  if (values.OIDC_ACCESS_TOKEN === 'opaque' || audience === undefined) return { format: 'opaque' }
  return { format: 'jwt', audience }
}

function toClientAuth({ OIDC_CLIENT_AUTH: method, OIDC_CLIENT_SECRET: secret }: SettingValues): ClientAuth {
  if (secret === undefined || method === 'none') return { method: 'none' }
  return { method: method ?? 'client_secret_basic', secret }
}

const toRateLimit = (rate: RateLimit | 'off') => (rate === 'off' ? undefined : rate)

/**
 * Reads and checks the whole configuration.
 *
 * @throws {ConfigError} with every problem there is, not just the first one
 */
export function readConfig(env: Environment): Config {
  const { values: parsed, problems } = readSettings(env)
  const contradictions = findContradictions(parsed, env.NODE_ENV === 'production')
  // A setting that did not parse looks like an absent one here.
  problems.push(
    ...contradictions.filter((one) => !problems.some(({ variable }) => variable === one.variable)),
  )
  if (problems.length > 0) throw new ConfigError(problems)
  // Without a problem, every setting with a default or `required` has its value.
  const values = parsed as SettingValues
  const [audience = values.PUBLIC_URL, ...audiences] = values.APP_TOKEN_AUDIENCE ?? []
  return Object.freeze<Config>({
    publicUrl: values.PUBLIC_URL,
    secureCookies: values.PUBLIC_URL.startsWith('https:'),
    listen: { host: values.HOST, port: values.PORT },
    secrets: values.BFF_SECRETS,
    provider: {
      issuer: values.OIDC_ISSUER,
      clientId: values.OIDC_CLIENT_ID,
      clientAuth: toClientAuth(values),
      redirectUri: values.OIDC_REDIRECT_URI ?? `${values.PUBLIC_URL}/api/callback`,
      scopes: values.OIDC_SCOPES,
      idTokenAlg: values.OIDC_ID_TOKEN_ALG,
      accessToken: toAccessTokenFormat(values),
      timeout: values.OIDC_TIMEOUT,
    },
    allowedOrigins: toAllowedOrigins(values),
    loginReturnTo: values.LOGIN_DEFAULT_RETURN_TO,
    logoutReturnTo: values.LOGOUT_RETURN_TO,
    session: {
      idleTimeout: values.SESSION_IDLE_TIMEOUT,
      absoluteTimeout: values.SESSION_ABSOLUTE_TIMEOUT,
      sameSite: values.SESSION_COOKIE_SAMESITE,
    },
    appToken: {
      audiences: [audience, ...audiences],
      ttl: values.APP_TOKEN_TTL,
      alg: values.APP_TOKEN_ALG,
      claims: values.APP_TOKEN_CLAIMS,
      rotation: values.APP_TOKEN_ROTATION,
      keys: values.APP_TOKEN_KEYS,
    },
    redis: values.REDIS_URL,
    rateLimits: { login: toRateLimit(values.RATE_LIMIT_LOGIN), api: toRateLimit(values.RATE_LIMIT_API) },
    trustProxy: values.TRUST_PROXY ?? [],
    shutdownDrain: values.SHUTDOWN_DRAIN,
    logLevel: values.LOG_LEVEL,
  })
}
