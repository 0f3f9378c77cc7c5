import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Fleet, type Replica, startFleet } from '../support/deployments/fleet.ts'
import { createPerson as createPersonOf, type SessionAnswer } from '../support/deployments/person.ts'
import { readRefusal } from '../support/login.ts'
import { testSecret } from '../support/portico.ts'
import { alan } from '../support/providers/okta.ts'

const oldSecret = testSecret()
let fleet: Fleet
let one: Replica
let other: Replica
beforeAll(async () => {
  fleet = await startFleet({ replicas: 2, env: { BFF_SECRETS: oldSecret } })
})
afterAll(() => fleet.close())
beforeEach(async () => {
  await fleet.provider({ codeFault: 'none', release: true })
  while (fleet.replicas.length < 2) await fleet.start()
  const [first, second] = fleet.replicas
  if (first === undefined || second === undefined) throw new Error('the fleet is too small')
  one = first
  other = second
})

const createPerson = () => createPersonOf(fleet)

const stop = async (replica: Replica, signal: NodeJS.Signals) => {
  fleet.replicas.splice(fleet.replicas.indexOf(replica), 1)
  return replica.process.stop(signal)
}
const codes = async () => (await fleet.provider()).codes

test.each([
  ['in their order', false],
  ['the other way round', true],
])('F1: two tabs that finish %s, on two replicas: both signed in, one session', async (_name, isReversed) => {
  const person = createPerson()
  const tabs = [await person.begin(one), await person.begin(other)]
  if (isReversed) tabs.reverse()
  const [first, second] = tabs
  if (first === undefined || second === undefined) return
  expect((await person.finish(other, first)).status).toBe(200)
  const ended = (await person.session(one)).session?.id
  expect((await person.finish(one, second)).status).toBe(200)
  const { active, session } = await person.session(other)
  expect(active).toBe(true)
  expect(session?.id).not.toBe(ended)
  expect([...person.cookies().keys()]).toEqual(['__Host-bff_session'])
  const dump = (await fleet.redis.dump()).filter(
    (line) => line.startsWith(`portico:session:{${ended}}`) && line.includes('"v":"1"'),
  )
  expect(dump).toEqual([])
})

test('F2: thirty tabs: at most 10 transaction cookies, the last 10 usable, headers below 8 KB', async () => {
  const person = createPerson()
  const tabs: URL[] = []
  for (let tab = 0; tab < 30; tab += 1) tabs.push(await person.begin(tab % 2 === 0 ? one : other))
  expect(person.cookies().size).toBeLessThanOrEqual(10)
  const header = [...person.cookies()].map(([name, value]) => `${name}=${value}`).join('; ')
  expect(header.length).toBeLessThan(8_000)
  for (const tab of tabs.slice(-10)) expect((await person.finish(one, tab)).status).toBe(200)
})

test('F3: a callback reloaded, on another replica and later: the same success, the first tokens intact', async () => {
  const person = createPerson()
  const callback = await person.begin(one)
  const before = await codes()
  const first = (await (await person.finish(one, callback)).json()) as SessionAnswer
  const again = (await (await person.finish(other, callback)).json()) as SessionAnswer
  expect(again.session?.id).toBe(first.session?.id)
  expect((await codes()) - before).toBe(1)
  await fleet.advance(61_000)
  expect((await fleet.askToken(person.browser)).status).toBe(200)
  expect((await fleet.provider()).revoked).toBe(0)
})

test('F4: the same callback at once on two replicas: both succeed, one exchange, one session', async () => {
  const person = createPerson()
  const callback = await person.begin(one)
  const before = await codes()
  const browsers = [one, other].map(({ url }) => ({ url, moved: fleet.moved(person.browser, url) }))
  const answers = await Promise.all(
    browsers.flatMap(({ url, moved }) =>
      Array.from({ length: 3 }, () => moved.fetch(`${url}/api/callback${callback.search}`)),
    ),
  )
  const sessions = await Promise.all(
    answers.map(async (answer) => [answer.status, ((await answer.json()) as SessionAnswer).session?.id]),
  )
  expect(new Set(sessions.map(String)).size).toBe(1)
  expect(sessions[0]?.[0]).toBe(200)
  expect((await codes()) - before).toBe(1)
})

test('F5: without the transaction cookie: 400, and a page with a way to start again', async () => {
  const callback = await createPerson().begin(one)
  const stranger = createPerson()
  expect(await readRefusal(await stranger.finish(other, callback))).toBe('400 login_transaction_missing')
  const page = await stranger.visit(one, `/api/callback${callback.search}`)
  expect(page.status).toBe(400)
  expect(await page.text()).toContain('href="/api/login?return_to=%2F"')
  expect(stranger.cookies().size).toBe(0)
})

test.each(['?state=a&state=b&code=c', '?state[]=a&code=c', '?code=c', '?state=%00&code=c', '', '?state=x'])(
  'F6: a malformed callback (%s): 400, the old session untouched',
  async (search) => {
    const person = createPerson()
    await person.finish(one, await person.begin(one))
    const before = await person.session(one)
    const response = await person.finish(other, new URL(`https://app.example.com/api/callback${search}`))
    expect(response.status).toBe(400)
    expect(await person.session(other)).toMatchObject({ active: true, session: { id: before.session?.id } })
  },
)

test('F12: signing in as another user: a new session, no data mixed, on either replica', async () => {
  const person = createPerson()
  await person.finish(one, await person.begin(one))
  const before = await person.session(other)
  person.browser.cookies(fleet.issuer).clear()
  await person.finish(other, await person.begin(one, alan))
  const after = await person.session(one)
  expect(after.user?.sub).toBe(alan.sub)
  expect(after.session?.id).not.toBe(before.session?.id)
})

describe('F14: the master secrets are rotated', () => {
  test('in the middle of a login: it completes', async () => {
    const person = createPerson()
    const callback = await person.begin(one)
    const renewed = await fleet.start({ BFF_SECRETS: `${testSecret()},${oldSecret}` })
    expect((await person.finish(renewed, callback)).status).toBe(200)
    await stop(renewed, 'SIGKILL')
  })

  test('in two phases of rolling restarts: nobody is logged out, no login fails, no app token is refused', async () => {
    const newSecret = testSecret()
    const person = createPerson()
    await person.finish(one, await person.begin(one))
    const { session } = await person.session(one)
    for (const secrets of [`${oldSecret},${newSecret}`, `${newSecret},${oldSecret}`]) {
      for (const replica of [...fleet.replicas]) {
        const pending = createPerson()
        const callback = await pending.begin(replica)
        const restarted = await fleet.start({ BFF_SECRETS: secrets })
        await stop(replica, 'SIGTERM')
        for (const running of fleet.replicas) {
          expect(await person.session(running)).toMatchObject({ active: true, session: { id: session?.id } })
        }
        expect((await pending.finish(restarted, callback)).status).toBe(200)
        // Signed by any replica, known to all of them.
        const keys = await Promise.all(
          fleet.replicas.map(async ({ url }) => (await fetch(`${url}/.well-known/jwks.json`)).text()),
        )
        expect(new Set(keys).size).toBe(1)
      }
      await fleet.advance(61_000)
      expect((await fleet.askToken(person.browser)).status).toBe(200)
    }
    // What a login of the second phase made outlives the old secret.
    const late = createPerson()
    const [replica] = fleet.replicas
    if (replica !== undefined) await late.finish(replica, await late.begin(replica))
    const last = await fleet.start({ BFF_SECRETS: newSecret })
    expect((await late.session(last)).active).toBe(true)
    expect((await late.finish(last, await late.begin(last))).status).toBe(200)
    // The first session's cookie was signed by the old one: over, without an error.
    expect(await person.session(last)).toEqual({ active: false })
    for (const running of [...fleet.replicas]) await stop(running, 'SIGKILL')
    await fleet.redis.command('FLUSHALL')
  })
})

test('F15: the replica that began the login is killed: it completes on another', async () => {
  const person = createPerson()
  const callback = await person.begin(one)
  await stop(one, 'SIGKILL')
  expect((await person.finish(other, callback)).status).toBe(200)
  expect((await person.session(other)).active).toBe(true)
})

test('F16: SIGTERM during the exchange: it completes', async () => {
  const person = createPerson()
  const callback = await person.begin(one)
  await fleet.provider({ codeFault: 'hold-answer' })
  const finishing = person.finish(one, callback)
  while ((await fleet.provider()).held === 0) await delay(10)
  const stopped = stop(one, 'SIGTERM')
  await one.process.line(/"server_draining"/)
  await fleet.provider({ codeFault: 'none', release: true })
  expect((await finishing).status).toBe(200)
  expect(await stopped).toBe(0)
  expect((await person.session(other)).active).toBe(true)
})
