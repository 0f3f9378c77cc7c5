import { createHash } from 'node:crypto'
import { createTestBrowser, type TestBrowser } from './browser.ts'
import { startFleet } from './fleet.ts'
import { startPortico, testSecret } from './portico.ts'
import { type ScriptedProvider, startScriptedProvider } from './providers/scripted-provider.ts'

/** Servers with all that tests about browsers need, whatever stands behind them. */
export interface World {
  /** Where browsers go. */
  url: string
  idp: ScriptedProvider
  /** Milliseconds since the epoch, as they see it. */
  now(): number
  /** Lets time pass for all of them, in milliseconds. */
  advance(milliseconds: number): Promise<void>
  /** Whether an app token is good, as the servers say (RFC 7662). */
  isActive(token: string): Promise<boolean>
  close(): Promise<void>
}

const secret = testSecret()
const hash = createHash('sha256').update(secret).digest('hex')
const env = { INTROSPECTION_CLIENTS: `api:${hash}`, OIDC_CLIENT_SECRET: 'test-client-secret' }

async function isActive(url: string, token: string): Promise<boolean> {
  const response = await fetch(`${url}/api/introspect`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`api:${secret}`).toString('base64')}` },
    body: new URLSearchParams({ token }),
  })
  return ((await response.json()) as { active: boolean }).active
}

type StartWorld = (more?: Record<string, string>) => Promise<World>

const startInMemory: StartWorld = async (more) => {
  const idp = await startScriptedProvider()
  const portico = await startPortico({ issuer: idp.issuer, env: { ...env, ...more } })
  idp.follow(portico.clock)
  return {
    url: portico.url,
    idp,
    now: () => portico.clock.now(),
    async advance(milliseconds) {
      portico.clock.advance(milliseconds)
    },
    isActive: (token) => isActive(portico.url, token),
    async close() {
      await portico.close()
      await idp.close()
    },
  }
}

const startWithRedis =
  (replicas: number): StartWorld =>
  async (more) => {
    const idp = await startScriptedProvider()
    const fleet = await startFleet({ replicas, env: { ...env, OIDC_ISSUER: idp.issuer, ...more } })
    let travelled = 0
    const now = () => Date.now() + travelled
    idp.follow({ now })
    return {
      url: fleet.balancer.url,
      idp,
      now,
      async advance(milliseconds) {
        travelled += milliseconds
        await fleet.advance(milliseconds)
        await fleet.redis.passTime(milliseconds)
      },
      isActive: (token) => isActive(fleet.balancer.url, token),
      async close() {
        await fleet.close()
        await idp.close()
      },
    }
  }

/** One process with a store in memory; one, and three behind a balancer, with Redis. */
export const worlds: [string, StartWorld][] = [
  ['in memory', startInMemory],
  ['with Redis', startWithRedis(1)],
  ['with Redis and three processes', startWithRedis(3)],
]

/** A browser that knows the same cookies: a tab whose request is under way, or what a thief copied. */
export function copyBrowser(browser: TestBrowser, url: string): TestBrowser {
  const copy = createTestBrowser()
  for (const [name, value] of browser.cookies(url)) copy.setCookie(url, name, value)
  return copy
}
