import type { RequestHandler } from 'express'
import type { Config } from '../../config/config.ts'
import type { OpenCalls } from '../../proxy/open-calls.ts'
import { createAppFiles } from './app-files.ts'
import { listAppHeaders } from './app-headers.ts'
import { createDevServer } from './dev-server.ts'

/** What answers at the addresses of the app. */
export interface Spa {
  readonly handler: RequestHandler
  close(): Promise<void>
}

interface SpaOptions {
  config: Config
  proxy: { openCalls: OpenCalls }
}

/** Creates what serves the app: its build, or its dev server; undefined where another server does. */
export function createSpa({ config, proxy: { openCalls } }: SpaOptions): Spa | undefined {
  const { spa, apiPrefix } = config
  if (spa === undefined) return undefined
  if (spa.kind === 'dev-server') return createDevServer({ origin: spa.url, apiPrefix, openCalls })
  const headers = listAppHeaders(config, spa.policy)
  const handler = createAppFiles({ directory: spa.path, apiPrefix, headers })
  return { handler, close: async () => {} }
}
