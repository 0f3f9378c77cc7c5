import { join } from 'node:path'
import { expect, test } from 'vitest'
import { bundle } from '../support/chromium/bundle.ts'
import { launchChromium } from '../support/chromium/chromium.ts'
import { startClientSite } from '../support/chromium/client-site.ts'
import { signInAsAda } from '../support/chromium/demo.ts'
import { root } from '../support/processes/start-process.ts'

test('StrictMode, a real server: one login, one exchange, one token; a logout elsewhere begins no login', async () => {
  const files = await bundle(join(root, 'test/client/pages/react-app.tsx'), 'development')
  const script = `import '/client/${files[0]?.name}'`
  const [site, browser] = await Promise.all([startClientSite({ script, files }), launchChromium()])
  try {
    const context = await browser.newContext()
    const page = await context.newPage()
    page.setDefaultTimeout(10_000)
    const address = `${site.url}/here?page=2#end`
    await page.goto(address)
    await signInAsAda(page)
    await page.getByTestId('name').getByText('Ada Lovelace').waitFor()
    expect(page.url()).toBe(address)
    const shownToken = () => page.getByTestId('token').textContent()
    await expect.poll(shownToken).toMatch(/^eyJ/)
    expect(site.count('GET /api/login')).toBe(1)
    expect(site.count('POST /api/callback')).toBe(1)
    expect(site.count('POST /api/token')).toBe(1)

    // Only those of this tab: the other one comes back from the provider signed out, and begins one.
    const begun: string[] = []
    page.on('request', (request) => {
      if (request.url().includes('/api/login')) begun.push(request.url())
    })
    const other = await context.newPage()
    await other.goto(address)
    await other.getByRole('button', { name: 'Log out' }).click()
    await page.getByText('You are signed out.').waitFor()
    expect(begun).toEqual([])
  } finally {
    await browser.close()
    await site.close()
  }
})
