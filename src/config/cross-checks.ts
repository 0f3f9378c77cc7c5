import { getDomain } from 'tldts'
import type { Problem } from './config-error.ts'
import type { ServerSettingValues } from './settings.ts'
import { findBuildProblem } from './values/spa.ts'

/** Values that parsed. A setting with a problem of its own is absent, and is not checked again here. */
type Values = Partial<ServerSettingValues>

/** Compares settings with each other; returns the problems of those that contradict another one. */
type CrossCheck = (values: Values, isProduction: boolean) => Problem | Problem[] | undefined

/** The problems that no setting of the server shows alone: settings that contradict each other. */
export function crossCheckSettings(values: Values, isProduction: boolean): Problem[] {
  return crossChecks.flatMap((check) => check(values, isProduction) ?? [])
}

/** Origins whose pages may call with credentials: this server's own and SPA_ORIGINS. */
export function toAllowedOrigins({ PUBLIC_URL: own, SPA_ORIGINS: others = [] }: Values): string[] {
  return [...new Set([...(own === undefined ? [] : [new URL(own).origin]), ...others])]
}

/** The path of PUBLIC_URL without a slash at its end; an empty text where it has none. */
export const toBasePath = (publicUrl: string): string => new URL(publicUrl).pathname.replace(/\/$/, '')

/** The operator's port: OPERATOR_PORT, or the usual one where only a secret is set; undefined for none. */
export function toOperatorPort({ OPERATOR_PORT: port, OPERATOR_SECRET: secret }: Values): number | undefined {
  return port ?? (secret === undefined ? undefined : usualOperatorPort)
}

const usualOperatorPort = 9464

/**
 * How long the server says "not ready" before it ends. Outside production no balancer has to notice it, and
 * a developer who presses Ctrl+C wants it to end.
 */
export function toShutdownDrain({ SHUTDOWN_DRAIN: drain }: Values, isProduction: boolean): number {
  return drain ?? (isProduction ? drainInProduction : 0)
}

const drainInProduction = 5_000

const crossChecks: readonly CrossCheck[] = [
  spaIsOnTheSameSite,
  returnToIsAllowed,
  appIsBuilt,
  appIsServedOnce,
  devServerIsForDevelopment,
  idleTimeoutIsWithinAbsolute,
  operatorPortIsAnother,
  memoryStoreIsAllowed,
  workersShareSessions,
]

function spaIsOnTheSameSite(values: Values): Problem[] {
  const own = values.PUBLIC_URL
  if (own === undefined) return []
  const foreign = toAllowedOrigins(values).filter((origin) => !isSameSite(origin, own))
  return foreign.map((origin) => ({
    variable: 'SPA_ORIGINS',
    problem: `contains ${origin}, which is on another site than PUBLIC_URL (${own}): browsers send no cookies from there`,
  }))
}

/** Two origins are on one site when browsers send SameSite cookies from one to the other. */
function isSameSite(a: string, b: string): boolean {
  const [one, other] = [new URL(a), new URL(b)]
  const site = (url: URL) => getDomain(url.hostname, { allowPrivateDomains: true }) ?? url.hostname
  return one.protocol === other.protocol && site(one) === site(other)
}

function returnToIsAllowed(values: Values): Problem[] {
  const names = ['LOGIN_DEFAULT_RETURN_TO', 'LOGOUT_RETURN_TO'] as const
  return names.flatMap((variable) => {
    const address = values[variable]
    const { PUBLIC_URL: publicUrl, API_PREFIX: apiPrefix } = values
    if (address === undefined || publicUrl === undefined) return []
    const { origin, pathname } = new URL(address, publicUrl)
    if (!toAllowedOrigins(values).includes(origin)) {
      return { variable, problem: 'must be a path, or a URL on one of SPA_ORIGINS' }
    }
    if (apiPrefix === undefined) return []
    // A login that ends at the address of the login would begin the next one, endlessly.
    const own = `${toBasePath(publicUrl)}${apiPrefix}/`
    if (origin === new URL(publicUrl).origin && pathname.replace(/^\/+/, '/').startsWith(own)) {
      return { variable, problem: `must not be below ${own}` }
    }
    return []
  })
}

function appIsBuilt({ SPA_DIR: directory }: Values): Problem | undefined {
  const problem = directory === undefined ? undefined : findBuildProblem(directory)
  return problem === undefined ? undefined : { variable: 'SPA_DIR', problem }
}

function appIsServedOnce({ SPA_DIR: directory, SPA_DEV_URL: url }: Values): Problem | undefined {
  return directory !== undefined && url !== undefined
    ? {
        variable: 'SPA_DEV_URL',
        problem: 'is given beside SPA_DIR: the app is served from one of them',
        isSurplus: true,
      }
    : undefined
}

function devServerIsForDevelopment(values: Values, isProduction: boolean): Problem | undefined {
  const { SPA_DEV_URL: url, PUBLIC_URL: own } = values
  if (url === undefined) return undefined
  if (isProduction) {
    return {
      variable: 'SPA_DEV_URL',
      problem: 'is for development only, and NODE_ENV=production: serve a build by SPA_DIR',
      isSurplus: true,
    }
  }
  return own !== undefined && new URL(own).origin === url
    ? {
        variable: 'SPA_DEV_URL',
        problem: `must not be PUBLIC_URL (${own}): browsers open PUBLIC_URL, and this server asks the dev server`,
      }
    : undefined
}

function idleTimeoutIsWithinAbsolute(values: Values): Problem | undefined {
  const { SESSION_IDLE_TIMEOUT: idle, SESSION_ABSOLUTE_TIMEOUT: absolute } = values
  return idle !== undefined && absolute !== undefined && idle > absolute
    ? { variable: 'SESSION_IDLE_TIMEOUT', problem: 'must not exceed SESSION_ABSOLUTE_TIMEOUT' }
    : undefined
}

function operatorPortIsAnother(values: Values): Problem | undefined {
  const { PORT: port } = values
  return port !== undefined && port === toOperatorPort(values) && port !== 0
    ? {
        variable: 'OPERATOR_PORT',
        problem: `must not be PORT (${port}): browsers must reach neither the metrics nor the operator API`,
      }
    : undefined
}

function memoryStoreIsAllowed(values: Values, isProduction: boolean): Problem | undefined {
  const { REDIS_URL: redis, ALLOW_MEMORY_STORE: isAllowed } = values
  return isProduction && redis === undefined && isAllowed === false
    ? {
        variable: 'REDIS_URL',
        problem:
          'is required when NODE_ENV=production; or set ALLOW_MEMORY_STORE=true to keep sessions in memory: they end with the process, and only one replica may run',
      }
    : undefined
}

function workersShareSessions({ REDIS_URL: redis, WORKERS: workers = 1 }: Values): Problem | undefined {
  return workers > 1 && redis === undefined
    ? {
        variable: 'REDIS_URL',
        problem: `is required when WORKERS is more than 1 (it is ${workers}): in memory, each process would have its own sessions`,
      }
    : undefined
}
