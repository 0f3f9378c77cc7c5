import fc from 'fast-check'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { readReturnTo } from '../../src/redirects/return-to.ts'
import { launchChromium } from '../support/chromium/chromium.ts'
import { signInAsAda, startDemo } from '../support/chromium/demo.ts'
import { hostileAddress } from '../support/hostile-address.ts'
import type { TestProcess } from '../support/processes/start-process.ts'

/** Many tabs of a real browser, where the provider redirects to the server, with a strict session cookie. */
let browser: Browser
let demo: TestProcess
let url: string
let context: BrowserContext

beforeAll(async () => {
  browser = await launchChromium()
})
afterAll(() => browser.close())
beforeEach(async () => {
  // One for each test: the logins of all of them would be too many for one address and minute.
  ;({ process: demo, url } = await startDemo(['--redirect', 'server']))
  context = await browser.newContext()
})
afterEach(async () => {
  await context.close()
  await demo.stop('SIGKILL')
})

/** Addresses as a person's location may have them, and as the location has them once the person is back. */
const places = [
  ['/', '/'],
  ['/?q=a b&c="d"', '/?q=a%20b&c=%22d%22'],
  ['/#/café au lait', '/#/caf%C3%A9%20au%20lait'],
  ['/?東京#京', '/?%E6%9D%B1%E4%BA%AC#%E4%BA%AC'],
  ['/?back\\slash', '/?back%5Cslash'],
  ['/?discount=100%25&next=https://evil.example/', '/?discount=100%25&next=https://evil.example/'],
] as const

/** A tab in which the person goes to sign in. */
async function open(returnTo: string): Promise<Page> {
  const page = await context.newPage()
  page.setDefaultTimeout(10_000)
  await page.goto(`${url}/api/login?return_to=${encodeURIComponent(returnTo)}`)
  return page
}

async function expectSignedIn(page: Page, place: string): Promise<void> {
  await expect.poll(() => page.url(), { timeout: 10_000 }).toBe(url + place)
  await expect.poll(() => page.locator('#name').textContent(), { timeout: 10_000 }).toBe('Ada Lovelace')
}

describe('six tabs, each from another place in the app', () => {
  test.each([[[5, 4, 3, 2, 1, 0]], [[3, 0, 5, 1, 4, 2]]])(
    'finished in the order %j: each ends where it began, and one session stays',
    async (order) => {
      const pages: Page[] = []
      for (const [returnTo] of places) pages.push(await open(returnTo))
      for (const index of order) {
        const page = pages[index] ?? (await open('/'))
        await signInAsAda(page)
        await expectSignedIn(page, places[index]?.[1] ?? '')
      }
      const [first] = pages
      await first?.reload()
      await expect.poll(() => first?.locator('#sessions li').count(), { timeout: 10_000 }).toBe(1)
      const names = (await context.cookies(url)).map(({ name }) => name)
      expect(names.filter((name) => name.startsWith('bff_'))).toEqual(['bff_session'])
      await first?.getByRole('button', { name: 'Log out', exact: true }).click()
      await first?.getByRole('button', { name: 'Log in', exact: true }).waitFor()
    },
  )

  test('all at once, as when a browser opens its tabs again: each ends where it began', async () => {
    const page = await open('/')
    await signInAsAda(page)
    await expectSignedIn(page, '/')
    // The session at the provider lives on, and asks for nothing.
    await context.clearCookies({ domain: 'localhost' })
    const pages = await Promise.all(places.map(([returnTo]) => open(returnTo)))
    for (const [index, one] of pages.entries()) {
      await expect.poll(() => one.url(), { timeout: 10_000 }).toBe(url + (places[index]?.[1] ?? ''))
    }
  })
})

test.each([[[0, 1]], [[1, 0]]])(
  'two tabs with links of 1,200 characters, finished in the order %j',
  async (order) => {
    const links = ['a', 'b'].map((name) => `/?${name}=${'x'.repeat(1_200)}`)
    const pages: Page[] = []
    for (const link of links) pages.push(await open(link))
    for (const index of order) {
      const page = pages[index] ?? (await open('/'))
      await signInAsAda(page)
      await expectSignedIn(page, links[index] ?? '')
    }
  },
)

test('a link of another site to a callback that is over leads a person who is signed in to the app', async () => {
  const page = await open('/?here')
  await signInAsAda(page)
  await expectSignedIn(page, '/?here')
  const before = await context.cookies(url)
  const elsewhere = url.replace('localhost', '127.0.0.1')
  const callback = `${url}/api/callback?code=x&amp;state=0mwr0md1430f9d71d.${'A'.repeat(43)}`
  await page.route(`${elsewhere}/**`, (route) =>
    route.fulfill({ contentType: 'text/html', body: `<a href="${callback}">Have a look</a>` }),
  )
  await page.goto(`${elsewhere}/link`)
  await page.getByRole('link').click()
  await expectSignedIn(page, '/')
  expect(await context.cookies(url)).toEqual(before)
})

test('what Chromium makes of whatever return_to is followed: an allowed origin (R7)', async () => {
  const spa = 'https://spa.example.com'
  const followed = fc
    .sample(hostileAddress, { numRuns: 20_000, seed: 8 })
    .map((value) => readReturnTo(value, { apiUrl: `${url}/api`, allowedOrigins: [url, spa] }))
    .filter((returnTo) => returnTo !== undefined)
  expect(followed.length).toBeGreaterThan(1_000)
  const page = await context.newPage()
  await page.goto(`${url}/livez`)
  const hrefs = await page.evaluate<string[]>(
    `(${JSON.stringify(followed)}).map((returnTo) => new URL(returnTo, location.href).href)`,
  )
  // It changes nothing about them, either.
  expect(hrefs).toEqual(followed.map((returnTo) => (returnTo.startsWith('/') ? url + returnTo : returnTo)))
})
