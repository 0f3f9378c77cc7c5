import { randomUUID } from 'node:crypto'
import { decodeJwt } from 'jose'
import { describe, expect, vi } from 'vitest'
import { createComponents } from '../../../src/components.ts'
import { readConfig } from '../../../src/config/config.ts'
import { startServer } from '../../../src/service/server.ts'
import { createTokenVerifier } from '../../../src/verify/verify.ts'
import { createTestBrowser, type TestBrowser } from '../../support/browser.ts'
import { createTestClock } from '../../support/clock.ts'
import { closeAfterTest, idp, providerPerFile } from '../../support/fixtures.ts'
import { csrf, getSession, type LoginAnswer, logInAtScripted, startLogin } from '../../support/login.ts'
import { startTestServer } from '../../support/network/http-server.ts'
import { testSecret } from '../../support/portico.ts'
import { startRedis } from '../../support/redis/start-redis.ts'
import { type Neighbour, startTwoOnOneHost } from '../../support/two-porticos.ts'

/** Two Porticos whose cookies reach each other: test/browser/side-by-side.test.ts has the same in Chromium. */

const test = providerPerFile()

const client = () => ({
  OIDC_ISSUER: idp.issuer,
  OIDC_CLIENT_ID: 'portico-test',
  OIDC_CLIENT_SECRET: 'test-client-secret',
})

async function startTwo() {
  const two = closeAfterTest(
    await startTwoOnOneHost({ server: await startTestServer(), toEnv: () => client() }),
  )
  idp.follow(two.root.portico.clock)
  return two
}

async function signIn(at: Neighbour, browser: TestBrowser): Promise<LoginAnswer> {
  const { response } = await logInAtScripted(at, idp, { browser })
  expect(response.status).toBe(200)
  return (await response.json()) as LoginAnswer
}

const isSignedIn = async (at: Neighbour, browser: TestBrowser) => (await getSession(at, browser)).active

describe('two on one host, by API_PREFIX and COOKIE_NAME', () => {
  test('a user is signed in at one or at both, and a logout ends one session', async () => {
    const { root, shop } = await startTwo()
    const browser = createTestBrowser()
    const first = await signIn(root, browser)
    expect([await isSignedIn(root, browser), await isSignedIn(shop, browser)]).toEqual([true, false])
    const second = await signIn(shop, browser)
    expect(second.session.id).not.toBe(first.session.id)
    expect([await isSignedIn(root, browser), await isSignedIn(shop, browser)]).toEqual([true, true])
    expect([...browser.cookies(root.url).keys()].sort()).toEqual(['bff_session', 'shop_session'])

    const answer = await browser.fetch(`${root.url}/auth/logout`, { method: 'POST', headers: csrf })
    expect(answer.status).toBe(200)
    expect([await isSignedIn(root, browser), await isSignedIn(shop, browser)]).toEqual([false, true])
    expect([...browser.cookies(root.url).keys()].sort()).toEqual(['bff_logout', 'shop_session'])
    // Neither takes from the other what its browser needs to sign out at the provider.
    await browser.fetch(`${shop.url}/auth/logout`, { method: 'POST', headers: csrf })
    expect([...browser.cookies(root.url).keys()].sort()).toEqual(['bff_logout', 'shop_logout'])
  })

  test('the OpenAPI document names the session cookie by COOKIE_NAME', async () => {
    const { shop } = await startTwo()
    const document = await (await fetch(`${shop.url}/auth/openapi.json`)).text()
    expect(document.match(/"\w+_session"/g)).toEqual(['"shop_session"'])
  })

  test('logins in progress at both end where they began', async () => {
    const { root, shop } = await startTwo()
    const browser = createTestBrowser()
    const atRoot = idp.authorize(await startLogin(root, browser))
    const atShop = idp.authorize(await startLogin(shop, browser))
    const names = [...browser.cookies(root.url).keys()].map((name) => name.split('.', 1)[0])
    expect(names.sort()).toEqual(['bff_tx', 'shop_tx'])
    const finish = async (at: Neighbour, parameters: URLSearchParams | string) =>
      (await browser.fetch(`${at.url}/auth/callback?${parameters}`)).status
    expect(await finish(shop, atRoot)).toBe(400)
    expect(await finish(root, atRoot)).toBe(200)
    expect(await finish(shop, atShop)).toBe(200)
  })

  test('the cookie of one is worth nothing under the name of the other', async () => {
    const { root, shop } = await startTwo()
    const browser = createTestBrowser()
    await signIn(root, browser)
    browser.setCookie(root.url, 'shop_session', browser.cookies(root.url).get('bff_session'))
    expect(await isSignedIn(shop, browser)).toBe(false)
    expect(await isSignedIn(root, browser)).toBe(true)
  })

  test('app tokens of one are refused by the APIs of the other', async () => {
    const { root, shop } = await startTwo()
    const { clock } = shop.portico
    const browser = createTestBrowser()
    const tokens = [(await signIn(root, browser)).token, (await signIn(shop, browser)).token]
    expect(tokens.map((token) => decodeJwt(token).iss)).toEqual([root.url, shop.url])
    const accepts = ({ url }: Neighbour) => {
      const verifyToken = createTokenVerifier({ issuer: url, clock })
      const verify = (token: string) => verifyToken({ headers: { authorization: `Bearer ${token}` } })
      return Promise.all(
        tokens.map((token) =>
          verify(token).then(
            () => true,
            () => false,
          ),
        ),
      )
    }
    expect(await accepts(root)).toEqual([true, false])
    expect(await accepts(shop)).toEqual([false, true])
  })

  test('a logout token that the provider sends to one ends no session of the other', async () => {
    const { root, shop } = await startTwo()
    const browser = createTestBrowser()
    await signIn(root, browser)
    await signIn(shop, browser)
    const now = Math.floor(shop.portico.clock.now() / 1000)
    const claims = {
      ...{ iss: idp.issuer, aud: 'portico-test', iat: now, exp: now + 120, jti: randomUUID() },
      ...{ sub: '00u-grace', events: { 'http://schemas.openid.net/event/backchannel-logout': {} } },
    }
    const token = await idp.sign(
      idp.goodKey,
      { alg: 'RS256', kid: idp.goodKey.kid, typ: 'logout+jwt' },
      claims,
    )
    const answer = await fetch(`${shop.url}/auth/backchannel-logout`, {
      method: 'POST',
      body: new URLSearchParams({ logout_token: token }),
    })
    expect(answer.status).toBe(200)
    expect([await isSignedIn(root, browser), await isSignedIn(shop, browser)]).toEqual([true, false])
  })
})

test('in one database of Redis, a Portico with other secrets signs in no user and ends no session; in another one it is on its own', async () => {
  const redis = closeAfterTest(await startRedis())
  const clock = createTestClock()
  idp.follow(clock)
  const start = async (name: string, database: number) => {
    const env = { PUBLIC_URL: 'http://localhost:3000', HOST: '127.0.0.1', PORT: '0', COOKIE_NAME: name }
    const config = readConfig({
      ...{ ...env, ...client(), BFF_SECRETS: testSecret(), REDIS_URL: `${redis.url}/${database}` },
      SHUTDOWN_DRAIN: '0s',
    })
    const reasons: unknown[] = []
    const log = (_event: string, fields: object = {}) => void reasons.push(...Object.values(fields))
    const server = await startServer(await createComponents(config, { clock, log }))
    closeAfterTest(server)
    return { url: `http://127.0.0.1:${server.port}`, reasons }
  }
  const isReady = ({ url }: { url: string }) =>
    vi.waitFor(async () => expect((await fetch(`${url}/readyz`)).status).toBe(200), 10_000)
  const first = await start('one', 0)
  await isReady(first)
  const { browser } = await logInAtScripted(first, idp)
  expect((await getSession(first, browser)).active).toBe(true)

  const besides = await start('two', 0)
  // Until it is connected with Redis, it has another reason.
  await vi.waitFor(async () => {
    const refused = createTestBrowser()
    const parameters = idp.authorize(await startLogin(besides, refused))
    expect((await refused.fetch(`${besides.url}/api/callback?${parameters}`)).status).toBe(503)
    expect(besides.reasons).toContainEqual(expect.stringContaining('sealed with a secret'))
  }, 10_000)
  expect((await getSession(first, browser)).active).toBe(true)

  const apart = await start('two', 1)
  await isReady(apart)
  const { browser: other } = await logInAtScripted(apart, idp)
  expect((await getSession(apart, other)).active).toBe(true)
  expect((await getSession(first, browser)).active).toBe(true)
})
