import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { createRedisStore } from '../../../src/session/redis/store.ts'
import { createTestBrowser, type TestBrowser } from '../../support/browser.ts'
import { createTestClock, hours, minutes } from '../../support/clock.ts'
import { createDpopKey, type DpopKey } from '../../support/dpop.ts'
import { closeAfterTest, idp, portico, serverPerTest } from '../../support/fixtures.ts'
import { csrf, getSession, readRefusal, startLogin } from '../../support/login.ts'
import { publicUrl, startPortico, type TestPortico, testSecret } from '../../support/portico.ts'
import { connectRedis } from '../../support/redis/redis-connection.ts'
import { startRedis, type TestRedis } from '../../support/redis/start-redis.ts'

/** Sessions that are bound to a key of the browser, and APP_TOKEN_BINDING (RFC 9449). */

const test = serverPerTest()

interface TokenAnswer {
  token: string
  token_type: string
}

let key: DpopKey
let other: DpopKey
beforeAll(async () => {
  key = await createDpopKey()
  other = await createDpopKey()
})

/** A proof of the key for a call of this server, by the server's clock. */
const prove = (path: string, of: DpopKey, at: Pick<TestPortico, 'clock'> = portico) =>
  of.prove({ url: publicUrl + path }, { claims: { iat: Math.floor(at.clock.now() / 1000) } })

const toQuery = (of: DpopKey) => `?dpop_jkt=${of.thumbprint}`

/** Begins a login; returns the provider's response. */
const begin = async (browser: TestBrowser, query: string, at: Pick<TestPortico, 'url'> = portico) =>
  idp.authorize(await startLogin(at, browser, query))

async function forward(
  browser: TestBrowser,
  body: URLSearchParams,
  proof: string | undefined,
  at: Pick<TestPortico, 'url'> = portico,
): Promise<Response> {
  return browser.fetch(`${at.url}/api/callback`, { method: 'POST', headers: { dpop: proof }, body })
}

const askToken = (
  browser: TestBrowser,
  proof: string | undefined,
  at: Pick<TestPortico, 'url'> = portico,
): Promise<Response> =>
  browser.fetch(`${at.url}/api/token`, { method: 'POST', headers: { ...csrf, dpop: proof } })

/** Signs in with a session that is bound to the key. */
async function signInBound(of: DpopKey, browser = createTestBrowser()): Promise<TestBrowser> {
  const response = await forward(browser, await begin(browser, toQuery(of)), await prove('/api/callback', of))
  expect(response.status).toBe(200)
  return browser
}

/** The key that a token is bound to. */
async function readBinding(response: Response): Promise<unknown> {
  const { token, token_type: type } = (await response.json()) as TokenAnswer
  expect(type).toBe('DPoP')
  return (decodeJwt(token).cnf as { jkt?: string } | undefined)?.jkt
}

describe('a login with dpop_jkt binds its session (R87)', () => {
  /** What has to hold for every bound session, however it began. */
  async function expectBound(browser: TestBrowser, of = key, notOf = other): Promise<void> {
    expect(await readBinding(await askToken(browser, await prove('/api/token', of)))).toBe(of.thumbprint)
    expect(await readRefusal(await askToken(browser, undefined))).toBe('400 invalid_dpop_proof')
    const stolen = await askToken(browser, await prove('/api/token', notOf))
    expect(await readRefusal(stolen)).toBe('401 dpop_key_mismatch')
    expect((await getSession(portico, browser)).active).toBe(true)
  }

  test('where the app forwards the code', async () => {
    await expectBound(await signInBound(key))
  })

  test('by POST /api/login', async () => {
    const browser = createTestBrowser()
    const begun = await browser.fetch(`${portico.url}/api/login`, {
      method: 'POST',
      headers: { ...csrf, 'content-type': 'application/json' },
      body: JSON.stringify({ dpop_jkt: key.thumbprint }),
    })
    const { login_url: url } = (await begun.json()) as { login_url: string }
    expect((await forward(browser, idp.authorize(url), await prove('/api/callback', key))).status).toBe(200)
    await expectBound(browser)
  })

  test('where the provider redirects to the server, whose callback brings no proof', async () => {
    const browser = createTestBrowser()
    const response = await browser.visit(`${portico.url}/api/callback?${await begin(browser, toQuery(key))}`)
    expect(response.status).toBe(303)
    await expectBound(browser)
  })

  test('begun by a navigation', async () => {
    const browser = createTestBrowser()
    const begun = await browser.visit(`${portico.url}/api/login${toQuery(key)}`)
    const parameters = idp.authorize(begun.headers.get('location') ?? '')
    expect((await browser.visit(`${portico.url}/api/callback?${parameters}`)).status).toBe(303)
    await expectBound(browser)
  })

  test('whose tokens are refreshed: it stays bound', async () => {
    const browser = await signInBound(key)
    for (let passed = 0; passed < 70; passed += 10) {
      portico.clock.advance(minutes(10))
      expect((await askToken(browser, await prove('/api/token', key))).status).toBe(200)
    }
    expect(portico.logged.some(({ event }) => event === 'tokens_refreshed')).toBe(true)
    await expectBound(browser)
  })

  test('that takes the place of another one: the key of the session that lives counts', async () => {
    const browser = await signInBound(key)
    await signInBound(other, browser)
    await expectBound(browser, other, key)
  })

  test('of two tabs with a key each: the key of the session that lives counts', async () => {
    const browser = createTestBrowser()
    const [one, two] = [await begin(browser, toQuery(key)), await begin(browser, toQuery(other))]
    const answers = await Promise.all([
      forward(browser, one, await prove('/api/callback', key)),
      forward(browser, two, await prove('/api/callback', other)),
    ])
    expect(answers.map(({ status }) => status)).toContain(200)
    const { session } = await getSession(portico, browser)
    const living = (await portico.store.read(session.id))?.identity.login.browserJkt
    await expectBound(browser, ...(living === key.thumbprint ? [key, other] : [other, key]))
  })

  test('logs a call with another key', async () => {
    const browser = await signInBound(key)
    await askToken(browser, await prove('/api/token', other))
    const { session } = await getSession(portico, browser)
    expect(portico.logged.find(({ event }) => event === 'dpop_key_mismatch')).toMatchObject({
      level: 'warn',
      session: session.id,
    })
  })
})

describe('the callback of a login with dpop_jkt', () => {
  test.each([
    ['without a proof', undefined, '400 invalid_dpop_proof'],
    ['with a proof of another key', () => prove('/api/callback', other), '401 dpop_key_mismatch'],
  ])(
    '%s is refused, without a call to the provider and without a session',
    async (_name, toProof, refusal) => {
      const browser = createTestBrowser()
      const parameters = await begin(browser, toQuery(key))
      const before = idp.calls.token
      expect(await readRefusal(await forward(browser, parameters, await toProof?.()))).toBe(refusal)
      expect(idp.calls.token).toBe(before)
      expect(await getSession(portico, browser)).toEqual({ active: false })
    },
  )

  test('that comes again gets a token for that key only', async () => {
    const browser = createTestBrowser()
    const parameters = await begin(browser, toQuery(key))
    expect((await forward(browser, parameters, await prove('/api/callback', key))).status).toBe(200)
    const again = await forward(browser, parameters, await prove('/api/callback', key))
    expect(await readBinding(again)).toBe(key.thumbprint)
    expect(await readRefusal(await forward(browser, parameters, undefined))).toBe('400 invalid_dpop_proof')
    const stolen = await forward(browser, parameters, await prove('/api/callback', other))
    expect(await readRefusal(stolen)).toBe('401 dpop_key_mismatch')
    expect((await getSession(portico, browser)).active).toBe(true)
  })
})

test.each(['short', `${'a'.repeat(42)}!`, 'a'.repeat(44), ''])(
  'dpop_jkt that is no thumbprint (%j): 400',
  async (jkt) => {
    const response = await createTestBrowser().fetch(`${portico.url}/api/login?dpop_jkt=${jkt}`)
    expect(await readRefusal(response)).toBe('400 invalid_request')
  },
)

test('a session without dpop_jkt gets a token for any key, or for none', async () => {
  const browser = createTestBrowser()
  expect((await forward(browser, await begin(browser, ''), undefined)).status).toBe(200)
  for (const one of [key, other]) {
    expect(await readBinding(await askToken(browser, await prove('/api/token', one)))).toBe(one.thumbprint)
  }
  expect(await (await askToken(browser, undefined)).json()).toMatchObject({ token_type: 'Bearer' })
})

const startWith = async (mode: string) =>
  closeAfterTest(await startPortico({ issuer: idp.issuer, env: { APP_TOKEN_BINDING: mode } }))

test('APP_TOKEN_BINDING=none: tokens are Bearer, whatever the DPoP header holds', async () => {
  const at = await startWith('none')
  const browser = createTestBrowser()
  const signedIn = await forward(browser, await begin(browser, toQuery(key), at), 'junk', at)
  const { token_type: first, session } = (await signedIn.json()) as TokenAnswer & { session: { id: string } }
  expect(first).toBe('Bearer')
  // The setting may change while the session lives, and it must not be bound then.
  expect((await at.store.read(session.id))?.identity.login.browserJkt).toBeUndefined()
  for (const proof of [undefined, 'junk', await prove('/api/token', other, at)]) {
    const response = await askToken(browser, proof, at)
    const { token, token_type: type } = (await response.json()) as TokenAnswer
    expect([type, decodeJwt(token).cnf]).toEqual(['Bearer', undefined])
  }
  const metadata = await fetch(`${at.url}/.well-known/oauth-authorization-server`)
  expect(await metadata.json()).not.toHaveProperty('dpop_signing_alg_values_supported')
})

describe('APP_TOKEN_BINDING=required', () => {
  test('a call without a proof is refused, before the code is spent', async () => {
    const at = await startWith('required')
    const browser = createTestBrowser()
    const parameters = await begin(browser, toQuery(key), at)
    expect(await readRefusal(await forward(browser, parameters, undefined, at))).toBe(
      '400 invalid_dpop_proof',
    )
    const proof = await prove('/api/callback', key, at)
    expect(await readBinding(await forward(browser, parameters, proof, at))).toBe(key.thumbprint)
    expect(await readRefusal(await askToken(browser, undefined, at))).toBe('400 invalid_dpop_proof')
    const token = await askToken(browser, await prove('/api/token', key, at), at)
    expect(await readBinding(token)).toBe(key.thumbprint)
  })

  test('a navigation to the callback needs no proof', async () => {
    const at = await startWith('required')
    const browser = createTestBrowser()
    const parameters = await begin(browser, toQuery(key), at)
    expect((await browser.visit(`${at.url}/api/callback?${parameters}`)).status).toBe(303)
    expect((await askToken(browser, await prove('/api/token', key, at), at)).status).toBe(200)
  })

  test('a login by fetch names its key', async () => {
    const at = await startWith('required')
    const response = await createTestBrowser().fetch(`${at.url}/api/login`)
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({
      code: 'invalid_request',
      detail: expect.stringContaining('dpop_jkt'),
    })
  })

  test('a link cannot know the key: it signs in, and the app signs in once more for a token', async () => {
    const at = await startWith('required')
    const browser = createTestBrowser()
    const begun = await browser.visit(`${at.url}/api/login`)
    const parameters = idp.authorize(begun.headers.get('location') ?? '')
    expect((await browser.visit(`${at.url}/api/callback?${parameters}`)).status).toBe(303)
    const refused = await askToken(browser, await prove('/api/token', key, at), at)
    expect(await readRefusal(refused)).toBe('401 dpop_key_mismatch')
    const again = await begin(browser, toQuery(key), at)
    expect((await forward(browser, again, await prove('/api/callback', key, at), at)).status).toBe(200)
  })

  test('where the app forwards the code of such a link, the code is not spent', async () => {
    const at = await startWith('required')
    const browser = createTestBrowser()
    const begun = await browser.visit(`${at.url}/api/login`)
    const parameters = idp.authorize(begun.headers.get('location') ?? '')
    const before = idp.calls.token
    const refused = await forward(browser, parameters, await prove('/api/callback', key, at), at)
    expect(await readRefusal(refused)).toBe('401 dpop_key_mismatch')
    expect(idp.calls.token).toBe(before)
  })
})

describe('two replicas on one Redis', () => {
  let redis: TestRedis
  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(() => redis.close())

  test('keep the binding, and take a proof once (R83)', async () => {
    const secret = testSecret()
    const clock = createTestClock()
    const startReplica = async () => {
      const connection = await connectRedis(redis.url)
      const secrets = [Buffer.from(secret, 'base64url')]
      const lifetimes = { idleTimeout: minutes(30), absoluteTimeout: hours(12) }
      const store = createRedisStore({ connection, secrets, lifetimes, clock, log: () => {} })
      const env = { BFF_SECRETS: secret }
      return closeAfterTest(await startPortico({ issuer: idp.issuer, env, replaced: { clock, store } }))
    }
    const [a, b] = [await startReplica(), await startReplica()]
    const browser = createTestBrowser()
    const parameters = await begin(browser, toQuery(key), a)
    for (const [name, value] of browser.cookies(a.url)) browser.setCookie(b.url, name, value)
    const signedIn = await forward(browser, parameters, await prove('/api/callback', key), b)
    expect(signedIn.status).toBe(200)
    for (const [name, value] of browser.cookies(b.url)) browser.setCookie(a.url, name, value)
    expect(await readRefusal(await askToken(browser, await prove('/api/token', other), a))).toBe(
      '401 dpop_key_mismatch',
    )
    const proof = await prove('/api/token', key)
    expect((await askToken(browser, proof, a)).status).toBe(200)
    expect(await readRefusal(await askToken(browser, proof, b))).toBe('400 invalid_dpop_proof')
  })
})
