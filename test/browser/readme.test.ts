import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { launchChromium } from '../support/chromium/chromium.ts'
import { signInAsAda, startDemo } from '../support/chromium/demo.ts'
import { root } from '../support/processes/start-process.ts'

/** The SPA client of the README: helpers, log in, callback, fresh token, log out; a comment begins each part. */
const snippet = /```js\n([\s\S]+?)```/.exec(readFileSync(join(root, 'README.md'), 'utf8'))?.[1] ?? ''
const [helpers, login, callback, fresh, logout] = snippet.split(/^\/\/ .*$/m)

/** A page of the demo, with the README's client in place of the demo's own. */
const app = `${helpers}
if (location.search === '?log-in') { ${login} }
else if (location.pathname === '/callback') {
  ${callback}
  ${fresh}
  document.title = [user.name, token.split('.').length, fresh.split('.').length].join(' ')
}
else if (location.search === '?log-out') { ${logout} }
else document.title = 'home'`

test("the README's client signs in, gets a fresh token and logs out at the provider", async () => {
  const [{ process: demo, url }, browser] = await Promise.all([startDemo(), launchChromium()])
  try {
    const page = await browser.newPage()
    await page.route(`${url}/spa/app.js`, (route) =>
      route.fulfill({ contentType: 'text/javascript', body: app }),
    )
    await page.goto(`${url}/?log-in`)
    await signInAsAda(page)
    await expect.poll(() => page.title()).toBe('Ada Lovelace 3 3')
    const visited: string[] = []
    page.on('request', (request) => void visited.push(request.url()))
    await page.goto(`${url}/?log-out`)
    await expect.poll(() => page.title()).toBe('home')
    expect(visited.some((address) => address.includes('id_token_hint='))).toBe(true)
    expect(await page.context().cookies(url)).toEqual([])
  } finally {
    await browser.close()
    await demo.stop('SIGKILL')
  }
})
