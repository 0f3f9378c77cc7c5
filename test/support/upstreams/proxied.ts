import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createTestBrowser, type TestBrowser } from '../browser.ts'
import { logInAtScripted } from '../login.ts'
import { startPortico, type TestPortico } from '../portico.ts'
import { type ScriptedProvider, startScriptedProvider } from '../providers/scripted-provider.ts'
import { type RawUpstream, startRawUpstream } from './raw-upstream.ts'

/** A server with proxy routes, its provider and an upstream. */
export interface Proxied {
  idp: ScriptedProvider
  portico: TestPortico
  upstream: RawUpstream
  /** Signs a user in. */
  signIn(): Promise<TestBrowser>
  /** The Cookie header of a browser. */
  cookieOf(browser: TestBrowser): string
  close(): Promise<void>
}

interface ProxiedOptions {
  /**
   * Members of each route besides its upstream, by the route's name; one route `orders` by default. A text
   * `{upstream}` becomes the origin of the upstream.
   */
  routes?: Record<string, object>
  env?: Record<string, string>
}

export async function startProxied({
  routes = { orders: {} },
  env = {},
}: ProxiedOptions = {}): Promise<Proxied> {
  const [idp, upstream] = await Promise.all([startScriptedProvider(), startRawUpstream()])
  const folder = mkdtempSync(join(tmpdir(), 'portico-proxied-'))
  const file = join(folder, 'routes.json')
  const all = Object.entries(routes).map(([name, members]) => [
    name,
    { upstream: upstream.origin, ...members },
  ])
  writeFileSync(file, JSON.stringify(Object.fromEntries(all)).replaceAll('{upstream}', upstream.origin))
  const portico = await startPortico({ issuer: idp.issuer, env: { PROXY_ROUTES_FILE: file, ...env } })
  idp.follow(portico.clock)
  return {
    idp,
    portico,
    upstream,
    async signIn() {
      const browser = createTestBrowser()
      const { response } = await logInAtScripted(portico, idp, { browser })
      if (response.status !== 200) throw new Error(`sign-in answered ${response.status}`)
      return browser
    },
    cookieOf: (browser) =>
      [...browser.cookies(portico.url)].map(([name, value]) => `${name}=${value}`).join('; '),
    async close() {
      await portico.close()
      await Promise.all([idp.close(), upstream.close()])
      rmSync(folder, { recursive: true })
    },
  }
}
