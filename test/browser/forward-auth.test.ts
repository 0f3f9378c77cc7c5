import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launchChromium } from '../support/chromium/chromium.ts'
import { freePort, startTestServer, type TestServer } from '../support/network/http-server.ts'
import { startPortico, type TestPortico, testSecret } from '../support/portico.ts'
import { type ScriptedProvider, startScriptedProvider } from '../support/providers/scripted-provider.ts'
import installProxies from '../support/reverse-proxies/install.ts'
import { type ReverseProxy, startReverseProxy } from '../support/reverse-proxies/start.ts'

/** A static site behind nginx and forward auth, with a strict session cookie, in a real browser. */
let browser: Browser
let idp: ScriptedProvider
let portico: TestPortico
let proxy: ReverseProxy
/** The provider's page, and another site: "127.0.0.1" is another site than "localhost". */
let elsewhere: TestServer
let site: string
let logins = 0
const folder = mkdtempSync(join(tmpdir(), 'portico-site-'))

beforeAll(async () => {
  installProxies()
  ;[browser, idp, elsewhere] = await Promise.all([
    launchChromium(),
    startScriptedProvider(),
    startTestServer(),
  ])
  const port = await freePort()
  site = `http://localhost:${port}`
  idp.script({
    metadata: (document) => ({ ...document, authorization_endpoint: `${elsewhere.origin}/authorize` }),
  })
  elsewhere.serve((req, res) => {
    const { pathname, searchParams } = new URL(req.url ?? '', elsewhere.origin)
    const target = `${site}/docs/guide/?chapter=2&q=a%20b`
    if (pathname !== '/authorize') {
      res.setHeader('Content-Type', 'text/html')
      const script = `<script>location.href = '${target}'</script>`
      return void res.end(pathname === '/script' ? script : `<a href="${target}">The handbook</a>`)
    }
    logins += 1
    const parameters = idp.authorize(`${elsewhere.origin}${req.url}`)
    res.writeHead(302, { Location: `${searchParams.get('redirect_uri')}?${parameters}` }).end()
  })
  const secret = testSecret()
  const env = { PUBLIC_URL: site, TRUST_PROXY: '127.0.0.1', FORWARD_AUTH_SECRET: secret }
  portico = await startPortico({ issuer: idp.issuer, env })
  idp.follow(portico.clock)
  mkdirSync(join(folder, 'docs/guide'), { recursive: true })
  writeFileSync(join(folder, 'docs/guide/index.html'), '<h1>Guide</h1>')
  const replaced = { '127.0.0.1:3000': new URL(portico.url).host, '/srv/site': folder }
  proxy = await startReverseProxy('nginx', { port, replaced, secret })
})
afterAll(async () => {
  await browser?.close()
  await proxy?.close()
  await Promise.all([portico, idp, elsewhere].map((part) => part?.close()))
  rmSync(folder, { recursive: true })
})

const expectGuide = async (page: Page) => {
  await expect.poll(() => page.url()).toBe(`${site}/docs/guide/?chapter=2&q=a%20b`)
  await expect.poll(() => page.locator('h1').textContent()).toBe('Guide')
}

test('a link from another site leads through the login to the very page, and finds the session from then on', async () => {
  const page = await browser.newPage()
  const before = logins
  for (const visit of ['first', 'second']) {
    await page.goto(elsewhere.origin)
    await page.click('a')
    await expectGuide(page)
    expect([visit, logins - before]).toEqual([visit, 1])
  }
})

test('another site begins no login without a click: a page of this site asks for one', async () => {
  const page = await browser.newPage()
  const before = logins
  await page.goto(`${elsewhere.origin}/script`)
  await expect.poll(() => page.title()).toBe('Opening the page')
  expect(logins).toBe(before)
  await page.click('text=Open the page')
  await expectGuide(page)
  expect(logins).toBe(before + 1)
})
