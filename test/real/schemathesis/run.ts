import { execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createTestBrowser } from '../../support/browser.ts'
import { startLogin } from '../../support/login.ts'
import { freePort, startTestServer } from '../../support/network/http-server.ts'
import { publicUrl, testSecret } from '../../support/portico.ts'
import { root, startProcess } from '../../support/processes/start-process.ts'
import { signInAtOkta, startOkta } from '../../support/providers/okta.ts'

/**
 * Runs schemathesis, a property-based client, against a real server with a real provider: it makes requests
 * from the OpenAPI document, good and bad ones, and compares the answers with it.
 *
 *     npm run test:schemathesis
 *     SCHEMATHESIS=/path/to/st EXAMPLES=500 npm run test:schemathesis -- --seed 1
 */

const python = join(root, 'node_modules/.cache/schemathesis')
const examples = process.env.EXAMPLES ?? '100'
const introspectionSecret = testSecret()
const forwardAuthSecret = testSecret()

const folder = mkdtempSync(join(tmpdir(), 'portico-'))
const okta = await startOkta()
const upstream = await startTestServer()
upstream.serve((_req, res) => res.setHeader('Content-Type', 'application/json').end('{}'))
const url = `http://127.0.0.1:${await freePort()}`
const portico = startServer()
try {
  await portico.line(/"server_listening"/)
  const helper = await startTestServer()
  helper.serve((_req, res) => {
    signIn().then(
      (cookie) => res.end(cookie),
      (error: unknown) => res.writeHead(500).end(String(error)),
    )
  })
  // As a script of the app calls, then as a browser that goes to each address.
  const results = [await run(helper.origin, 'cors'), await run(helper.origin, 'navigate')]
  process.exitCode = Math.max(...results)
  await helper.close()
} finally {
  await portico.stop()
  await upstream.close()
  await okta.close()
  rmSync(folder, { recursive: true })
}

function startServer() {
  const routes = join(folder, 'routes.json')
  writeFileSync(routes, JSON.stringify({ orders: { upstream: upstream.origin } }))
  const hash = createHash('sha256').update(introspectionSecret).digest('hex')
  return startProcess('src/main.ts', ['serve'], {
    PUBLIC_URL: publicUrl,
    HOST: '127.0.0.1',
    PORT: new URL(url).port,
    BFF_SECRETS: testSecret(),
    SHUTDOWN_DRAIN: '0s',
    RATE_LIMIT_LOGIN: 'off',
    RATE_LIMIT_API: 'off',
    TRUST_PROXY: '127.0.0.1',
    OIDC_ISSUER: okta.issuer,
    OIDC_CLIENT_ID: 'portico-test',
    OIDC_CLIENT_SECRET: 'test-client-secret',
    OIDC_SCOPES: 'openid profile email groups offline_access',
    INTROSPECTION_CLIENTS: `api:${hash}`,
    FORWARD_AUTH_SECRET: forwardAuthSecret,
    PROXY_ROUTES_FILE: routes,
  })
}

/** Signs a user in; returns the session cookie as a pair. */
async function signIn(): Promise<string> {
  const browser = createTestBrowser()
  const { search } = await signInAtOkta(browser, await startLogin({ url }, browser))
  const { status } = await browser.fetch(`${url}/api/callback${search}`)
  if (status !== 200) throw new Error(`the callback answered ${status}`)
  const [session] = [...browser.cookies(url)].filter(([name]) => name.endsWith('bff_session'))
  if (session === undefined) throw new Error('no session cookie came')
  return session.join('=')
}

/** Runs schemathesis with requests of one kind; resolves with its exit code. */
function run(signInUrl: string, mode: 'cors' | 'navigate'): Promise<number> {
  const args = [
    `--config-file=${join(import.meta.dirname, 'schemathesis.toml')}`,
    'run',
    `${url}/api/openapi.json`,
    `--url=${url}`,
    `--header=Sec-Fetch-Mode: ${mode}`,
    '--max-redirects=0',
    `--max-examples=${examples}`,
    '--continue-on-failure',
    '--generation-database=none',
    // Not every request that the schema allows can succeed: a state has to be one that this server made, a token
    // one that a provider signed, an audience one that is configured.
    '--exclude-checks=positive_data_acceptance',
    '--no-color',
    ...process.argv.slice(2),
  ]
  const env = {
    ...process.env,
    SIGN_IN_URL: signInUrl,
    INTROSPECTION_SECRET: introspectionSecret,
    FORWARD_AUTH_SECRET: forwardAuthSecret,
    SCHEMATHESIS_HOOKS: 'sign_in',
    PYTHONPATH: import.meta.dirname,
    PYTHONDONTWRITEBYTECODE: '1',
  }
  const child = spawn(ensureSchemathesis(), args, { cwd: folder, env, stdio: 'inherit' })
  return new Promise((resolve) => child.once('close', (code) => resolve(code ?? 1)))
}

/** Returns the program, which it installs with pip if need be. */
function ensureSchemathesis(): string {
  const program = process.env.SCHEMATHESIS ?? join(python, 'bin/st')
  if (!existsSync(program)) {
    process.stdout.write('schemathesis is not installed; fetching it with pip for this run.\n')
    execFileSync('python3', ['-m', 'venv', python])
    const requirements = join(import.meta.dirname, 'requirements.txt')
    execFileSync(join(python, 'bin/pip'), ['install', '--quiet', '--requirement', requirements], {
      stdio: 'inherit',
    })
  }
  return program
}
