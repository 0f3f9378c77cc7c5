import { getDomain } from 'tldts'
import type { Problem } from './config-error.ts'
import type { ServerSettingValues } from './settings.ts'

/** Values that parsed; a setting with a problem of its own is absent and is not judged again here. */
type Values = Partial<ServerSettingValues>
type Check = (values: Values, isProduction: boolean) => (Problem | undefined)[]

/** Origins whose pages may call with credentials: this server's own and SPA_ORIGINS. */
export function toAllowedOrigins({ PUBLIC_URL: own, SPA_ORIGINS: others = [] }: Values): string[] {
  return [...new Set([...(own === undefined ? [] : [own]), ...others])]
}

/** Two origins are of one site when browsers send SameSite cookies between them. */
function isSameSite(a: string, b: string): boolean {
  const [one, other] = [new URL(a), new URL(b)]
  const site = (url: URL) => getDomain(url.hostname, { allowPrivateDomains: true }) ?? url.hostname
  return one.protocol === other.protocol && site(one) === site(other)
}

const spaIsOnTheSameSite: Check = (values) => {
  const own = values.PUBLIC_URL
  if (own === undefined) return []
  const foreign = toAllowedOrigins(values).filter((origin) => !isSameSite(origin, own))
  return foreign.map((origin) => ({
    variable: 'SPA_ORIGINS',
    problem: `holds ${origin}, another site than PUBLIC_URL (${own}): browsers withhold the cookies there`,
  }))
}

const returnAddressesAreOurs: Check = (values) => {
  const names = ['LOGIN_DEFAULT_RETURN_TO', 'LOGOUT_RETURN_TO'] as const
  return names.map((variable) => {
    const address = values[variable]
    if (address === undefined || values.PUBLIC_URL === undefined) return undefined
    const { origin, pathname } = new URL(address, values.PUBLIC_URL)
    if (!toAllowedOrigins(values).includes(origin)) {
      return { variable, problem: 'must be a path, or a URL on one of SPA_ORIGINS' }
    }
    // Landing there after a login would begin another one, for ever.
    if (origin === values.PUBLIC_URL && /^\/+api\//.test(pathname)) {
      return { variable, problem: 'must not lie below /api/' }
    }
    return undefined
  })
}

const idleFitsIntoAbsolute: Check = ({ SESSION_IDLE_TIMEOUT: idle, SESSION_ABSOLUTE_TIMEOUT: absolute }) =>
  idle !== undefined && absolute !== undefined && idle > absolute
    ? [{ variable: 'SESSION_IDLE_TIMEOUT', problem: 'must not exceed SESSION_ABSOLUTE_TIMEOUT' }]
    : []

const memoryStoreIsMeant: Check = ({ REDIS_URL: redis, ALLOW_MEMORY_STORE: allowed }, isProduction) =>
  isProduction && redis === undefined && allowed === false
    ? [
        {
          variable: 'REDIS_URL',
          problem:
            'is required when NODE_ENV=production; or set ALLOW_MEMORY_STORE=true to keep sessions in memory: they end with the process, and only one replica may run',
        },
      ]
    : []

const portsDiffer: Check = ({ PORT: port, OPERATOR_PORT: other, OPERATOR_SECRET: secret }) =>
  secret !== undefined && port !== undefined && port === other && port !== 0
    ? [{ variable: 'OPERATOR_PORT', problem: 'must not be PORT: browsers must not reach the operator API' }]
    : []

const checks: readonly Check[] = [
  spaIsOnTheSameSite,
  returnAddressesAreOurs,
  idleFitsIntoAbsolute,
  portsDiffer,
  memoryStoreIsMeant,
]

/** What no variable shows alone: settings that contradict each other. */
export function findContradictions(values: Values, isProduction: boolean): Problem[] {
  return checks.flatMap((check) => check(values, isProduction)).filter((problem) => problem !== undefined)
}
