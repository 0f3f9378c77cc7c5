import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect } from 'vitest'
import { findFlaws, noFlaws } from '../support/chromium/accessibility.ts'
import { launchChromium } from '../support/chromium/chromium.ts'
import { minutes } from '../support/clock.ts'
import { portico, serverPerFile, signIn } from '../support/fixtures.ts'
import { testSecret, toOperatorUrl } from '../support/portico.ts'
import { root } from '../support/processes/start-process.ts'
import { session } from '../support/session-fixture.ts'

/** The operator's page: what it shows and does, and that it runs nothing of what strangers sent. */

const pictures = join(root, 'test/output')
const secret = testSecret()
const test = serverPerFile({ env: { OPERATOR_SECRET: secret, OPERATOR_PORT: '0' } })

let browser: Browser
beforeAll(async () => {
  browser = await launchChromium()
})
afterAll(() => browser.close())

/** Opens the page; `problems` collects what its policy stopped, and errors of its script. */
async function open(options: Parameters<Browser['newContext']>[0] = {}) {
  const page = await (
    await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options })
  ).newPage()
  page.setDefaultTimeout(15_000)
  const problems: string[] = []
  page.on('console', (message) => {
    const isAnswer = message.text().startsWith('Failed to load resource')
    if (message.type() === 'error' && !isAnswer) problems.push(message.text())
  })
  page.on('pageerror', (error) => problems.push(error.message))
  await page.goto(`${toOperatorUrl(portico)}/operator/`)
  return { page, problems }
}

async function enter(page: Page, value = secret): Promise<void> {
  await page.getByLabel('OPERATOR_SECRET').fill(value)
  await page.keyboard.press('Enter')
}

async function openInside(options?: Parameters<typeof open>[0]) {
  const opened = await open(options)
  await enter(opened.page)
  await opened.page.getByRole('heading', { name: 'Status' }).waitFor()
  return opened
}

const click = (page: Page, name: string | RegExp) => page.getByRole('button', { name }).click()
/** Answers the question of the dialog. */
const sure = (page: Page, name: string) => page.getByRole('dialog').getByRole('button', { name }).click()
const notice = (page: Page) => page.getByRole('status').textContent()
const findUser = async (page: Page, subject: string) => {
  await page.getByLabel(/^Subject/).fill(subject)
  await click(page, 'Find')
}

test.afterEach(() => Promise.all(browser.contexts().map((context) => context.close())))

test('a wrong secret opens nothing, and is kept nowhere', async () => {
  const { page, problems } = await open()
  await enter(page, testSecret())
  await expect.poll(() => page.getByRole('alert').textContent()).toBe('This is not OPERATOR_SECRET.')
  expect(await page.getByRole('heading', { name: 'Status' }).isVisible()).toBe(false)
  expect(await page.evaluate('sessionStorage.length')).toBe(0)
  expect(portico.logged.map(({ event }) => event)).toContain('operator_refused')
  expect(problems).toEqual([])
})

test('shows the state of the server, and forgets the secret when asked to', async () => {
  await signIn({ sub: 'ada' })
  const { page, problems } = await openInside()
  const tiles = page.locator('#tiles')
  expect(await tiles.textContent()).toMatch(/This processReady.*Sessions[1-9]/)
  expect(await page.locator('#providers').textContent()).toContain('metadata is known')
  expect(await page.locator('#keys').textContent()).toMatch(/signs.*signs from/)
  await page.reload()
  await page.getByRole('heading', { name: 'Status' }).waitFor()
  await click(page, 'Forget the secret')
  expect(await tiles.textContent()).toBe('')
  await page.reload()
  expect(await page.getByLabel('OPERATOR_SECRET').isVisible()).toBe(true)
  expect(await page.context().cookies()).toEqual([])
  expect(problems).toEqual([])
})

test('by keyboard: finds the sessions of a user, ends one, then all, each after a question', async () => {
  for (let count = 0; count < 3; count += 1) await signIn({ sub: 'grace|1' })
  const { page, problems } = await openInside()
  await page.getByLabel(/^Subject/).focus()
  await page.keyboard.type('grace|1')
  await page.keyboard.press('Enter')
  await page.getByRole('button', { name: 'End 3 sessions' }).waitFor()
  await page.keyboard.press('Tab')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await page.getByRole('dialog').waitFor()
  // The answer that does no harm has the focus.
  await page.keyboard.press('Enter')
  expect(await page.locator('#sessions li').count()).toBe(3)
  await page
    .getByRole('button', { name: /^End the session on/ })
    .first()
    .click()
  await sure(page, 'End')
  await expect.poll(() => notice(page)).toBe('The session has ended.')
  await click(page, 'End 2 sessions')
  await sure(page, 'End all')
  await expect.poll(() => notice(page)).toBe('2 sessions have ended.')
  expect(await page.locator('#sessions').textContent()).toBe('This user has no session.')
  expect(problems).toEqual([])
})

test('asks for the story of a login by its id or its subject, and shows it line by line', async () => {
  const { page } = await openInside()
  const asked: string[] = []
  await page.route('**/operator/events*', (route) => {
    asked.push(new URL(route.request().url()).search)
    return route.fulfill({ json: { events: [], story: ['It began.', '<b>It failed.</b>'] } })
  })
  await page.getByLabel(/^The id on/).fill('a b')
  await click(page, 'Explain')
  await expect
    .poll(() => page.locator('#story li').allTextContents())
    .toEqual(['It began.', '<b>It failed.</b>'])
  await page.getByLabel('What it is').selectOption('Subject')
  await click(page, 'Explain')
  await expect.poll(() => asked).toEqual(['?id=a+b', '?subject=a+b'])
})

test('what strangers sent is shown as text, and runs nowhere', async () => {
  const hostile = '<img src=x onerror="document.title=1"><script>document.title=2</script>'
  const { identity } = session
  await portico.store.create('hostile', {
    ...session,
    identity: {
      ...identity,
      issuer: portico.components.providers.first.issuer,
      providerSub: hostile,
      appSub: hostile,
      login: { ...identity.login, device: hostile, address: hostile },
    },
  })
  const { page, problems } = await openInside()
  await findUser(page, hostile)
  await page.getByRole('button', { name: 'End 1 session' }).waitFor()
  expect(await page.locator('#sessions').textContent()).toContain(hostile)
  expect(await page.locator('#sessions img, #sessions script').count()).toBe(0)
  await click(page, 'End 1 session')
  expect(await page.getByRole('dialog').textContent()).toContain(hostile)
  expect(await page.title()).toBe('Portico operator')
  // If the script ever made markup of a text, the policy would stop it.
  expect(
    await page.evaluate(`try { document.body.innerHTML = 'x'; 'made' } catch (error) { error.name }`),
  ).toBe('TypeError')
  expect(problems.filter((text) => !text.includes('TrustedHTML'))).toEqual([])
})

test('rotates the keys, drains and takes that back, ends the sessions of everyone', async () => {
  await signIn({ sub: 'ada' })
  const { page, problems } = await openInside()
  portico.clock.advance(minutes(6))
  await click(page, 'Rotate now')
  await sure(page, 'Rotate')
  await expect.poll(() => notice(page)).toBe('The next key signs in two minutes.')
  await click(page, 'Drain this replica')
  await sure(page, 'Drain')
  await expect.poll(() => notice(page)).toBe('This replica drains.')
  expect(await page.locator('#tiles').textContent()).toContain('Not ready')
  expect(await page.locator('#parts').textContent()).toBe('server: draining')
  await click(page, 'Take requests again')
  await expect.poll(() => page.locator('#tiles').textContent()).not.toContain('Not ready')
  await click(page, 'End all sessions')
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click()
  await click(page, 'End all sessions')
  await sure(page, 'End all sessions')
  await expect.poll(() => notice(page)).toMatch(/^[1-9]\d* sessions? ha(s|ve) ended\.$/)
  expect(problems).toEqual([])
})

test.each([
  ['a computer', { viewport: { width: 1280, height: 900 } }],
  ['a phone', { viewport: { width: 390, height: 844 } }],
])('looks right on %s, light and dark', async (name, options) => {
  for (let count = 0; count < 2; count += 1) await signIn({ sub: 'grace' })
  const closed = await open(options)
  expect(await findFlaws(closed.page)).toEqual(noFlaws)
  await closed.page.screenshot({ path: join(pictures, `operator ${name} closed.png`), fullPage: true })
  const { page } = await openInside(options)
  await findUser(page, 'grace')
  await page.getByRole('button', { name: /^End \d/ }).waitFor()
  expect(await findFlaws(page)).toEqual(noFlaws)
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme })
    await page.screenshot({ path: join(pictures, `operator ${name} ${colorScheme}.png`), fullPage: true })
  }
  expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(options.viewport.width)
  for (const button of await page.getByRole('button').all()) {
    expect((await button.boundingBox())?.height, String(await button.textContent())).toBeLessThan(50)
  }
  await click(page, 'End all sessions')
  expect(await findFlaws(page)).toEqual(noFlaws)
  await page.screenshot({ path: join(pictures, `operator ${name} question.png`) })
})
