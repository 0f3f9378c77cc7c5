import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { type Components, createComponents } from './components.ts'
import { type Config, hasSharedRateLimit } from './config/config.ts'
import { findUnknownVariables } from './config/names/unknown-variables.ts'
import { describeSettings, type Environment } from './config/read-settings.ts'
import { createSpa } from './http/spa/spa.ts'
import { createHttpServer } from './http/wire/http-server.ts'
import { createApp, createOperatorApp } from './routes.ts'
import { toServerState } from './server-state.ts'
import type { Log } from './telemetry/events.ts'

/** A server that listens. */
export interface RunningServer {
  port: number
  /** The port for operators, where there is one. */
  operatorPort: number | undefined
  log: Log
  /**
   * Says "not ready" for the drain time, that of the configuration by default; then lets requests in flight
   * finish, then closes everything.
   */
  close(drain?: number): Promise<void>
  /** Opens the file of the audit stream again, after it was renamed. */
  reopenAudit(): void
}

/** How long requests in flight may take once the listener is closed, in milliseconds. */
const finishWithin = 10_000

/** Starts the server of a configuration, which was read from `env`; its log begins with what is in effect. */
export async function serve(config: Config, env: Environment): Promise<RunningServer> {
  const components = await createComponents(config)
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
  return startServer(components).catch(async (error: unknown) => {
    // The process cannot end while a connection to Redis is open.
    await Promise.all([
      ...components.providers.all.map((provider) => provider.close()),
      components.store.close(),
    ])
    throw error
  })
}

/** An address without user name, password and query. */
function toLogAddress(url: string): string {
  const { origin, pathname } = new URL(url)
  return origin + pathname
}

/** Listens at once: a provider that is down is discovered later, in the background. */
export async function startServer(components: Components): Promise<RunningServer> {
  const { config, providers, store, tokenRevocation, tokenRefresher, keyRing, proxy } = components
  const { log, lifecycle, recentEvents, tracing } = components
  components.metrics?.watch(toServerState(components))
  const spa = createSpa(components)
  const server = createHttpServer(createApp(components, spa?.handler), components)
  // While draining, this makes clients and balancers send their next request elsewhere.
  server.prependListener('request', (_req, res) => {
    if (lifecycle.draining) res.setHeader('Connection', 'close')
  })
  await listen(server, config.listen)
  const { port } = server.address() as AddressInfo
  const operatorServer = await startOperatorServer(components).catch(async (error: unknown) => {
    server.close()
    throw error
  })
  log('server_listening', { host: config.listen.host, port, public_url: config.publicUrl })
  for (const provider of providers.all) provider.start()
  // The first token should not wait for keys to be made.
  keyRing.signingKey().catch(() => {})
  tokenRevocation.start()

  return {
    port,
    operatorPort: (operatorServer?.address() as AddressInfo | undefined)?.port,
    log,
    reopenAudit: () => components.audit?.reopen(),
    async close(drain = config.shutdownDrain) {
      lifecycle.end()
      log('server_draining', { drain_ms: drain })
      await delay(drain)
      const closed = new Promise((resolve) => server.close(resolve))
      operatorServer?.close()
      operatorServer?.closeIdleConnections()
      // A connection kept alive goes idle only once its answer is out.
      const sweep = setInterval(() => {
        server.closeIdleConnections()
        // Those may never end by themselves; their clients connect again, to another replica.
        proxy.openCalls.endStreams()
      }, 50)
      const deadline = setTimeout(() => server.closeAllConnections(), finishWithin)
      await closed
      clearInterval(sweep)
      clearTimeout(deadline)
      operatorServer?.closeAllConnections()
      // Tokens that were renewed beside a request are written before the process ends, and those of sessions
      // that ended are revoked; what is not done in time, another replica does.
      const settled = tokenRefresher.drain().then(() => tokenRevocation.stop())
      await Promise.race([settled, delay(finishWithin, undefined, { ref: false })])
      proxy.openCalls.stop()
      await Promise.all([
        ...providers.all.map((provider) => provider.close()),
        proxy.upstreams.close(),
        spa?.close(),
      ])
      await recentEvents?.stop()
      await Promise.all([store.close(), tracing.close()])
      log('server_stopped')
    },
  }
}

/** Operators have a port of their own, which no browser needs to reach. */
async function startOperatorServer(components: Components): Promise<Server | undefined> {
  const { listen: address, operator } = components.config
  if (operator === undefined) return undefined
  const server = createHttpServer(createOperatorApp(components), components)
  await listen(server, { ...address, port: operator.port })
  const { port } = server.address() as AddressInfo
  components.log('operator_listening', { host: address.host, port })
  return server
}

function listen(server: Server, { host, port }: Config['listen']): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
}
