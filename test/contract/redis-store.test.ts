import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AppError } from '../../src/errors.ts'
import { inBatches } from '../../src/session/batches.ts'
import type { RedisConnection } from '../../src/session/redis/connection/connection.ts'
import type { ScriptClient } from '../../src/session/redis/connection/deployment.ts'
import { createRedisStore } from '../../src/session/redis/store.ts'
import { toRefreshTokens } from '../../src/session/session.ts'
import { toGroups, toUserGroup } from '../../src/session/session-groups.ts'
import type { Store } from '../../src/session/store.ts'
import type { Log } from '../../src/telemetry/events.ts'
import { createTestClock, hours, minutes, seconds } from '../support/clock.ts'
import { createCertificate, trust } from '../support/network/certificate.ts'
import { freePort } from '../support/network/http-server.ts'
import { connectRedis } from '../support/redis/redis-connection.ts'
import { startCluster, startRedis, type TestRedis } from '../support/redis/start-redis.ts'
import { ensureValkey } from '../support/redis/valkey.ts'
import { lifetimes, session } from '../support/session-fixture.ts'
import { describeStore } from './store.ts'

const secrets = [randomBytes(32)]
const folder = mkdtempSync(join(tmpdir(), 'portico-redis-'))
const servers: TestRedis[] = []
const stores: Store[] = []
/** The names of the deployments that were started. */
const deployed: string[] = []
afterAll(async () => {
  for (const store of stores) await store.close()
  for (const server of servers) await server.close()
  rmSync(folder, { recursive: true })
})

const start = async (options?: Parameters<typeof startRedis>[0]) => {
  const server = await startRedis(options)
  servers.push(server)
  return server
}

interface Deployment {
  url: string
  /** Every server that holds keys. */
  nodes: TestRedis[]
}

function describeDeployment(name: string, deploy: () => Promise<Deployment>): void {
  describe(name, () => {
    let deployment: Deployment
    let connection: RedisConnection
    beforeAll(async () => {
      deployment = await deploy()
      deployed.push(name)
      connection = await connectRedis(deployment.url)
    }, 60_000)

    const create = async () => {
      const clock = createTestClock()
      const store = createRedisStore({ connection, secrets, lifetimes, clock, log: () => {} })
      stores.push(store)
      return {
        store,
        clock,
        async passTime(milliseconds: number) {
          clock.advance(milliseconds)
          await Promise.all(deployment.nodes.map((node) => node.passTime(milliseconds)))
        },
      }
    }

    describeStore(`Redis, ${name},`, create)
  })
}

describeDeployment('one server', async () => {
  const server = await start()
  return { url: server.url, nodes: [server] }
})

describeDeployment('one server of Valkey', async () => {
  const server = await start({ program: ensureValkey() })
  expect(await server.command('INFO', 'server')).toMatch(/^server_name:valkey\r$/m)
  return { url: server.url, nodes: [server] }
})

describeDeployment('with a user, a password and a database', async () => {
  const server = await start({ url: (port) => `redis://127.0.0.1:${port}` })
  await server.command(
    'ACL',
    'SETUSER',
    'portico',
    'on',
    '>p@ss:word/',
    '~portico:*',
    '~x',
    '+@all',
    '-@dangerous',
    '+info',
  )
  return {
    url: `redis://portico:${encodeURIComponent('p@ss:word/')}@127.0.0.1:${server.port}/3`,
    nodes: [await inDatabase(server, 3)],
  }
})

/** The same server, with time passing in another database of it. */
async function inDatabase(server: TestRedis, database: number): Promise<TestRedis> {
  await server.command('SELECT', String(database))
  return server
}

describeDeployment('over TLS', async () => {
  const certificate = createCertificate(folder, 'localhost')
  trust(certificate)
  const port = await freePort()
  const files = [
    '--tls-cert-file',
    certificate.certificateFile,
    '--tls-key-file',
    certificate.keyFile,
    '--tls-auth-clients',
    'no',
  ]
  const server = await start({
    port,
    args: ['--port', '0', '--tls-port', String(port), ...files],
    url: (tlsPort) => `rediss://localhost:${tlsPort}`,
  })
  return { url: server.url, nodes: [server] }
})

describeDeployment('a cluster of three', async () => {
  const nodes = await startCluster((server) => {
    servers.push(server)
    return server
  })
  return { url: nodes.map(({ url }) => url).join(), nodes }
})

describeDeployment('behind Sentinel', async () => {
  const master = await start()
  const file = join(folder, 'sentinel.conf')
  writeFileSync(file, `sentinel monitor portico-master 127.0.0.1 ${master.port} 1\n`)
  const sentinel = await start({ args: [file, '--sentinel'] })
  return { url: `redis+sentinel://127.0.0.1:${sentinel.port}/portico-master`, nodes: [master] }
})

/** Opens a store over its own server. `beforeScript` is called with the first key of each script. */
async function openAlone(beforeScript: BeforeScript = async () => {}) {
  const server = await start()
  const connection = interceptScripts(await connectRedis(server.url), beforeScript)
  const clock = createTestClock()
  const logged: { event: string; fields: object | undefined }[] = []
  const log: Log = (event, fields) => void logged.push({ event, fields })
  const store = createRedisStore({ connection, secrets, lifetimes, clock, log })
  stores.push(store)
  return { server, store, clock, logged }
}

type BeforeScript = (key: string) => Promise<void>

/** The same connection, with a call before each script; where that rejects, the script does not run. */
function interceptScripts(connection: RedisConnection, before: BeforeScript): RedisConnection {
  const intercept = <T extends ScriptClient>(client: T): T =>
    new Proxy(client, {
      get(target, name) {
        const value = Reflect.get(target, name) as unknown
        if (typeof value !== 'function') return value
        if (name !== 'evalSha') return value.bind(target) as unknown
        return async (hash: string, options: { keys: string[] }) => {
          await before(options.keys[0] ?? '')
          return value.call(target, hash, options) as unknown
        }
      },
    })
  return {
    ...connection,
    run: (name, commands) =>
      connection.run(name, (client, binary) => commands(intercept(client), intercept(binary))),
  }
}

describe('what stays in Redis', () => {
  test('every key of a user expires, and an index drops sessions that must have expired', async () => {
    const { server, store, clock } = await openAlone()
    const passTime = async (milliseconds: number) => {
      clock.advance(milliseconds)
      await server.passTime(milliseconds)
    }
    await store.create('first', session)
    await store.lockTokens('first', 1_000)
    await store.reserveOnce('key', 1_000)
    await store.publish('key', 'text', 1_000)
    await store.count('address', 1_000)
    await store.appendRecent(['event'], { lifetime: 1_000, capacity: 10 })
    await store.create('ended', session)
    await store.end('ended')
    for (const line of await server.dump()) expect(line).not.toMatch(/^portico:index.*ended/)
    const keys = (await server.dump()).map((line) => line.split(' = ')[0] ?? '')
    expect(keys).toHaveLength(11)
    for (const key of keys) expect(Number(await server.command('PTTL', key))).toBeGreaterThan(0)

    await passTime(lifetimes.absoluteTimeout - seconds(10))
    await store.create('second', session)
    await passTime(seconds(10) + minutes(1))
    await store.create('third', session)
    const indexes = (await server.dump()).filter((line) => line.startsWith('portico:index:'))
    expect(indexes).toHaveLength(3)
    for (const index of indexes) expect(index).toMatch(/ = \["second \w","third \w"\]$/)
    // Pending revocations are kept for a day.
    await passTime(hours(24) + 60_000)
    expect(await server.dump()).toEqual([])
  })
})

test('recent texts that have expired leave Redis with the next ones, not only with their key', async () => {
  const { server, store, clock } = await openAlone()
  const keep = { lifetime: minutes(60), capacity: 10 }
  await store.appendRecent(['old'], keep)
  clock.advance(minutes(40))
  await store.appendRecent(['middle'], keep)
  clock.advance(minutes(20))
  await store.appendRecent(['new'], keep)
  expect(await server.dump()).toEqual([
    expect.stringMatching(/^portico:recent = \["\d+ middle","\d+ new"\]$/),
  ])
})

test('an index returns many sessions, and drops those that expired', async () => {
  const { server, store, clock } = await openAlone()
  for (let index = 0; index < 250; index += 1) await store.create(`h${index}`, session)
  expect(await store.findByGroup(toUserGroup(session.identity))).toHaveLength(250)
  // Redis keeps them a minute longer, for replicas whose clocks are slow.
  clock.advance(lifetimes.idleTimeout + seconds(61))
  await server.passTime(lifetimes.idleTimeout + seconds(61))
  await store.create('last', session)
  expect((await store.findByGroup(toUserGroup(session.identity))).map(({ handle }) => handle)).toEqual([
    'last',
  ])
  const index = (await server.dump()).filter((line) => /^portico:index.* = \["last \w"\]$/.test(line))
  expect(index).toHaveLength(1)
})

test('an index keeps a session that only another replica can read', async () => {
  const { server, store, clock } = await openAlone()
  await store.create('h', session)
  await server.command('HSET', 'portico:session:{h}', 'v', '4')
  clock.advance(minutes(2))
  expect(await store.findByGroup(toUserGroup(session.identity))).toEqual([])
  await server.command('HSET', 'portico:session:{h}', 'v', '3')
  expect(await store.findByGroup(toUserGroup(session.identity))).toHaveLength(1)
})

test('the list of all sessions has those that only another replica can read, too', async () => {
  const { server, store } = await openAlone()
  for (const handle of ['newer', 'other']) await store.create(handle, session)
  await server.command('HSET', 'portico:session:{newer}', 'v', '4')
  await server.command('SET', 'portico:session:{other}', 'x')
  const listed: string[] = []
  for await (const batch of store.listHandles()) listed.push(...batch)
  expect(listed.sort()).toEqual(['newer', 'other'])
})

test('every session is found by each of its groups, also where two of them are in one part of the index', async () => {
  const { server, store } = await openAlone()
  const people = Array.from({ length: 3_000 }, (_, count) => ({
    ...session.identity,
    providerSub: `u${count}`,
    providerSid: `s${count}`,
    claims: { email: `u${count}@example.com` },
  }))
  const positions = [...people.keys()]
  await inBatches(positions, 100, (batch) =>
    Promise.all(
      batch.map((at) => store.create(`h${at}`, { ...session, identity: people[at] ?? session.identity })),
    ),
  )
  const parts = (await server.dump()).filter((line) => line.startsWith('portico:index:'))
  expect(parts.length).toBeLessThanOrEqual(1_024)
  const found = await inBatches(people.flatMap(toGroups), 100, (batch) =>
    Promise.all(batch.map(async (group) => (await store.findByGroup(group)).map(({ handle }) => handle))),
  )
  expect(found).toEqual(positions.flatMap((at) => [[`h${at}`], [`h${at}`], [`h${at}`]]))
})

test.each([
  ['before its session is written', 'portico:session:'],
  ['before it is in the index', 'portico:index:'],
])('a logout everywhere rejects a login that it cannot find: %s', async (_name, step) => {
  let found: unknown
  const opened = await openAlone(async (key) => {
    if (!key.startsWith(step) || found !== undefined) return
    found = 'asked'
    await opened.store.rejectEarlierLogins(toUserGroup(session.identity))
    found = await opened.store.findByGroup(toUserGroup(session.identity))
  })
  expect(await opened.store.create('h', session)).toBe('rejected')
  expect(found).toEqual([])
  expect(await opened.store.read('h')).toBeUndefined()
  expect((await opened.store.readPendingRevocation('h'))?.tokens).toEqual(session.tokens)
})

test('an index has one entry for a session, however often its tokens are refreshed', async () => {
  const { server, store, clock } = await openAlone()
  await store.create('h', session)
  for (let version = 1; version <= 5; version += 1) {
    clock.advance(minutes(1))
    const lock = await store.lockTokens('h', 1_000)
    const fence = lock.state === 'locked' ? lock.fence : 0
    expect(await store.commitTokens('h', { version, fence }, session)).toBe('committed')
  }
  const indexes = (await server.dump()).filter((line) => line.startsWith('portico:index:'))
  expect(indexes).toHaveLength(3)
  for (const index of indexes) expect(index).toMatch(/ = \["h \w"\]$/)
})

test('sessions that expire leave few entries in the index, whoever signs in later', async () => {
  const { server, store, clock } = await openAlone()
  const signIn = (count: number) =>
    store.create(`h${count}`, { ...session, identity: { ...session.identity, providerSub: `u${count}` } })
  const countEntries = async () =>
    (await server.dump())
      .filter((line) => line.startsWith('portico:index:'))
      .join()
      .match(/"h\d+ /g)?.length
  // All of them have the same e-mail address, and so one part in common.
  for (let count = 0; count < 200; count += 1) await signIn(count)
  expect(await countEntries()).toBeGreaterThanOrEqual(600)
  clock.advance(lifetimes.absoluteTimeout + minutes(1))
  for (let count = 200; count < 400; count += 1) await signIn(count)
  expect(await countEntries()).toBeLessThan(1_000)
})

test('a shorter absolute timeout does not hide older sessions', async () => {
  const server = await start()
  const connection = await connectRedis(server.url)
  const clock = createTestClock()
  const open = (absoluteTimeout: number) =>
    createRedisStore({
      connection,
      secrets,
      lifetimes: { ...lifetimes, absoluteTimeout },
      clock,
      log: () => {},
    })
  const [long, short] = [open(hours(12)), open(hours(1))]
  stores.push(long, short)
  await long.create('old', session)
  await short.create('new', session)
  for (let turn = 0; turn < 6; turn += 1) {
    clock.advance(minutes(20))
    await server.passTime(minutes(20))
    await long.touch('old')
  }
  expect((await short.findByGroup(toUserGroup(session.identity))).map(({ handle }) => handle)).toEqual([
    'old',
  ])
})

test('a session restored without a time to live is not lost by a lock or a commit', async () => {
  const { server, store } = await openAlone()
  await store.create('h', session)
  await server.command('PERSIST', 'portico:session:{h}')
  const lock = await store.lockTokens('h', 10_000)
  expect(lock.state).toBe('locked')
  expect(await store.read('h')).toBeDefined()
  const fence = lock.state === 'locked' ? lock.fence : 0
  expect(await store.commitTokens('h', { version: 1, fence }, session)).toBe('committed')
  expect(await store.read('h')).toBeDefined()
})

test('a replica whose clock is slow does not shorten the life of a session', async () => {
  const server = await start()
  const connection = await connectRedis(server.url)
  const [clock, late] = [createTestClock(), createTestClock()]
  const open = (of: typeof clock) =>
    createRedisStore({ connection, secrets, lifetimes, clock: of, log: () => {} })
  const [store, other] = [open(clock), open(late)]
  stores.push(store, other)
  await store.create('h', session)
  clock.advance(minutes(10))
  await store.touch('h')
  late.advance(minutes(5))
  await other.touch('h')
  expect((await store.read('h'))?.idleExpiresAt).toBe(clock.now() + lifetimes.idleTimeout)
})

test('a replica with a shorter idle timeout does not shorten the life of a session', async () => {
  const server = await start()
  const connection = await connectRedis(server.url)
  const clock = createTestClock()
  const open = (idleTimeout: number) =>
    createRedisStore({ connection, secrets, lifetimes: { ...lifetimes, idleTimeout }, clock, log: () => {} })
  const [long, short] = [open(minutes(30)), open(minutes(10))]
  stores.push(long, short)
  await long.create('h', session)
  const { idleExpiresAt } = (await long.read('h')) ?? {}
  clock.advance(minutes(5))
  expect((await short.touch('h'))?.idleExpiresAt).toBe(idleExpiresAt)
  expect((await long.read('h'))?.idleExpiresAt).toBe(idleExpiresAt)
})

test('a session of a newer format is left unchanged until it ends', async () => {
  const { server, store, clock } = await openAlone()
  await store.create('h', session)
  const lock = await store.lockTokens('h', 10_000)
  clock.advance(minutes(5))
  await server.command('HSET', 'portico:session:{h}', 'v', '4')
  const before = await server.command('HGETALL', 'portico:session:{h}')
  expect(await store.read('h')).toBeUndefined()
  expect(await store.touch('h')).toBeUndefined()
  expect(await store.lockTokens('h', 10_000)).toEqual({ state: 'ended' })
  const fence = lock.state === 'locked' ? lock.fence : 0
  expect(await store.commitTokens('h', { version: 1, fence }, session)).toBe('ended')
  expect(await store.create('h', session)).toBe('taken')
  expect(await server.command('HGETALL', 'portico:session:{h}')).toEqual(before)
  await store.end('h')
  expect(await server.command('HGETALL', 'portico:session:{h}')).toEqual({ v: 'ended' })
})

test('late tokens change nothing but ended sessions of this format', async () => {
  const { server, store, clock } = await openAlone()
  await store.create('alive', session)
  expect((await store.keepForRevocation('alive', session)).pendingRevocation?.version).toBe(0)
  expect(await store.read('alive')).toMatchObject({ tokensVersion: 1 })
  await server.command('SET', 'portico:session:{text}', 'garbage')
  await server.command('HSET', 'portico:session:{newer}', 'v', '4')
  for (const handle of ['text', 'newer']) {
    expect((await store.keepForRevocation(handle, session)).pendingRevocation?.version).toBe(0)
    await store.completeRevocation(handle, 0)
  }
  expect(await server.command('GET', 'portico:session:{text}')).toBe('garbage')
  expect(await server.command('HGETALL', 'portico:session:{newer}')).toEqual({ v: '4' })
  await store.keepForRevocation('never-was', session)
  expect(Number(await server.command('PTTL', 'portico:session:{never-was}'))).toBeGreaterThan(hours(23))
  await store.completeRevocation('never-was', 1)
  expect(Number(await server.command('PTTL', 'portico:session:{never-was}'))).toBeLessThanOrEqual(hours(1))
  expect(clock.now()).toBeGreaterThan(0)
})

test('while BFF_SECRETS rotates, sessions and rejected logins of the older secret are found', async () => {
  const server = await start()
  const connection = await connectRedis(server.url)
  const clock = createTestClock()
  const [old, fresh] = [randomBytes(32), randomBytes(32)]
  const open = (...ring: Uint8Array[]) => {
    const store = createRedisStore({ connection, secrets: ring, lifetimes, clock, log: () => {} })
    stores.push(store)
    return store
  }
  const [before, after] = [open(old, fresh), open(fresh, old)]
  const group = toUserGroup(session.identity)
  await before.create('old', session)
  await after.create('new', session)
  for (const store of [before, after]) {
    expect((await store.findByGroup(group)).map(({ handle }) => handle).sort()).toEqual(['new', 'old'])
  }
  await before.rejectEarlierLogins(group)
  expect(await after.create('late', session)).toBe('rejected')
  expect((await after.readPendingRevocation('late'))?.tokens).toEqual(session.tokens)
})

test('a revocation queue of the wrong type prevents no session from ending (F51)', async () => {
  const { server, store } = await openAlone()
  await server.command('SET', 'portico:revocations', 'garbage')
  await store.create('h', session)
  expect(await store.end('h')).toMatchObject({ wasAlive: true, pendingRevocation: { handle: 'h' } })
  expect(await store.read('h')).toBeUndefined()
})

test('tokens that arrive while the revocation of older ones completes stay in the queue', async () => {
  const { store, clock } = await openAlone()
  for (let round = 0; round < 100; round += 1) {
    const handle = `h${round}`
    await store.create(handle, session)
    await store.end(handle)
    await Promise.all([store.completeRevocation(handle, 1), store.keepForRevocation(handle, session)])
  }
  clock.advance(minutes(1))
  const listed = new Set(await store.takeDueRevocations(1_000, 1))
  for (let round = 0; round < 100; round += 1) {
    const left = await store.readPendingRevocation(`h${round}`)
    expect([round, left === undefined || listed.has(`h${round}`)]).toEqual([round, true])
  }
})

test('reading an ended session logs nothing: only one that cannot be read is worth an event', async () => {
  const { server, store, logged } = await openAlone()
  await store.create('h', session)
  await store.end('h')
  expect(await store.read('h')).toBeUndefined()
  expect(await store.read('never-was')).toBeUndefined()
  expect(logged).toEqual([])
  await server.command('HSET', 'portico:session:{newer}', 'v', '3')
  expect(await store.read('newer')).toBeUndefined()
  expect(logged).toEqual([{ event: 'session_unreadable', fields: { session: 'newer', format: '3' } }])
})

const unavailable = () => new AppError('store_unavailable', 'The session store does not answer.')

test('a session that ends while the queue is out of reach is queued once it has ended', async () => {
  let attempts = 0
  const { store, clock } = await openAlone(async (key) => {
    if (key === 'portico:revocations' && ++attempts === 1) throw unavailable()
  })
  await store.create('h', session)
  expect((await store.end('h')).pendingRevocation?.tokens).toEqual(session.tokens)
  clock.advance(minutes(1))
  expect(await store.takeDueRevocations(10, 1_000)).toEqual(['h'])
})

describe('late tokens are in the queue', () => {
  /** Opens a store where the tokens of `h` are revoked; `onKeep` runs before late ones are written. */
  async function openRevoked(onKeep: (store: Store) => Promise<void>) {
    let isKeeping = false
    const opened = await openAlone(async (key) => {
      if (!isKeeping || key !== 'portico:session:{h}') return
      isKeeping = false
      await onKeep(opened.store)
    })
    await opened.store.create('h', session)
    await opened.store.end('h')
    await opened.store.completeRevocation('h', 1)
    isKeeping = true
    opened.clock.advance(minutes(1))
    expect(await opened.store.takeDueRevocations(10, 1_000)).toEqual([])
    return opened
  }

  test('where the connection is lost while they are written, which may have happened', async () => {
    const { store, clock } = await openRevoked(() => Promise.reject(unavailable()))
    await expect(store.keepForRevocation('h', session)).rejects.toThrow('does not answer')
    clock.advance(minutes(1))
    expect(await store.takeDueRevocations(10, 1_000)).toEqual(['h'])
  })

  test('where another replica completes the revocation of older ones just before they are written', async () => {
    const { store, clock } = await openRevoked((other) => other.completeRevocation('h', 0))
    await store.keepForRevocation('h', session)
    clock.advance(minutes(1))
    expect(await store.takeDueRevocations(10, 1_000)).toEqual(['h'])
    expect((await store.readPendingRevocation('h'))?.tokens).toEqual(session.tokens)
  })
})

test('F49: out of memory, sessions end, their tokens are revoked, and used logout tokens are remembered', async () => {
  const { server, store, clock } = await openAlone()
  await store.create('h', session)
  await store.create('late', session)
  await store.create('replaced', session)
  await store.create('used', session)
  await server.command('CONFIG', 'SET', 'maxmemory', '1')
  expect((await store.end('replaced', { successor: 'h' })).wasAlive).toBe(true)
  const lock = await store.lockTokens('used', 10_000)
  const fence = lock.state === 'locked' ? lock.fence : 0
  expect(await store.commitTokens('used', { version: 1, fence }, session)).toBe('committed')
  clock.advance(minutes(5))
  expect((await store.touch('used'))?.lastSeenAt).toBe(clock.now())
  expect(await store.inherit('h', toRefreshTokens(session))).toBe(true)
  expect((await store.end('h', { byBrowser: true })).pendingRevocation?.inherited).toEqual(
    toRefreshTokens(session),
  )
  expect((await store.end('late')).wasAlive).toBe(true)
  expect((await store.keepForRevocation('late', session)).pendingRevocation?.version).toBe(2)
  expect((await store.end('never-was', { byBrowser: true })).wasAlive).toBe(false)
  await store.rejectEarlierLogins(toUserGroup(session.identity))
  await store.publish('used', 'used', minutes(1))
  expect(await store.readPublished('used')).toBe('used')
  // No login can succeed now, so that one that cannot be marked as cancelled does not make the logout fail.
  expect(await store.cancelReservation('login', minutes(10))).toEqual({ state: 'open' })
  clock.advance(minutes(1))
  expect((await store.takeDueRevocations(10, 1_000)).sort()).toEqual(['h', 'late', 'never-was'])
  await store.completeRevocation('h', 1)
  expect(await store.readPendingRevocation('h')).toBeUndefined()
})

test('each deployment was started', () => {
  expect(deployed).toEqual([
    'one server',
    'one server of Valkey',
    'with a user, a password and a database',
    'over TLS',
    'a cluster of three',
    'behind Sentinel',
  ])
})
