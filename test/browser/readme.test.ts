import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { bundleScript } from '../support/chromium/bundle.ts'
import { launchChromium } from '../support/chromium/chromium.ts'
import { startClientSite } from '../support/chromium/client-site.ts'
import { signInAsAda } from '../support/chromium/demo.ts'
import { root } from '../support/processes/start-process.ts'

let browser: Browser

beforeAll(async () => {
  browser = await launchChromium()
})
afterAll(() => browser.close())

/** The parts of the first JavaScript below a heading of a document: a comment begins each. */
function readParts(document: string, heading: string): string[] {
  const [, below = ''] = readFileSync(join(root, document), 'utf8').split(`\n## ${heading}\n`)
  const snippet = /```js\n([\s\S]+?)```/.exec(below)?.[1] ?? ''
  return snippet.split(/^\/\/ .*$/m)
}

/** Runs an app that signs in at `?log-in`, says so in the title, and signs out at `?log-out`. */
async function expectToWork(app: string, signedIn: string): Promise<void> {
  const site = await startClientSite({ script: app })
  onTestFinished(() => site.close())
  const page = await browser.newPage()
  onTestFinished(() => page.close())
  await page.goto(`${site.url}/?log-in`)
  await signInAsAda(page)
  await expect.poll(() => page.title()).toBe(signedIn)
  const visited: string[] = []
  page.on('request', (request) => void visited.push(request.url()))
  await page.goto(`${site.url}/?log-out`)
  await expect.poll(() => page.title()).toBe('home')
  expect(visited.some((address) => address.includes('id_token_hint='))).toBe(true)
  expect(await page.context().cookies(site.url)).toEqual([])
}

test("the README's lines sign in, call an API with a token, and log out at the provider", async () => {
  const [create = '', state, login, callback, request, logout] = readParts('README.md', 'Use it from a SPA')
  const app = `${create}
    const render = ({ status, user }) => { document.title = status === 'signed-out' ? 'home' : (user?.name ?? status) }
    if (location.pathname === '/callback') {
      ${callback} ${request}
      document.title = [portico.getState().user.name, returnTo, response.status].join(' ')
    }
    else if (location.search === '?log-in') { ${login} }
    else if (location.search === '?log-out') { ${logout} }
    else { ${state} }`
  // The page of the test has an API on its own origin.
  const here = app.replace("['https://api.example.com']", "['self']").replace('https://api.example.com', '')
  await expectToWork(await bundleScript(here), 'Ada Lovelace /?log-in 200')
})

test('the lines of docs/spa.md without the package sign in, get a fresh token, and log out', async () => {
  const [helpers, login, callback, fresh, logout] = readParts('docs/spa.md', 'Without the package')
  const app = `${helpers}
    if (location.pathname === '/callback') {
      ${callback} ${fresh}
      document.title = [user.name, token.split('.').length, fresh.split('.').length].join(' ')
    }
    else if (location.search === '?log-in') { ${login} }
    else if (location.search === '?log-out') { ${logout} }
    else document.title = 'home'`
  await expectToWork(app, 'Ada Lovelace 3 3')
})
