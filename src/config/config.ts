import type { LogLevel } from '../telemetry/logger.ts'
import { ConfigError, withoutKnown } from './config-error.ts'
import { findContradictions, toAllowedOrigins } from './cross-checks.ts'
import type { ProviderConfig } from './providers/provider-config.ts'
import { readProviders } from './providers/read-providers.ts'
import { type Environment, readSettings } from './read-settings.ts'
import type { ServerSettingValues } from './settings.ts'
import type { IntrospectionClients } from './values/caller-secrets.ts'
import type { RateLimit } from './values/parsers.ts'
import type { PrivateJwk } from './values/private-jwk-set.ts'
import type { RedisTarget } from './values/redis-url.ts'

/** The whole configuration, checked. All durations are milliseconds; origins have no trailing slash. */
export interface Config {
  publicUrl: string
  /** False only for http on a loopback host: then cookies lose Secure and their `__Host-` prefix. */
  secureCookies: boolean
  listen: { host: string; port: number }
  /** Master secrets, newest first; older ones only open and verify. */
  secrets: readonly Uint8Array[]
  /** At least one; the first is the one that a login uses where it names none. */
  providers: readonly [ProviderConfig, ...ProviderConfig[]]
  /** The longest deadline that a provider's calls have. */
  longestTimeout: number
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
    /** Names and patterns of the groups that may go into app tokens; all where it is undefined. */
    groups: readonly string[] | undefined
    rotation: number
    /** Signing keys of the operator's own; without them the server makes and rotates its own. */
    keys: readonly PrivateJwk[] | undefined
  }
  /** Where sessions live; in this process's memory where it is undefined. */
  redis: RedisTarget | undefined
  /** For each client address; undefined where there is no limit. */
  rateLimits: { login: RateLimit | undefined; api: RateLimit | undefined }
  trustProxy: readonly string[]
  introspectionClients: IntrospectionClients
  /** Where operators ask for sessions to end; undefined where nobody may. */
  operator: { port: number; secret: string } | undefined
  shutdownDrain: number
  logLevel: LogLevel
}

const toRateLimit = (rate: RateLimit | 'off') => (rate === 'off' ? undefined : rate)

/**
 * Reads and checks the whole configuration.
 *
 * @throws {ConfigError} with every problem there is, not just the first one
 */
export function readConfig(env: Environment): Config {
  const { values: parsed, problems } = readSettings(env)
  problems.push(...withoutKnown(findContradictions(parsed, env.NODE_ENV === 'production'), problems))
  const { providers, problems: providerProblems } = readProviders(env, parsed)
  problems.push(...providerProblems)
  const [first, ...others] = providers
  if (problems.length > 0 || first === undefined) throw new ConfigError(problems)
  // Without a problem, every setting with a default or `required` has its value.
  const values = parsed as ServerSettingValues
  const [audience = values.PUBLIC_URL, ...audiences] = values.APP_TOKEN_AUDIENCE ?? []
  return Object.freeze<Config>({
    publicUrl: values.PUBLIC_URL,
    secureCookies: values.PUBLIC_URL.startsWith('https:'),
    listen: { host: values.HOST, port: values.PORT },
    secrets: values.BFF_SECRETS,
    providers: [first, ...others],
    longestTimeout: Math.max(...providers.map(({ timeout }) => timeout)),
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
      groups: values.APP_TOKEN_GROUPS,
      rotation: values.APP_TOKEN_ROTATION,
      keys: values.APP_TOKEN_KEYS,
    },
    redis: values.REDIS_URL,
    rateLimits: { login: toRateLimit(values.RATE_LIMIT_LOGIN), api: toRateLimit(values.RATE_LIMIT_API) },
    trustProxy: values.TRUST_PROXY ?? [],
    introspectionClients: values.INTROSPECTION_CLIENTS ?? new Map(),
    operator:
      values.OPERATOR_SECRET === undefined
        ? undefined
        : { port: values.OPERATOR_PORT, secret: values.OPERATOR_SECRET },
    shutdownDrain: values.SHUTDOWN_DRAIN,
    logLevel: values.LOG_LEVEL,
  })
}

/** An https address means a proxy before us; as long as nobody vouches for it, all clients count as one address. */
export function sharesLimits({ secureCookies, trustProxy, rateLimits }: Config): boolean {
  const hasLimits = rateLimits.login !== undefined || rateLimits.api !== undefined
  return secureCookies && trustProxy.length === 0 && hasLimits
}
