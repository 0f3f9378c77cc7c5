import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { type Components, createApp, createOperatorApp } from './app.ts'
import { createKeyRing } from './app-token/key-ring.ts'
import { type Clock, systemClock } from './clock.ts'
import type { Config } from './config/config.ts'
import type { ProviderConfig } from './config/providers/provider-config.ts'
import { createHttpServer } from './http/wire/http-server.ts'
import { createProvider } from './provider/provider.ts'
import { createProviders, type Providers } from './provider/providers.ts'
import { createMemoryStore } from './session/memory/store.ts'
import { createRedisConnection } from './session/redis/connection.ts'
import { createRedisStore } from './session/redis/store.ts'
import { createTokenRefresher } from './session/refresh/token-refresher.ts'
import type { Store } from './session/store.ts'
import { createSessionTermination } from './session/termination/session-termination.ts'
import { createTokenRevocation } from './session/termination/token-revocation.ts'
import { createLog, type Log } from './telemetry/logger.ts'

/** Makes every part from the configuration; `replaced` ones are taken as they are. */
export function createComponents(config: Config, replaced: Partial<Components> = {}): Components {
  const { clock = systemClock, log = createLog(config.logLevel) } = replaced
  const { secrets, appToken } = config
  const store = replaced.store ?? createStore(config, clock, log)
  const providers = replaced.providers ?? createConfiguredProviders(config, clock, log)
  const tokenRevocation = replaced.tokenRevocation ?? createTokenRevocation({ store, providers, log })
  const termination = replaced.termination ?? createSessionTermination({ store, tokenRevocation })
  const { longestTimeout: timeout } = config
  return {
    config,
    clock,
    log,
    store,
    providers,
    tokenRevocation,
    termination,
    tokenRefresher:
      replaced.tokenRefresher ?? createTokenRefresher({ store, termination, providers, clock, log, timeout }),
    keyRing: replaced.keyRing ?? createKeyRing({ config: appToken, store, secrets, clock, log }),
    lifecycle: { draining: false },
  }
}

function createConfiguredProviders(config: Config, clock: Clock, log: Log): Providers {
  const { secrets } = config
  const create = (one: ProviderConfig) => createProvider({ config: one, secrets, clock, log })
  const [first, ...others] = config.providers
  return createProviders([create(first), ...others.map(create)])
}

function createStore({ redis, secrets, session: lifetimes }: Config, clock: Clock, log: Log): Store {
  if (redis === undefined) return createMemoryStore({ clock, lifetimes })
  const connection = createRedisConnection(redis, log)
  return createRedisStore({ connection, secrets, lifetimes, clock, log })
}

/** A server that listens. */
export interface RunningServer {
  port: number
  /** Of the operator API, where there is one. */
  operatorPort: number | undefined
  /** Says "not ready" for the drain time, then lets requests in flight finish, then closes everything. */
  close(): Promise<void>
}

/** How long requests in flight may take once the listener is closed, in milliseconds. */
const finishWithin = 10_000

/** Listens at once: a provider that is down is discovered later, in the background. */
export async function startServer(components: Components): Promise<RunningServer> {
  const { config, providers, store, tokenRevocation, tokenRefresher, keyRing, log, lifecycle } = components
  const server = createHttpServer(createApp(components), components)
  // While draining, clients and balancers are told to take their next request elsewhere.
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
    async close() {
      lifecycle.draining = true
      log('server_draining', { drain_ms: config.shutdownDrain })
      await delay(config.shutdownDrain)
      const closed = new Promise((resolve) => server.close(resolve))
      operatorServer?.close()
      operatorServer?.closeIdleConnections()
      // A connection kept alive goes idle only once its answer is out.
      const sweep = setInterval(() => server.closeIdleConnections(), 50)
      const deadline = setTimeout(() => server.closeAllConnections(), finishWithin)
      await closed
      clearInterval(sweep)
      clearTimeout(deadline)
      operatorServer?.closeAllConnections()
      // Tokens that were renewed beside a request are written before the process ends, and those of sessions that
      // ended are revoked; what is not done in time, another replica does.
      const settled = tokenRefresher.settle().then(() => tokenRevocation.stop())
      await Promise.race([settled, delay(finishWithin, undefined, { ref: false })])
      await Promise.all(providers.all.map((provider) => provider.close()))
      await store.close()
      log('server_stopped')
    },
  }
}

/** The operator API has a port of its own, which no browser needs to reach; none without a secret. */
async function startOperatorServer(components: Components): Promise<Server | undefined> {
  const { listen: address, operator } = components.config
  if (operator === undefined) return undefined
  const server = createHttpServer(createOperatorApp(components, operator.secret), components)
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
