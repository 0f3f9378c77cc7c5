import express from 'express'
import type { PorticoOptions } from '../../../client/types.ts'
import { createApp } from '../../../src/routes.ts'
import { requireToken } from '../../../src/verify/verify.ts'
import { startTestServer } from '../network/http-server.ts'
import { startPortico } from '../portico.ts'
import { startDemoProvider } from '../providers/demo-provider.ts'
import { type BundledFile, bundleClient } from './bundle.ts'

const toPage = (script: string) => `<!doctype html>
<title>client</title>
<script type="module">${script}</script>`

/** A page that holds the client as `portico`, and the events that it reported as `events`. */
const clientPage = toPage(`
  import { createPortico } from '/client/portico.js'
  const names = ['signed-in', 'signed-out', 'user-changed', 'expiring', 'renew-failed']
  globalThis.events = []
  globalThis.start = (options) => {
    globalThis.portico = createPortico(options)
    for (const name of names) {
      portico.on(name, (event) => events.push([name, event.reason ?? event.user?.name ?? event.error?.code ?? '']))
    }
  }
  start(await (await fetch('/options.json')).json())
`)

interface ClientSiteOptions {
  env?: Record<string, string>
  /** Of `createPortico`, in the page. */
  client?: Partial<PorticoOptions>
  /** An app that the page runs instead of the client alone. */
  script?: string
  /** What that app imports from /client, besides the client. */
  files?: BundledFile[]
  /** Where the provider redirects: a page of the app, or Portico itself. */
  redirect?: 'spa' | 'server'
}

/**
 * Starts a site whose page has the client, with Portico below /api, an API at /orders, and a provider.
 * Portico's clock stands still until a test moves it.
 */
export async function startClientSite({
  env = {},
  client = {},
  redirect = 'spa',
  script,
  files = [],
}: ClientSiteOptions = {}) {
  const html = script === undefined ? clientPage : toPage(script)
  const [server, ofClient] = await Promise.all([startTestServer(), bundleClient()])
  const url = server.origin.replace('127.0.0.1', 'localhost')
  const redirectUri = `${url}${redirect === 'spa' ? '/callback' : '/api/callback'}`
  const provider = await startDemoProvider({
    client: {
      redirect_uris: [redirectUri],
      post_logout_redirect_uris: [`${url}/api/logout/callback`],
    },
  })
  const portico = await startPortico({
    env: { ...provider.env, PUBLIC_URL: url, OIDC_REDIRECT_URI: redirectUri, ...env },
  })

  /** What the site was asked, such as "POST /api/token". */
  const requests: string[] = []
  /** Answers a request instead of the site, if it is set. */
  const faults: { answer?: express.RequestHandler | undefined } = {}

  const site = express().disable('x-powered-by')
  site.use((req, res, next) => {
    requests.push(`${req.method} ${req.path}`)
    if (faults.answer === undefined) return next()
    return faults.answer(req, res, next)
  })
  site.get('/options.json', (_req, res) => void res.json({ apiOrigins: ['self'], ...client }))
  for (const { name, code } of [...ofClient, ...files]) {
    site.get(`/client/${name}`, (_req, res) => void res.type('text/javascript').send(code))
  }
  site.get(
    ['/', '/callback', '/callback/:provider', '/callbacks', '/here'],
    (_req, res) => void res.type('html').send(html),
  )
  const jwksUri = `${portico.url}/.well-known/jwks.json`
  const apiTokens = requireToken({ issuer: url, publicUrl: url, jwksUri, clock: portico.clock })
  site.get('/orders', apiTokens, (req, res) => void res.json({ for: req.auth?.sub }))
  site.use(createApp(portico.components))
  server.serve(site)

  return {
    url,
    portico,
    requests,
    faults,
    /** How often the site was asked this. */
    count: (request: string) => requests.filter((one) => one === request).length,
    async close() {
      await Promise.all([server.close(), portico.close(), provider.close()])
    },
  }
}
