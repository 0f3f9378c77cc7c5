import type { TestBrowser } from './browser.ts'
import { publicUrl } from './portico.ts'

/** Returns the address that a logout gives a script; null where there is nothing to do at the provider. */
export async function readLogoutUrl(response: Response): Promise<string | null> {
  return ((await response.json()) as { logout_url: string | null }).logout_url
}

/** Takes the browser to an address below PUBLIC_URL, at the port where the server listens. */
export function visitPortico(
  { url }: { url: string },
  browser: TestBrowser,
  address: string,
): Promise<Response> {
  if (!address.startsWith(`${publicUrl}/`)) throw new Error(`no address of this server: ${address}`)
  return browser.visit(url + address.slice(publicUrl.length))
}

/**
 * Takes the browser to the address that a logout gave its script; returns the provider's address that it
 * leads to.
 */
export async function goToProvider(
  portico: { url: string },
  browser: TestBrowser,
  logoutUrl: string | null,
): Promise<string> {
  const response = await visitPortico(portico, browser, logoutUrl ?? '')
  if (response.status !== 303) throw new Error(`the ticket answered ${response.status}`)
  return response.headers.get('location') ?? ''
}
