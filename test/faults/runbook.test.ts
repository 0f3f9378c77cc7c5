import { afterEach, beforeEach, expect, test } from 'vitest'
import type { TestBrowser } from '../support/browser.ts'
import { type Fleet, startFleet } from '../support/deployments/fleet.ts'
import { testSecret } from '../support/portico.ts'
import { startRedis, type TestRedis } from '../support/redis/start-redis.ts'

/** The steps of docs/runbook.md, as an operator takes them. */

const old = testSecret()
let fleet: Fleet

beforeEach(async () => {
  fleet = await startFleet({ replicas: 2, env: { BFF_SECRETS: old } })
})
afterEach(() => fleet.close())

/** A rolling restart: each replica is replaced by one with other settings, the new one first. */
async function restartAll(env: Record<string, string>): Promise<void> {
  for (const replica of [...fleet.replicas]) {
    await fleet.start(env)
    await replica.process.stop('SIGTERM')
    await replica.redis.close()
    fleet.replicas.splice(fleet.replicas.indexOf(replica), 1)
  }
}

const stateOf = async (browser: TestBrowser) => {
  const { status, code } = await fleet.askToken(browser)
  return code === undefined ? String(status) : `${status} ${code}`
}

/** What each replica says to a user. */
const statesOf = async (browser: TestBrowser) =>
  Promise.all(fleet.replicas.map(async ({ url }) => (await fleet.askToken(browser, url)).status))

async function waitFor(redis: TestRedis, section: string, text: string): Promise<void> {
  await expect.poll(async () => String(await redis.command('INFO', section))).toContain(text)
}

test('BFF_SECRETS rotates in two rolling restarts and a third: users and logins in progress go on', async () => {
  const next = testSecret()
  const before = await fleet.signIn()
  await restartAll({ BFF_SECRETS: `${old},${next}` })
  const between = await fleet.signIn()
  expect([await statesOf(before), await statesOf(between)]).toEqual([
    [200, 200],
    [200, 200],
  ])
  await restartAll({ BFF_SECRETS: `${next},${old}` })
  const after = await fleet.signIn()
  for (const browser of [before, between, after]) expect(await statesOf(browser)).toEqual([200, 200])
  // Sooner than SESSION_ABSOLUTE_TIMEOUT: who signed in before the new secret sealed signs in again.
  await restartAll({ BFF_SECRETS: next })
  expect(await statesOf(after)).toEqual([200, 200])
  expect(await statesOf(before)).toEqual([401, 401])
})

test('BFF_SECRETS leaked: with a new list and an empty Redis nothing of before is worth anything', async () => {
  const victim = await fleet.signIn()
  const keysBefore = await readKeyIds()
  await fleet.redis.command('FLUSHDB')
  for (const replica of [...fleet.replicas]) await replica.process.stop('SIGKILL')
  await fleet.redis.command('FLUSHDB')
  fleet.replicas.length = 0
  await fleet.start({ BFF_SECRETS: testSecret() })
  expect(await stateOf(victim)).toMatch(/^401/)
  const keysAfter = await readKeyIds()
  expect(keysAfter.filter((kid) => keysBefore.includes(kid))).toEqual([])
  expect(await stateOf(await fleet.signIn())).toBe('200')
})

async function readKeyIds(): Promise<string[]> {
  const response = await fetch(`${fleet.balancer.url}/.well-known/jwks.json`)
  const { keys } = (await response.json()) as { keys: { kid: string }[] }
  return keys.map(({ kid }) => kid)
}

test('to another Redis: it replicates, becomes the master, and no user signs in again', async () => {
  const browser = await fleet.signIn()
  const successor = await startRedis()
  try {
    await successor.command('REPLICAOF', '127.0.0.1', String(fleet.redis.port))
    await waitFor(successor, 'replication', 'master_link_status:up')
    await successor.command('REPLICAOF', 'NO', 'ONE')
    await restartAll({ REDIS_URL: successor.url })
    await fleet.redis.kill()
    expect(await statesOf(browser)).toEqual([200, 200])
    expect(await stateOf(await fleet.signIn())).toBe('200')
    await fleet.redis.restart()
  } finally {
    await Promise.all(fleet.replicas.map(({ process }) => process.stop('SIGTERM')))
    await successor.close()
  }
})

test('an old copy of Redis brings ended sessions back; to log everyone out ends them again', async () => {
  const secret = testSecret()
  await fleet.start({ OPERATOR_SECRET: secret, OPERATOR_PORT: '0' })
  const browser = await fleet.signIn()
  const copy = await startRedis()
  try {
    await copy.command('REPLICAOF', '127.0.0.1', String(fleet.redis.port))
    await waitFor(copy, 'replication', 'master_link_status:up')
    await copy.command('REPLICAOF', 'NO', 'ONE')
    expect((await fleet.call(browser, 'POST', '/api/logout')).status).toBe(200)
    expect(await stateOf(browser)).toMatch(/^401/)
    await restartAll({ REDIS_URL: copy.url, OPERATOR_SECRET: secret, OPERATOR_PORT: '0' })
    expect(await stateOf(browser)).toBe('200')
    const [replica] = fleet.replicas
    const { port } = JSON.parse((await replica?.process.line(/"operator_listening"/)) ?? '{}') as {
      port: number
    }
    const response = await fetch(`http://127.0.0.1:${port}/operator/sessions`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${secret}` },
    })
    expect(response.ok).toBe(true)
    expect(await statesOf(browser)).toEqual([401, 401, 401])
    expect(await stateOf(await fleet.signIn())).toBe('200')
  } finally {
    await Promise.all(fleet.replicas.map(({ process }) => process.stop('SIGTERM')))
    await copy.close()
  }
})
