import { setTimeout as delay } from 'node:timers/promises'
import type { Replica } from '../deployments/fleet.ts'
import { freePort } from '../network/http-server.ts'
import { startReverseProxy } from '../reverse-proxies/start.ts'
import { type ProxiedFleet, startProxiedFleet } from '../upstreams/proxied-fleet.ts'

const names = ['one', 'two', 'three'] as const

/** Three server processes behind HAProxy, which are replaced one after the other. */
export interface RollingFleet {
  /** The address of HAProxy. */
  url: string
  proxied: ProxiedFleet
  /**
   * Replaces each process by one with these settings in addition: SIGTERM, and a new one on the same port once
   * the old one has ended. The next one follows when HAProxy sends requests to the new one.
   */
  restart(env: Record<string, string>): Promise<void>
  /** Requests that HAProxy sent again because no connection could be opened. */
  retries(): Promise<number>
  /** The events of level warn and error in the logs of all processes so far, with their codes, and how often. */
  badEvents(): Record<string, number>
  close(): Promise<void>
}

interface RollingFleetOptions {
  /** Settings of the first processes. */
  env: Record<string, string>
  /** Of the provider. */
  provider: Record<string, string>
}

/** Starts HAProxy, three processes, and the provider, the API and the Redis that they share. */
export async function startRollingFleet({ env, provider }: RollingFleetOptions): Promise<RollingFleet> {
  const proxied = await startProxiedFleet({ routes: { orders: {} }, replicas: 0, env, provider })
  const [port, figures, ...ports] = await Promise.all(Array.from({ length: 5 }, freePort))
  const { fleet } = proxied
  /** Straight to Redis: the fleet's own way leads through this process, which sends the load. */
  const start = (own: string, more: Record<string, string> = {}) =>
    fleet.start({ REDIS_URL: fleet.redis.url, ...more, PORT: own })
  const slots: { name: string; port: string; replica: Replica }[] = []
  for (const [index, name] of names.entries()) {
    const own = String(ports[index])
    slots.push({ name, port: own, replica: await start(own) })
  }
  const haproxy = await startReverseProxy('haproxy', {
    port: Number(port),
    configuration: 'test/support/rolling/haproxy',
    replaced: {
      '127.0.0.1:8404': `127.0.0.1:${figures}`,
      ...Object.fromEntries(
        slots.map((slot, index) => [`127.0.0.1:${3001 + index}`, `127.0.0.1:${slot.port}`]),
      ),
    },
  })

  /** What HAProxy counts about one of its servers, or about all together (`BACKEND`). */
  async function readFigures(name: string): Promise<Record<string, string>> {
    const text = await (await fetch(`http://127.0.0.1:${figures}/;csv`)).text()
    const [head = '', ...lines] = text.replace(/^# /, '').split('\n')
    const values = lines.find((line) => line.startsWith(`portico,${name},`))?.split(',') ?? []
    return Object.fromEntries(head.split(',').map((column, index) => [column, values[index] ?? '']))
  }

  async function untilUp(name: string): Promise<void> {
    while ((await readFigures(name)).status !== 'UP') await delay(20)
  }

  for (const { name } of slots) await untilUp(name)
  return {
    url: `http://127.0.0.1:${port}`,
    proxied,
    async restart(more) {
      for (const slot of slots) {
        const exit = await slot.replica.process.stop('SIGTERM')
        if (exit !== 0) throw new Error(`a replica ended with ${exit}`)
        slot.replica = await start(slot.port, more)
        await untilUp(slot.name)
      }
    },
    async retries() {
      const { wretr, wredis } = await readFigures('BACKEND')
      return Number(wretr) + Number(wredis)
    },
    badEvents: () => countBadEvents(fleet.replicas.map(({ process }) => process.output.text).join('')),
    async close() {
      await haproxy.close()
      await proxied.close()
    },
  }
}

function countBadEvents(output: string): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const line of output.split('\n')) {
    if (!/^\{"level":"(warn|error)"/.test(line)) continue
    const { event, code, reason } = JSON.parse(line) as Record<string, string>
    const name = [event, code, reason].filter((part) => part !== undefined).join(' ')
    counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}
