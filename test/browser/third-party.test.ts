import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { findFlaws, noFlaws } from '../support/chromium/accessibility.ts'
import { launchChromium } from '../support/chromium/chromium.ts'
import { freePort, startTestServer, type TestServer } from '../support/network/http-server.ts'
import { startPortico, type TestPortico } from '../support/portico.ts'
import { type ScriptedProvider, startScriptedProvider } from '../support/providers/scripted-provider.ts'

/** Logins that a page of another site initiates, with two providers, in a real browser. */
const folder = mkdtempSync(join(tmpdir(), 'portico-third-party-'))
let browser: Browser
let staff: ScriptedProvider
let partner: ScriptedProvider
let portico: TestPortico
/** A portal of neither provider: "127.0.0.1" is another site than "localhost". */
let portal: TestServer
/** Portico, as browsers reach it. */
let site: string

beforeAll(async () => {
  ;[browser, staff, partner, portal] = await Promise.all([
    launchChromium(),
    startScriptedProvider(),
    startScriptedProvider(),
    startTestServer(),
  ])
  // The providers' pages, which sign a user in at once.
  for (const [name, idp] of [
    ['staff', staff],
    ['partner', partner],
  ] as const) {
    idp.script({
      metadata: (document) => ({ ...document, authorization_endpoint: `${portal.origin}/${name}` }),
    })
  }
  portal.serve((req, res) => {
    const { pathname, href, searchParams } = new URL(req.url ?? '', portal.origin)
    const answer = (pathname === '/staff' ? staff : partner).authorize(href)
    res.writeHead(302, { Location: `${searchParams.get('redirect_uri')}?${answer}` }).end()
  })
  const client = { OIDC_CLIENT_ID: 'portico-test', OIDC_CLIENT_SECRET: 'test-client-secret' }
  const providers = {
    staff: { ...client, OIDC_ISSUER: staff.issuer },
    partner: { ...client, OIDC_ISSUER: partner.issuer },
  }
  writeFileSync(join(folder, 'providers.json'), JSON.stringify(providers))
  const PORT = String(await freePort())
  site = `http://localhost:${PORT}`
  const env = { HOST: 'localhost', PUBLIC_URL: site, PORT, PROVIDERS_FILE: join(folder, 'providers.json') }
  portico = await startPortico({ env })
  for (const idp of [staff, partner]) idp.follow(portico.clock)
})
afterAll(async () => {
  await browser?.close()
  await Promise.all([portico, staff, partner, portal].map((part) => part?.close()))
  rmSync(folder, { recursive: true })
})

/** Where the user ends, as an address of its own of this server. */
const target = () => `${site}/readyz?from=tile`
const link = (iss: string) =>
  `<a href="${site}/api/login?${new URLSearchParams({ iss, target_link_uri: target() }).toString().replaceAll('&', '&amp;')}">The app</a>`
const form = (iss: string) => `<form method="post" action="${site}/api/login">
  <input name="iss" value="${iss}"><input name="login_hint" value="ada"><input name="target_link_uri" value="${target()}">
  <button>The app</button></form>`
const goesByItself =
  '<script>(document.querySelector("a") ?? document.querySelector("button")).click()</script>'

/** Opens a page of HTML at an origin. */
async function open(origin: string, html: string): Promise<Page> {
  const page = await browser.newPage()
  await page.route(`${origin}/home`, (route) => route.fulfill({ contentType: 'text/html', body: html }))
  await page.goto(`${origin}/home`, { waitUntil: 'commit' })
  return page
}
const originOf = ({ issuer }: ScriptedProvider) => new URL(issuer).origin

async function expectSignedIn(page: Page, name: string): Promise<void> {
  await page.waitForURL(target())
  expect(portico.logged.findLast(({ event }) => event === 'login_succeeded')).toMatchObject({
    provider: name,
  })
  await page.close()
}

test.each([
  ['a link', link],
  ['a form', form],
])(
  'a tile of another site that is %s leads to the provider that it names, and into the app',
  async (_what, tile) => {
    const page = await open(portal.origin, tile(partner.issuer))
    await page.click('text=The app')
    await expectSignedIn(page, 'partner')
  },
)

test.each([
  ['a link', link],
  ['a form', form],
])(
  "a page of the provider's dashboard that goes on by itself, by %s, needs no click",
  async (_what, tile) => {
    const page = await open(originOf(partner), tile(partner.issuer) + goesByItself)
    await expectSignedIn(page, 'partner')
  },
)

test.each([
  ['a link', link],
  ['a form', form],
])('any other page that goes on by itself, by %s, leads to one that asks first', async (_what, tile) => {
  // The other provider speaks for itself alone.
  const page = await open(originOf(staff), tile(partner.issuer) + goesByItself)
  await page.waitForURL(`${site}/api/login**`)
  expect(await page.textContent('p')).toContain('Another site sent you here to sign in.')
  expect(await findFlaws(page)).toEqual(noFlaws)
  await page.click('nav >> text=Continue')
  await expectSignedIn(page, 'partner')
})

test('a form that names no issuer gets the choice, and all that it asked for goes on', async () => {
  const page = await open(portal.origin, form('').replace('name="iss"', 'name="other"'))
  await page.click('text=The app')
  await page.waitForURL(`${site}/api/login**`)
  await page.click('text=Staff')
  await expectSignedIn(page, 'staff')
})
