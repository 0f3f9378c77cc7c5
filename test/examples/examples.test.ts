import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { createDemoProvider } from '../../demo/provider/provider.ts'
import { findFlaws, noFlaws } from '../support/chromium/accessibility.ts'
import { launchChromium } from '../support/chromium/chromium.ts'
import { signInAsAda } from '../support/chromium/demo.ts'
import { npm, packages } from '../support/examples/pack.ts'
import { closeAfterTest } from '../support/fixtures.ts'
import { freePort, startTestServer } from '../support/network/http-server.ts'
import { testSecret } from '../support/portico.ts'
import { root, startProcess, type TestProcess } from '../support/processes/start-process.ts'

/** Each example as a person who copies it uses it: with the package as published, behind its own dev server. */
const folder = join(root, 'examples')
const examples = readdirSync(folder).filter((name) => existsSync(join(folder, name, 'package.json')))

let browser: Browser
let context: BrowserContext
let page: Page
/** What the browser complained about: a blocked resource, a script error. */
let complaints: string[] = []
/** Portico, its provider and the sample API: one for all examples, whose dev servers use the same port. */
let demo: TestProcess
let port: number
let devServers: TestProcess[] = []

beforeAll(async () => {
  process.stdout.write('Installing the examples (npm ci in examples/).\n')
  npm(['ci'], folder)
  browser = await launchChromium()
  port = await freePort()
  demo = startProcess('demo/main.ts', ['--port', '0', '--app', `http://localhost:${port}`], {})
})
afterAll(async () => {
  await demo.stop('SIGKILL')
  await browser.close()
})
beforeEach(async () => {
  complaints = []
  context = await browser.newContext()
  page = await context.newPage()
  page.setDefaultTimeout(10_000)
  page.on('pageerror', (error) => void complaints.push(error.message))
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
  })
})
afterEach(async () => {
  await context.close()
  await Promise.all(devServers.map((server) => server.stop('SIGKILL')))
  devServers = []
})

/** Starts the dev server of an example; resolves with its address once it listens. */
async function startDevServer(example: string, at: number): Promise<string> {
  const lines = [await demo.line(/^Portico: /), await demo.line(/^Sample API: /)]
  const [PORTICO_URL = '', VITE_API_URL = ''] = lines.map((line) => line.split(': ')[1] ?? '')
  const args = [join(folder, example), '--port', String(at), '--strictPort', '--force']
  const server = startProcess('examples/node_modules/vite/bin/vite.js', args, { PORTICO_URL, VITE_API_URL })
  devServers.push(server)
  await server.line(/Local:/)
  return `http://localhost:${at}`
}

const click = (name: string) => page.getByRole('button', { name, exact: true }).click()
const status = () => page.locator('[role=status]').textContent()
const tokenId = () => page.getByLabel('Token', { exact: true }).textContent()

describe.each(examples)('examples/%s', (example) => {
  test('type-checks and builds', () => {
    npm(['run', 'check', '-w', example], folder)
    npm(['run', 'build', '-w', example], folder)
  })

  test('sign in, call the API, renew the token, reload, log out; nothing that axe finds', async () => {
    const url = await startDevServer(example, port)
    await page.goto(`${url}/?page=2#end`)
    await expect.poll(status).toBe('Signed out')
    expect(await findFlaws(page)).toEqual(noFlaws)

    await click('Log in')
    await signInAsAda(page)
    await expect.poll(status).toBe('Signed in as Ada Lovelace')
    await expect.poll(() => page.url()).toBe(`${url}/?page=2#end`)
    await expect.poll(tokenId).not.toBe('')

    await click('Call the API')
    const answer = page.getByLabel('API answer', { exact: true })
    await expect.poll(() => answer.textContent()).toContain('GET /orders → 200')
    const before = await tokenId()
    await click('Renew the token')
    await expect.poll(tokenId).not.toBe(before)
    expect(await findFlaws(page)).toEqual(noFlaws)
    await page.setViewportSize({ width: 390, height: 800 })
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(390)

    await page.reload()
    await expect.poll(status).toBe('Signed in as Ada Lovelace')
    await click('Log out')
    await expect.poll(status).toBe('Signed out')
    expect(complaints).toEqual([])
  })
})

describe('one process serves the app and the login', () => {
  /** Starts the demo's provider, and Portico as a process; resolves with the address of both login and app. */
  async function startPortico(settings: Record<string, string>): Promise<string> {
    const url = `http://localhost:${await freePort()}`
    const provider = closeAfterTest(await startTestServer())
    const client = { client_id: 'app', client_secret: testSecret(), redirect_uris: [`${url}/api/callback`] }
    const { issuer, app } = await createDemoProvider({
      origin: provider.origin,
      clients: [{ ...client, post_logout_redirect_uris: [`${url}/api/logout/callback`] }],
    })
    provider.serve(app)
    const portico = startProcess('src/main.ts', ['serve'], {
      PUBLIC_URL: url,
      HOST: '127.0.0.1',
      PORT: new URL(url).port,
      BFF_SECRETS: testSecret(),
      OIDC_ISSUER: issuer,
      OIDC_CLIENT_ID: client.client_id,
      OIDC_CLIENT_SECRET: client.client_secret,
      ...settings,
    })
    closeAfterTest({ close: () => portico.stop('SIGKILL') })
    await portico.line(/"server_listening"/)
    return url
  }

  test('SPA_DIR: sign in, reload on a deep link, sign out by a form, under the default policy', async () => {
    const url = await startPortico({ SPA_DIR: join(folder, 'react/dist') })
    const deepLink = `${url}/orders/5?page=2#end`
    await page.goto(deepLink)
    await click('Log in')
    await signInAsAda(page)
    await expect.poll(status).toBe('Signed in as Ada Lovelace')
    expect(page.url()).toBe(deepLink)
    const reloaded = await page.reload()
    expect(reloaded?.headers()['content-security-policy']).toContain("script-src 'self';")
    await expect.poll(status).toBe('Signed in as Ada Lovelace')
    // Browsers check where the redirects of a form lead, here to the provider.
    await page.evaluate(`
      const form = Object.assign(document.createElement('form'), { method: 'post', action: '/api/logout' })
      document.body.append(form)
      form.submit()`)
    await page.waitForURL(`${url}/`)
    await expect.poll(status).toBe('Signed out')
    expect(complaints).toEqual([])
  })

  test('SPA_DEV_URL: a change of the code appears without a reload', async () => {
    const app = mkdtempSync(join(tmpdir(), 'portico-app-'))
    onTestFinished(() => rmSync(app, { recursive: true }))
    const writeModule = (text: string) =>
      writeFileSync(
        join(app, 'main.js'),
        `document.querySelector('[role=status]').textContent = '${text}'\nimport.meta.hot.accept()\n`,
      )
    writeFileSync(
      join(app, 'index.html'),
      '<p role="status"></p><script type="module" src="/main.js"></script>',
    )
    writeModule('before')
    const devPort = await freePort()
    const args = [app, '--port', String(devPort), '--strictPort']
    const devServer = startProcess('examples/node_modules/vite/bin/vite.js', args, {})
    devServers.push(devServer)
    await devServer.line(/Local:/)

    const url = await startPortico({ SPA_DEV_URL: `http://localhost:${devPort}` })
    const isConnected = page.waitForEvent('console', (message) => message.text() === '[vite] connected.')
    await page.goto(`${url}/orders/5`)
    await isConnected
    await expect.poll(status).toBe('before')
    await page.evaluate('window.isSamePage = true')
    writeModule('after')
    await expect.poll(status).toBe('after')
    expect(await page.evaluate('window.isSamePage')).toBe(true)
  })
})

test('a dev server that is not PUBLIC_URL: the status says what is wrong', async () => {
  await page.goto(await startDevServer('plain', port))
  await click('Log in')
  await signInAsAda(page)
  await expect.poll(status).toBe('Signed in as Ada Lovelace')
  // Cookies do not distinguish ports: the user is signed in there, too.
  await page.goto(await startDevServer('plain', await freePort()))
  await expect.poll(status).toContain(`PUBLIC_URL is http://localhost:${port}`)
})

test('the lockfile of the examples knows what the packages depend on (CONTRIBUTING.md, Tests)', () => {
  const { packages: locked } = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, object | undefined>
  }
  for (const { name, version, dependencies } of [packages.client.manifest, packages.react.manifest])
    expect(locked[`node_modules/${name}`]).toMatchObject({ version, dependencies })
})

test('all examples have the same style', () => {
  const [first, ...others] = examples.map((example) =>
    readFileSync(join(folder, example, 'src/style.css'), 'utf8'),
  )
  for (const other of others) expect(other).toBe(first)
})
