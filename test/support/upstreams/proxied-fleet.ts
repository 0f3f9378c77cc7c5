import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestBrowser } from '../browser.ts'
import { type Fleet, type FleetOptions, startFleet } from '../deployments/fleet.ts'
import { startProcess, type TestProcess } from '../processes/start-process.ts'
import type { UpstreamOrder, UpstreamState } from '../processes/upstream.ts'

/** A fleet whose servers have an API behind them, in a process of its own. */
export interface ProxiedFleet {
  fleet: Fleet
  /** Orders the API to do something; resolves with its state. */
  upstream(order?: UpstreamOrder): Promise<UpstreamState>
  /** Where the API listens. */
  upstreamOrigin: string
  /** The Cookie header of a browser. */
  cookieOf(browser: TestBrowser): string
  close(): Promise<void>
}

interface ProxiedFleetOptions extends FleetOptions {
  /** Members of each route besides its upstream, by the route's name. */
  routes: Record<string, object>
}

export async function startProxiedFleet({
  routes,
  env = {},
  ...options
}: ProxiedFleetOptions): Promise<ProxiedFleet> {
  const process: TestProcess = startProcess('test/support/processes/upstream.ts', [], {})
  const upstreamOrigin = await process.line(/^http:/)
  const folder = mkdtempSync(join(tmpdir(), 'portico-proxied-'))
  const file = join(folder, 'routes.json')
  const all = Object.entries(routes).map(([name, members]) => [
    name,
    { upstream: upstreamOrigin, ...members },
  ])
  writeFileSync(file, JSON.stringify(Object.fromEntries(all)))
  const fleet = await startFleet({ ...options, env: { PROXY_ROUTES_FILE: file, ...env } })
  return {
    fleet,
    upstreamOrigin,
    async upstream(order = {}) {
      const body = JSON.stringify(order)
      const response = await fetch(`${upstreamOrigin}/control`, { method: 'POST', body })
      return (await response.json()) as UpstreamState
    },
    cookieOf: (browser) =>
      [...browser.cookies(fleet.balancer.url)].map(([name, value]) => `${name}=${value}`).join('; '),
    async close() {
      await fleet.close()
      await process.stop('SIGKILL')
      rmSync(folder, { recursive: true })
    },
  }
}
