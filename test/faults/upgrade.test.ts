import { createRemoteJWKSet, jwtVerify } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { minutes, seconds } from '../support/clock.ts'
import { type Fleet, type Replica, startFleet } from '../support/deployments/fleet.ts'
import { createPerson, type SessionAnswer } from '../support/deployments/person.ts'
import { type PreviousRelease, unpackPreviousRelease } from '../support/deployments/previous-release.ts'
import { csrf, type LoginAnswer } from '../support/login.ts'
import { alan } from '../support/providers/okta.ts'

/**
 * A rolling upgrade, and a rollback: the previous release and this one serve the same users with the same
 * Redis and the same secrets (docs/releasing.md).
 */

let fleet: Fleet
let previous: PreviousRelease
let older: Replica
let newer: Replica

const startOlder = () => fleet.start({}, previous.tree)
/** With traces, which add to what a login carries: that must not disturb the previous release. */
const startNewer = () => fleet.start({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' })

beforeAll(async () => {
  previous = unpackPreviousRelease()
  fleet = await startFleet({ replicas: 0, provider: { FAMILIES: 'false' } })
  older = await startOlder()
  newer = await startNewer()
}, 120_000)
afterAll(async () => {
  await fleet?.close()
  previous?.remove()
})
beforeEach(() => fleet.provider({ revocationFault: 'none', fault: 'none', release: true }))

test('the two are different versions, and both are ready', async () => {
  const [before, now] = [older, newer].map(({ process }) => process.child.spawnargs.join(' '))
  expect(before).toContain(previous.tree)
  expect(now).not.toContain(previous.tree)
  for (const { url } of [older, newer]) expect((await fetch(`${url}/readyz`)).status).toBe(200)
})

test('they publish the same keys', async () => {
  const keys = await Promise.all(
    [older, newer].map(async ({ url }) => (await fetch(`${url}/.well-known/jwks.json`)).json()),
  )
  expect(keys[0]).toEqual(keys[1])
})

describe.each([
  ['the previous release', 'this one', () => [older, newer] as const],
  ['this release', 'the previous one', () => [newer, older] as const],
])('what %s made, %s', (_first, _second, inOrder) => {
  let maker: Replica
  let user: Replica
  beforeEach(() => {
    ;[maker, user] = inOrder()
  })

  async function signIn(person?: typeof alan) {
    const who = createPerson(fleet)
    const response = await who.finish(maker, await who.begin(maker, person))
    expect(response.status).toBe(200)
    return { who, answer: (await response.json()) as LoginAnswer }
  }

  test('finishes: a login in progress, and a callback that is sent again', async () => {
    const who = createPerson(fleet)
    const callback = await who.begin(maker)
    const finished = await who.finish(user, callback)
    expect(finished.status).toBe(200)
    const { session, return_to: returnTo } = (await finished.json()) as LoginAnswer
    expect(returnTo).toBe('/here')
    const again = (await (await who.finish(maker, callback)).json()) as SessionAnswer
    expect(again.session?.id).toBe(session.id)
  })

  test('uses: a session, and the app tokens of both', async () => {
    const { who, answer } = await signIn()
    const view = await who.session(user)
    expect(view).toMatchObject({ active: true, user: answer.user, session: { id: answer.session.id } })
    const minted = (await (await who.post(user, '/api/token')).json()) as LoginAnswer
    for (const [token, { url }] of [
      [answer.token, user],
      [minted.token, maker],
    ] as const) {
      const keys = createRemoteJWKSet(new URL(`${url}/.well-known/jwks.json`))
      const { payload } = await jwtVerify(token, keys)
      expect(payload).toMatchObject({ sub: answer.user.sub, sid: answer.session.id })
    }
  })

  test('refreshes, once for both, and what it wrote is read by both', async () => {
    const { who } = await signIn()
    await fleet.advance(seconds(61))
    const before = await fleet.provider()
    const answers = await Promise.all(
      [user, maker, user, maker].map((one) => fleet.askToken(who.browser, one.url)),
    )
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200])
    const after = await fleet.provider()
    expect(after.refreshes - before.refreshes).toBe(1)
    await fleet.advance(seconds(61))
    expect((await fleet.askToken(who.browser, user.url)).status).toBe(200)
    expect((await fleet.askToken(who.browser, maker.url)).status).toBe(200)
    expect((await fleet.provider()).refreshes - before.refreshes).toBe(2)
    for (const one of [maker, user]) expect((await who.session(one)).active).toBe(true)
  })

  test('ends, and revokes its refresh token', async () => {
    const { who } = await signIn()
    const before = await fleet.provider()
    expect((await who.post(user, '/api/logout')).status).toBe(200)
    const copy = await fleet.askToken(who.browser, maker.url)
    expect(copy.status).toBe(401)
    await expect
      .poll(async () => (await fleet.provider()).livingRefreshTokens)
      .toBe(before.livingRefreshTokens - 1)
  })

  test('revokes: what its maker ended while the provider was down', async () => {
    const { who } = await signIn()
    const before = await fleet.provider({ revocationFault: { status: 503 } })
    const failed = () => maker.process.output.text.split('"event":"revocation_failed"').length
    const failedBefore = failed()
    expect((await who.post(maker, '/api/logout')).status).toBe(200)
    await expect.poll(failed).toBeGreaterThan(failedBefore)
    // Only the other one is left to look at the queue.
    fleet.replicas.splice(fleet.replicas.indexOf(maker), 1)
    await maker.process.stop('SIGKILL')
    await fleet.provider({ revocationFault: 'none' })
    await fleet.advance(minutes(2))
    await expect
      .poll(async () => (await fleet.provider()).livingRefreshTokens, { timeout: 20_000 })
      .toBe(before.livingRefreshTokens - 1)
    if (maker === older) older = await startOlder()
    else newer = await startNewer()
  })

  test('finds by its user: "log out my other devices"', async () => {
    const [phone, laptop] = [await signIn(alan), await signIn(alan)]
    const here = await fleet.call(phone.who.browser, 'DELETE', '/api/sessions', user.url)
    expect(here.status).toBe(200)
    for (const one of [maker, user]) expect((await laptop.who.session(one)).active).toBe(false)
  })

  test('supersedes: one browser has one session', async () => {
    const { who, answer } = await signIn()
    const stolen = fleet.moved(who.browser, maker.url)
    expect((await who.finish(user, await who.begin(user))).status).toBe(200)
    expect((await who.session(maker)).session?.id).not.toBe(answer.session.id)
    const response = await stolen.fetch(`${maker.url}/api/token`, { method: 'POST', headers: csrf })
    expect(response.status).toBe(401)
  })
})
