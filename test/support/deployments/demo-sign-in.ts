import { createTestBrowser } from '../browser.ts'
import { csrf, startLogin } from '../login.ts'
import { signInAtOkta } from '../providers/okta.ts'

/**
 * Signs a user in at the demo whose page is at this address, and calls its sample API at the second port after it;
 * returns the status of both.
 */
export async function signInAtDemo(url: string): Promise<{ token: number; orders: number }> {
  const browser = createTestBrowser()
  const callback = await signInAtOkta(browser, await startLogin({ url }, browser))
  await browser.arrive(callback.href)
  const issued = await browser.fetch(`${url}/api/token`, { method: 'POST', headers: csrf })
  const { token } = (await issued.json()) as { token?: string }
  const api = new URL('/orders', url)
  api.port = String(Number(api.port) + 2)
  const { status } = await fetch(api, { headers: { Authorization: `Bearer ${token}` } })
  return { token: issued.status, orders: status }
}
