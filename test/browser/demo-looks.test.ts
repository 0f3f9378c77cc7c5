import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { contrastFunctions, runAxe } from '../support/chromium/accessibility.ts'
import { launchChromium } from '../support/chromium/chromium.ts'
import { signInAsAda, startDemo } from '../support/chromium/demo.ts'
import { root, type TestProcess } from '../support/processes/start-process.ts'

/** What a person sees and hears of the demo: contrast, width, focus, alerts, times. */

const pictures = join(root, 'test/output')

let browser: Browser
let demo: TestProcess
let url: string

beforeAll(async () => {
  ;[{ process: demo, url }, browser] = await Promise.all([startDemo(), launchChromium()])
})
afterAll(async () => {
  await browser.close()
  await demo.stop('SIGKILL')
})
afterEach(() => Promise.all(browser.contexts().map((context) => context.close())))

const logInButton = (page: Page) => page.getByRole('button', { name: 'Log in', exact: true })

async function open(options: Parameters<Browser['newContext']>[0] = {}): Promise<Page> {
  const page = await (await browser.newContext(options)).newPage()
  page.setDefaultTimeout(20_000)
  await page.goto(url)
  await logInButton(page).waitFor()
  return page
}

async function logIn(page: Page): Promise<void> {
  await logInButton(page).click()
  await signInAsAda(page)
  await expect.poll(() => page.locator('#status').textContent()).toBe('Signed in as Ada Lovelace.')
}

async function failToRenew(page: Page): Promise<void> {
  await page.route('**/api/token*', (route) => route.fulfill({ status: 502, body: '' }))
  await page.getByRole('button', { name: 'Get a fresh one' }).click()
  await page.getByRole('alert').waitFor()
  await page.unroute('**/api/token*')
}

async function logOut(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Log out', exact: true }).click()
  await expect.poll(() => page.locator('#status').textContent()).toContain('You are logged out of this app')
}

/**
 * Controls, and marks of the diagram, that have less contrast with what is around them than WCAG 2.2 1.4.11
 * demands (3:1); and texts and labels that are wider than their element.
 */
const findFaint = `(() => {
  ${contrastFunctions}
  const edges = [...document.querySelectorAll('button, input, .arrow, .number, .alert')].filter((each) => each.checkVisibility())
  const faint = edges.flatMap((element) => {
    const { backgroundColor, borderTopColor } = getComputedStyle(element)
    const edge = isClear(backgroundColor) || element.matches('.alert') ? borderTopColor : [backgroundColor, borderTopColor]
      .toSorted((a, b) => contrast(b, behind(element)) - contrast(a, behind(element)))[0]
    const ratio = contrast(edge, behind(element))
    return ratio < 3 ? [element.outerHTML.slice(0, 80) + ' ' + ratio.toFixed(2)] : []
  })
  const wide = [document.documentElement, ...document.querySelectorAll('body *:not(.visually-hidden)')]
    .filter((each) => each.clientWidth > 0 && each.scrollWidth > each.clientWidth)
    .map((each) => each.outerHTML.slice(0, 80) + ' is ' + each.scrollWidth + ' wide')
  return { edges: edges.length, faint, wide }
})()`

async function expectGoodLooks(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true })
  expect({ name, found: await runAxe(page) }).toEqual({ name, found: [] })
  const { edges, ...found } = await page.evaluate<{ edges: number; faint: string[]; wide: string[] }>(
    findFaint,
  )
  expect(edges).toBeGreaterThan(2)
  expect({ name, ...found }).toEqual({ name, faint: [], wide: [] })
}

const looks = (['light', 'dark'] as const).flatMap((colorScheme) =>
  [1280, 390].map((width) => [colorScheme, width] as const),
)

test.each(looks)(
  '%s, %i pixels wide: axe finds nothing, all is in contrast, and nothing overflows',
  async (colorScheme, width) => {
    const page = await open({ colorScheme, viewport: { width, height: 900 } })
    const look = (name: string) => expectGoodLooks(page, `${name}-${colorScheme}-${width}`)
    await look('signed-out')
    const background = await page.evaluate<string>('getComputedStyle(document.body).backgroundColor')
    expect(Number(/\d+/.exec(background)?.[0]) > 128).toBe(colorScheme === 'light')
    await logInButton(page).click()
    await page.getByLabel('Username').fill('ada@example.com')
    await page.getByLabel('Password').fill('wrong')
    await page.getByRole('button', { name: 'Sign in', exact: true }).click()
    await page.getByRole('alert').waitFor()
    await look('provider')
    await signInAsAda(page)
    await expect.poll(() => page.locator('#status').textContent()).toBe('Signed in as Ada Lovelace.')
    await look('signed-in')
    await page.getByRole('button', { name: 'Place an order without the scope' }).click()
    await expect.poll(() => page.locator('#result').textContent()).toContain('403')
    await page.getByRole('button', { name: 'Copy the token elsewhere' }).click()
    await page.locator('#elsewhere li').first().waitFor()
    await page.getByRole('button', { name: 'Run the thief' }).click()
    await page.locator('#loot table').waitFor()
    await look('used')
    await failToRenew(page)
    await look('after-an-error')
    await logOut(page)
    await look('after-logout')
    await page.route('**/api/session*', (route) => route.abort())
    await page.reload()
    await page.getByRole('button', { name: 'Try again' }).waitFor()
    await look('no-answer')
  },
)

describe('focus and headings', () => {
  const focused = (page: Page) => page.evaluate<string>('document.activeElement.id')

  test('the focus is on the greeting after a login, and on the button to log in after a logout', async () => {
    const page = await open()
    expect(await page.getByRole('heading', { level: 1 }).textContent()).toContain('You sign in.')
    await logIn(page)
    expect(await focused(page)).toBe('greeting')
    expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe('Signed in as Ada Lovelace')
    await logOut(page)
    expect(await focused(page)).toBe('log-in')
  })

  test('it goes to the button as well in a tab whose user logs out in another one', async () => {
    const one = await open()
    await logIn(one)
    const two = await one.context().newPage()
    await two.goto(url)
    await expect.poll(() => two.locator('#status').textContent()).toBe('Signed in as Ada Lovelace.')
    await two.getByRole('button', { name: 'List orders' }).focus()
    await logOut(one)
    await logInButton(two).waitFor()
    expect(await focused(two)).toBe('log-in')
    // The reason in the tab of the click stays what the user did there.
    expect(await one.locator('#status').textContent()).toContain('You are logged out of this app')
    expect(await two.locator('#status').textContent()).toBe('You logged out in another tab.')
  })
})

test('a logout reaches another tab at once: without a request or a timer of its own', async () => {
  const one = await open()
  await logIn(one)
  const two = await one.context().newPage()
  await two.clock.install()
  await two.goto(url)
  await expect.poll(() => two.locator('#status').textContent()).toBe('Signed in as Ada Lovelace.')
  await two.clock.pauseAt(new Date(Date.now() + 1_000))
  const asked: string[] = []
  two.on('request', (request) => void asked.push(request.url()))
  await logOut(one)
  await expect.poll(() => two.locator('#status').textContent()).toBe('You logged out in another tab.')
  expect(asked).toEqual([])
})

test('an error is an alert beside what failed, with its code and what to do, until the next action', async () => {
  const page = await open()
  await logIn(page)
  await failToRenew(page)
  const alert = page.getByRole('alert')
  expect(await alert.textContent()).toMatch(
    /There is no fresh token\..+Try again in a moment\. unexpected_response/,
  )
  expect(await page.locator('section:has(#new-token) [role=alert]').count()).toBe(1)
  await page.getByRole('button', { name: 'Get a fresh one' }).click()
  await expect.poll(() => alert.count()).toBe(0)
})

test('the remaining times count down each second, in no live region', async () => {
  const page = await open()
  await page.clock.install()
  await logIn(page)
  const ids = ['token-time', 'idle', 'absolute']
  await page.clock.pauseAt(new Date(Date.now() + 5_000))
  const read = async () => {
    const texts = await Promise.all(ids.map((id) => page.locator(`#${id}`).textContent()))
    return texts.map((text) => [...(/(?:(\d+) h )?(?:(\d+) min)?(?: ?(\d+) s)?/.exec(text ?? '') ?? [])])
  }
  const toSeconds = ([, hours = '0', minutes = '0', seconds = '0']: string[]) =>
    Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)
  const before = (await read()).map(toSeconds)
  await page.clock.runFor(10_000)
  const after = (await read()).map(toSeconds)
  expect(before[0]).toBeGreaterThan(200)
  expect([before[0], before[1]].map((seconds = 0, index) => seconds - (after[index] ?? 0))).toEqual([10, 10])
  await page.clock.runFor(60_000)
  expect((before[2] ?? 0) - toSeconds((await read())[2] ?? [])).toBe(60)
  for (const id of ids) {
    expect(await page.locator(`:is([aria-live], [role=status], [role=alert]) #${id}`).count()).toBe(0)
  }
})

test('the code on the page is the source of the page', async () => {
  const page = await open()
  const shown = await page.locator('[data-code], #flow pre').allTextContents()
  const folder = join(root, 'demo/spa')
  const files = readdirSync(folder).filter((name) => name.endsWith('.ts'))
  const source = files.map((name) => readFileSync(join(folder, name), 'utf8')).join('\n')
  const lines = shown.flatMap((text) => text.split('\n'))
  expect(lines.filter((line) => !source.includes(line))).toEqual([])
  for (const call of ['createPortico', 'login', 'handleCallback', 'getToken', 'fetch', 'logout']) {
    expect(lines.some((line) => line.includes(`${call}(`))).toBe(true)
  }
  expect(shown).not.toContain('')
})
