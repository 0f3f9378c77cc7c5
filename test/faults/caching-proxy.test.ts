import { Pool, request } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { csrf } from '../support/login.ts'
import { freePort } from '../support/network/http-server.ts'
import { ensureInstalled } from '../support/processes/install.ts'
import { ada, alan } from '../support/providers/okta.ts'
import { type ReverseProxy, startReverseProxy } from '../support/reverse-proxies/start.ts'
import { type ProxiedFleet, startProxiedFleet } from '../support/upstreams/proxied-fleet.ts'

/** A real nginx whose cache knows answers by their address alone. */

const requests = Number(process.env.CACHING_REQUESTS ?? 10_000)
const connections = 50

let proxied: ProxiedFleet
let nginx: ReverseProxy
let origin: string
beforeAll(async () => {
  ensureInstalled('nginx', '-v')
  proxied = await startProxiedFleet({
    replicas: 1,
    routes: { orders: {}, kept: { cache: 'private' } },
    // In memory: Redis would be reached through this process, which has other things to do.
    env: { REDIS_URL: '' },
  })
  const port = await freePort()
  origin = `http://127.0.0.1:${port}`
  nginx = await startReverseProxy('nginx', {
    port,
    configuration: 'test/support/reverse-proxies/caching-nginx',
    replaced: {
      '127.0.0.1:3000': new URL(proxied.fleet.replicas[0]?.url ?? '').host,
      '127.0.0.1:3002': new URL(proxied.upstreamOrigin).host,
    },
  })
})
afterAll(async () => {
  await nginx.close()
  await proxied.close()
})

interface Seen {
  /** Whom the answer is about: the provider's access tokens name the login, its ID tokens a number. */
  sub: string
  cacheStatus: string
  cacheControl: string
}

async function get(path: string, headers: Record<string, string>, dispatcher?: Pool): Promise<Seen> {
  const answer = await request(origin + path, { headers, ...(dispatcher && { dispatcher }) })
  const text = await answer.body.text()
  return {
    sub: /"sub":"([^"]+)"/.exec(text)?.[1] ?? `${answer.statusCode} ${text}`,
    cacheStatus: String(answer.headers['x-cache-status']),
    cacheControl: String(answer.headers['cache-control']),
  }
}

test(`F63: two users in turns through nginx with a cache, ${requests} calls: each sees their own data alone`, async () => {
  const people = await Promise.all(
    [ada, alan].map(async (person) => {
      const cookie = proxied.cookieOf(await proxied.fleet.signIn({ person }))
      return { names: [person.sub, person.login], headers: { ...csrf, cookie } }
    }),
  )
  const paths = ['/api/proxy/orders/me', '/api/proxy/kept/me', '/api/session']
  const calls = paths.flatMap((path) => people.map((person) => ({ path, ...person })))
  const pool = new Pool(origin, { connections })
  const seen = new Map<string, number>()
  let sent = 0
  async function callInTurns(): Promise<void> {
    while (sent < requests) {
      const call = calls[sent % calls.length]
      if (call === undefined) throw new Error('no such call')
      sent += 1
      const { path, names, headers } = call
      const answer = await get(path, headers, pool)
      const isOwn = names.includes(answer.sub) ? 'own' : `of ${answer.sub}, not ${names}`
      const line = `${path}: ${isOwn}, ${answer.cacheStatus}, ${answer.cacheControl}`
      seen.set(line, (seen.get(line) ?? 0) + 1)
    }
  }
  const began = performance.now()
  await Promise.all(Array.from({ length: connections }, callInTurns))
  const took = performance.now() - began
  await pool.close()
  process.stdout.write(
    `F63: ${requests} calls of two users through nginx on ${connections} connections in ${(took / 1000).toFixed(1)} s\n`,
  )
  expect([...seen.keys()].sort()).toEqual([
    '/api/proxy/kept/me: own, MISS, private, max-age=600',
    '/api/proxy/orders/me: own, MISS, no-store',
    '/api/session: own, MISS, no-store',
  ])
  expect([...seen.values()].reduce((sum, count) => sum + count)).toBe(requests)
})

test('F63: the same cache without the proxy shows the answer of one user to the other', async () => {
  await proxied.upstream({ forget: true })
  for (const person of [ada, alan]) {
    const cookie = proxied.cookieOf(await proxied.fleet.signIn({ person }))
    await get('/api/proxy/orders/me', { ...csrf, cookie })
  }
  const { calls } = await proxied.upstream()
  const tokens = calls.map(({ token }) => ({ authorization: `Bearer ${token}` }))
  const answers = [await get('/direct/me', tokens[0] ?? {}), await get('/direct/me', tokens[1] ?? {})]
  expect(answers.map(({ sub, cacheStatus }) => [sub, cacheStatus])).toEqual([
    [ada.login, 'MISS'],
    [ada.login, 'HIT'],
  ])
})
