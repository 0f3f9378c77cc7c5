import type { Page } from 'playwright-core'
import { expect, onTestFinished, test } from 'vitest'
import { findFlaws, noFlaws } from '../support/chromium/accessibility.ts'
import {
  browser,
  clientPages,
  context,
  expectStatus,
  open,
  site,
  startSite,
} from '../support/chromium/client-pages.ts'
import { signInAsAda } from '../support/chromium/demo.ts'
import { startTestServer } from '../support/network/http-server.ts'

/** A provider on another site that posts its answer: oidc-provider at 127.0.0.1, the app at localhost. */
clientPages()

const startFormPost = (env: Record<string, string> = {}) =>
  startSite({ redirect: 'server', env: { OIDC_RESPONSE_MODE: 'form_post', ...env } })
const posted = () => site.requests.filter((request) => request === 'POST /api/callback').length

test('a user signs in, and again as another in the same browser: nothing of the answer is in an address', async () => {
  await startFormPost()
  const seen: string[] = []
  const codes: string[] = []
  context.on('request', (request) => {
    seen.push(request.url(), request.headers().referer ?? '')
    if (request.url().includes('/api/callback'))
      codes.push(String(new URLSearchParams(request.postData() ?? '').get('code')))
  })
  const page = await open('/here', { status: 'signed-out' })
  const before = await page.evaluate<number>('history.length')
  await page.evaluate('void portico.login()')
  await signInAsAda(page)
  await page.waitForURL(`${site.url}/here`)
  await expectStatus(page, 'signed-in')
  expect(posted()).toBe(2)
  // The form of the provider's page, and the same once more.
  expect(new Set(codes).size).toBe(1)
  expect(codes[0]).toMatch(/^[\w-]{20,}$/)
  expect(seen.filter((text) => text.includes(codes[0] ?? ''))).toEqual([])
  // The provider's sign-in page, and the app: "back" posts nothing.
  expect(await page.evaluate<number>('history.length')).toBeLessThanOrEqual(before + 2)
  await page.goBack()
  expect(page.url()).not.toContain('/api/callback')
  expect(posted()).toBe(2)

  await page.goto(`${site.url}/here`)
  await expectStatus(page, 'signed-in')
  const first = await sessionId(page)
  await page.evaluate("void portico.login({ prompt: 'login' })")
  await page.getByRole('button', { name: /Alan Turing/ }).click()
  await page.waitForURL(`${site.url}/here`)
  await expect.poll(() => page.evaluate('portico.getState().user?.name')).toBe('Alan Turing')
  // The strict cookie of the first session came as well: that session has ended.
  expect(await site.portico.store.read(first)).toBeUndefined()
})

test('without scripts: a page with a button, for the keyboard, in light and dark mode', async () => {
  await startFormPost()
  const plain = await browser.newContext({ javaScriptEnabled: false })
  onTestFinished(() => plain.close())
  const page = await plain.newPage()
  await page.goto(`${site.url}/api/login?return_to=/here`)
  await signInAsAda(page)
  await page.getByRole('button', { name: 'Continue', exact: true }).click()
  await page.getByRole('button', { name: 'Continue signing in' }).waitFor()
  expect(new URL(page.url()).pathname).toBe('/api/callback')
  // axe is a script: it looks at a copy.
  const copy = await context.newPage()
  await copy.setContent((await page.content()).replace(/<script>.*<\/script>/, ''))
  expect(await findFlaws(copy)).toEqual(noFlaws)
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await page.waitForURL(`${site.url}/here`)
  expect((await plain.cookies(site.url)).map(({ name }) => name)).toContain('bff_session')
})

test('the user gets to an app on another origin, and wherever that redirects', async () => {
  const [app, elsewhere] = await Promise.all([startTestServer(), startTestServer()])
  onTestFinished(async () => void (await Promise.all([app.close(), elsewhere.close()])))
  const appUrl = app.origin.replace('127.0.0.1', 'localhost')
  app.serve((_req, res) => void res.writeHead(302, { Location: `${elsewhere.origin}/there` }).end())
  elsewhere.serve((_req, res) => void res.end('there'))
  await startFormPost({ SPA_ORIGINS: appUrl })
  const page = await context.newPage()
  await page.goto(`${site.url}/api/login?return_to=${encodeURIComponent(`${appUrl}/x`)}`)
  await signInAsAda(page)
  await page.waitForURL(`${elsewhere.origin}/there`)
})

const sessionId = (page: Page) => page.evaluate<string>('portico.getState().session.id')
