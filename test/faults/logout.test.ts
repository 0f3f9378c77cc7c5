import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createTestBrowser, type TestBrowser } from '../support/browser.ts'
import { minutes, seconds } from '../support/clock.ts'
import { type Answer, type Fleet, type Replica, startFleet } from '../support/deployments/fleet.ts'
import { csrf } from '../support/login.ts'
import { goToProvider, readLogoutUrl } from '../support/logout.ts'
import { testSecret } from '../support/portico.ts'
import { alan, signOutAtOkta, signOutDirectly } from '../support/providers/okta.ts'

/** Logouts of each race. */
const rounds = Number(process.env.LOGOUT_ROUNDS ?? 1000)
/** Sessions that are raced with at once: with more, nothing would happen at the same moment on two processors. */
const atOnce = 10

const apiSecret = testSecret()
const operatorSecret = testSecret()
let fleet: Fleet
beforeAll(async () => {
  fleet = await startFleet({
    env: {
      INTROSPECTION_CLIENTS: `api:${createHash('sha256').update(apiSecret).digest('hex')}`,
      OPERATOR_SECRET: operatorSecret,
      OPERATOR_PORT: '0',
    },
    provider: { FAMILIES: 'false' },
  })
})
afterAll(() => fleet.close())
beforeEach(() => fleet.provider({ fault: 'none', revocationFault: 'none', hangs: false, release: true }))

const at = (index: number): Replica => {
  const replica = fleet.replicas[index % 3]
  if (replica === undefined) throw new Error('no such replica')
  return replica
}
const describeAnswer = ({ status, code }: Answer) => (code === undefined ? `${status}` : `${status} ${code}`)
const count = (outcomes: string[]) =>
  Object.fromEntries(
    [...new Set(outcomes)].sort().map((one) => [one, outcomes.filter((other) => other === one).length]),
  )

/** Signs one person in, in many browsers that share their session at the provider. */
async function signInMany(number: number): Promise<TestBrowser[]> {
  const first = await fleet.signIn()
  const browsers = [first]
  for (let done = 1; done < number; done += atOnce) {
    const some = await Promise.all(
      Array.from({ length: Math.min(atOnce, number - done) }, () => {
        const browser = createTestBrowser()
        for (const [name, value] of first.cookies(fleet.issuer)) browser.setCookie(fleet.issuer, name, value)
        return fleet.signIn({ browser })
      }),
    )
    browsers.push(...some)
  }
  return browsers
}

/** Does something for each, some at a time. */
async function raceAll<One, T>(all: One[], race: (one: One, index: number) => Promise<T>): Promise<T[]> {
  const results: T[] = []
  for (let from = 0; from < all.length; from += atOnce) {
    const some = all.slice(from, from + atOnce)
    results.push(...(await Promise.all(some.map((one, index) => race(one, from + index)))))
  }
  return results
}

const logOut = (browser: TestBrowser, url: string) => fleet.call(browser, 'POST', '/api/logout', url)

/** Nobody gets in with any of these cookies, whichever replica they ask. */
async function askAll(browsers: TestBrowser[]): Promise<Record<string, number>> {
  const answers = await raceAll(browsers, (browser, index) => fleet.askToken(browser, at(index).url))
  return count(answers.map(describeAnswer))
}

async function introspect(token: string, url: string): Promise<boolean> {
  const response = await fetch(`${url}/api/introspect`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`api:${apiSecret}`).toString('base64')}` },
    body: new URLSearchParams({ token }),
  })
  return ((await response.json()) as { active: boolean }).active
}

describe(`${rounds} logouts on 3 processes`, () => {
  test('F38, F39: at random moments of a refresh and of a session write: out in all, each new refresh token revoked', async () => {
    const browsers = await signInMany(rounds)
    // The access tokens have expired, and each call has the idle timeout to move.
    await fleet.advance(minutes(4))
    const before = await fleet.provider()
    expect(before.livingRefreshTokens).toBeGreaterThanOrEqual(rounds)
    const outcomes = await raceAll(browsers, async (browser, index) => {
      const refresh = fleet.askToken(browser, at(index).url)
      const write = fleet.call(browser, 'GET', '/api/session', at(index + 1).url)
      // A refresh takes some 5 to 60 milliseconds here: before it, within it and after it.
      await delay(Math.random() * 60)
      const logout = await logOut(browser, at(index + 2).url)
      return {
        logout: describeAnswer(logout),
        refresh: describeAnswer(await refresh),
        write: await write,
      }
    })
    expect(count(outcomes.map(({ logout }) => logout))).toEqual({ 200: rounds })
    const refreshed = count(outcomes.map(({ refresh }) => refresh))
    expect(Object.keys(refreshed).filter((one) => !['200', '401 session_expired'].includes(one))).toEqual([])
    expect(outcomes.some(({ write }) => write.setCookie)).toBe(false)
    expect(await askAll(browsers)).toEqual({ '401 session_expired': rounds })
    const isAlive = async () => (await fleet.provider()).livingRefreshTokens
    await expect.poll(isAlive, { timeout: 20_000, interval: 100 }).toBe(0)
    const after = await fleet.provider()
    const late = fleet.replicas
      .map(({ process }) => process.output.text.split('"event":"refresh_token_revoked"').length - 1)
      .reduce((sum, one) => sum + one, 0)
    process.stdout.write(
      `F38: ${rounds} logouts during a refresh: ${JSON.stringify(refreshed)} to those who asked for it, ${after.refreshes - before.refreshes} refresh calls, ${late} revocations (${late - rounds} of tokens that came late), ${after.livingRefreshTokens} refresh tokens alive\n`,
    )
    // Some must have come late, or this test has not seen what it is for.
    expect(late).toBeGreaterThan(rounds)
  }, 240_000)

  test('at random moments of /api/token: out in all, and every token that was minted is inactive', async () => {
    const browsers = await signInMany(rounds)
    const tokens = await raceAll(browsers, async (browser, index) => {
      const asked = Array.from({ length: 3 }, async (_, turn) => {
        await delay(Math.random() * 10)
        return fleet.moved(browser, at(index + turn).url).fetch(`${at(index + turn).url}/api/token`, {
          method: 'POST',
          headers: csrf,
        })
      })
      await delay(Math.random() * 10)
      const logout = await logOut(browser, at(index + 1).url)
      expect(describeAnswer(logout)).toBe('200')
      const answers = await Promise.all(asked)
      const bodies = await Promise.all(answers.map((one) => one.json() as Promise<{ token?: string }>))
      return bodies.map(({ token }) => token).filter((token) => token !== undefined)
    })
    const minted = tokens.flat()
    const states = await raceAll(minted, (token, index) => introspect(token, at(index).url))
    const stillActive = states.filter(Boolean)
    process.stdout.write(
      `${rounds} logouts during 3 calls of /api/token each: ${minted.length} tokens minted, ${stillActive.length} active afterwards\n`,
    )
    expect(stillActive).toEqual([])
    expect(minted.length).toBeGreaterThan(0)
    expect(minted.length).toBeLessThan(3 * rounds)
    expect(await askAll(browsers)).toEqual({ '401 session_expired': rounds })
  }, 240_000)
})

describe('the provider is down', () => {
  afterEach(() => fleet.provider({ revocationFault: 'none', release: true }))

  test('F41: out here at once; the revocation arrives once it is back, from whichever replica is alive', async () => {
    const browser = await fleet.signIn()
    const [dying] = fleet.replicas
    const before = await fleet.provider({ revocationFault: 'hang' })
    expect(describeAnswer(await logOut(browser, dying?.url ?? ''))).toBe('200')
    // A logout that waited for the provider would have waited for the end of its call.
    expect(dying?.process.output.text).not.toContain('"revocation_failed"')
    expect(describeAnswer(await fleet.askToken(browser, at(1).url))).toBe('401 session_expired')
    expect((await fleet.provider()).livingRefreshTokens).toBe(before.livingRefreshTokens)
    await dying?.process.stop('SIGKILL')
    await fleet.provider({ revocationFault: 'none' })
    await fleet.advance(seconds(60))
    while ((await fleet.provider()).livingRefreshTokens === before.livingRefreshTokens) await delay(50)
    expect((await fleet.provider()).livingRefreshTokens).toBe(before.livingRefreshTokens - 1)
    fleet.replicas.splice(0, 1)
    await fleet.start()
  })

  test('a replica that dies in the middle of a logout: another one revokes', async () => {
    const browser = await fleet.signIn()
    const [dying] = fleet.replicas
    const before = await fleet.provider({ revocationFault: 'hold-call' })
    expect(describeAnswer(await logOut(browser, dying?.url ?? ''))).toBe('200')
    while ((await fleet.provider()).held === 0) await delay(10)
    await dying?.process.stop('SIGKILL')
    await fleet.provider({ revocationFault: 'none', release: true })
    await fleet.advance(seconds(20))
    while ((await fleet.provider()).livingRefreshTokens === before.livingRefreshTokens) await delay(50)
    fleet.replicas.splice(0, 1)
    await fleet.start()
  })
})

describe('a real provider tells by back channel', () => {
  const isIn = async (browser: TestBrowser) =>
    Promise.all(fleet.replicas.map(async ({ url }) => (await fleet.askToken(browser, url)).status))

  test('by sid: that one session ends, on every replica', async () => {
    const [phone, laptop, other] = [
      await fleet.signIn(),
      await fleet.signIn(),
      await fleet.signIn({ person: alan }),
    ]
    await signOutDirectly(phone, fleet.issuer)
    expect(await isIn(phone)).toEqual([401, 401, 401])
    expect(await isIn(laptop)).toEqual([200, 200, 200])
    expect(await isIn(other)).toEqual([200, 200, 200])
  })

  test('by sub: all of the person’s sessions end, nobody else’s', async () => {
    const bySub = await startFleet({ replicas: 2, provider: { BACKCHANNEL_SID: 'false' } })
    try {
      const [phone, laptop] = [await bySub.signIn(), await bySub.signIn()]
      const other = await bySub.signIn({ person: alan })
      const answer = await phone.fetch(`${bySub.balancer.url}/api/logout`, { method: 'POST', headers: csrf })
      const logoutUrl = await readLogoutUrl(answer)
      const back = await signOutAtOkta(phone, await goToProvider(bySub.balancer, phone, logoutUrl))
      expect(back.pathname).toBe('/api/logout/callback')
      const statuses = await Promise.all(
        bySub.replicas.flatMap(({ url }) => [bySub.askToken(laptop, url), bySub.askToken(other, url)]),
      )
      expect(statuses.map(({ status }) => status)).toEqual([401, 200, 401, 200])
    } finally {
      await bySub.close()
    }
  })
})

test('an operator ends all sessions of a person, on every replica (R50)', async () => {
  const browser = await fleet.signIn({ person: alan })
  const { port } = JSON.parse(await at(1).process.line(/"operator_listening"/)) as { port: number }
  const response = await fetch(`http://127.0.0.1:${port}/operator/subjects/${alan.sub}/sessions`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${operatorSecret}` },
  })
  expect(response.status).toBe(200)
  const answers = await Promise.all(fleet.replicas.map(({ url }) => fleet.askToken(browser, url)))
  expect(answers.map(describeAnswer)).toEqual(answers.map(() => '401 session_expired'))
})
