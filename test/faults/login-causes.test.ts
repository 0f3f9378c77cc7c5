import type { JWTPayload } from 'jose'
import { describe, expect } from 'vitest'
import { createTestBrowser, type TestBrowser } from '../support/browser.ts'
import { minutes } from '../support/clock.ts'
import { createDpopKey } from '../support/dpop.ts'
import { explainFrom, readShownId } from '../support/explained.ts'
import { closeAfterTest, idp, providerPerFile } from '../support/fixtures.ts'
import { logInAtOkta, logInAtScripted, startLogin } from '../support/login.ts'
import { publicUrl, startPortico, type TestPortico } from '../support/portico.ts'
import { startOkta } from '../support/providers/okta.ts'
import { createProviderKey, type ProviderScript } from '../support/providers/scripted-provider.ts'
import { startRedis } from '../support/redis/start-redis.ts'

/**
 * The story of a login names its cause and the remedy, by the id that the user sees (docs/troubleshooting.md).
 * Every failure here is a real one: of a real server, at a provider that really answers like that.
 */

const test = providerPerFile()

/** What goes wrong, and what the story says of it. */
interface Planted {
  name: string
  env?: Record<string, string | undefined>
  script?: ProviderScript | (() => Promise<ProviderScript>)
  query?: string
  /** Makes the login fail, and returns the answer that the user gets; by default, a login at the provider. */
  fail?: (portico: TestPortico, browser: TestBrowser) => Promise<Response>
  cause: string
  remedy: string
}

const withClaims = (changes: JWTPayload): ProviderScript => ({
  idTokenClaims: (claims) => ({ ...claims, ...changes }),
})
const now = () => Math.floor(Date.now() / 1000)
const callback = (portico: TestPortico, browser: TestBrowser, query: string) =>
  browser.fetch(`${portico.url}/api/callback?${query}`)
/** The provider sends the user back with an error, as it does at its authorization endpoint. */
const refuse =
  (error: string, description = '', query = '') =>
  async (portico: TestPortico, browser: TestBrowser) => {
    const state = new URL(await startLogin(portico, browser, query)).searchParams.get('state') ?? ''
    const answer = new URLSearchParams({ state, error, error_description: description })
    return callback(portico, browser, `${answer}`)
  }
const answerToken =
  (status: number, body: object): NonNullable<ProviderScript['tokenEndpoint']> =>
  (_req, res) =>
    void res.status(status).json(body)

/** A port that is never given out, unlike a free one, which a test beside this one may get meanwhile. */
const nowhere = 1
/** The address of a server that is down. */
const down = `http://127.0.0.1:${nowhere}`
const withMetadata = (changes: object): ProviderScript => ({
  metadata: (document) => ({ ...document, ...changes }),
})
const begin = (portico: TestPortico, browser: TestBrowser) => browser.fetch(`${portico.url}/api/login`)
const loginAndBack = async (portico: TestPortico, browser: TestBrowser, query = '') =>
  idp.authorize(await startLogin(portico, browser, query))

const atTheBrowser: Planted[] = [
  {
    name: 'the user came back too late',
    async fail(portico, browser) {
      const answer = await loginAndBack(portico, browser)
      portico.clock.advance(minutes(11))
      return callback(portico, browser, `${answer}`)
    },
    cause: 'the user came back later than ten minutes after the login was begun',
    remedy: 'let the user sign in again',
  },
  {
    name: 'cookies are blocked',
    fail: async (portico) =>
      callback(portico, createTestBrowser(), `${await loginAndBack(portico, createTestBrowser())}`),
    cause: 'the browser came back without the cookie of this login: it blocks cookies',
    remedy: 'allow cookies for the host of PUBLIC_URL',
  },
  {
    name: 'the state is that of another login',
    async fail(portico, browser) {
      const answer = await loginAndBack(portico, browser)
      answer.set('state', `${answer.get('state')?.split('.')[0]}.${'A'.repeat(43)}`)
      return callback(portico, browser, `${answer}`)
    },
    cause: 'the state in the answer is not that of the login in this browser',
    remedy: 'look where the links to the callback come from',
  },
  {
    name: 'another replica has other secrets',
    async fail(portico, browser) {
      const answer = await loginAndBack(portico, browser)
      const other = closeAfterTest(await startPortico({ issuer: idp.issuer }))
      for (const [name, value] of browser.cookies(portico.url)) browser.setCookie(other.url, name, value)
      const response = await callback(other, browser, `${answer}`)
      portico.logged.push(...other.logged)
      return response
    },
    cause: 'the cookie of this login was sealed with a secret that this replica does not have',
    remedy: 'give all replicas the same BFF_SECRETS',
  },
  {
    name: 'the callback comes again, long after it was used',
    async fail(portico, browser) {
      const answer = await loginAndBack(portico, browser)
      const [cookies, other] = [new Map(browser.cookies(portico.url)), createTestBrowser()]
      idp.script(withClaims({ nonce: 'other' }))
      await callback(portico, browser, `${answer}`)
      portico.clock.advance(minutes(1))
      for (const [name, value] of cookies) other.setCookie(portico.url, name, value)
      return callback(portico, other, `${answer}`)
    },
    cause: 'the ID token is not of this login (nonce)',
    remedy: 'let the user sign in again',
  },
  {
    name: 'the answer comes from another provider',
    script: withMetadata({ authorization_response_iss_parameter_supported: true }),
    fail: async (portico, browser) =>
      callback(portico, browser, `${await loginAndBack(portico, browser)}&iss=https%3A%2F%2Fevil.example`),
    cause: 'the answer did not come from the provider with which the login was begun',
    remedy: 'register at each provider only its own redirect URI',
  },
  {
    name: 'the answer has no signature',
    env: { OIDC_RESPONSE_MODE: 'jwt' },
    fail: async (portico, browser) => callback(portico, browser, `${await loginAndBack(portico, browser)}`),
    cause: 'the answer is not signed, although OIDC_RESPONSE_MODE asks for that',
    remedy: 'let the provider sign its answers to this client',
  },
  {
    name: 'the browser has another key',
    async fail(portico, browser) {
      const [first, second] = [await createDpopKey(), await createDpopKey()]
      const answer = await loginAndBack(portico, browser, `?dpop_jkt=${first.thumbprint}`)
      const proof = await second.prove({ method: 'GET', url: `${publicUrl}/api/callback` })
      return browser.fetch(`${portico.url}/api/callback?${answer}`, { headers: { dpop: proof } })
    },
    cause: 'the browser proved another key than the one that the login was begun with',
    remedy: 'let the user sign in again',
  },
  {
    name: 'a tile names another issuer',
    fail: (portico, browser) => browser.fetch(`${portico.url}/api/login?iss=https://acme.okta.com/oauth2/x`),
    cause: 'the page that sent the user here, such as a tile of a dashboard, named another issuer',
    remedy: 'compare OIDC_ISSUER with the issuer that the page sends (iss is at https://acme.okta.com)',
  },
  {
    name: 'a rate limit',
    env: { RATE_LIMIT_LOGIN: '1/1m' },
    async fail(portico, browser) {
      await begin(portico, browser)
      return begin(portico, browser)
    },
    cause: 'too many requests came from the IP address of the user',
    remedy: 'set TRUST_PROXY',
  },
]

const byTheProvider: Planted[] = [
  {
    name: 'the user cancels',
    fail: refuse('access_denied', 'User is not assigned to the client application.'),
    cause: 'the user cancelled at the provider, or the provider does not let this user use the app',
    remedy: 'assign the user or a group of the user to the app at the provider',
  },
  {
    name: 'login_required',
    fail: refuse('login_required', '', '?prompt=none'),
    cause: 'a login without interaction (prompt=none) found no session of the user at the provider',
    remedy: 'let the app begin a login without prompt=none',
  },
  {
    name: 'consent_required',
    fail: refuse('consent_required', '', '?prompt=none'),
    cause: 'needs the consent of the user',
    remedy: 'let an administrator consent at the provider',
  },
  {
    name: 'interaction_required',
    fail: refuse('interaction_required', '', '?prompt=none'),
    cause: 'needs a step that the user has to take at the provider',
    remedy: 'let the app begin a login without prompt=none',
  },
  {
    name: 'a scope that it does not grant',
    fail: refuse('invalid_scope', 'One or more scopes are not configured for the authorization server.'),
    cause: 'the provider does not grant a scope that was asked for',
    remedy: 'define the scope at the provider for this client, or drop it from OIDC_SCOPES',
  },
  {
    name: 'PKCE is missing',
    env: { OIDC_PKCE: 'off' },
    fail: refuse(
      'invalid_request',
      'PKCE code challenge is required when the token endpoint auth method is none',
    ),
    cause: 'the provider refuses the proof of the code (PKCE)',
    remedy: 'set OIDC_PKCE=on',
  },
  {
    name: 'a redirect URI that it does not know, of a pushed request',
    script: {
      metadata: (document) => ({
        ...document,
        pushed_authorization_request_endpoint: document.token_endpoint,
      }),
      tokenEndpoint: answerToken(400, {
        error: 'invalid_request',
        error_description: 'redirect_uri is not registered',
      }),
    },
    fail: begin,
    cause: 'the provider does not know our redirect URI',
    remedy: 'register exactly this URI for the client at the provider, or correct OIDC_REDIRECT_URI',
  },
  {
    name: 'a code that was used before',
    async fail(portico, browser) {
      const answer = await loginAndBack(portico, browser)
      answer.set('code', 'used')
      return callback(portico, browser, `${answer}`)
    },
    cause: 'the provider no longer accepts the code',
    remedy: 'compare redirect URI and client with those at the provider',
  },
  {
    name: 'a weaker sign-in than the app demanded',
    script: withClaims({ acr: 'urn:weak' }),
    query: '?acr_values=urn:strong',
    cause: 'the provider signed the user in, but not as strongly or as freshly as the app demanded',
    remedy: 'let the provider ask for what the app demands',
  },
  {
    name: 'an older sign-in than the app demanded',
    script: withClaims({ auth_time: now() - 600 }),
    query: '?max_age=300',
    cause: 'not as strongly or as freshly as the app demanded',
    remedy: 'let the provider ask for what the app demands',
  },
]

const outages: Planted[] = [
  {
    name: 'the provider is down, before the login',
    env: { OIDC_ISSUER: `${down}/oauth2/default` },
    fail: begin,
    cause: 'the provider cannot be reached',
    remedy: 'correct host and port; is the provider running?',
  },
  {
    name: 'the provider is down, during the login',
    script: withMetadata({ token_endpoint: `${down}/token` }),
    cause: 'the provider cannot be reached',
    remedy: 'correct host and port; is the provider running?',
  },
  {
    name: 'the provider has an error of its own',
    script: { tokenEndpoint: answerToken(503, {}) },
    cause: 'the provider cannot be reached, or gives no usable answer',
    remedy: 'the provider has an internal error: check its logs',
  },
  {
    name: 'the provider is slow',
    env: { OIDC_TIMEOUT: '1s' },
    script: { tokenEndpoint: () => {} },
    cause: 'the provider did not answer in time',
    remedy: 'check the firewall and the proxy between this machine and the provider, or raise OIDC_TIMEOUT',
  },
  {
    name: 'the calls before had failed (breaker open)',
    script: withMetadata({ pushed_authorization_request_endpoint: `${down}/par` }),
    async fail(portico, browser) {
      await begin(portico, browser)
      return begin(portico, browser)
    },
    cause: 'the calls of the provider before this one had failed, so that no other was made',
    remedy: 'look why those failed',
  },
  {
    name: 'the provider gets too many calls',
    script: { tokenEndpoint: (_req, res) => void res.status(429).set('retry-after', '7').end() },
    cause: 'the provider answered that it got too many calls',
    remedy: 'wait as long as the provider asks (Retry-After)',
  },
  {
    name: 'the keys of the provider cannot be fetched',
    script: withMetadata({ jwks_uri: `${down}/keys` }),
    cause: 'the keys of the provider cannot be fetched',
    remedy: 'correct host and port; is the provider running?',
  },
  {
    name: 'the provider publishes no keys',
    script: { jwks: () => ({ keys: [] }) },
    cause: 'the keys of the provider cannot be fetched',
    remedy: 'the provider has to publish its signing keys',
  },
]

const tokens: Planted[] = [
  {
    name: 'another key signed the ID token (unknown kid)',
    script: async () => ({ key: await createProviderKey('unknown') }),
    cause: 'the ID token is not signed by a key that the provider publishes',
    remedy: 'the provider has to publish its signing keys',
  },
  {
    name: 'the signature of the ID token is wrong',
    script: { idToken: (token) => `${token.slice(0, -6)}${token.endsWith('AAAAAA') ? 'BBBBBB' : 'AAAAAA'}` },
    cause: 'the ID token is not signed by a key that the provider publishes',
    remedy: 'OIDC_ISSUER has to be the server that signs',
  },
  {
    name: 'another algorithm signed the ID token',
    env: { OIDC_ID_TOKEN_ALG: 'ES256' },
    script: withMetadata({ id_token_signing_alg_values_supported: undefined }),
    cause: 'the ID token is signed with another algorithm than OIDC_ID_TOKEN_ALG',
    remedy: 'set OIDC_ID_TOKEN_ALG to the algorithm of the ID tokens',
  },
  {
    name: 'the ID token is for another client',
    script: withClaims({ aud: 'other' }),
    cause: 'the ID token was made for another client',
    remedy: 'set OIDC_CLIENT_ID to the client of the application at the provider',
  },
  {
    name: 'the ID token is for another client as well',
    script: withClaims({ aud: ['portico-test', 'other'] }),
    cause: 'the ID token names an audience beside this client',
    remedy: 'set OIDC_TRUSTED_AUDIENCES to that audience',
  },
  {
    name: 'the ID token is of another issuer',
    script: withClaims({ iss: 'https://other.example' }),
    cause: 'the ID token is of another issuer than OIDC_ISSUER',
    remedy: 'set OIDC_ISSUER to the issuer that the provider writes into its tokens',
  },
  ...[
    ['exp', withClaims({ exp: now() - 120 })],
    ['iat', withClaims({ iat: now() + 120 })],
    ['nbf', withClaims({ nbf: now() + 120 })],
    ['auth_time', withClaims({ auth_time: now() + 120 })],
  ].map(([claim, script]) => ({
    name: `the clocks differ (${String(claim)})`,
    script: script as ProviderScript,
    cause: 'the clocks of this machine and of the provider differ too much',
    remedy: 'let this machine follow NTP, or raise OIDC_CLOCK_TOLERANCE',
  })),
  {
    name: 'the ID token has the nonce of another login',
    script: withClaims({ nonce: 'other' }),
    cause: 'the ID token is not of this login (nonce)',
    remedy: 'the provider has to return the nonce',
  },
  {
    name: 'there is no ID token',
    script: { tokenResponse: (body) => ({ ...body, id_token: undefined }) },
    cause: 'the provider sent no ID token',
    remedy: 'put openid into OIDC_SCOPES',
  },
  {
    name: 'the access token is for another API',
    script: {
      accessTokenClaims: (claims) => ({ ...claims, aud: 'api://other' }),
      ...withClaims({ at_hash: undefined }),
    },
    cause: 'the access token does not verify as a JWT for OIDC_ACCESS_TOKEN_AUDIENCE',
    remedy: 'correct OIDC_ACCESS_TOKEN_AUDIENCE, or set OIDC_ACCESS_TOKEN=opaque',
  },
  {
    name: 'userinfo is about another user',
    script: { ...withClaims({ email: undefined }), userinfo: (claims) => ({ ...claims, sub: 'other' }) },
    cause: 'userinfo is about another user than the ID token',
    remedy: 'the provider has to fix it',
  },
]

const planted = [...atTheBrowser, ...byTheProvider, ...outages, ...tokens]

/** Checks the story of an id: its cause, and its remedy. */
async function expectStory(
  portico: Pick<TestPortico, 'logged'>,
  id: string,
  { cause, remedy }: Pick<Planted, 'cause' | 'remedy'>,
): Promise<string> {
  const text = await explainFrom(portico, id)
  if (process.env.PRINT_FIGURES !== undefined) process.stdout.write(`${text}\n`)
  expect(text.match(/^Cause: .*$/gm)).toEqual([expect.stringContaining(cause)])
  expect(text.match(/^Remedy: .*$/gm)).toEqual([expect.stringContaining(remedy)])
  return text
}

describe('the story of a login says why it failed, and what to do', () => {
  test.for(planted)('$name', async ({ env = {}, script = {}, query = '', fail, ...expected }) => {
    idp.script(typeof script === 'function' ? await script() : script)
    const portico = closeAfterTest(await startPortico({ issuer: idp.issuer, env }))
    const browser = createTestBrowser()
    const logIn = fail ?? (async () => (await logInAtScripted(portico, idp, { browser, query })).response)
    const response = await logIn(portico, browser)
    expect(response.status).toBeGreaterThanOrEqual(400)
    await expectStory(portico, await readShownId(response), expected)
  })
})

describe('at a provider of another maker (oidc-provider)', () => {
  test('a wrong client secret', async () => {
    const okta = closeAfterTest(await startOkta())
    const env = { OIDC_CLIENT_SECRET: 'another-client-secret' }
    const portico = closeAfterTest(await startPortico({ issuer: okta.issuer, env }))
    const { response } = await logInAtOkta(portico)
    await expectStory(portico, await readShownId(response), {
      cause: 'the provider does not recognise this client',
      remedy: 'copy OIDC_CLIENT_ID and OIDC_CLIENT_SECRET again from the console of the provider',
    })
  })

  test('a redirect URI that is not registered: the provider shows that itself, and the user never comes back', async () => {
    const okta = closeAfterTest(await startOkta())
    const env = { OIDC_REDIRECT_URI: `${publicUrl}/not-registered` }
    const portico = closeAfterTest(await startPortico({ issuer: okta.issuer, env }))
    const browser = createTestBrowser()
    expect((await browser.visit(await startLogin(portico, browser))).status).toBe(400)
    const login = portico.logged.find(({ event }) => event === 'login_started')?.login as string
    const expected = {
      cause: 'the user has not come back from the provider: the user gave up or is still there',
      remedy: 'register exactly this URI for the client at the provider, or correct OIDC_REDIRECT_URI',
    }
    expect(await expectStory(portico, login, expected)).toContain('has not come back so far')
    // The log goes on, with what others do.
    portico.logged.push({
      level: 'info',
      event: 'login_started',
      time: new Date(Date.now() + minutes(11)).toISOString(),
    })
    expect(await expectStory(portico, login, expected)).toContain('never came back, and has expired')
  })
})

describe('Redis', () => {
  const redisIs = (url: string) => ({
    issuer: idp.issuer,
    env: { REDIS_URL: url },
    replaced: { store: undefined as never },
  })

  test('is down', async () => {
    const portico = closeAfterTest(await startPortico(redisIs(`redis://127.0.0.1:${nowhere}`)))
    const browser = createTestBrowser()
    const response = await callback(portico, browser, `${await loginAndBack(portico, browser)}`)
    await expectStory(portico, await readShownId(response), {
      cause: 'Redis does not answer, or takes no writes: no user can sign in',
      remedy: 'start Redis, or correct host and port in REDIS_URL',
    })
  })

  test('has no memory left', async () => {
    const redis = closeAfterTest(await startRedis())
    const portico = closeAfterTest(await startPortico(redisIs(redis.url)))
    await expect.poll(async () => (await fetch(`${portico.url}/readyz`)).status).toBe(200)
    await redis.command('CONFIG', 'SET', 'maxmemory', '1')
    const { response } = await logInAtScripted(portico, idp)
    await expectStory(portico, await readShownId(response), {
      cause: 'Redis does not answer, or takes no writes: no user can sign in',
      remedy: 'give Redis more memory',
    })
  })
})

test('a login that succeeds has a story without a cause, also where its callback comes again', async () => {
  const portico = closeAfterTest(await startPortico({ issuer: idp.issuer }))
  const { browser, parameters } = await logInAtScripted(portico, idp)
  await callback(portico, browser, `${parameters}`)
  const text = await explainFrom(portico, parameters.get('state')?.split('.')[0] ?? '')
  expect(text).toMatch(/^Login .* at default, begun .*, succeeded\.$/m)
  expect(text).toContain('the user was signed in')
  expect(text).toContain('the callback came again, and got the session of the first one')
  expect(text).not.toContain('Cause:')
})

test('a callback that a rate limit refuses is a part of its login: the user has come back', async () => {
  const env = { RATE_LIMIT_LOGIN: '3/1m' }
  const portico = closeAfterTest(await startPortico({ issuer: idp.issuer, env }))
  const browser = createTestBrowser()
  const [first, last] = [await loginAndBack(portico, browser), await loginAndBack(portico, browser)]
  for (let count = 0; count < 3; count += 1) await callback(portico, browser, `${first}`)
  await callback(portico, browser, `${last}`)
  await expectStory(portico, last.get('state')?.split('.')[0] ?? '', {
    cause: 'too many requests came from the IP address of the user',
    remedy: 'raise RATE_LIMIT_LOGIN or RATE_LIMIT_API if many users share one address',
  })
})

test('a callback by POST is a part of its login as well', async () => {
  const portico = closeAfterTest(await startPortico({ issuer: idp.issuer }))
  const browser = createTestBrowser()
  const state = new URL(await startLogin(portico, browser)).searchParams.get('state') ?? ''
  await browser.fetch(`${portico.url}/api/callback`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ state, error: 'access_denied' }),
  })
  await expectStory(portico, state.split('.')[0] ?? '', {
    cause: 'the user cancelled at the provider',
    remedy: 'assign the user',
  })
})
