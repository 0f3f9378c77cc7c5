import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener, request } from 'node:http'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import express, { type RequestHandler } from 'express'
import { createSampleApi } from './api.ts'
import { createDemoClient } from './provider/clients.ts'
import { createDemoProvider } from './provider/provider.ts'
import { variants } from './provider/variants.ts'
import { createSpa } from './spa.ts'

/**
 * All of the demo but Portico, for compose.yaml: the embedded identity provider, the sample API, and the sample
 * SPA, whose server forwards to Portico what is Portico's, as a reverse proxy does.
 */

const { values: options } = parseArgs({
  options: {
    /** Of the SPA; the provider and the API have the next two. */
    port: { type: 'string', default: '3000' },
    host: { type: 'string', default: '127.0.0.1' },
    /** Where Portico listens. */
    portico: { type: 'string', default: '8080' },
    /** The folder for the secrets that Portico reads. */
    secrets: { type: 'string', default: '/secrets' },
  },
})

const port = Number(options.port)
const publicUrl = `http://localhost:${port}`
const origin = `http://127.0.0.1:${port + 1}`
const apiUrl = `http://localhost:${port + 2}`

/** Forwards a request to Portico as it is, with the address of its client. */
const toPortico: RequestHandler = (req, res) => {
  const { method, originalUrl: path } = req
  const headers = { ...req.headers, 'x-forwarded-for': req.socket.remoteAddress }
  const forwarded = request({ host: '127.0.0.1', port: options.portico, method, path, headers }, (answer) => {
    res.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.pipe(res)
  })
  forwarded.on('error', () => res.headersSent || res.status(502).send('Portico does not answer yet.'))
  req.pipe(forwarded)
}

/** Writes a secret where Portico reads it; one that is there stays, so that sessions outlive a restart. */
function writeSecret(name: string, value: string, { keep = false } = {}): void {
  const file = join(options.secrets, name)
  if (!keep || !existsSync(file)) writeFileSync(file, value, { mode: 0o644 })
}

async function serve(at: number, app: RequestListener): Promise<void> {
  await once(createServer(app).listen(at, options.host), 'listening')
}

if (process.env.NODE_ENV === 'production') throw new Error('The demo has well-known passwords.')
const { metadata, settings } = await createDemoClient('client_secret_basic', [`${publicUrl}/api/callback`])
const { app: provider } = await createDemoProvider({
  origin,
  accessTokenLifetime: 300,
  clients: [{ ...metadata, post_logout_redirect_uris: [`${publicUrl}/api/logout/callback`] }],
})
const clientSecret = randomBytes(32).toString('base64url')
const hash = createHash('sha256').update(clientSecret).digest('hex')
mkdirSync(options.secrets, { recursive: true })
writeSecret('bff-secrets', randomBytes(32).toString('base64url'), { keep: true })
writeSecret('client-secret', settings.OIDC_CLIENT_SECRET ?? '')
writeSecret('introspection-clients', `sample-api:${hash}`)

const { title, facts } = variants.okta
const site = express().disable('x-powered-by')
site.use(await createSpa({ apiUrl, redirect: 'server', provider: { title, facts }, dpop: true }))
site.use(['/api', '/.well-known', '/livez', '/readyz'], toPortico)

await serve(port + 1, provider)
await serve(port + 2, createSampleApi({ issuer: publicUrl, apiUrl, spaOrigin: publicUrl, clientSecret }))
await serve(port, site)
process.stdout.write(`The demo's page, once Portico runs:\n\n    ${publicUrl}\n\n`)
