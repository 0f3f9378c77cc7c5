import type { TestBrowser } from './browser.ts'
import { publicUrl } from './portico.ts'

/** The address that a script gets from a logout; null where there is nothing to do at the provider. */
export async function readLogoutUrl(response: Response): Promise<string | null> {
  return ((await response.json()) as { logout_url: string | null }).logout_url
}

/** The person's browser goes to an address of this server, at the place where the server really listens. */
export function visitOurs(
  { url }: { url: string },
  browser: TestBrowser,
  address: string,
): Promise<Response> {
  if (!address.startsWith(`${publicUrl}/`)) throw new Error(`no address of this server: ${address}`)
  return browser.visit(url + address.slice(publicUrl.length))
}

/** Takes the browser from the address that a script got on to the provider; returns where it is sent. */
export async function goToProvider(
  portico: { url: string },
  browser: TestBrowser,
  logoutUrl: string | null,
): Promise<string> {
  const response = await visitOurs(portico, browser, logoutUrl ?? '')
  if (response.status !== 303) throw new Error(`the ticket answered ${response.status}`)
  return response.headers.get('location') ?? ''
}
