import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose'
import type { Page } from 'playwright-core'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { PorticoOptions } from '../../client/types.ts'
import { bundleClient } from '../support/chromium/bundle.ts'
import { call, clientPages, context, expectStatus, stateOf } from '../support/chromium/client-pages.ts'
import { startClientSite } from '../support/chromium/client-site.ts'
import { closeAfterTest } from '../support/fixtures.ts'
import { startTestServer } from '../support/network/http-server.ts'
import type { TestPortico } from '../support/portico.ts'
import { startDemoProvider } from '../support/providers/demo-provider.ts'
import { startTwoOnOneHost } from '../support/two-porticos.ts'

/** Two Porticos whose cookies reach each other, each with an app, in one browser. */
clientPages()

interface App {
  /** The address of its page, which is PUBLIC_URL. */
  url: string
  api: string
  portico: TestPortico
}

const asTwo = (one: App, two: App) => ({ one, two })

/** On localhost, at two ports. */
async function startOnPorts() {
  const start = async (COOKIE_NAME: string): Promise<App> => {
    const site = await startClientSite({ env: { COOKIE_NAME }, client: { dpop: true } })
    onTestFinished(() => site.close())
    return { url: site.url, api: `${site.url}/api`, portico: site.portico }
  }
  return asTwo(await start('one'), await start('two'))
}

/** On one host, at /auth and /shop/auth. */
async function startOnPaths() {
  const server = await startTestServer()
  const origin = server.origin.replace('127.0.0.1', 'localhost')
  /** One for each: at a shared one, the second login as another user would end the first one's. */
  const startProvider = async (url: string) =>
    closeAfterTest(
      await startDemoProvider({
        client: {
          redirect_uris: [`${url}/callback`],
          post_logout_redirect_uris: [`${url}/auth/logout/callback`],
        },
      }),
    )
  const ofRoot = await startProvider(origin)
  const ofShop = await startProvider(`${origin}/shop`)
  const files = new Map((await bundleClient()).map(({ name, code }) => [`/client/${name}`, code]))
  const toPage = (options: Partial<PorticoOptions>) => `<!doctype html><script type="module">
    import { createPortico } from '/client/portico.js'
    globalThis.portico = createPortico(${JSON.stringify({ apiOrigins: ['self'], apiPrefix: '/auth', dpop: true, ...options })})
    portico.subscribe(() => {})
  </script>`
  const pages = new Map([
    ...['/', '/callback'].map((path) => [path, toPage({})] as const),
    ...['/shop', '/shop/callback'].map(
      (path) => [path, toPage({ url: '/shop', callbackPath: '/shop/callback' })] as const,
    ),
  ])
  const { root, shop } = closeAfterTest(
    await startTwoOnOneHost({
      server,
      toEnv: (url) => ({ ...(url === origin ? ofRoot : ofShop).env, OIDC_REDIRECT_URI: `${url}/callback` }),
      site(req, res, next) {
        const code = files.get(req.path)
        if (code !== undefined) return void res.type('text/javascript').send(code)
        const page = pages.get(req.path)
        return page === undefined ? next() : void res.type('html').send(page)
      },
    }),
  )
  const toApp = ({ url, portico }: typeof root) => ({ url, api: `${url}/auth`, portico })
  return asTwo(toApp(root), toApp(shop))
}

async function open({ url }: App, status: string): Promise<Page> {
  const page = await context.newPage()
  page.setDefaultTimeout(10_000)
  await page.goto(url)
  await expectStatus(page, status)
  return page
}

/** Goes to the provider from a page, and chooses a user there; stays on the callback page. */
async function goToCallback(page: Page, user: RegExp): Promise<void> {
  await page.evaluate("void portico.login({ prompt: 'login' })")
  await page.bringToFront()
  await page.getByRole('button', { name: user }).click()
  await page.waitForURL(
    (address) => address.searchParams.has('state') && /\/callback$/.test(address.pathname),
  )
  await page.waitForFunction('globalThis.portico')
}

const nameIn = async (page: Page) => (await stateOf(page)).user?.name

/** Whether a token verifies as one of an app: by the issuer, the keys and the audience of its Portico. */
async function verifies({ url, portico }: App, token: string): Promise<boolean> {
  const path = new URL(url).pathname.replace(/\/$/, '')
  const keys = createRemoteJWKSet(new URL(`${portico.url}${path}/.well-known/jwks.json`))
  const currentDate = new Date(portico.clock.now())
  return jwtVerify(token, keys, { issuer: url, audience: url, currentDate }).then(
    () => true,
    () => false,
  )
}

describe.each([
  ['on two ports of localhost', startOnPorts],
  ['on one host, at /auth and /shop/auth', startOnPaths],
])('two Porticos %s', (_where, start) => {
  test('a user is signed in at both, as another one at each, and nothing of one counts for the other', async () => {
    const { one, two } = await start()
    const [pageOne, pageTwo] = [await open(one, 'signed-out'), await open(two, 'signed-out')]

    // Both logins are under way at the same time, and end where they began.
    await goToCallback(pageOne, /Ada Lovelace/)
    await goToCallback(pageTwo, /Alan Turing/)
    await pageOne.evaluate('portico.handleCallback()')
    expect((await stateOf(pageTwo)).status).not.toBe('signed-in')
    await pageTwo.evaluate('portico.handleCallback()')
    expect([await nameIn(pageOne), await nameIn(pageTwo)]).toEqual(['Ada Lovelace', 'Alan Turing'])

    // App tokens: each has the issuer, the keys and the browser's key of its own Portico.
    // The second page keeps its token: what the first one shares with its tabs is not for it.
    const tokenTwo = await call<string>(pageTwo, 'getToken({ fresh: true })')
    const tokenOne = await call<string>(pageOne, 'getToken({ fresh: true })')
    expect(await call<string>(pageTwo, 'getToken()')).toBe(tokenTwo)
    const tokens = [tokenOne, tokenTwo]
    const [first, second] = tokens.map((token) => decodeJwt<{ cnf?: { jkt: string } }>(token))
    expect([first?.iss, second?.iss]).toEqual([one.url, two.url])
    expect(first?.cnf?.jkt).toMatch(/^[\w-]{43}$/)
    expect(first?.cnf?.jkt).not.toBe(second?.cnf?.jkt)
    expect([await verifies(one, tokenOne), await verifies(one, tokenTwo)]).toEqual([true, false])
    expect([await verifies(two, tokenOne), await verifies(two, tokenTwo)]).toEqual([false, true])

    const remembered = (page: Page) => page.evaluate<string[]>('Object.keys(sessionStorage)')
    expect([await remembered(pageOne), await remembered(pageTwo)]).toEqual(
      [one, two].map(({ api }) => [`portico ${new URL(api).pathname}`]),
    )

    // A logout reaches the other tabs of its own app, and those alone.
    const neighbour = await open(one, 'signed-in')
    await neighbour.evaluate(
      `fetch('${one.api}/logout', { method: 'POST', headers: { 'X-CSRF': '1' } }).then(() => portico.checkSession())`,
    )
    await expectStatus(pageOne, 'signed-out')
    expect((await call<{ status: string }>(pageTwo, 'checkSession()')).status).toBe('signed-in')
    const names = (await context.cookies()).map(({ name }) => name)
    expect(names.filter((name) => /_(session|tx)/.test(name))).toHaveLength(1)
    expect(await nameIn(await open(two, 'signed-in'))).toBe('Alan Turing')
  })
})
