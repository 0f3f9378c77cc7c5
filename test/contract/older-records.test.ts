import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createClient, RESP_TYPES } from '@redis/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createKeyRingStore } from '../../src/app-token/key-ring-store.ts'
import { createSealer } from '../../src/crypto/sealer.ts'
import {
  createTransaction,
  openTransaction,
  sealTransaction,
  type Transaction,
} from '../../src/login/transaction.ts'
import { recordFormat } from '../../src/session/redis/scripts/session-scripts.ts'
import { createRedisStore } from '../../src/session/redis/store.ts'
import type { Store } from '../../src/session/store.ts'
import { hours } from '../support/clock.ts'
import { testSecret } from '../support/portico.ts'
import { connectRedis } from '../support/redis/redis-connection.ts'
import { startRedis, type TestRedis } from '../support/redis/start-redis.ts'
import { lifetimes, session } from '../support/session-fixture.ts'

/**
 * What replicas of the release before have left in Redis and in browsers is read by this one (docs/releasing.md):
 * a session, an ended one whose tokens are not revoked, the signing keys, a login in progress. A release that
 * raises `recordFormat` writes its fixture: `WRITE_RECORDS=1 npm test -- test/contract/older-records.test.ts`.
 */

/** The format of the first release. */
const firstFormat = 3

const fixtureOf = (format: number) => join(import.meta.dirname, `records/format-${format}.json`)

/** What one version left, with the secret that opens it. */
interface Fixture {
  secret: string
  /** When it was written, in milliseconds since the epoch. */
  at: number
  /** Each hash in Redis, with its fields in base64. */
  hashes: Record<string, Record<string, string>>
  signingKeys: string[]
  transaction: { id: string; state: string; sealed: string }
}

const transactionContent = {
  ...{ providerName: 'default', issuer: 'https://idp.example', returnTo: '/orders', prompt: 'login' },
  ...{ maxAge: 60, acrValues: 'urn:a', dpopThumbprint: 'jkt1', browserJkt: 'jkt2' },
}
const keyConfig = { alg: 'ES256', rotation: hours(24 * 30), ttl: hours(1) } as const

let redis: TestRedis
const stores: Store[] = []
beforeAll(async () => {
  redis = await startRedis()
})
afterAll(async () => {
  for (const store of stores) await store.close()
  await redis.close()
})

async function open({ secret, at }: Pick<Fixture, 'secret' | 'at'>) {
  const secrets = [Buffer.from(secret, 'base64url')]
  const clock = { now: () => at }
  const log = () => {}
  const store = createRedisStore({
    connection: await connectRedis(redis.url),
    secrets,
    lifetimes,
    clock,
    log,
  })
  stores.push(store)
  const keys = createKeyRingStore({ config: keyConfig, store, secrets, clock, log })
  return { store, keys, sealer: createSealer(secrets, 'login-transaction'), clock }
}

/** A client that takes and returns the bytes of fields. */
async function withBytes<T>(work: (client: ReturnType<typeof createBytesClient>) => Promise<T>): Promise<T> {
  const client = createBytesClient()
  await client.connect()
  return work(client).finally(() => client.destroy())
}
const createBytesClient = () =>
  createClient({ url: redis.url, commandOptions: { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } } })

/** Writes what this version leaves. */
async function write(): Promise<Fixture> {
  const written = { secret: testSecret(), at: Date.now() }
  const { store, keys, sealer, clock } = await open(written)
  await store.create('living', session)
  await store.inherit('living', [
    { providerName: 'default', issuer: 'https://idp.example', refreshToken: 'rt0' },
  ])
  await store.create('ended', session)
  await store.end('ended')
  const ring = await keys.update(undefined)
  const transaction = createTransaction(transactionContent, clock)
  const names = ['portico:session:{living}', 'portico:session:{ended}', 'portico:shared:{signing-keys}']
  const hashes = await withBytes(async (client) => {
    const all = names.map(async (name) => {
      const fields = Object.entries(await client.hGetAll(name))
      return [name, Object.fromEntries(fields.map(([field, value]) => [field, value.toString('base64')]))]
    })
    return Object.fromEntries(await Promise.all(all)) as Fixture['hashes']
  })
  const { id, state } = transaction
  return {
    ...written,
    hashes,
    signingKeys: ring.map(({ jwk }) => JSON.stringify(jwk)),
    transaction: { id, state, sealed: sealTransaction(sealer, transaction as Transaction) },
  }
}

if (process.env.WRITE_RECORDS === '1') {
  test('writes the fixture of this format', async () => {
    writeFileSync(fixtureOf(Number(recordFormat)), `${JSON.stringify(await write(), undefined, 2)}\n`)
  })
}

test('this format has a fixture, and the one before it, if a release had it', () => {
  expect(existsSync(fixtureOf(Number(recordFormat)))).toBe(true)
  expect(existsSync(fixtureOf(Math.max(firstFormat, Number(recordFormat) - 1)))).toBe(true)
})

test.each([Number(recordFormat) - 1, Number(recordFormat)].filter((format) => format >= firstFormat))(
  'what format %i left is read',
  async (format) => {
    const fixture = JSON.parse(readFileSync(fixtureOf(format), 'utf8')) as Fixture
    await redis.command('FLUSHALL')
    await withBytes(async (client) => {
      for (const [name, fields] of Object.entries(fixture.hashes)) {
        for (const [field, text] of Object.entries(fields))
          await client.hSet(name, field, Buffer.from(text, 'base64'))
      }
    })
    const { store, keys, sealer } = await open(fixture)
    const living = await store.touch('living')
    expect(living).toMatchObject({ ...session, handle: 'living', tokensVersion: 1 })
    expect(living?.inherited).toEqual([expect.objectContaining({ refreshToken: 'rt0' })])
    expect(living?.createdAt).toBe(fixture.at)
    const lock = await store.lockTokens('living', 1_000)
    const fence = lock.state === 'locked' ? lock.fence : 0
    expect(await store.commitTokens('living', { version: 1, fence }, session)).toBe('committed')
    expect(await store.read('living')).toMatchObject({ ...session, tokensVersion: 2 })
    expect((await store.end('living')).wasAlive).toBe(true)

    expect(await store.read('ended')).toBeUndefined()
    expect(await store.create('ended', session)).toBe('taken')
    expect((await store.readPendingRevocation('ended'))?.tokens).toMatchObject({ ...session.tokens })

    const ring = await keys.update(undefined)
    expect(ring.map(({ jwk }) => JSON.stringify(jwk))).toEqual(fixture.signingKeys)

    const { state } = fixture.transaction
    expect(openTransaction(sealer, fixture.transaction, state)).toMatchObject({
      ...transactionContent,
      state,
    })
  },
)
