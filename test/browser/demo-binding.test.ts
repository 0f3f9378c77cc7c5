import { generateKeyPair, generateProof } from 'dpop'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { launchChromium } from '../support/chromium/chromium.ts'
import { signInAsAda, startDemo } from '../support/chromium/demo.ts'
import type { TestProcess } from '../support/processes/start-process.ts'

/** What the demo shows of a stolen token: bound to a key of the browser, and not; and of step-up. */

let browser: Browser
let demo: TestProcess
let url: string
let orders: string

beforeAll(async () => {
  browser = await launchChromium()
})
afterAll(() => browser.close())
afterEach(async () => {
  await Promise.all(browser.contexts().map((context) => context.close()))
  await demo.stop('SIGKILL')
})

async function start(...options: Parameters<typeof startDemo>): Promise<void> {
  ;({ process: demo, url } = await startDemo(...options))
  const { apiUrl } = (await (await fetch(`${url}/demo.json`)).json()) as { apiUrl: string }
  orders = `${apiUrl}/orders`
}

const expectStatus = (page: Page, text: string) =>
  expect.poll(() => page.locator('#status').textContent()).toBe(text)

async function logIn(): Promise<Page> {
  const page = await (await browser.newContext()).newPage()
  page.setDefaultTimeout(20_000)
  await page.goto(url)
  await page.getByRole('button', { name: 'Log in', exact: true }).click()
  await signInAsAda(page)
  await expectStatus(page, 'Signed in as Ada Lovelace.')
  return page
}

const readToken = (page: Page) => page.evaluate<string>("document.getElementById('encoded').textContent")

async function expectOrders(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'List orders' }).click()
  await expect.poll(() => page.locator('#result').textContent()).toContain('GET /orders → 200')
}

/** What the table says that a thief gets in this page, by what the thief wants. */
const readWorth = (page: Page) =>
  page.evaluate<Record<string, string>>(`Object.fromEntries(
    [...document.querySelectorAll('#loot tbody tr')].map(({ cells }) => [cells[0].textContent, cells[2].textContent]))`)

describe.each(['spa', 'server'])(
  'tokens bound to a key, where the provider redirects to the %s',
  (redirect) => {
    test('a stolen token is refused from another browser, whoever signs; the page works, and keeps its key', async () => {
      await start(['--redirect', redirect])
      const page = await logIn()
      const stolen = await readToken(page)
      const thumbprint = await page.locator('#thumbprint').textContent()
      expect(thumbprint).toMatch(/^[\w-]{43}$/)

      const elsewhere = await (await browser.newContext()).newPage()
      await elsewhere.goto(url)
      const proof = await generateProof(await generateKeyPair('ES256'), orders, 'GET', undefined, stolen)
      const attempts = [
        { Authorization: `Bearer ${stolen}` },
        { Authorization: `DPoP ${stolen}` },
        { Authorization: `DPoP ${stolen}`, DPoP: proof },
      ]
      const answers = await elsewhere.evaluate<
        [number, string][]
      >(`Promise.all(${JSON.stringify(attempts)}.map(
      (headers) => fetch('${orders}', { headers }).then(({ status, headers }) => [status, headers.get('WWW-Authenticate')])))`)
      expect(answers).toEqual([
        [401, expect.stringContaining('invalid_token')],
        [401, expect.stringContaining('invalid_dpop_proof')],
        [401, expect.stringContaining('invalid_token')],
      ])

      await expectOrders(page)
      await page.reload()
      await expectStatus(page, 'Signed in as Ada Lovelace.')
      expect(await readToken(page)).not.toBe(stolen)
      expect(await page.locator('#thumbprint').textContent()).toBe(thumbprint)
      await expectOrders(page)
    })

    test('the panels show it: refused three times elsewhere, and no token that is worth anything', async () => {
      await start(['--redirect', redirect])
      const page = await logIn()
      await page.getByRole('button', { name: 'Copy the token elsewhere' }).click()
      await expectStatus(page, 'This page may call the API. The program elsewhere was refused.')
      expect(await page.locator('#elsewhere strong').allTextContents()).toEqual([
        '200 accepted',
        '401 refused',
        '401 refused',
        '401 refused',
      ])

      await page.getByRole('button', { name: 'Run the thief' }).click()
      await expectStatus(page, 'The thief’s script has finished. What it found is below its button.')
      expect(await page.locator('.findings dd > span').allTextContents()).toEqual([
        'nothing: the session cookie is HttpOnly',
        'nothing',
        'no token (2 entries of this page)',
        'the key of the app tokens: it can be used in this page, but not copied',
        'nothing: the client keeps the token to itself',
        'an app token, which this demo shows',
        'an app token',
        'refused: 400 invalid_dpop_proof',
        'refused: 401 dpop_key_mismatch',
      ])
      expect(await readWorth(page)).toMatchObject({
        'The provider’s refresh token': 'None found. It is on the server.',
        'The provider’s access and ID token': 'None found. They are on the server.',
        'The token for the app’s API': expect.stringContaining('refused 3 times'),
        'Another token, for the thief': expect.stringContaining('Refused'),
      })
      // The attempts of the script cost the user nothing.
      await expectOrders(page)
    })
  },
)

describe('with --binding none', () => {
  test('a copied token works elsewhere, which the panels say, until its session has ended', async () => {
    await start(['--binding', 'none'])
    const page = await logIn()
    await page.getByRole('button', { name: 'Copy the token elsewhere' }).click()
    await expectStatus(page, 'This page may call the API. The program elsewhere was accepted.')
    await page.getByRole('button', { name: 'Run the thief' }).click()
    await expectStatus(page, 'The thief’s script has finished. What it found is below its button.')
    expect(await readWorth(page)).toMatchObject({
      'The provider’s refresh token': 'None found. It is on the server.',
      'The token for the app’s API': expect.stringContaining('It works elsewhere'),
      'Another token, for the thief': expect.stringContaining('Granted'),
    })

    const authorization = `Bearer ${await readToken(page)}`
    const ask = async () => (await fetch(orders, { headers: { authorization } })).status
    expect(await ask()).toBe(200)
    await page.getByRole('button', { name: 'Log out', exact: true }).click()
    await page.getByRole('button', { name: 'Log in', exact: true }).waitFor()
    // The API believes an answer for a second.
    await expect.poll(ask).toBe(401)
  })
})

/** Moves the clock of the demo: all of it, except the browser. */
const advance = (milliseconds: number) =>
  new Promise<void>((resolve) => {
    demo.child.once('message', () => resolve())
    demo.child.send({ advance: milliseconds })
  })

test.each(['spa', 'server'])(
  'a payment needs a recent sign-in, to which the client leads (--redirect %s)',
  async (redirect) => {
    await start(['--redirect', redirect], {}, { timeTravel: true })
    const page = await logIn()
    const pay = page.getByRole('button', { name: 'Pay', exact: true })
    await pay.click()
    await expect.poll(() => page.locator('#result').textContent()).toContain('POST /payments → 201')

    // More than the minute and the tolerated difference of clocks; less than the age that a proof may have.
    await advance(70_000)
    await pay.click()
    await signInAsAda(page)
    await expectStatus(page, 'You signed in again. Now you can pay.')
    expect(await page.evaluate('document.activeElement.id')).toBe('pay')
    await page.keyboard.press('Enter')
    await expect.poll(() => page.locator('#result').textContent()).toContain('POST /payments → 201')
    await expect.poll(() => page.locator('#flow li.open').count()).toBe(0)
    expect(await page.locator('#flow li').count()).toBe(7)
  },
)

test('a payment whose sign-in is cancelled: still signed in, with the reason, and not invited to pay', async () => {
  await start([], {}, { timeTravel: true })
  const page = await logIn()
  await advance(70_000)
  await page.getByRole('button', { name: 'Pay', exact: true }).click()
  await page.getByRole('link', { name: 'Cancel' }).click()
  await expect.poll(() => page.getByRole('alert').textContent()).toContain('access_denied')
  await expectStatus(page, 'Signed in as Ada Lovelace.')
})
