import type { RequestHandler } from 'express'
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose'
import { describe, expect, test } from 'vitest'
import { createDemoClient } from '../../../demo/provider/clients.ts'
import { messageSigning } from '../../../demo/provider/variants.ts'
import { createTestBrowser, type TestBrowser } from '../../support/browser.ts'
import { hours } from '../../support/clock.ts'
import { getSession, logInAtOkta, readRefusal, startLogin } from '../../support/login.ts'
import type { TestPortico } from '../../support/portico.ts'
import { ada } from '../../support/providers/okta.ts'
import { startRecordedProvider } from '../../support/providers/recorded-provider.ts'

/** FAPI 2.0 Message Signing, at a provider that refuses what is not signed and signs what it answers. */

const isPush = ({ path }: { path: string }) => path.endsWith('/par')

/** Verifies a request object with the keys that Portico publishes, as a provider does (RFC 9101 6). */
async function verifyRequest(portico: TestPortico, request: string, issuer: string | undefined) {
  const published = await fetch(`${portico.url}/.well-known/client-jwks.json`)
  return jwtVerify(request, createLocalJWKSet((await published.json()) as JSONWebKeySet), {
    typ: 'oauth-authz-req+jwt',
    issuer: 'portico-demo',
    audience: issuer ?? '',
    requiredClaims: ['exp', 'nbf', 'iat', 'jti'],
    currentDate: new Date(portico.clock.now()),
  })
}

describe('a provider that demands signed requests and signed answers', () => {
  test.each(['ES256', 'RS256', 'EdDSA'] as const)(
    'with a key for %s: the pushed request is a request object alone, the answer a JWT alone',
    async (alg) => {
      const { calls, idp, portico } = await startRecordedProvider({
        variant: 'message-signing',
        auth: `private_key_jwt ${alg}`,
      })
      const { callback, response, answer } = await logInAtOkta(portico)
      expect([response.status, answer.user.sub]).toEqual([200, ada.sub])
      expect([...callback.searchParams.keys()]).toEqual(['response'])
      const { body = {} } = calls.find(isPush) ?? {}
      expect(Object.keys(body).sort()).toEqual([
        'client_assertion',
        'client_assertion_type',
        'client_id',
        'request',
      ])
      const { protectedHeader, payload } = await verifyRequest(
        portico,
        body.request ?? '',
        idp.env.OIDC_ISSUER,
      )
      expect(protectedHeader).toEqual({ alg, kid: 'portico-demo-1', typ: 'oauth-authz-req+jwt' })
      expect(Number(payload.exp) - Number(payload.nbf)).toBe(300)
      expect(payload).toMatchObject({
        client_id: 'portico-demo',
        response_type: 'code',
        response_mode: 'jwt',
        redirect_uri: 'https://localhost:1/api/callback',
        state: expect.any(String),
        nonce: expect.any(String),
        code_challenge_method: 'S256',
        dpop_jkt: expect.any(String),
      })
    },
  )

  test('no two requests have the same jti', async () => {
    const { calls, portico } = await startRecordedProvider({
      variant: 'message-signing',
      auth: 'private_key_jwt ES256',
    })
    await startLogin(portico, createTestBrowser())
    await startLogin(portico, createTestBrowser())
    const ids = calls.filter(isPush).map(({ body }) => decodeJwt(body.request ?? '').jti)
    expect(new Set(ids).size).toBe(2)
  })

  test.each([
    ['an unsigned request', { OIDC_REQUEST_OBJECT: 'off' }, 'Request Object must be used'],
    ['a request for an unsigned answer', { OIDC_RESPONSE_MODE: 'query' }, 'must be a signed one'],
  ])('refuses %s', async (_name, env, reason) => {
    const { start } = await startRecordedProvider({
      variant: 'message-signing',
      auth: 'private_key_jwt ES256',
    })
    const portico = await start(env)
    const response = await createTestBrowser().fetch(`${portico.url}/api/login`)
    expect(await readRefusal(response)).toBe('502 provider_error')
    const failure = portico.logged.find(({ event }) => event === 'login_failed')
    expect(failure?.reason).toContain(reason)
  })

  test('a silent login without a session there goes back silently', async () => {
    const { portico } = await startRecordedProvider({
      variant: 'message-signing',
      auth: 'private_key_jwt ES256',
    })
    const browser = createTestBrowser()
    const answered = await browser.visit(await startLogin(portico, browser, '?prompt=none&return_to=/x'))
    const { search } = new URL(answered.headers.get('location') ?? '')
    expect(search).toMatch(/^\?response=/)
    const response = await browser.visit(`${portico.url}/api/callback${search}`)
    expect([response.status, response.headers.get('location')]).toEqual([303, '/x'])
  })

  test('form_post.jwt: the page of the provider posts the answer', async () => {
    const { start } = await startRecordedProvider({
      variant: 'message-signing',
      auth: 'private_key_jwt ES256',
    })
    const portico = await start({ OIDC_RESPONSE_MODE: 'form_post.jwt' })
    const browser = createTestBrowser()
    const page = await signInUpToPage(browser, await startLogin(portico, browser))
    const jwt = /name="response" value="([^"]+)"/.exec(page)?.[1] ?? ''
    const post = (path: string, site: string) =>
      browser.visit(`${portico.url}${path}`, {
        method: 'POST',
        body: new URLSearchParams({ response: jwt }),
        headers: { 'sec-fetch-site': site },
      })
    // Without the cookie of the login: a page of this site posts it once more.
    const again = await (await post('/api/callback', 'cross-site')).text()
    expect(again).toContain(`name="response" value="${jwt}"`)
    expect(again).toContain('action="/api/callback?again=1"')
    expect((await post('/api/callback?again=1', 'same-origin')).status).toBe(200)
    expect((await getSession(portico, browser)).active).toBe(true)
  })
})

/** Signs in; returns the provider's page that would post its answer. */
async function signInUpToPage(browser: TestBrowser, loginUrl: string): Promise<string> {
  const follow = (response: Response, from: string) =>
    new URL(response.headers.get('location') ?? '', from).href
  const page = follow(await browser.visit(loginUrl), loginUrl)
  const body = new URLSearchParams({ login: ada.login, password: ada.password })
  return (await browser.visit(follow(await browser.visit(page, { method: 'POST', body }), page))).text()
}

describe('a provider without pushed requests, and a client that authenticates by its secret', () => {
  /** The key is for requests alone. */
  async function startWithSecret(before?: RequestHandler) {
    const { metadata, settings } = await createDemoClient('private_key_jwt ES256', [])
    return startRecordedProvider(
      {
        auth: 'client_secret_basic',
        client: { jwks: metadata.jwks ?? { keys: [] }, request_object_signing_alg: 'ES256' },
        provider: { par: before !== undefined, more: { features: messageSigning } },
        ...(before && { before }),
      },
      {
        OIDC_CLIENT_AUTH: undefined,
        OIDC_CLIENT_KEY: settings.OIDC_CLIENT_KEY,
        OIDC_REQUEST_OBJECT: 'signed',
        OIDC_RESPONSE_MODE: 'query.jwt',
      },
    )
  }

  test('the browser carries the request object, which has all parameters, and the key is published', async () => {
    const { calls, idp, start } = await startWithSecret()
    const portico = await start({
      OIDC_AUTHORIZATION_PARAMS: 'resource=urn:a&resource=urn:b&claims=%7B%22userinfo%22%3A%7B%7D%7D',
    })
    const query = '?login_hint=ada%40example.com&max_age=300&ui_locales=fr'
    const { searchParams } = new URL(await startLogin(portico, createTestBrowser(), query))
    expect([...searchParams.keys()]).toEqual(['client_id', 'response_type', 'scope', 'request'])
    const { payload } = await verifyRequest(portico, searchParams.get('request') ?? '', idp.env.OIDC_ISSUER)
    expect(payload).toMatchObject({
      scope: searchParams.get('scope'),
      resource: ['urn:a', 'urn:b'],
      claims: { userinfo: {} },
      login_hint: 'ada@example.com',
      max_age: 300,
      ui_locales: 'fr',
    })
    const other = await start()
    expect((await logInAtOkta(other)).response.status).toBe(200)
    const exchange = calls.find(({ path }) => path.endsWith('/token'))
    expect([exchange?.authorization?.startsWith('Basic '), exchange?.body.client_assertion]).toEqual([
      true,
      undefined,
    ])
  })

  test('is dated by the clock of this server', async () => {
    const { portico } = await startWithSecret()
    portico.clock.advance(hours(5))
    const { searchParams } = new URL(await startLogin(portico, createTestBrowser()))
    const request = searchParams.get('request') ?? ''
    const now = Math.floor(portico.clock.now() / 1000)
    expect(decodeJwt(request)).toMatchObject({ iat: now, nbf: now, exp: now + 300 })
    expect(decodeProtectedHeader(request).alg).toBe('ES256')
  })

  test('pushed requests that are announced and not taken: the signed one goes through the browser', async () => {
    const { portico } = await startWithSecret((req, res, next) =>
      isPush(req) ? void res.status(404).end() : next(),
    )
    const { searchParams } = new URL(await startLogin(portico, createTestBrowser()))
    expect([...searchParams.keys()]).toEqual(['client_id', 'response_type', 'scope', 'request'])
    expect((await logInAtOkta(portico)).response.status).toBe(200)
  })

  test('what a provider repeats of a request object is not logged', async () => {
    const { calls, portico } = await startWithSecret((req, res, next) => {
      if (!isPush(req)) return next()
      const { request } = req.body as { request: string }
      res.status(400).json({ error: 'invalid_request_object', error_description: `bad: ${request}` })
    })
    const response = await createTestBrowser().fetch(`${portico.url}/api/login`)
    expect(await readRefusal(response)).toBe('502 provider_error')
    const { request = '' } = calls.find(isPush)?.body ?? {}
    const failure = portico.logged.find(({ event }) => event === 'login_failed')
    expect(failure?.reason).toContain('invalid_request_object')
    expect(JSON.stringify(portico.logged)).not.toContain(request.slice(0, 40))
  })
})
