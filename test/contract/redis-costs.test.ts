import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createRedisStore } from '../../src/session/redis/store.ts'
import type { NewSession } from '../../src/session/session.ts'
import type { Store } from '../../src/session/store.ts'
import { createTestBrowser } from '../support/browser.ts'
import { createTestClock, minutes, seconds } from '../support/clock.ts'
import { askForwardAuth } from '../support/forward-auth.ts'
import { csrf, logInAtScripted, startLogin } from '../support/login.ts'
import { startPortico, type TestPortico, testSecret } from '../support/portico.ts'
import { type ScriptedProvider, startScriptedProvider } from '../support/providers/scripted-provider.ts'
import { type CommandRecorder, recordCommands } from '../support/redis/record-commands.ts'
import { connectRedis } from '../support/redis/redis-connection.ts'
import { startRedis, type TestRedis } from '../support/redis/start-redis.ts'
import { lifetimes, session } from '../support/session-fixture.ts'

/** What sessions cost in Redis: commands, keys and bytes (docs/operations.md). */

const clock = createTestClock()
const secret = testSecret()
let redis: TestRedis
beforeAll(async () => {
  redis = await startRedis()
})
afterAll(() => redis.close())

async function openStore(): Promise<Store> {
  const connection = await connectRedis(redis.url)
  return createRedisStore({ connection, secrets: [randomBytes(32)], lifetimes, clock, log: () => {} })
}

describe('the commands of', () => {
  let idp: ScriptedProvider
  let portico: TestPortico
  let recorder: CommandRecorder
  beforeAll(async () => {
    idp = await startScriptedProvider()
    // Without rate limits, each of which counts a call with one command more.
    const env = { TRUST_PROXY: '127.0.0.1', FORWARD_AUTH_SECRET: secret }
    portico = await startPortico({ issuer: idp.issuer, env, replaced: { clock, store: await openStore() } })
    recorder = await recordCommands(redis)
    // Redis and the server know the scripts and the keys from now on.
    const { browser } = await logInAtScripted(portico, idp)
    await browser.fetch(`${portico.url}/api/session`, { headers: csrf })
  })
  afterAll(async () => {
    recorder.close()
    await portico.close()
    await idp.close()
  })
  beforeEach(() => void clock.advance(seconds(1)))

  /** Signs a user in and returns the commands of a call of theirs. */
  async function ofCall(method: 'GET' | 'POST', path: string, later = 0): Promise<string[]> {
    const { browser } = await logInAtScripted(portico, idp)
    clock.advance(later)
    return recorder.during(async () => {
      const response = await browser.fetch(portico.url + path, { method, headers: csrf })
      expect(response.status).toBe(200)
      await response.text()
    })
  }

  test('the start of a login: none', async () => {
    expect(await recorder.during(() => startLogin(portico, createTestBrowser()))).toEqual([])
  })

  test('a login: five', async () => {
    const browser = createTestBrowser()
    const parameters = idp.authorize(await startLogin(portico, browser))
    const commands = await recorder.during(async () => {
      expect((await browser.fetch(`${portico.url}/api/callback?${parameters}`)).status).toBe(200)
    })
    expect(commands).toHaveLength(5)
  })

  test('a session check: one, which extends the idle timeout as well', async () => {
    const commands = await ofCall('GET', '/api/session', lifetimes.idleTimeout / 10)
    expect(commands).toHaveLength(1)
    expect(commands[0]).toMatch(/^"EVALSHA"/)
  })

  test('a session check that extends nothing: one', async () => {
    const commands = await ofCall('GET', '/api/session?slide=false')
    expect(commands).toHaveLength(1)
    expect(commands[0]).toMatch(/^"HMGET"/)
  })

  test.each([
    ['', /^"EVALSHA"/],
    ['?slide=false', /^"HMGET"/],
  ])('a new app token%s: one', async (query, command) => {
    const commands = await ofCall('POST', `/api/token${query}`)
    expect(commands).toHaveLength(1)
    expect(commands[0]).toMatch(command)
  })

  test.each(['', '?token=provider', '?token=app&claims=groups'])(
    "a reverse proxy's question%s: one, which extends the idle timeout as well",
    async (rule) => {
      const { browser } = await logInAtScripted(portico, idp)
      const headers = { 'x-forward-auth-secret': secret }
      const commands = await recorder.during(async () => {
        expect((await askForwardAuth(portico, browser, { rule, headers })).status).toBe(200)
      })
      expect(commands).toHaveLength(1)
      expect(commands[0]).toMatch(/^"EVALSHA"/)
    },
  )
})

test('the events that an operator can ask for: none for the start of a login, and otherwise one command a second', async () => {
  // Without the signing keys of the server above, which has other secrets.
  await redis.command('FLUSHALL')
  const idp = await startScriptedProvider()
  const env = { OPERATOR_SECRET: secret, OPERATOR_PORT: '0' }
  const portico = await startPortico({
    issuer: idp.issuer,
    env,
    replaced: { clock, store: await openStore() },
  })
  const recorder = await recordCommands(redis)
  const refuse = (state: string | null) =>
    fetch(`${portico.url}/api/callback?state=${state}&error=access_denied`)
  const begin = async () => new URL(await startLogin(portico, createTestBrowser())).searchParams.get('state')
  const states = await Promise.all(Array.from({ length: 20 }, begin))
  // Redis knows the script from then on.
  await refuse(await begin())
  await portico.components.recentEvents?.read()
  const ofStarts = await recorder.during(async () => {
    await begin()
    await portico.components.recentEvents?.read()
  })
  expect(ofStarts).toEqual([expect.stringMatching(/^"LRANGE" "portico:recent"/)])
  const startedAt = performance.now()
  const commands = await recorder.during(async () => {
    for (const state of states) await refuse(state)
    await portico.components.recentEvents?.read()
  })
  const seconds = (performance.now() - startedAt) / 1_000
  const writes = commands.filter((command) => /^"EVALSHA".*"portico:recent"/.test(command))
  expect(commands).toHaveLength(writes.length + 1)
  expect(writes.length).toBeGreaterThan(0)
  expect(writes.length).toBeLessThanOrEqual(1 + Math.ceil(seconds))
  recorder.close()
  await portico.close()
  await idp.close()
})

test('a refresh, with the read that found its tokens expired: four commands; one more where the user has another e-mail address', async () => {
  const store = await openStore()
  const recorder = await recordCommands(redis)
  const refresh = async (claims: object) => {
    const handle = randomBytes(32).toString('base64url')
    await store.create(handle, session)
    const commands = await recorder.during(async () => {
      const lock = await store.lockTokens(handle, seconds(2))
      if (lock.state !== 'locked') throw new Error(lock.state)
      const read = await store.read(handle)
      if (read === undefined) throw new Error('no session')
      const { identity, tokensVersion: version } = read
      const refreshed = { ...session, identity: { ...identity, claims: { ...identity.claims, ...claims } } }
      await store.commitTokens(handle, { version, fence: lock.fence, identity }, refreshed)
    })
    return commands.length
  }
  // The scripts are known from then on.
  await refresh({ email: 'first@example.com' })
  expect(await refresh({})).toBe(3)
  expect(await refresh({ email: 'moved@example.com' })).toBe(4)
  expect(await refresh({ email: 'GRACE@example.com' })).toBe(3)
  recorder.close()
  await store.close()
})

describe('a thousand sessions with tokens as Okta issues them', () => {
  const count = 1_000
  const toJwt = (claims: object) =>
    [{ kid: randomBytes(32).toString('base64url'), alg: 'RS256' }, claims]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .concat(randomBytes(256).toString('base64url'))
      .join('.')
  const random = (bytes: number) => randomBytes(bytes).toString('base64url')

  function toSession(number: number): NewSession {
    const sub = `00u1gormliFZb${number}`
    const email = `ada.lovelace${number}@example.com`
    const shared = { iss: 'https://example.okta.com/oauth2/default', iat: 1784000000, exp: 1784003600 }
    const user = { name: 'Ada Lovelace', email, email_verified: true, preferred_username: email }
    const [providerSid, nonce] = [`102${random(16)}`, random(32)]
    const groups = ['Everyone', 'Engineering', 'Admins']
    const scope = ['openid', 'profile', 'email', 'offline_access']
    return {
      identity: {
        ...session.identity,
        issuer: shared.iss,
        providerSub: sub,
        appSub: sub,
        claims: { ...user, groups },
        providerSid,
        nonce,
        login: { ...session.identity.login, fingerprint: random(32) },
      },
      tokens: {
        ...{ obtainedAt: clock.now(), accessTokenExpiresAt: clock.now() + minutes(60), scope },
        refreshToken: random(32),
        accessToken: toJwt({
          ...{ ver: 1, jti: `AT.${random(32)}.oar${random(12)}`, ...shared, aud: 'api://default' },
          ...{ cid: '0oa1gjh63g214q0Hq0g4', uid: sub, scp: scope, auth_time: 1783999990, sub: email },
        }),
        idToken: toJwt({
          ...{ sub, ...user, ver: 1, ...shared, aud: '0oa1gjh63g214q0Hq0g4', jti: `ID.${random(32)}` },
          ...{ amr: ['pwd', 'mfa', 'otp'], idp: '00o1gjh63g214q0Hq0g4', nonce, sid: providerSid, groups },
          ...{ auth_time: 1783999990, at_hash: random(16) },
        }),
      },
    }
  }

  /** Keys, and bytes with all that Redis needs for them, of one session. */
  async function measure(): Promise<{ keys: number; bytes: number }> {
    const keys = (await redis.command('KEYS', 'portico:*')) as string[]
    const sizes = await Promise.all(keys.map((key) => redis.command('MEMORY', 'USAGE', key, 'SAMPLES', '0')))
    const bytes = sizes.reduce<number>((sum, size) => sum + Number(size), 0)
    return { keys: keys.length / count, bytes: bytes / count }
  }

  test('two keys and 2.5 kB each, with their logins four keys for minutes', async () => {
    await redis.command('FLUSHALL')
    const store = await openStore()
    const tokens = []
    for (let number = 0; number < count; number += 1) {
      const one = toSession(number)
      tokens.push(one.tokens.accessToken.length + (one.tokens.idToken?.length ?? 0))
      await store.reserveOnce(`login-${number}`, minutes(10))
      await store.create(random(32), one)
      const record = { note: JSON.stringify({ handle: random(32), settledAt: 1 }), text: random(200) }
      await store.settleReservation(`login-${number}`, record, seconds(15))
    }
    expect(Math.min(...tokens)).toBeGreaterThan(2_000)
    const atOnce = await measure()
    await redis.passTime(minutes(10))
    const later = await measure()
    if (process.env.PRINT_FIGURES !== undefined) process.stdout.write(JSON.stringify({ atOnce, later }))
    expect(atOnce.keys).toBeLessThan(4)
    expect(later.keys).toBeLessThan(2)
    expect(later.bytes).toBeLessThan(2_550)
    await store.close()
  })
})
