import type { Page } from 'playwright-core'
import { startProcess, type TestProcess } from '../processes/start-process.ts'

/**
 * Starts the demo on free ports; resolves with its process and the address of its page. `timeTravel` lets its
 * clock be moved.
 */
export async function startDemo(
  args: string[] = [],
  env: Record<string, string> = {},
  { timeTravel = false } = {},
): Promise<{ process: TestProcess; url: string }> {
  const process = startProcess('demo/main.ts', ['--port', '0', ...args], env, { timeTravel })
  return { process, url: (await process.line(/http:\/\/localhost:/)).trim() }
}

/**
 * Fills in the sign-in page of the demo's provider, once it is there. The tab comes to the front first:
 * Chromium draws those behind it once a second, and a click waits until the button stands still.
 */
export async function signInAsAda(page: Page): Promise<void> {
  await page.bringToFront()
  await page.getByLabel('Username').fill('ada@example.com')
  await page.getByLabel('Password').fill('analytical-engine')
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
}
