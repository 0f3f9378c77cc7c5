import express, { type Express, type RequestHandler } from 'express'
import type { PorticoHooks } from '../../src/embedding/hooks.ts'
import type { Portico } from '../../src/embedding/types.ts'
import { embed } from '../../src/service/embedded.ts'
import { startTestServer } from './network/http-server.ts'
import { createTestParts, publicUrl, type TestPortico } from './portico.ts'

/** A host app that Portico is embedded in. */
export interface TestHost extends Omit<TestPortico, 'operatorPort'> {
  /** Where the addresses of Portico begin. */
  shop: { url: string }
  portico: Portico
}

interface TestHostOptions {
  issuer: string
  /** The path of PUBLIC_URL, at which the router is mounted; the root by default. */
  path?: string
  env?: Record<string, string | undefined>
  hooks?: PorticoHooks
  /** Middleware before the router. */
  before?: RequestHandler[]
  /** Adds the routes of the app. */
  routes?: (app: Express, portico: Portico) => void
  /** Where the router is mounted, if not at `path`. */
  mount?: string
}

/** Starts an Express app with Portico in it. */
export async function startHost({
  issuer,
  path = '',
  env = {},
  hooks = {},
  before = [],
  routes = () => {},
  mount = path,
}: TestHostOptions): Promise<TestHost> {
  const { settings: _, ...parts } = await createTestParts({
    issuer,
    env: { PUBLIC_URL: publicUrl + path, ...env },
    replaced: { hooks },
  })
  const portico = embed(parts.components)
  const app = express()
  for (const middleware of before) app.use(middleware)
  app.use(mount === '' ? '/' : mount, portico.router)
  routes(app, portico)
  const server = await startTestServer()
  server.serve(app)
  return {
    ...parts,
    portico,
    url: server.origin,
    shop: { url: server.origin + path },
    async close() {
      await server.close()
      await portico.close()
    },
  }
}
