import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import express from 'express'
import { createComponents } from '../src/components.ts'
import { type Config, readConfig } from '../src/config/config.ts'
import { createApp } from '../src/routes.ts'
import { openLog } from '../src/telemetry/logger.ts'
import { createSampleApi } from './api.ts'
import { createDemoClient, type DemoClientAuth } from './provider/clients.ts'
import { createDemoProvider } from './provider/provider.ts'
import { type VariantName, variants } from './provider/variants.ts'
import { createSpa } from './spa.ts'
import { createThief } from './thief.ts'

/**
 * The demo: an embedded identity provider, Portico, a sample API and a sample SPA, in one process, reachable
 * from this machine only. The provider is at 127.0.0.1 and the rest at localhost: to a browser these are two
 * sites, as in production.
 */

const usage = `Usage: npm run demo -- [--provider ${Object.keys(variants).join('|')}|several]
       [--port 3000] [--redirect spa|server] [--binding dpop|none] [--verbose]
       [--app http://localhost:5173]   for an app with a dev server instead of the demo's page
`

/** How Portico authenticates as a client at each variant. */
const clientAuths: Record<VariantName, DemoClientAuth> = {
  okta: 'client_secret_basic',
  'okta-org': 'client_secret_basic',
  'oauth2-public': 'none',
  'oauth2-confidential': 'client_secret_post',
  fapi2: 'private_key_jwt ES256',
  'message-signing': 'private_key_jwt ES256',
}

interface Listener {
  port: number
  serve(app: RequestListener): void
}

/**
 * Listens on the port, or on any free one if it is in use. The app is added later by `serve`, because its
 * configuration contains the port.
 */
async function listen(port: number): Promise<Listener> {
  const server = createServer()
  const isFree = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => resolve(true))
  })
  if (!isFree) {
    process.stdout.write(`Port ${port} is in use; using another one.\n`)
    return listen(0)
  }
  return { port: (server.address() as AddressInfo).port, serve: (app) => void server.on('request', app) }
}

/** @throws TypeError with the usage, where an option is unknown or lacks its value */
function readArguments() {
  try {
    return parseArgs({
      options: {
        provider: { type: 'string', default: 'okta' },
        port: { type: 'string', default: '3000' },
        redirect: { type: 'string', default: 'spa' },
        binding: { type: 'string', default: 'dpop' },
        app: { type: 'string' },
        verbose: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values
  } catch (cause) {
    throw new TypeError(`${(cause as Error).message}\n\n${usage}`, { cause })
  }
}

function readOptions() {
  const values = readArguments()
  const port = Number(values.port)
  const { provider, redirect, binding, app } = values
  if (
    !(port >= 0 && port <= 65_000 && Number.isInteger(port)) ||
    (redirect !== 'spa' && redirect !== 'server') ||
    (binding !== 'dpop' && binding !== 'none') ||
    (provider !== 'several' && !isVariantName(provider)) ||
    (app !== undefined && URL.parse(app)?.origin !== app)
  )
    throw new TypeError(usage)
  // Of several, each would need a page of its own to which it redirects.
  const where = provider === 'several' ? 'server' : redirect
  return {
    provider,
    port,
    redirect: where,
    binding,
    app,
    verbose: values.verbose,
    help: values.help,
  } as const
}

/** The providers that a user of `--provider several` chooses among. */
const several = {
  staff: { variant: 'okta', label: 'Staff of Example Ltd', icon: join(import.meta.dirname, 'spa/icon.svg') },
  partner: { variant: 'okta-org', label: 'Partner' },
} as const

/** The provider calls Portico when a user signs out there, in any browser or app. */
const toBackChannel = (publicUrl: string) => ({
  backchannel_logout_uri: `${publicUrl}/api/backchannel-logout`,
  backchannel_logout_session_required: true,
})

const isVariantName = (name: string): name is VariantName => Object.hasOwn(variants, name)

const toGreeting = (publicUrl: string) => `
Portico's demo is running. Open this page and log in:

    ${publicUrl}

Press Ctrl+C to stop it.
`

const toAppGreeting = (app: string, porticoUrl: string, apiUrl: string) => `
Portico: ${porticoUrl}
Sample API: ${apiUrl}
    GET /orders, POST /orders, POST /payments, GET /audit

Let the dev server of your app forward /api and /.well-known to Portico, and open the app:

    ${app}

That address is PUBLIC_URL, and so the issuer of the app tokens. Press Ctrl+C to stop this.
`

/** Starts a provider; returns what Portico has to know of it. */
async function startProvider(
  variant: VariantName,
  { port, serve }: Listener,
  { publicUrl, redirectUri }: { publicUrl: string; redirectUri: string },
): Promise<Record<string, string>> {
  const origin = `http://127.0.0.1:${port}`
  const { metadata, settings } = await createDemoClient(clientAuths[variant], [redirectUri])
  const { app } = await createDemoProvider({
    variant,
    origin,
    // Short, so that a user of the demo sees a refresh.
    accessTokenLifetime: 300,
    clients: [
      {
        ...metadata,
        post_logout_redirect_uris: [`${publicUrl}/api/logout/callback`],
        ...(variants[variant].facts.idToken ? toBackChannel(publicUrl) : {}),
      },
    ],
  })
  serve(app)
  return { OIDC_REDIRECT_URI: redirectUri, ...settings, ...variants[variant].toSettings(origin) }
}

/** Starts the providers of `--provider several`, on ports from this one; returns the configuration with them. */
async function readSeveral(
  publicUrl: string,
  port: number,
  settings: Record<string, string>,
): Promise<Config> {
  const entries = await Promise.all(
    Object.entries(several).map(async ([name, { variant, ...looks }], at) => {
      const redirectUri = `${publicUrl}/api/callback/${name}`
      const listener = await listen(port === 0 ? 0 : port + at)
      return [name, { ...looks, ...(await startProvider(variant, listener, { publicUrl, redirectUri })) }]
    }),
  )
  const folder = mkdtempSync(join(tmpdir(), 'portico-demo-'))
  try {
    const file = join(folder, 'providers.json')
    writeFileSync(file, JSON.stringify(Object.fromEntries(entries)))
    return readConfig({ ...settings, PROVIDERS_FILE: file })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function main(): Promise<void> {
  const options = readOptions()
  if (options.help) {
    process.stdout.write(usage)
    return
  }
  if (process.env.NODE_ENV === 'production') {
    throw new Error('The demo has well-known passwords and refuses to run with NODE_ENV=production.')
  }
  const { provider, port, redirect, binding, app, verbose } = options
  const next = (offset: number) => (port === 0 ? 0 : port + offset)
  const [bff, api] = [await listen(port), await listen(next(2))]
  const porticoUrl = `http://localhost:${bff.port}`
  // A dev server forwards /api and /.well-known to Portico: browsers know Portico by the app's address.
  const publicUrl = app ?? porticoUrl
  const apiUrl = `http://localhost:${api.port}`
  const apiSecret = randomBytes(32).toString('base64url')
  const settings = {
    PUBLIC_URL: publicUrl,
    BFF_SECRETS: randomBytes(32).toString('base64url'),
    // Not required: a login that a link begins, such as that of an error page, names no key.
    APP_TOKEN_BINDING: binding === 'dpop' ? 'optional' : 'none',
    INTROSPECTION_CLIENTS: `sample-api:${createHash('sha256').update(apiSecret).digest('hex')}`,
    ...(process.env.REDIS_URL ? { REDIS_URL: process.env.REDIS_URL } : {}),
  }
  const redirectUri = `${publicUrl}${redirect === 'spa' ? '/callback' : '/api/callback'}`
  const config =
    provider === 'several'
      ? await readSeveral(publicUrl, next(3), settings)
      : readConfig({
          ...settings,
          ...(await startProvider(provider, await listen(next(1)), { publicUrl, redirectUri })),
        })
  const log = await openLog({ level: verbose ? 'info' : 'error', format: undefined })
  const components = await createComponents(config, { log })

  const { title, facts } = variants[provider === 'several' ? several.staff.variant : provider]
  const isChosen = provider === 'several'
  const site = express().disable('x-powered-by')
  if (app === undefined) {
    site.use(
      await createSpa({ apiUrl, redirect, provider: { title, facts, isChosen }, dpop: binding === 'dpop' }),
    )
    site.use(createThief(apiUrl))
  }
  site.use(createApp(components))
  api.serve(createSampleApi({ issuer: publicUrl, apiUrl, spaOrigin: publicUrl, clientSecret: apiSecret }))
  components.tokenRevocation.start()
  bff.serve(site)
  process.stdout.write(app === undefined ? toGreeting(publicUrl) : toAppGreeting(app, porticoUrl, apiUrl))
}

try {
  await main()
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(1)
}
