import type { AppTokenType, SigningAlg } from '../crypto/app-token-header.ts'
import type { LogLevel } from '../telemetry/events.ts'
import type { LogFormat } from '../telemetry/logger.ts'
import { ConfigError, keepNew } from './config-error.ts'
import {
  crossCheckSettings,
  toAllowedOrigins,
  toBasePath,
  toOperatorPort,
  toShutdownDrain,
} from './cross-checks.ts'
import { describeUnknown, findUnknownVariables } from './names/unknown-variables.ts'
import type { ProviderConfig } from './providers/provider-config.ts'
import { readProviders } from './providers/read-providers.ts'
import type { ProxyRoute } from './proxy/proxy-route.ts'
import { findOwnCookies, findUnknownProviders, readProxyRoutes } from './proxy/read-proxy-routes.ts'
import { type Environment, readSettings } from './read-settings.ts'
import { readTraces, type TracesConfig } from './read-traces.ts'
import type { ServerSettingValues } from './settings.ts'
import type { IntrospectionClients } from './values/caller-secrets.ts'
import type { RateLimit } from './values/duration-parsers.ts'
import type { PrivateJwk } from './values/private-jwk-set.ts'
import type { RedisTarget } from './values/redis-url.ts'

/** Where the app is. */
export type SpaConfig =
  | {
      kind: 'directory'
      path: string
      /** Its Content-Security-Policy; `off` for none, undefined for the default. */
      policy: string | undefined
    }
  | {
      kind: 'dev-server'
      /** Its origin. */
      url: string
    }

/** The whole configuration, validated. All durations are milliseconds; origins have no trailing slash. */
export interface Config {
  /** Where browsers reach this server, and the issuer of app tokens; its addresses begin with it. */
  publicUrl: string
  /** The origin of `publicUrl`: what browsers send as `Origin`. */
  origin: string
  /** The path of `publicUrl` without a slash at its end: `/shop`, or an empty text for none. */
  basePath: string
  /**
   * What the addresses of this server begin with, below PUBLIC_URL: `/auth`. Probes and what is well-known
   * have others.
   */
  apiPrefix: string
  /** The same from the root of the origin: `/shop/auth`. */
  apiPath: string
  /** The same as a whole address. */
  apiUrl: string
  /**
   * False only for http on a loopback host: cookies then have no Secure attribute and no `__Host-` prefix.
   */
  secureCookies: boolean
  /** What the names of this server's cookies begin with, behind that prefix. */
  cookieName: string
  listen: { host: string; port: number }
  /** Master secrets, newest first; the older ones only open and verify what was sealed before. */
  secrets: readonly Uint8Array[]
  /** At least one; a login that names no provider uses the first. */
  providers: readonly [ProviderConfig, ...ProviderConfig[]]
  /** The longest of the providers' deadlines for one call. */
  longestTimeout: number
  /** Origins whose pages may call with credentials, this server's own included. */
  allowedOrigins: readonly string[]
  /** The app that this server serves at all addresses but its own; undefined: another server does. */
  spa: SpaConfig | undefined
  loginReturnTo: string
  logoutReturnTo: string
  session: {
    idleTimeout: number
    absoluteTimeout: number
    sameSite: 'strict' | 'lax'
    /** Whether the cookie lives as long as the session may; otherwise, it ends with the browser. */
    isPersistent: boolean
  }
  appToken: {
    audiences: readonly [string, ...string[]]
    ttl: number
    alg: SigningAlg
    /** The type in its header: that of RFC 9068, or the one that readers expect who do not know that RFC. */
    typ: AppTokenType
    /** The claim with its scopes: a text (RFC 9068), or an array (as in Okta's tokens). */
    scopeClaim: 'scope' | 'scp'
    claims: readonly string[]
    /** Names and patterns of the groups that may go into app tokens; all groups where it is undefined. */
    groups: readonly string[] | undefined
    rotation: number
    /** Signing keys that the operator provides; without them the server makes and rotates its own. */
    keys: readonly PrivateJwk[] | undefined
  }
  /**
   * Whether app tokens are bound to a key of the browser (DPoP): never, if it sends a proof, or always; and
   * whether each proof needs a nonce, or only those of browsers whose clock is wrong.
   */
  tokenBinding: { mode: 'none' | 'optional' | 'required'; nonce: 'auto' | 'required' }
  /** Where sessions are kept; in the memory of this process where it is undefined. */
  redis: RedisTarget | undefined
  /** For each client address; undefined: no limit. */
  rateLimits: { login: RateLimit | undefined; api: RateLimit | undefined }
  trustProxy: readonly string[]
  introspectionClients: IntrospectionClients
  /** The upstreams, each with addresses of its own here. */
  proxyRoutes: readonly ProxyRoute[]
  /** What a reverse proxy proves itself with to get tokens by forward auth; undefined: it gets none. */
  forwardAuthSecret: string | undefined
  /**
   * What operators and their monitoring call, on a port of its own; undefined: it is off. Without a secret,
   * there are metrics and health only.
   */
  operator: { port: number; secret: string | undefined } | undefined
  /** How many processes serve the same ports; with one, the process that was started serves by itself. */
  workers: number
  shutdownDrain: number
  log: {
    level: LogLevel
    /** Undefined: the one that fits standard output. */
    format: LogFormat | undefined
    /** How users are named in the log and the audit stream. */
    subject: 'hash' | 'plain' | 'none'
    /** Where the audit stream goes: `stdout`, or the path of a file; undefined: there is none. */
    audit: string | undefined
  }
  /** Undefined: no traces are recorded. */
  traces: TracesConfig | undefined
}

/**
 * Reads and checks the whole configuration.
 *
 * @throws {ConfigError} with every problem, not only the first one
 */
export function readConfig(env: Environment): Config {
  const isProduction = env.NODE_ENV === 'production'
  const { values: parsed, problems } = readSettings(env)
  problems.push(...keepNew(crossCheckSettings(parsed, isProduction), problems))
  const { providers, problems: providerProblems } = readProviders(env, parsed)
  problems.push(...providerProblems)
  const { routes, problems: routeProblems } = readProxyRoutes(env, parsed.PROXY_ROUTES_FILE)
  problems.push(...routeProblems, ...findOwnCookies(routes, parsed.COOKIE_NAME))
  // A provider with a problem of its own is not among those that were read.
  if (providerProblems.length === 0) problems.push(...findUnknownProviders(routes, providers))
  const { traces, problems: traceProblems } = readTraces(env)
  problems.push(...traceProblems)
  const [first, ...others] = providers
  if (problems.length > 0 || first === undefined)
    throw new ConfigError(problems, findUnknownVariables(env).map(describeUnknown))
  // Without a problem, every setting with a default or `required` has its value.
  const values = parsed as ServerSettingValues
  const [audience = values.PUBLIC_URL, ...audiences] = values.APP_TOKEN_AUDIENCE ?? []
  return Object.freeze<Config>({
    publicUrl: values.PUBLIC_URL,
    origin: new URL(values.PUBLIC_URL).origin,
    basePath: toBasePath(values.PUBLIC_URL),
    apiPrefix: values.API_PREFIX,
    apiPath: toBasePath(values.PUBLIC_URL) + values.API_PREFIX,
    apiUrl: values.PUBLIC_URL + values.API_PREFIX,
    secureCookies: values.PUBLIC_URL.startsWith('https:'),
    cookieName: values.COOKIE_NAME,
    listen: { host: values.HOST, port: values.PORT },
    secrets: values.BFF_SECRETS,
    providers: [first, ...others],
    longestTimeout: Math.max(...providers.map(({ timeout }) => timeout)),
    allowedOrigins: toAllowedOrigins(values),
    spa: toSpa(values),
    loginReturnTo: values.LOGIN_DEFAULT_RETURN_TO,
    logoutReturnTo: values.LOGOUT_RETURN_TO,
    session: {
      idleTimeout: values.SESSION_IDLE_TIMEOUT,
      absoluteTimeout: values.SESSION_ABSOLUTE_TIMEOUT,
      sameSite: values.SESSION_COOKIE_SAMESITE,
      isPersistent: values.SESSION_COOKIE_PERSISTENT,
    },
    appToken: {
      audiences: [audience, ...audiences],
      ttl: values.APP_TOKEN_TTL,
      alg: values.APP_TOKEN_ALG,
      typ: values.APP_TOKEN_TYP,
      scopeClaim: values.APP_TOKEN_SCOPE_CLAIM,
      claims: values.APP_TOKEN_CLAIMS,
      groups: values.APP_TOKEN_GROUPS,
      rotation: values.APP_TOKEN_ROTATION,
      keys: values.APP_TOKEN_KEYS,
    },
    tokenBinding: { mode: values.APP_TOKEN_BINDING, nonce: values.APP_TOKEN_DPOP_NONCE },
    redis: values.REDIS_URL,
    rateLimits: { login: toRateLimit(values.RATE_LIMIT_LOGIN), api: toRateLimit(values.RATE_LIMIT_API) },
    trustProxy: values.TRUST_PROXY ?? [],
    introspectionClients: values.INTROSPECTION_CLIENTS ?? new Map(),
    proxyRoutes: routes,
    forwardAuthSecret: values.FORWARD_AUTH_SECRET,
    operator: toOperator(values),
    workers: values.WORKERS,
    shutdownDrain: toShutdownDrain(values, isProduction),
    log: {
      level: values.LOG_LEVEL,
      format: values.LOG_FORMAT,
      subject: values.LOG_SUBJECT,
      audit: values.AUDIT_LOG,
    },
    traces,
  })
}

/**
 * Whether all clients share one rate limit. An https PUBLIC_URL means that a proxy is in front of this
 * server; unless TRUST_PROXY names it, every request counts as one of the proxy's address.
 */
export function hasSharedRateLimit({ secureCookies, trustProxy, rateLimits }: Config): boolean {
  const hasLimits = rateLimits.login !== undefined || rateLimits.api !== undefined
  return secureCookies && trustProxy.length === 0 && hasLimits
}

function toSpa({ SPA_DIR: path, SPA_CSP: policy, SPA_DEV_URL: url }: ServerSettingValues): Config['spa'] {
  if (path !== undefined) return { kind: 'directory', path, policy }
  return url === undefined ? undefined : { kind: 'dev-server', url }
}

function toOperator(values: ServerSettingValues): Config['operator'] {
  const port = toOperatorPort(values)
  return port === undefined ? undefined : { port, secret: values.OPERATOR_SECRET }
}

const toRateLimit = (rate: RateLimit | 'off') => (rate === 'off' ? undefined : rate)
