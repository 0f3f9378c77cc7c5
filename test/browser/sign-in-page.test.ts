import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { findFlaws, noFlaws } from '../support/chromium/accessibility.ts'
import { launchChromium } from '../support/chromium/chromium.ts'
import { startPortico, type TestPortico } from '../support/portico.ts'
import { type ScriptedProvider, startScriptedProvider } from '../support/providers/scripted-provider.ts'

/** The page on which a user chooses among several providers, as a browser shows it. */
const folder = mkdtempSync(join(tmpdir(), 'portico-sign-in-'))
const icon = join(folder, 'staff.svg')
const hostile = '<img src=x onerror=alert(1)>"\'&'
let browser: Browser
let idp: ScriptedProvider
let portico: TestPortico

beforeAll(async () => {
  ;[browser, idp] = await Promise.all([launchChromium(), startScriptedProvider()])
  const settings = { OIDC_ISSUER: idp.issuer, OIDC_CLIENT_ID: 'portico-test', OIDC_CLIENT_SECRET: 's' }
  const providers = {
    staff: { ...settings, label: 'Staff of Example', icon },
    partner: settings,
    long: { ...settings, label: 'Donaudampfschiffahrtsgesellschaftskapitaen' },
    hostile: { ...settings, label: hostile },
  }
  writeFileSync(
    icon,
    '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><path d="M0 0h8v8z"/></svg>',
  )
  writeFileSync(join(folder, 'providers.json'), JSON.stringify(providers))
  portico = await startPortico({ env: { PROVIDERS_FILE: join(folder, 'providers.json') } })
})
afterAll(async () => {
  await browser.close()
  await Promise.all([portico.close(), idp.close()])
  rmSync(folder, { recursive: true })
})

test('a user chooses by keyboard, without a script, on a small screen, in light and dark mode', async () => {
  const page = await browser.newPage({ viewport: { width: 360, height: 640 } })
  const problems: string[] = []
  page.on('console', (message) => problems.push(message.text()))
  page.on('dialog', (dialog) => problems.push(dialog.message()))
  await page.goto(`${portico.url}/api/login?return_to=/orders`)

  const names = ['Staff of Example', 'Partner', 'Donaudampfschiffahrtsgesellschaftskapitaen', hostile]
  expect(await page.getByRole('link').allTextContents()).toEqual([
    names[0],
    'PPartner',
    `D${names[2]}`,
    `<${hostile}`,
  ])
  for (const name of names) expect(await page.getByRole('link', { name, exact: true }).count()).toBe(1)
  expect(await page.evaluate<number>('document.images.length')).toBe(1)
  // A picture that the policy refuses, or that is none, has no width.
  expect(await page.evaluate<number>('document.images[0].naturalWidth')).toBe(8)
  expect(await page.evaluate<number>('document.documentElement.scrollWidth')).toBe(360)
  expect(await findFlaws(page)).toEqual(noFlaws)
  expect(problems).toEqual([])

  await page.keyboard.press('Tab')
  await page.keyboard.press('Tab')
  expect(await page.evaluate<string>('document.activeElement.textContent')).toBe('PPartner')
  await page.keyboard.press('Enter')
  await page.waitForURL((url) => url.href.startsWith(idp.issuer))
  expect(new URL(page.url()).searchParams.get('redirect_uri')).toContain('/api/callback/partner')
  await page.close()
})
