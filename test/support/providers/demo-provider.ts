import express, { type RequestHandler } from 'express'
import type { default as OidcProvider } from 'oidc-provider'
import { createDemoClient, type DemoClientAuth } from '../../../demo/provider/clients.ts'
import { createDemoProvider, type DemoProviderOptions } from '../../../demo/provider/provider.ts'
import { type VariantName, variants } from '../../../demo/provider/variants.ts'
import { startTestServer } from '../network/http-server.ts'
import { testSecret } from '../portico.ts'

/** An address where nothing listens, so that the doctor's check of it ends at once. */
const publicUrl = 'https://localhost:1'

export interface DemoProviderSetup {
  variant?: VariantName
  auth?: DemoClientAuth
  /** Changes to the client's registration at the provider. */
  client?: Partial<DemoProviderOptions['clients'][number]>
  provider?: Partial<DemoProviderOptions>
  /** Adds to the provider what its configuration cannot. */
  extend?: (provider: OidcProvider) => void
  /** Sees each request before the provider does. */
  before?: RequestHandler
}

/** Starts a provider of the demo with one client; `env` are the right settings of a Portico for it. */
export async function startDemoProvider({
  variant = 'okta',
  auth = 'client_secret_basic',
  client = {},
  provider = {},
  extend = () => {},
  before = (_req, _res, next) => next(),
}: DemoProviderSetup = {}) {
  const server = await startTestServer()
  const { metadata, settings } = await createDemoClient(auth, [`${publicUrl}/api/callback`])
  const { app, provider: oidcProvider } = await createDemoProvider({
    variant,
    origin: server.origin,
    clients: [{ ...metadata, post_logout_redirect_uris: [`${publicUrl}/api/logout/callback`], ...client }],
    ...provider,
  })
  extend(oidcProvider)
  server.serve(express().disable('x-powered-by').use(before, app))
  const env: Record<string, string | undefined> = {
    PUBLIC_URL: publicUrl,
    BFF_SECRETS: testSecret(),
    TRUST_PROXY: '127.0.0.1',
    ...settings,
    ...variants[variant].toSettings(server.origin),
  }
  return { env, origin: server.origin, close: () => server.close() }
}

/** Changes the JSON that the provider responds with at one address. */
export function rewriteJson(
  path: string,
  change: (body: Record<string, unknown>) => unknown,
): RequestHandler {
  return (req, res, next) => {
    if (!req.path.endsWith(path)) return next()
    const end = res.end.bind(res)
    res.end = ((text: string | Buffer) => {
      const body = JSON.stringify(change(JSON.parse(String(text)) as Record<string, unknown>))
      res.removeHeader('content-length')
      return end(body)
    }) as typeof res.end
    next()
  }
}
