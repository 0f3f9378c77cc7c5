import { createTestBrowser, type TestBrowser } from '../browser.ts'
import { csrf } from '../login.ts'
import { type ada, signInAtOkta } from '../providers/okta.ts'
import type { Fleet, Replica } from './fleet.ts'

export interface SessionAnswer {
  active: boolean
  user?: { sub: string }
  session?: { id: string }
}

/** A person at one browser, whose requests go to the replica that a test names. */
export function createPerson(fleet: Fleet) {
  const browser = createTestBrowser()
  // Cookies know no ports: what one replica sets, all of them get.
  const home = fleet.balancer.url
  const at = async (replica: Replica, visit: (browser: TestBrowser, url: string) => Promise<Response>) => {
    const moved = fleet.moved(browser, replica.url)
    const response = await visit(moved, replica.url)
    for (const name of browser.cookies(home).keys()) browser.setCookie(home, name, undefined)
    for (const [name, value] of moved.cookies(replica.url)) browser.setCookie(home, name, value)
    return response
  }
  return {
    browser,
    cookies: () => browser.cookies(home),
    async begin(replica: Replica, person?: typeof ada): Promise<URL> {
      const response = await at(replica, (moved, url) => moved.fetch(`${url}/api/login?return_to=/here`))
      const { login_url: loginUrl } = (await response.json()) as { login_url: string }
      return signInAtOkta(browser, loginUrl, person)
    },
    finish: (replica: Replica, callback: URL) =>
      at(replica, (moved, url) => moved.fetch(`${url}/api/callback${callback.search}`)),
    visit: (replica: Replica, path: string) => at(replica, (moved, url) => moved.visit(url + path)),
    post: (replica: Replica, path: string) =>
      at(replica, (moved, url) => moved.fetch(url + path, { method: 'POST', headers: csrf })),
    async session(replica: Replica): Promise<SessionAnswer> {
      const response = await at(replica, (moved, url) => moved.fetch(`${url}/api/session`, { headers: csrf }))
      return (await response.json()) as SessionAnswer
    },
  }
}
