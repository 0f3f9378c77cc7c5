import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Components } from '../components.ts'
import type { Config } from '../config/config.ts'
import type { Environment } from '../config/read-settings.ts'
import { createSpa } from '../http/spa/spa.ts'
import { createHttpServer } from '../http/wire/http-server.ts'
import { createApp, createOperatorApp } from '../routes.ts'
import type { Log } from '../telemetry/events.ts'
import { createService, finishWithin, startBackground, stopBackground } from './service.ts'

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

/** Starts the server of a configuration, which was read from `env`; its log begins with what is in effect. */
export async function serve(config: Config, env: Environment): Promise<RunningServer> {
  const components = await createService(config, env)
  return startServer(components).catch(async (error: unknown) => {
    // The process cannot end while a connection to Redis is open.
    await Promise.all([
      ...components.providers.all.map((provider) => provider.close()),
      components.store.close(),
    ])
    throw error
  })
}

/** Listens at once: a provider that is down is discovered later, in the background. */
export async function startServer(components: Components): Promise<RunningServer> {
  const { config, log, lifecycle, proxy } = components
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
  startBackground(components)

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
      await spa?.close()
      await stopBackground(components)
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
