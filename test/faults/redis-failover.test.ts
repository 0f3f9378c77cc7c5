import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, expect, test } from 'vitest'
import { redisUrl } from '../../src/config/values/redis-url.ts'
import { createRedisConnection } from '../../src/session/redis/connection/connection.ts'
import { createRedisStore } from '../../src/session/redis/store.ts'
import type { Store } from '../../src/session/store.ts'
import type { Log } from '../../src/telemetry/events.ts'
import { createTestClock } from '../support/clock.ts'
import { timerTime } from '../support/latencies.ts'
import { startTcpProxy } from '../support/network/tcp-proxy.ts'
import { startCluster, startRedis, type TestRedis } from '../support/redis/start-redis.ts'
import { lifetimes, session } from '../support/session-fixture.ts'

const folder = mkdtempSync(join(tmpdir(), 'portico-failover-'))
const closers: { close(): Promise<void> }[] = []
afterAll(async () => {
  for (const part of closers.reverse()) await part.close()
  rmSync(folder, { recursive: true })
})
const keep = <T extends { close(): Promise<void> }>(part: T): T => {
  closers.push(part)
  return part
}
const start = async (...args: Parameters<typeof startRedis>) => keep(await startRedis(...args))

function openStore(url: string, log: Log = () => {}): Store {
  const connection = createRedisConnection(redisUrl.parse(url), log)
  const clock = createTestClock()
  return keep(createRedisStore({ connection, secrets: [randomBytes(32)], lifetimes, clock, log: () => {} }))
}

/** Milliseconds that a call may take while Redis does not answer: a command has one second. */
const bound = 1_500

/** Tries until it succeeds; every failure must be the store's own, within the deadline of a command. */
async function eventually<T>(work: () => Promise<T>, within: number): Promise<T> {
  const until = timerTime() + within
  for (;;) {
    const began = timerTime()
    try {
      return await work()
    } catch (error) {
      expect(error).toMatchObject({ code: 'store_unavailable' })
      expect(timerTime() - began).toBeLessThan(bound)
      if (timerTime() > until) throw error
      await delay(50)
    }
  }
}

test('F48: Sentinel makes a replica the master: sessions go on by themselves', async () => {
  const master = await start()
  const replica = await start({ args: ['--replicaof', '127.0.0.1', String(master.port)] })
  const file = join(folder, 'sentinel.conf')
  const name = 'portico-master'
  const lines = [
    `monitor ${name} 127.0.0.1 ${master.port} 1`,
    `down-after-milliseconds ${name} 500`,
    `failover-timeout ${name} 2000`,
  ]
  writeFileSync(file, lines.map((line) => `sentinel ${line}\n`).join(''))
  const sentinel = await start({ args: [file, '--sentinel'] })
  const store = openStore(`redis+sentinel://127.0.0.1:${sentinel.port}/${name}`)
  await eventually(() => store.create('h', session), 5_000)
  while (!String(await replica.command('INFO', 'replication')).includes('master_link_status:up'))
    await delay(20)
  await expect.poll(async () => (await replica.dump()).length).toBeGreaterThan(0)
  const knowsReplica = async () =>
    ((await sentinel.command('SENTINEL', 'MASTER', name)) as Record<string, string>)['num-slaves'] === '1'
  while (!(await knowsReplica())) await delay(50)

  await master.kill()
  await delay(100)
  const found = await eventually(() => store.read('h'), 15_000)
  expect(found?.tokens).toEqual(session.tokens)
  expect(await eventually(() => store.end('h'), 5_000)).toMatchObject({ wasAlive: true })
  expect(await store.read('h')).toBeUndefined()
})

test('F47: a master that became a replica: the connection is made anew, and follows the name to the new master', async () => {
  const [old, fresh] = [await start(), await start()]
  const name = keep(await startTcpProxy(old.port))
  const store = openStore(`redis://127.0.0.1:${name.port}`)
  await eventually(() => store.create('h', session), 5_000)
  await old.command('REPLICAOF', '127.0.0.1', String(fresh.port))
  name.leadTo(fresh.port)
  await expect(store.create('other', session)).rejects.toMatchObject({
    code: 'store_unavailable',
    reason: 'READONLY',
  })
  expect(await eventually(() => store.create('other', session), 2_000)).toBe('created')
})

test.each(['a cluster', 'Sentinel'])(
  '%s that is well: no word of an outage, also while nobody asks',
  async (kind) => {
    const events: string[] = []
    const log: Log = (event) => void events.push(event)
    let url = ''
    if (kind === 'a cluster') url = (await startCluster(keep)).map((node) => node.url).join()
    else {
      const master = await start()
      const file = join(folder, 'quiet.conf')
      writeFileSync(file, `sentinel monitor portico-quiet 127.0.0.1 ${master.port} 1\n`)
      const sentinel = await start({ args: [file, '--sentinel'] })
      url = `redis+sentinel://127.0.0.1:${sentinel.port}/portico-quiet`
    }
    const store = openStore(url, log)
    for (const handle of ['a', 'b', 'c', 'd', 'e'])
      await eventually(() => store.create(handle, session), 5_000)
    await delay(4_000)
    for (const handle of ['a', 'b', 'c', 'd', 'e']) expect(await store.read(handle)).toBeDefined()
    expect(events).toEqual(['store_connected'])
  },
)

test('a server that drips an answer which never ends is not waited for: another connection is tried', async () => {
  let connections = 0
  const dripping = createServer((socket) => {
    connections += 1
    socket.on('error', () => {})
    socket.write('$1000000\r\n')
    const drip = setInterval(() => socket.write('x'), 100)
    socket.on('close', () => clearInterval(drip))
  })
  await new Promise<void>((done) => dripping.listen(0, '127.0.0.1', done))
  const store = openStore(`redis://127.0.0.1:${(dripping.address() as AddressInfo).port}`)
  await expect.poll(() => connections).toBeGreaterThan(1)
  await expect(store.read('h')).rejects.toMatchObject({ code: 'store_unavailable' })
  await store.close()
  dripping.close()
})

test('a process that slept does not take Redis for dead: what came meanwhile is read first', async () => {
  const server = await start()
  const store = openStore(server.url)
  await eventually(() => store.create('h', session), 5_000)
  server.freeze()
  const reading = store.read('h')
  await delay(200)
  server.thaw()
  // As if it were stopped (SIGSTOP): Redis answers while this process does nothing.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_500)
  expect((await reading)?.handle).toBe('h')
})

/** Connections that servers have taken so far. */
async function countConnections(servers: TestRedis[]): Promise<number> {
  const stats = await Promise.all(servers.map((server) => server.command('INFO', 'stats')))
  return stats
    .map((text) => Number(/total_connections_received:(\d+)/.exec(String(text))?.[1]))
    .reduce((sum, count) => sum + count, 0)
}

test('a frozen node of a cluster costs the others nothing, also those who connect meanwhile', async () => {
  const nodes: TestRedis[] = await startCluster(keep)
  const url = nodes.map((node) => node.url).join()
  const store = openStore(url)
  const handles = Array.from({ length: 30 }, (_, index) => `h${index}`)
  for (const handle of handles) await eventually(() => store.create(handle, session), 5_000)
  const [frozen, ...healthy] = nodes
  frozen?.freeze()
  await delay(2_500)
  const keys = (await Promise.all(healthy.map((node) => node.dump()))).flat().join()
  const reachable = handles.filter((handle) => keys.includes(`portico:session:{${handle}}`))
  expect(reachable.length).toBeGreaterThan(5)
  const late = openStore(url)
  for (const one of [store, late]) {
    for (const handle of reachable) await eventually(() => one.read(handle), 5_000)
  }
  const before = await countConnections(healthy)
  const until = performance.now() + 4_500
  for (let turn = 0; performance.now() < until; turn += 1) {
    await store.read(reachable[turn % reachable.length] ?? '').catch(() => {})
    await delay(50)
  }
  // Every five seconds the whole cluster is asked anew who serves what, not for each command that fails.
  expect((await countConnections(healthy)) - before).toBeLessThan(10)
  frozen?.thaw()
})

test('the first of three sentinels is frozen: the others know the master', async () => {
  const master = await start()
  const name = 'portico-quorum'
  const sentinels = await Promise.all(
    [1, 2, 3].map((number) => {
      const file = join(folder, `sentinel-${number}.conf`)
      writeFileSync(file, `sentinel monitor ${name} 127.0.0.1 ${master.port} 2\n`)
      return start({ args: [file, '--sentinel'] })
    }),
  )
  const hosts = sentinels.map(({ port }) => `127.0.0.1:${port}`).join()
  sentinels[0]?.freeze()
  const store = openStore(`redis+sentinel://${hosts}/${name}`)
  expect(await eventually(() => store.create('h', session), 10_000)).toBe('created')
  let refused = 0
  for (let turn = 0; turn < 60; turn += 1) {
    await store.read('h').catch(() => {
      refused += 1
    })
    await delay(50)
  }
  expect(refused).toBeLessThan(5)
  sentinels[0]?.thaw()
})

test('a cluster whose nodes freeze, one and then all: bounded, and healed once they are back', async () => {
  const nodes: TestRedis[] = await startCluster(keep)
  const store = openStore(nodes.map(({ url }) => url).join())
  const handles = Array.from({ length: 12 }, (_, index) => `h${index}`)
  for (const handle of handles) await eventually(() => store.create(handle, session), 5_000)
  for (const frozen of [nodes.slice(0, 1), nodes]) {
    for (const node of frozen) node.freeze()
    for (const handle of handles.slice(0, 4)) {
      const began = timerTime()
      await store
        .read(handle)
        .catch((error: unknown) => expect(error).toMatchObject({ code: 'store_unavailable' }))
      expect(timerTime() - began).toBeLessThan(bound)
    }
    for (const node of frozen) node.thaw()
    for (const handle of handles) {
      expect((await eventually(() => store.read(handle), 5_000))?.handle).toBe(handle)
    }
  }
})
