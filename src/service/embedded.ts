import type { Components } from '../components.ts'
import type { Portico, PorticoHandler, PorticoRequest } from '../embedding/types.ts'
import { createMountedRouter } from '../http/embedded/mounted-router.ts'
import { checkReadiness } from '../http/machine-endpoints/health.ts'
import { createOperatorApp, createRoutes } from '../routes.ts'
import { startBackground, stopBackground } from './service.ts'

/**
 * Puts a service into a host app: nothing listens, no signal is handled, and nothing of the process is
 * changed.
 */
export function embed(components: Components): Portico {
  const { config, log, lifecycle, proxy } = components
  const { app, isOwn, host } = createRoutes(components)
  startBackground(components)
  let closing: Promise<void> | undefined

  // The host's requests and responses are Express's, which these types do not name: a user may have no types
  // of Express, or those of another version.
  return {
    router: createMountedRouter({ app, isOwn, config, log }) as unknown as PorticoHandler,
    requireSession: (access) => host.requireSession(access) as unknown as PorticoHandler,
    session: async (req, { slide = true } = {}) => host.session(toExpress(req), slide),
    accessToken: async (req) => host.accessToken(toExpress(req)),
    readiness: async () => checkReadiness(components),
    operator: config.operator && (createOperatorApp(components) as unknown as Portico['operator']),
    reopenAudit: () => components.audit?.reopen(),
    close() {
      lifecycle.end()
      proxy.openCalls.endStreams()
      closing ??= stopBackground(components)
      return closing
    },
  }
}

type ExpressRequest = Parameters<ReturnType<typeof createRoutes>['host']['accessToken']>[0]

const toExpress = (req: PorticoRequest) => req as unknown as ExpressRequest
