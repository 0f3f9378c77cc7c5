import express, { type RequestHandler } from 'express'
import { decodeJwt } from 'jose'
import { describe, expect } from 'vitest'
import { systemClock } from '../../../src/clock.ts'
import { examine } from '../../../src/doctor/doctor.ts'
import { createTestBrowser, type TestBrowser } from '../../support/browser.ts'
import { hours, seconds } from '../../support/clock.ts'
import { closeAfterTest, idp, providerPerFile, writeProvidersFile } from '../../support/fixtures.ts'
import {
  csrf,
  getSession,
  type LoginAnswer,
  logInAtScripted,
  readRefusal,
  startLogin,
} from '../../support/login.ts'
import { startPortico, type TestPortico } from '../../support/portico.ts'
import { type DemoProviderSetup, startDemoProvider } from '../../support/providers/demo-provider.ts'
import { startOAuth2Provider } from '../../support/providers/oauth2-provider.ts'
import { signInAtOkta } from '../../support/providers/okta.ts'

/** OIDC_AUTHORIZATION_PARAMS: what arrives at the authorization endpoint, at the token endpoint and at the refresh. */

const test = providerPerFile()

async function start(params: string, env: Record<string, string> = {}): Promise<TestPortico> {
  const more = { OIDC_AUTHORIZATION_PARAMS: params, ...env }
  const portico = closeAfterTest(await startPortico({ issuer: idp.issuer, env: more }))
  idp.follow(portico.clock)
  return portico
}

const post = (portico: TestPortico, browser: TestBrowser, path = 'token') =>
  browser.fetch(`${portico.url}/api/${path}`, { method: 'POST', headers: csrf })

/** What the browser is sent to the provider with. */
async function readRequest(portico: TestPortico, query = ''): Promise<URLSearchParams> {
  return new URL(await startLogin(portico, createTestBrowser(), query)).searchParams
}

/** Every name of the request is there once, but for `resource`. */
function assertNamesOnce(parameters: URLSearchParams): void {
  const names = [...parameters.keys()].filter((name) => name !== 'resource')
  expect(names).toEqual([...new Set(names)])
}

describe('at the authorization endpoint', () => {
  test.each([
    ['access_type=offline&prompt=consent', { access_type: 'offline', prompt: 'consent' }],
    ['audience=https%3A%2F%2Fapi.example.com', { audience: 'https://api.example.com' }],
    ['kc_idp_hint=corporate&x=a%26b%3Dc+d', { kc_idp_hint: 'corporate', x: 'a&b=c d' }],
    ['claims=%7B%22userinfo%22%3A%7B%7D%7D', { claims: '{"userinfo":{}}' }],
  ])('%s arrives decoded, beside all that a login has', async (params, expected) => {
    const parameters = await readRequest(await start(params))
    expect(Object.fromEntries(parameters)).toEqual({
      ...expected,
      client_id: 'portico-test',
      response_type: 'code',
      redirect_uri: 'https://app.example.com/api/callback',
      scope: 'openid profile email groups offline_access orders:read orders:write',
      state: expect.any(String),
      nonce: expect.any(String),
      code_challenge: expect.any(String),
      code_challenge_method: 'S256',
    })
    assertNamesOnce(parameters)
  })

  test('several resources arrive, in their order (RFC 8707 2.1)', async () => {
    const parameters = await readRequest(await start('resource=urn:a:1&x=y&resource=https://b.example/'))
    expect(parameters.getAll('resource')).toEqual(['urn:a:1', 'https://b.example/'])
  })

  test.each([
    ['prompt=consent', '?prompt=none', { prompt: 'none' }],
    ['prompt=consent', '?prompt=login', { prompt: 'login' }],
    ['prompt=consent', '?ui_locales=fr', { prompt: 'consent', ui_locales: 'fr' }],
    [
      'login_hint=a&ui_locales=de&idp=0oa1',
      '?login_hint=b',
      { login_hint: 'b', ui_locales: 'de', idp: '0oa1' },
    ],
    ['ui_locales=de&idp=0oa1', '?ui_locales=fr&idp=0oa2', { ui_locales: 'fr', idp: '0oa2' }],
  ])('%s with a login that says %s: the login wins', async (params, query, expected) => {
    const parameters = await readRequest(await start(params), query)
    expect(Object.fromEntries(parameters)).toMatchObject(expected)
    assertNamesOnce(parameters)
  })

  test('a silent login goes back silently, though prompt=consent is configured', async () => {
    const portico = await start('prompt=consent')
    const browser = createTestBrowser()
    const state = new URL(await startLogin(portico, browser, '?prompt=none&return_to=/x')).searchParams.get(
      'state',
    )
    const query = new URLSearchParams({ error: 'login_required', state: state ?? '' })
    const response = await browser.visit(`${portico.url}/api/callback?${query}`)
    expect([response.status, response.headers.get('location')]).toEqual([303, '/x'])
  })
})

describe('prompt=login of the configuration is held against the answer, as that of a login is', () => {
  const yesterday = () => {
    idp.script({
      idTokenClaims: (claims) => ({ ...claims, auth_time: Number(claims.iat) - hours(24) / 1000 }),
    })
  }

  test.each([
    ['prompt=login', ''],
    ['prompt=consent%20login', ''],
    ['prompt=login', '?ui_locales=de'],
    ['prompt=consent', '?prompt=login'],
  ])('%s with a login that says "%s": an older sign-in is refused', async (params, query) => {
    const portico = await start(params)
    yesterday()
    const { response } = await logInAtScripted(portico, idp, { query })
    expect(await readRefusal(response)).toBe('401 unmet_authentication_requirements')
    expect(portico.logged.findLast(({ event }) => event === 'login_failed')?.reason).toMatch(
      /^auth_time lies \d+ s before the login that required a new sign-in/,
    )
  })

  test.each([
    ['prompt=consent', ''],
    ['prompt=login', '?prompt=consent'],
    ['prompt=login', '?prompt=none'],
    ['prompt=login_later', ''],
  ])('%s with a login that says "%s": it is taken', async (params, query) => {
    const portico = await start(params)
    yesterday()
    expect((await logInAtScripted(portico, idp, { query })).response.status).toBe(200)
  })
})

describe('at the token endpoint', () => {
  /** The bodies of a login and of the refresh after it. */
  async function readBodies(params: string): Promise<Record<string, unknown>[]> {
    const portico = await start(params)
    const bodies: Record<string, unknown>[] = []
    idp.script({
      onTokenRequest: (body) => void bodies.push(body),
      tokenResponse: (answer) => ({ ...answer, expires_in: 60 }),
    })
    const { browser, response } = await logInAtScripted(portico, idp)
    expect(response.status).toBe(200)
    portico.clock.advance(seconds(61))
    expect((await post(portico, browser)).status).toBe(200)
    return bodies
  }

  test.each([
    ['resource=https%3A%2F%2Fa.example%2F', 'https://a.example/'],
    ['resource=urn:a:1&audience=x&resource=urn:a:2', ['urn:a:1', 'urn:a:2']],
  ])('%s is sent at the exchange and at the refresh, alone (RFC 8707 2.2)', async (params, resource) => {
    const [exchange, refresh, ...more] = await readBodies(params)
    expect(exchange).toEqual({
      grant_type: 'authorization_code',
      code: expect.any(String),
      redirect_uri: 'https://app.example.com/api/callback',
      code_verifier: expect.any(String),
      resource,
    })
    expect(refresh).toEqual({ grant_type: 'refresh_token', refresh_token: expect.any(String), resource })
    expect(more).toEqual([])
  })

  test('a provider that refreshes for no such resource: 503, the session stays', async () => {
    const portico = await start('resource=urn:a:2')
    idp.script({ tokenResponse: (answer) => ({ ...answer, expires_in: 60 }) })
    const { browser } = await logInAtScripted(portico, idp)
    idp.script({ tokenEndpoint: (_req, res) => void res.status(400).json({ error: 'invalid_target' }) })
    portico.clock.advance(seconds(61))
    expect(await readRefusal(await post(portico, browser))).toBe('503 provider_unavailable')
    expect(portico.logged.findLast(({ event }) => event === 'token_refresh_rejected')?.reason).toBe(
      'token endpoint: invalid_target',
    )
    expect((await getSession(portico, browser)).active).toBe(true)
  })

  test('nothing else of them is sent there', async () => {
    const bodies = await readBodies('access_type=offline&prompt=consent&audience=x')
    expect(bodies.map((body) => Object.keys(body).sort())).toEqual([
      ['code', 'code_verifier', 'grant_type', 'redirect_uri'],
      ['grant_type', 'refresh_token'],
    ])
  })
})

test('a plain OAuth 2.0 provider gets them as well, beside the query of its own address', async () => {
  const plain = closeAfterTest(await startOAuth2Provider())
  const env = {
    ...plain.settings,
    OAUTH_AUTHORIZATION_ENDPOINT: `${plain.origin}/authorize?tenant=t1`,
    OIDC_AUTHORIZATION_PARAMS: 'allow_signup=false&resource=urn:a:1',
  }
  const portico = closeAfterTest(await startPortico({ env }))
  const browser = createTestBrowser()
  const url = await startLogin(portico, browser)
  expect(Object.fromEntries(new URL(url).searchParams)).toMatchObject({
    tenant: 't1',
    allow_signup: 'false',
    resource: 'urn:a:1',
    client_id: 'plain',
  })
  const callback = `${portico.url}/api/callback?${plain.authorize(url)}`
  expect((await browser.fetch(callback)).status).toBe(200)
  portico.clock.advance(seconds(61))
  expect((await post(portico, browser)).status).toBe(200)
  const bodies = plain.requests.filter(({ path }) => path === '/token').map(({ body }) => body)
  expect(bodies.map((body) => [body.grant_type, body.resource])).toEqual([
    ['authorization_code', 'urn:a:1'],
    ['refresh_token', 'urn:a:1'],
  ])
})

test('of several providers, each gets its own', async () => {
  const client = {
    OIDC_ISSUER: idp.issuer,
    OIDC_CLIENT_ID: 'portico-test',
    OIDC_CLIENT_SECRET: 'test-client-secret',
  }
  const file = {
    google: { ...client, OIDC_AUTHORIZATION_PARAMS: 'access_type=offline' },
    keycloak: { ...client, OIDC_AUTHORIZATION_PARAMS: 'kc_idp_hint=corporate' },
    other: client,
  }
  const path = writeProvidersFile(file)
  const portico = closeAfterTest(await startPortico({ env: { PROVIDERS_FILE: path } }))
  const extras = async (name: string) => {
    const parameters = await readRequest(portico, `?provider=${name}`)
    return [parameters.get('access_type'), parameters.get('kc_idp_hint')]
  }
  expect(await extras('google')).toEqual(['offline', null])
  expect(await extras('keycloak')).toEqual([null, 'corporate'])
  expect(await extras('other')).toEqual([null, null])
})

describe('at a real provider', () => {
  interface Call {
    path: string
    body: Record<string, unknown>
    query: Record<string, unknown>
  }

  /** A provider of the demo that is watched, and the settings of a Portico for it. */
  async function startRecordedProvider(options: DemoProviderSetup, params: string) {
    const calls: Call[] = []
    const watch: RequestHandler = ({ path, body, query }, _res, next) => {
      calls.push({ path, body: (body ?? {}) as Record<string, unknown>, query })
      next()
    }
    const before = express.Router().use(express.urlencoded({ extended: false }), watch)
    const { env } = closeAfterTest(await startDemoProvider({ ...options, before }))
    const find = (end: string) => calls.filter(({ path }) => path.endsWith(end))
    return { find, env: { ...env, OIDC_AUTHORIZATION_PARAMS: params } }
  }

  test.each([
    ['fapi2', 'private_key_jwt ES256', 'https://api.example.com'],
    ['okta', 'client_secret_basic', 'api://default'],
  ] as const)(
    '%s, pushed: they are in the pushed request, and not in the browser',
    async (variant, auth, resource) => {
      const params = `login_hint=ada&${new URLSearchParams({ resource })}`
      const { find, env } = await startRecordedProvider(
        { variant, auth, provider: { par: true, accessTokenLifetime: 20 } },
        params,
      )
      const portico = closeAfterTest(await startPortico({ env }))
      const browser = createTestBrowser()
      const url = await startLogin(portico, browser, '?ui_locales=de')
      expect([...new URL(url).searchParams.keys()].sort()).toEqual(['client_id', 'request_uri'])
      expect(find('/par').at(-1)?.body).toMatchObject({ login_hint: 'ada', resource, ui_locales: 'de' })

      const { search } = await signInAtOkta(browser, url)
      const response = await browser.fetch(`${portico.url}/api/callback${search}`)
      expect(response.status).toBe(200)
      portico.clock.advance(seconds(21))
      expect((await post(portico, browser)).status).toBe(200)
      const grants = find('/token').map(({ body }) => [body.grant_type, body.resource])
      expect(new Set(grants.map(String))).toEqual(
        new Set([`authorization_code,${resource}`, `refresh_token,${resource}`]),
      )
      const { session } = (await response.json()) as LoginAnswer
      const stored = await portico.store.read(session.id)
      expect(decodeJwt(stored?.tokens.accessToken ?? '').aud).toBe(resource)
    },
  )

  test.each([[{ par: true }], [{ par: false }]])('the doctor tries them, with %o', async (provider) => {
    const { find, env } = await startRecordedProvider(
      { provider },
      'prompt=consent&login_hint=ada&resource=api%3A%2F%2Fdefault',
    )
    const findings = await examine(env, systemClock)
    expect(findings.filter(({ status }) => status === 'fail')).toEqual([])
    expect(findings).toContainEqual(expect.objectContaining({ check: 'redirect URI', status: 'pass' }))
    const tried = provider.par ? find('/par').at(-1)?.body : find('/authorize').at(-1)?.query
    expect(tried).toMatchObject({ prompt: 'none', login_hint: 'ada', resource: 'api://default' })
    expect(find('/token').map(({ body }) => body.resource)).toContain('api://default')
  })
})
