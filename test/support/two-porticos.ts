import express, { type RequestHandler } from 'express'
import { createApp } from '../../src/routes.ts'
import type { startTestServer } from './network/http-server.ts'
import { startPortico, type TestPortico, testSecret } from './portico.ts'

/** A Portico that has a neighbour. */
export interface Neighbour {
  /** Its PUBLIC_URL. */
  url: string
  apiPrefix: string
  portico: TestPortico
}

interface TwoPorticosOptions {
  server: Awaited<ReturnType<typeof startTestServer>>
  /** Settings of both; by default, each has a default of its own. */
  toEnv: (publicUrl: string) => Record<string, string | undefined>
  /** Answers before them, as the web server of both. */
  site?: RequestHandler
}

/** Starts two Porticos on one origin, at `/auth` and at `/shop/auth`, as docs/side-by-side.md says. */
export async function startTwoOnOneHost({
  server,
  toEnv,
  site = (_req, _res, next) => next(),
}: TwoPorticosOptions): Promise<{ root: Neighbour; shop: Neighbour; close(): Promise<void> }> {
  const origin = server.origin.replace('127.0.0.1', 'localhost')
  const apiPrefix = '/auth'
  const start = async (url: string, env: Record<string, string>) => {
    const own = { ...toEnv(url), PUBLIC_URL: url, API_PREFIX: apiPrefix, BFF_SECRETS: testSecret(), ...env }
    return { url, apiPrefix, portico: await startPortico({ env: own }) }
  }
  const root = await start(origin, {})
  const shop = await start(`${origin}/shop`, { COOKIE_NAME: 'shop' })
  const ofShop = createApp(shop.portico.components)
  server.serve(
    express()
      .disable('x-powered-by')
      .use(site)
      .use((req, res, next) => (/^\/shop\//.test(req.url) ? ofShop(req, res, next) : next()))
      .use(createApp(root.portico.components)),
  )
  return {
    root,
    shop,
    async close() {
      await Promise.all([server.close(), root.portico.close(), shop.portico.close()])
    },
  }
}
