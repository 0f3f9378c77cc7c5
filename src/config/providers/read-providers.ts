import { keepNew, type Problem } from '../config-error.ts'
import { toAllowedOrigins } from '../cross-checks.ts'
import {
  type Environment,
  findProviderVariables,
  findUnknownProviderSettings,
  type ParsedSettings,
  readProviderEntry,
  readProviderSettings,
} from '../read-settings.ts'
import type { ProviderSettingValues, ServerSettingValues } from '../settings.ts'
import { isLoopback, loopbackHosts } from '../values/private-url.ts'
import { crossCheckProvider } from './checks/cross-checks.ts'
import { defaultProviderName, type ForwardProxies, type ProviderConfig } from './provider-config.ts'
import { toProviderConfig } from './provider-from-settings.ts'

interface ReadProviders {
  /** Those without a problem. */
  providers: ProviderConfig[]
  problems: Problem[]
}

/** Reads the providers: those of PROVIDERS_FILE, or the one of the environment. */
export function readProviders(env: Environment, values: Partial<ServerSettingValues>): ReadProviders {
  const { PROVIDERS_FILE: entries } = values
  // A file that could not be read has a problem of its own; the environment must not take its place.
  if (entries === undefined)
    return env.PROVIDERS_FILE
      ? { providers: [], problems: [] }
      : toProvider(defaultProviderName, readProviderSettings(env), values)
  const all = entries.map(({ name, settings }) => readEntry(name, settings, values))
  const outside = findProviderVariables(env).map(
    (variable): Problem => ({
      variable,
      isSurplus: true,
      problem: 'is set beside PROVIDERS_FILE: move it into the file, to the provider that it belongs to',
    }),
  )
  return {
    providers: all.flatMap(({ providers }) => providers),
    problems: [
      ...outside,
      ...all.flatMap(({ problems }) => problems),
      ...findSharedRedirectUris(all.flatMap(({ providers }) => providers)),
    ],
  }
}

function readEntry(name: string, settings: Environment, server: Partial<ServerSettingValues>): ReadProviders {
  const { providers, problems } = toProvider(name, readProviderEntry(settings), server)
  // An empty setting is an absent one, but an empty list asks for fewer claims, not for the default.
  if (settings.claims === '') problems.push({ variable: 'claims', problem: 'must name at least one' })
  const unknown = findUnknownProviderSettings(settings)
  const surplus: Problem[] =
    unknown.length === 0
      ? []
      : [
          {
            variable: 'PROVIDERS_FILE',
            problem: `contains settings for provider ${name} that a provider does not have: ${unknown.join(', ')}`,
          },
        ]
  return { providers, problems: [...surplus, ...problems.map((problem) => ({ ...problem, provider: name }))] }
}

function toProvider(
  name: string,
  { values, problems }: ParsedSettings<ProviderSettingValues>,
  server: Partial<ServerSettingValues>,
): ReadProviders {
  const { PUBLIC_URL: publicUrl, API_PREFIX: apiPrefix, APP_TOKEN_CLAIMS: appTokenClaims = [] } = server
  const apiUrl = publicUrl && apiPrefix && publicUrl + apiPrefix
  const context = { name, apiUrl, allowedOrigins: toAllowedOrigins(server) }
  problems.push(...keepNew(crossCheckProvider(values, context), problems))
  if (problems.length > 0 || apiUrl === undefined) return { providers: [], problems }
  // Without a problem, every setting with a default has its value.
  const all = values as ProviderSettingValues
  const forwardProxies = toForwardProxies(server)
  return { providers: [toProviderConfig(all, { name, apiUrl, appTokenClaims, forwardProxies })], problems }
}

function toForwardProxies(server: Partial<ServerSettingValues>): ForwardProxies | undefined {
  const { HTTPS_PROXY: https, HTTP_PROXY: http, NO_PROXY: except = '' } = server
  const addresses = [https, http].filter((address) => address !== undefined)
  if (addresses.length === 0) return undefined
  // To a proxy elsewhere, a loopback host is its own; and http is private on this machine only.
  const areHere = addresses.every((address) => isLoopback(new URL(address)))
  return { https, http, except: areHere ? except : [...loopbackHosts, except].join(',') }
}

/** A response at a shared redirect URI could come from either provider (mix-up, RFC 9700 4.4.2.2). */
function findSharedRedirectUris(providers: readonly ProviderConfig[]): Problem[] {
  const uris = providers.map(({ redirectUri }) => redirectUri)
  return providers.flatMap(({ name, redirectUri }, index): Problem[] => {
    const first = uris.indexOf(redirectUri)
    if (first === index) return []
    const problem = `is that of provider ${providers[first]?.name}, too: each provider needs its own`
    return [{ variable: 'OIDC_REDIRECT_URI', problem, provider: name }]
  })
}
