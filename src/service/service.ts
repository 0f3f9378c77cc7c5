import { setTimeout as delay } from 'node:timers/promises'
import { type Components, createComponents } from '../components.ts'
import { type Config, hasSharedRateLimit } from '../config/config.ts'
import { findUnknownVariables } from '../config/names/unknown-variables.ts'
import { describeSettings, type Environment } from '../config/read-settings.ts'
import { toServerState } from './server-state.ts'

/** Milliseconds that requests, and what runs beside them, may take to finish at the end. */
export const finishWithin = 10_000

/** Creates the components of a configuration, which was read from `env`; their log begins with it. */
export async function createService(
  config: Config,
  env: Environment,
  replaced: Partial<Components> = {},
): Promise<Components> {
  const components = await createComponents(config, replaced)
  const { log } = components
  const providers = config.providers.map(({ name, issuer }) => `${name} ${issuer}`)
  const claims = config.providers.map(({ name, claimNames }) => `${name} ${claimNames.join(',')}`)
  const proxy_routes = config.proxyRoutes.map(
    ({ name, origin, basePath, token }) => `${name} ${origin}${basePath} ${token.kind}`,
  )
  const traces = config.traces && toLogAddress(config.traces.url)
  log('server_starting', { ...describeSettings(env), providers, claims, proxy_routes, traces })
  for (const { name, meant } of findUnknownVariables(env))
    log('config_unknown_variable', { variable: name, did_you_mean: meant })
  if (hasSharedRateLimit(config)) log('config_shared_rate_limit', { variable: 'TRUST_PROXY' })
  for (const { name, pkce } of config.providers) {
    if (!pkce) log('config_pkce_disabled', { provider: name, variable: 'OIDC_PKCE' })
  }
  if (config.redis === undefined) log('store_in_memory', { variable: 'REDIS_URL' })
  return components
}

/** An address without user name, password and query. */
function toLogAddress(url: string): string {
  const { origin, pathname } = new URL(url)
  return origin + pathname
}

/** Starts what runs beside requests. A provider that is down is discovered later. */
export function startBackground(components: Components): void {
  const { metrics, providers, keyRing, tokenRevocation } = components
  metrics?.watch(toServerState(components))
  for (const provider of providers.all) provider.start()
  // The first token should not wait for keys to be made.
  keyRing.signingKey().catch(() => {})
  tokenRevocation.start()
}

/** Ends everything, once no request is in progress: nothing keeps the process running then. */
export async function stopBackground(components: Components): Promise<void> {
  const { providers, store, tokenRevocation, tokenRefresher, proxy } = components
  const { log, recentEvents, tracing, signOutNotices } = components
  // Tokens that were renewed beside a request are written before the process ends, and those of sessions
  // that ended are revoked; what is not done in time, another replica does.
  const settled = tokenRefresher
    .drain()
    .then(() => Promise.all([tokenRevocation.stop(), signOutNotices.drain()]))
  await Promise.race([settled, delay(finishWithin, undefined, { ref: false })])
  proxy.openCalls.stop()
  await Promise.all([...providers.all.map((provider) => provider.close()), proxy.upstreams.close()])
  await recentEvents?.stop()
  await Promise.all([store.close(), tracing.close()])
  log('server_stopped')
}
