import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, onTestFinished } from 'vitest'
import type { PorticoState } from '../../../client/types.ts'
import { logInAtOkta } from '../login.ts'
import { launchChromium } from './chromium.ts'
import { startClientSite } from './client-site.ts'
import { signInAsAda } from './demo.ts'

/** Pages of a site that have the client, for tests that call it in a real browser. */
export let browser: Browser
/** One user's browser: its pages are tabs. */
export let context: BrowserContext
export let site: Awaited<ReturnType<typeof startClientSite>>

/** Starts Chromium for a file, and a browser without cookies for each of its tests. */
export function clientPages(): void {
  beforeAll(async () => {
    browser = await launchChromium()
  })
  afterAll(() => browser.close())
  beforeEach(async () => {
    context = await browser.newContext()
  })
  afterEach(() => context.close())
}

/** Starts the site of a test. */
export async function startSite(options?: Parameters<typeof startClientSite>[0]): Promise<void> {
  site = await startClientSite(options)
  onTestFinished(() => site.close())
}

/** Opens a tab; with a status, waits until the client has it. */
export async function open(path = '/', { status }: { status?: string } = {}): Promise<Page> {
  const page = await context.newPage()
  page.setDefaultTimeout(10_000)
  await page.goto(site.url + path)
  if (status !== undefined) await expectStatus(page, status)
  return page
}

/** The state of the client in a tab. */
export const stateOf = (page: Page) => page.evaluate<PorticoState>('portico.getState()')
export const expectStatus = (page: Page, status: string) =>
  expect.poll(() => page.evaluate('globalThis.portico?.getState().status')).toBe(status)
/** The events so far: each name, and what says most about it. */
export const eventsOf = (page: Page) => page.evaluate<[string, string][]>('events')
/** Runs a call of the client; an error becomes its code. */
export const call = <Result>(page: Page, expression: string) =>
  page.evaluate<Result>(`portico.${expression}.catch((error) => error.name + ' ' + error.code)`)

/** Signs in as Ada from a page, and completes the login on the callback page. */
export async function signIn(page: Page): Promise<void> {
  await page.evaluate('void portico.login()')
  await signInAsAda(page)
  await completeLogin(page)
}

/** Gives the browser a session of Ada's, without a page: for tests of what comes after a login. */
export async function haveSession(): Promise<void> {
  const { browser: jar } = await logInAtOkta({ ...site.portico, url: site.url })
  const cookies = [...jar.cookies(site.url)].map(([name, value]) => ({ name, value, url: site.url }))
  await context.addCookies(cookies.map((cookie) => ({ ...cookie, httpOnly: true, sameSite: 'Strict' })))
}

/** Signs in as another user, from a page where Ada is signed in. */
export async function switchToAlan(page: Page): Promise<void> {
  await page.evaluate("void portico.login({ prompt: 'login' })")
  await page.getByRole('button', { name: /Alan Turing/ }).click()
  await completeLogin(page)
}

/** Waits until the provider has redirected to the callback page, and completes the login there. */
export async function completeLogin(page: Page): Promise<void> {
  await arriveAtCallback(page)
  await page.evaluate('portico.handleCallback()')
}

/** Waits until the provider has redirected to the callback page. */
export async function arriveAtCallback(page: Page): Promise<void> {
  await page.waitForURL((address) => address.searchParams.has('state') && address.pathname === '/callback')
  await page.waitForFunction('globalThis.portico')
}

/** Opens a tab in which Ada has signed in at the provider, which knows her from then on. */
export async function openAfterLogin(): Promise<Page> {
  const page = await open('/', { status: 'signed-out' })
  await signIn(page)
  return page
}

/** Opens a tab in which Ada is signed in. */
export async function openSignedIn(): Promise<Page> {
  await haveSession()
  return open('/', { status: 'signed-in' })
}
