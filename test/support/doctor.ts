import express, { type RequestHandler } from 'express'
import { createDemoClient, type DemoClientAuth } from '../../demo/provider/clients.ts'
import { createDemoProvider, type DemoProviderOptions } from '../../demo/provider/provider.ts'
import { type ShapeName, shapes } from '../../demo/provider/shapes.ts'
import { startTestServer } from './http-server.ts'
import { testSecret } from './portico.ts'

/** Where nothing listens: the doctor says that it cannot know, at once. */
const publicUrl = 'https://localhost:1'

interface PatientOptions {
  shape?: ShapeName
  auth?: DemoClientAuth
  /** What the provider knows otherwise of the client. */
  client?: Partial<DemoProviderOptions['clients'][number]>
  provider?: Partial<DemoProviderOptions>
  /** Stands before the provider. */
  before?: RequestHandler
}

/** A provider with one client, and the settings of a Portico that is well configured for it. */
export async function startPatient({
  shape = 'okta',
  auth = 'client_secret_basic',
  client = {},
  provider = {},
  before = (_req, _res, next) => next(),
}: PatientOptions = {}) {
  const server = await startTestServer()
  const { metadata, settings } = await createDemoClient(auth, [`${publicUrl}/api/callback`])
  const { app } = await createDemoProvider({
    shape,
    origin: server.origin,
    clients: [{ ...metadata, post_logout_redirect_uris: [`${publicUrl}/api/logout/callback`], ...client }],
    ...provider,
  })
  server.serve(express().disable('x-powered-by').use(before, app))
  const env: Record<string, string | undefined> = {
    PUBLIC_URL: publicUrl,
    BFF_SECRETS: testSecret(),
    TRUST_PROXY: '127.0.0.1',
    ...settings,
    ...shapes[shape].toSettings(server.origin),
  }
  return { env, origin: server.origin, close: () => server.close() }
}

/** Changes the JSON of one address on its way out. */
export function tamper(path: string, change: (body: Record<string, unknown>) => unknown): RequestHandler {
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
