import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createTestBrowser, type TestBrowser } from '../support/browser.ts'
import { startLogin } from '../support/login.ts'
import { freePort } from '../support/network/http-server.ts'
import { testSecret } from '../support/portico.ts'
import { startProcess, type TestProcess } from '../support/processes/start-process.ts'

/** A Keycloak that was started for this run, with its data in memory. */
export interface Keycloak {
  origin: string
  /** Calls the admin API, and returns the JSON that it responds with. */
  admin(method: 'GET' | 'POST' | 'PUT', path: string, body?: object): Promise<unknown>
  stop(): Promise<void>
}

const administrator = { username: 'admin', password: 'admin' }
/** Its first start in another mode builds it anew. */
const startDeadline = 300_000

/** Starts the Keycloak that KEYCLOAK_HOME names. */
export async function startKeycloak(): Promise<Keycloak> {
  const home = process.env.KEYCLOAK_HOME ?? ''
  const command = join(home, 'bin/kc.sh')
  if (!existsSync(command)) {
    throw new Error(
      'KEYCLOAK_HOME must name an unpacked Keycloak (26.2 or later); it needs Java 17 or later.',
    )
  }
  const port = await freePort()
  const origin = `http://127.0.0.1:${port}`
  const options = ['start-dev', '--db=dev-mem', '--http-host=127.0.0.1', `--http-port=${port}`]
  const child = spawn(command, options, {
    env: {
      ...process.env,
      KC_BOOTSTRAP_ADMIN_USERNAME: administrator.username,
      KC_BOOTSTRAP_ADMIN_PASSWORD: administrator.password,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    // kc.sh starts Java in a process of its own, which has to be stopped as well.
    detached: true,
  })
  let printed = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      printed = (printed + chunk.toString()).slice(-5_000)
    })
  }
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const stop = async () => {
    if (child.exitCode === null && child.pid !== undefined) process.kill(-child.pid, 'SIGTERM')
    await ended
  }

  const giveUpAt = Date.now() + startDeadline
  while (!(await isUp(`${origin}/realms/master`))) {
    if (child.exitCode !== null || Date.now() > giveUpAt) {
      await stop()
      throw new Error(`Keycloak did not start:\n${printed}`)
    }
    await delay(500)
  }
  return { origin, admin: (method, path, body) => callAdmin(origin, method, path, body), stop }
}

/** Runs a Portico with these settings while `use` does something with it; prints its output if that fails. */
export async function runPortico(
  url: string,
  settings: Record<string, string | undefined>,
  use: (portico: TestProcess) => Promise<void>,
): Promise<void> {
  const { hostname, port } = new URL(url)
  const portico = startProcess('src/main.ts', ['serve'], {
    PUBLIC_URL: url,
    HOST: hostname,
    PORT: port,
    BFF_SECRETS: testSecret(),
    SHUTDOWN_DRAIN: '0s',
    ...settings,
  })
  try {
    await portico.line(/"server_listening"/)
    await use(portico)
  } catch (error) {
    process.stdout.write(`${portico.output.text}\n`)
    throw error
  } finally {
    await portico.stop()
  }
}

/** Signs a user in at a Portico: fills in the form of Keycloak's login page. */
export async function signInAtKeycloak(
  url: string,
  user: { username: string; password: string },
): Promise<TestBrowser> {
  const browser = createTestBrowser()
  const loginUrl = await startLogin({ url }, browser)
  const begun = await browser.visit(loginUrl)
  // After a pushed request (RFC 9126), Keycloak redirects to the page.
  const next = begun.headers.get('location')
  const page = next === null ? begun : await browser.visit(new URL(next, loginUrl).href)
  const action = /<form[^>]* action="([^"]+)"/.exec(await page.text())?.[1]?.replaceAll('&amp;', '&') ?? ''
  const answer = await browser.visit(action, { method: 'POST', body: new URLSearchParams(user) })
  const { search } = new URL(answer.headers.get('location') ?? '')
  const response = await browser.fetch(`${url}/api/callback${search}`)
  assert.equal(response.status, 200, await response.text())
  return browser
}

const isUp = (url: string) =>
  fetch(url).then(
    ({ status }) => status === 200,
    () => false,
  )

async function callAdmin(origin: string, method: string, path: string, body?: object): Promise<unknown> {
  const login = await fetch(`${origin}/realms/master/protocol/openid-connect/token`, {
    method: 'POST',
    body: new URLSearchParams({ grant_type: 'password', client_id: 'admin-cli', ...administrator }),
  })
  const { access_token: token } = (await login.json()) as { access_token: string }
  const response = await fetch(`${origin}/admin${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: body === undefined ? null : JSON.stringify(body),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`Keycloak's admin API: ${method} ${path}: ${response.status} ${text}`)
  return text === '' ? undefined : JSON.parse(text)
}
