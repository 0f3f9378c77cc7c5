import { createHash } from 'node:crypto'
import { createTestBrowser, type TestBrowser } from '../browser.ts'
import { startPortico, testSecret } from '../portico.ts'
import { type ScriptedProvider, startScriptedProvider } from '../providers/scripted-provider.ts'
import { startFleet } from './fleet.ts'

/** One server or several with a scripted provider, and what tests about browsers need of them. */
export interface Deployment {
  /** Where browsers go. */
  url: string
  idp: ScriptedProvider
  /** Milliseconds since the epoch, by the clock of the servers. */
  now(): number
  /** Moves the clock of all of them, by milliseconds. */
  advance(milliseconds: number): Promise<void>
  /** Whether an app token is active, by token introspection (RFC 7662). */
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

type StartDeployment = (more?: Record<string, string>) => Promise<Deployment>

const startInMemory: StartDeployment = async (more) => {
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
  (replicas: number): StartDeployment =>
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

/**
 * A process with the memory store, a process with Redis, and three processes with Redis behind a balancer.
 */
export const deployments: [string, StartDeployment][] = [
  ['in memory', startInMemory],
  ['with Redis', startWithRedis(1)],
  ['with Redis and three processes', startWithRedis(3)],
]

/** Returns a browser with the same cookies: a tab with a request in progress, or a thief's copy. */
export function copyBrowser(browser: TestBrowser, url: string): TestBrowser {
  const copy = createTestBrowser()
  for (const [name, value] of browser.cookies(url)) copy.setCookie(url, name, value)
  return copy
}
