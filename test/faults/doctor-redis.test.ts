import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createKeyRingSeal } from '../../src/app-token/key-ring-seal.ts'
import { readConfig } from '../../src/config/config.ts'
import type { Finding } from '../../src/doctor/finding.ts'
import { checkRedis } from '../../src/doctor/redis-checks.ts'
import { createCertificate, trust } from '../support/network/certificate.ts'
import { freePort } from '../support/network/http-server.ts'
import { testSecret } from '../support/portico.ts'
import { startRedis, type TestRedis } from '../support/redis/start-redis.ts'

/** What the doctor says of a real Redis. */
let redis: TestRedis
const folder = mkdtempSync(join(tmpdir(), 'portico-doctor-redis-'))
beforeAll(async () => {
  redis = await startRedis()
})
afterAll(async () => {
  await redis.close()
  rmSync(folder, { recursive: true })
})
afterEach(async () => {
  await redis.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
  await redis.command('CONFIG', 'SET', 'maxmemory', '0')
  await redis.command('REPLICAOF', 'NO', 'ONE')
})

const check = (url: string, secret = testSecret()): Promise<Finding[]> =>
  checkRedis(
    readConfig({
      PUBLIC_URL: 'https://app.example.com',
      BFF_SECRETS: secret,
      OIDC_ISSUER: 'https://idp.example.com',
      OIDC_CLIENT_ID: 'c',
      REDIS_URL: url,
    }),
  )

test('one that is set up well passes', async () => {
  const findings = await check(redis.url)
  expect(findings.map(({ status }) => status)).toEqual(['pass', 'pass', 'pass'])
  expect(findings.map(({ message }) => message).join()).toMatch(/takes writes.*version [78].*noeviction/)
  // What it wrote goes by itself.
  expect(await redis.command('PTTL', 'portico:doctor')).not.toBe(-1)
})

describe('a password with a comma, a slash and a number sign is read right', () => {
  const encoded = 'pa%2Css%2Fw%23rd'

  async function expectWell(server: TestRedis, toUrl: (password: string) => string, rights: string[]) {
    for (const password of [encoded, ...rights]) {
      await server.command('CONFIG', 'SET', 'requirepass', decodeURIComponent(password))
      const statuses = (await check(toUrl(password))).map(({ status }) => status)
      expect([password, ...statuses]).toEqual([password, 'pass', 'pass', 'pass'])
    }
    await server.command('CONFIG', 'SET', 'requirepass', '')
  }
  const withPassword = (server: TestRedis) => (password: string) =>
    server.url.replace('//', `//:${password}@`)

  test('by one server', () => expectWell(redis, withPassword(redis), ['pa,ss%2Fw%23rd', 'pa,ssword']))

  test('by a cluster', async () => {
    const node = await startRedis({ args: ['--cluster-enabled', 'yes'] })
    await node.command('CLUSTER', 'ADDSLOTSRANGE', '0', '16383')
    await expect.poll(() => node.command('CLUSTER', 'INFO')).toContain('cluster_state:ok')
    const toUrl = withPassword(node)
    await expectWell(node, (password) => `${toUrl(password)},${toUrl(password)}`, ['pa,ssword'])
    await node.close()
  })

  test('by Sentinel', async () => {
    const file = join(folder, 'sentinel.conf')
    writeFileSync(file, `sentinel monitor with-password 127.0.0.1 ${redis.port} 1\n`)
    const sentinel = await startRedis({ args: [file, '--sentinel'] })
    const toUrl = (password: string) =>
      `redis+sentinel://:${password}@127.0.0.1:${sentinel.port}/with-password`
    await expectWell(redis, toUrl, ['pa,ssword'])
    await sentinel.close()
  })
})

test('over TLS, that is said', async () => {
  const certificate = createCertificate(folder, 'localhost')
  trust(certificate)
  const port = await freePort()
  const files = ['--tls-cert-file', certificate.certificateFile, '--tls-key-file', certificate.keyFile]
  const server = await startRedis({
    port,
    args: ['--port', '0', '--tls-port', String(port), '--tls-auth-clients', 'no', ...files],
    url: (tlsPort) => `rediss://localhost:${tlsPort}`,
  })
  expect(await check(server.url)).toContainEqual(
    expect.objectContaining({ status: 'pass', message: 'over TLS' }),
  )
  await server.close()
})

test('signing keys that BFF_SECRETS cannot open are found, and those it can are told', async () => {
  const [ours, theirs] = [testSecret(), testSecret()]
  const seal = (secret: string) => createKeyRingSeal([Buffer.from(secret, 'base64url')]).close([])
  const look = async (secret: string) => {
    await redis.command('HSET', 'portico:shared:{signing-keys}', 'text', seal(secret), 'n', '1')
    return check(redis.url, ours)
  }
  expect(await look(ours)).toContainEqual(
    expect.objectContaining({ status: 'pass', message: expect.stringContaining('opens the signing keys') }),
  )
  expect(await look(theirs)).toContainEqual(
    expect.objectContaining({
      status: 'fail',
      message: expect.stringContaining('does not open the signing keys'),
      fix: expect.stringContaining('back into BFF_SECRETS'),
    }),
  )
  await redis.command('DEL', 'portico:shared:{signing-keys}')
})

describe('what is wrong is found, and the fix is named', () => {
  const failing = (findings: Finding[]) => findings.filter(({ status }) => status === 'fail')

  test('an eviction policy that drops sessions (F50)', async () => {
    await redis.command('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru')
    expect(failing(await check(redis.url))).toEqual([
      expect.objectContaining({
        message: expect.stringContaining('allkeys-lru'),
        fix: expect.stringContaining('noeviction'),
      }),
    ])
  })

  test('a wrong password', async () => {
    await redis.command('CONFIG', 'SET', 'requirepass', 'the-right-one')
    const findings = await check(redis.url.replace('//', '//:the-wrong-one@'))
    await redis.command('CONFIG', 'SET', 'requirepass', '')
    expect(failing(findings)).toEqual([
      expect.objectContaining({
        message: expect.stringContaining('WRONGPASS'),
        fix: expect.stringContaining('password'),
      }),
    ])
    expect(JSON.stringify(findings)).not.toContain('the-wrong-one')
  })

  test('a user without the rights', async () => {
    await redis.command('ACL', 'SETUSER', 'poor', 'on', '>p', '~other:*', '+@all')
    expect(failing(await check(redis.url.replace('//', '//poor:p@')))).toEqual([
      expect.objectContaining({
        message: expect.stringContaining('NOPERM'),
        fix: expect.stringContaining('~portico:*'),
      }),
    ])
  })

  test('a read-only replica (F47)', async () => {
    await redis.command('REPLICAOF', '127.0.0.1', String(await freePort()))
    expect(failing(await check(redis.url))).toEqual([
      expect.objectContaining({
        message: expect.stringContaining('READONLY'),
        fix: expect.stringContaining('master'),
      }),
    ])
  })

  test('one that is full', async () => {
    await redis.command('CONFIG', 'SET', 'maxmemory', '1')
    expect(failing(await check(redis.url))).toEqual([
      expect.objectContaining({
        message: expect.stringContaining('OOM'),
        fix: expect.stringContaining('memory'),
      }),
    ])
  })

  test.each([
    ['database', (url: string) => `${url}/99`, 'number of the database'],
    ['sentinel', (url: string) => `${url.replace('redis:', 'redis+sentinel:')}/master`, 'not a sentinel'],
    ['cluster', (url: string) => `${url},${url}`, 'not a cluster'],
  ])('a wrong %s', async (_what, toUrl, fix) => {
    expect(failing(await check(toUrl(redis.url)))).toEqual([
      expect.objectContaining({ fix: expect.stringContaining(fix) }),
    ])
  })

  test('one that is too old', async () => {
    // A fake, because nobody keeps a Redis 6 to be found old: it takes every write.
    const server = createServer((socket) =>
      socket.on('data', (data) => {
        for (const command of data.toString().match(/^(?:SET|INFO|CLIENT|HELLO|GET|PING)\r$/gim) ?? []) {
          const info = 'redis_version:6.2.14\r\nmaxmemory_policy:noeviction\r\n'
          socket.write(command.startsWith('INFO') ? `$${info.length}\r\n${info}\r\n` : '+OK\r\n')
        }
      }),
    )
    const port = await freePort()
    await new Promise<void>((done) => server.listen(port, '127.0.0.1', done))
    const findings = await check(`redis://127.0.0.1:${port}`)
    server.close()
    expect(failing(findings)).toEqual([
      expect.objectContaining({
        message: expect.stringContaining('6.2.14 is too old'),
        fix: expect.stringContaining('Redis 7'),
      }),
    ])
  })

  test('TLS asked of one that has none', async () => {
    const findings = await check(redis.url.replace('redis:', 'rediss:'))
    expect(failing(findings)).toEqual([expect.objectContaining({ check: 'redis', fix: expect.any(String) })])
  })

  test('one that is far away without TLS', async () => {
    const findings = await check('redis://192.0.2.1:6379')
    expect(findings).toContainEqual(
      expect.objectContaining({ status: 'warn', fix: expect.stringContaining('rediss://') }),
    )
  })
})
