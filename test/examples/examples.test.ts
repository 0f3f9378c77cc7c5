import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import manifest from '../../package.json' with { type: 'json' }
import { findFlaws, noFlaws } from '../support/chromium/accessibility.ts'
import { launchChromium } from '../support/chromium/chromium.ts'
import { signInAsAda } from '../support/chromium/demo.ts'
import { npm } from '../support/examples/pack.ts'
import { freePort } from '../support/network/http-server.ts'
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

test('a dev server that is not PUBLIC_URL: the status says what is wrong', async () => {
  await page.goto(await startDevServer('plain', port))
  await click('Log in')
  await signInAsAda(page)
  await expect.poll(status).toBe('Signed in as Ada Lovelace')
  // Cookies do not distinguish ports: the user is signed in there, too.
  await page.goto(await startDevServer('plain', await freePort()))
  await expect.poll(status).toContain(`PUBLIC_URL is http://localhost:${port}`)
})

test('the lockfile of the examples knows what this package depends on (CONTRIBUTING.md, Tests)', () => {
  const { packages } = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dependencies?: object } | undefined>
  }
  expect(packages['node_modules/portico-bff']?.dependencies).toEqual(manifest.dependencies)
})

test('all examples have the same style', () => {
  const [first, ...others] = examples.map((example) =>
    readFileSync(join(folder, example, 'src/style.css'), 'utf8'),
  )
  for (const other of others) expect(other).toBe(first)
})
