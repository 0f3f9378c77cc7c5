import type { RequestHandler } from 'express'
import { beforeEach, describe, expect } from 'vitest'
import { createTestBrowser, type TestBrowser } from '../../support/browser.ts'
import { hours, minutes, seconds } from '../../support/clock.ts'
import { idp, portico, serverPerTest, signIn } from '../../support/fixtures.ts'
import { csrf, getSession, readRefusal, startLogin } from '../../support/login.ts'
import { startPortico } from '../../support/portico.ts'
import { startOAuth2Provider } from '../../support/providers/oauth2-provider.ts'

/** What providers answer where a refresh does not succeed: what cannot heal ends in 401, what can heal in 503. */

const test = serverPerTest({ env: { OIDC_TIMEOUT: '1s', SESSION_IDLE_TIMEOUT: '8h' } })
let browser: TestBrowser
beforeEach(async () => {
  browser = await signIn()
  portico.clock.advance(hours(1))
})

const askToken = () => browser.fetch(`${portico.url}/api/token`, { method: 'POST', headers: csrf })
const logged = (event: string) => portico.logged.findLast((line) => line.event === event)

const json =
  (status: number, body: unknown, headers: Record<string, string> = {}): RequestHandler =>
  (_req, res) =>
    void res.status(status).set(headers).json(body)
const text =
  (status: number, type: string, body: string): RequestHandler =>
  (_req, res) =>
    void res.status(status).set('content-type', type).end(body)

const invalidGrant = { error: 'invalid_grant', error_description: 'expired' }
const form = 'error=invalid_grant&error_description=expired'

describe('a refresh that only a new sign-in can heal ends the session (R63)', () => {
  test.each<[string, RequestHandler]>([
    ...[200, 400, 401, 403, 404, 422, 429, 500, 502, 503].map((status): [string, RequestHandler] => [
      `invalid_grant with status ${status}`,
      json(status, invalidGrant),
    ]),
    ['invalid_grant as text/html', text(400, 'text/html', JSON.stringify(invalidGrant))],
    ['invalid_grant as text/plain with 500', text(500, 'text/plain', JSON.stringify(invalidGrant))],
    ['invalid_grant without a type', (_req, res) => void res.status(400).end(JSON.stringify(invalidGrant))],
    ['invalid_grant as a form', text(400, 'application/x-www-form-urlencoded', form)],
    ['invalid_grant beside a challenge', json(401, invalidGrant, { 'www-authenticate': 'Basic realm="x"' })],
    ['invalid_grant beside a token that is null', json(200, { access_token: null, error: 'invalid_grant' })],
    ['bad_refresh_token with 200 (GitHub)', json(200, { error: 'bad_refresh_token' })],
    ['invalid_refresh_token with 200 (Slack)', json(200, { ok: false, error: 'invalid_refresh_token' })],
    ['a message alone (Twitch)', json(400, { status: 400, message: 'Invalid refresh token' })],
    [
      'a message beside an error that says nothing (Twitch)',
      json(400, { error: 'Bad Request', status: 400, message: 'Invalid refresh token' }),
    ],
    ...[
      'invalid_token',
      'interaction_required',
      'login_required',
      'consent_required',
      'account_selection_required',
      'mfa_required',
      'access_denied',
    ].map((error): [string, RequestHandler] => [error, json(400, { error })]),
  ])('%s', async (_name, tokenEndpoint) => {
    idp.script({ tokenEndpoint })
    expect(await readRefusal(await askToken())).toBe('401 session_expired')
    expect(await getSession(portico, browser)).toEqual({ active: false })
    expect(String(logged('session_ended_by_provider')?.reason)).toMatch(/^token endpoint: .*\w/)
  })
})

describe('what the operator has to mend is 503, and the log says it loudly; the session stays', () => {
  test.each<[string, RequestHandler, string]>([
    ['invalid_client', json(401, { error: 'invalid_client' }), 'invalid_client: check OIDC_CLIENT_ID'],
    [
      'invalid_client with 200',
      json(200, { error: 'invalid_client' }),
      'invalid_client: check OIDC_CLIENT_ID',
    ],
    [
      'unauthorized_client',
      json(400, { error: 'unauthorized_client' }),
      'unauthorized_client: check OIDC_CLIENT_ID',
    ],
    [
      'invalid_request',
      json(400, { error: 'invalid_request', error_description: 'no scope' }),
      'invalid_request: no scope',
    ],
    [
      'invalid_request with 401',
      json(401, { error: 'invalid_request' }),
      'invalid_request: check OIDC_CLIENT_ID',
    ],
    ['invalid_scope', json(400, { error: 'invalid_scope' }), 'invalid_scope'],
    ['unsupported_grant_type', json(400, { error: 'unsupported_grant_type' }), 'unsupported_grant_type'],
    ['a word that is not known', json(400, { error: 'moon_phase' }), 'moon_phase'],
    [
      'an object (Facebook)',
      json(400, { error: { type: 'OAuthException', message: 'App is off' } }),
      'OAuthException: App is off',
    ],
    [
      'a message alone',
      json(403, { status: 403, message: 'invalid client secret' }),
      'invalid client secret',
    ],
    [
      'a message that is the name of an error',
      json(403, { message: 'access_denied' }),
      'refused: access_denied',
    ],
    [
      'a challenge that a gateway sends with its page',
      (_req, res) =>
        void res
          .status(401)
          .set('www-authenticate', 'Bearer error="invalid_token"')
          .type('html')
          .send('<h1>Sign in</h1>'),
      'status 401, bearer challenge: check OIDC_CLIENT_ID',
    ],
    [
      'a challenge without a body',
      (_req, res) => void res.status(401).set('www-authenticate', 'Basic realm="x"').end(),
      'status 401, basic challenge: check OIDC_CLIENT_ID',
    ],
  ])('%s', async (_name, tokenEndpoint, reason) => {
    idp.script({ tokenEndpoint })
    const response = await askToken()
    const { detail } = (await response.clone().json()) as { detail: string }
    expect(detail).toContain('the people who run this app')
    expect(response.headers.get('retry-after')).toMatch(/^\d+$/)
    expect(await readRefusal(response)).toBe('503 provider_unavailable')
    expect(logged('token_refresh_rejected')).toMatchObject({ level: 'error', provider: 'default' })
    expect(String(logged('token_refresh_rejected')?.reason)).toMatch(/^token endpoint: /)
    expect(String(logged('token_refresh_rejected')?.reason)).toContain(reason)
    idp.reset()
    portico.clock.advance(minutes(1))
    expect((await askToken()).status).toBe(200)
  })
})

describe('what heals by itself is 503, and a warning; the session stays', () => {
  test.each<[string, RequestHandler]>([
    // A gateway in between says such things of its own trouble, for everyone at once.
    ['access_denied with 429', json(429, { error: 'access_denied' }, { 'retry-after': '30' })],
    ['access_denied with 503', json(503, { error: 'access_denied' }, { 'retry-after': '30' })],
    ['invalid_token with 502', json(502, { error: 'invalid_token' })],
    ['login_required with 500', json(500, { error: 'login_required' })],
    ['temporarily_unavailable', json(400, { error: 'temporarily_unavailable' })],
    ['server_error', json(500, { error: 'server_error' })],
    ['server_error with 400', json(400, { error: 'server_error' })],
    ['a 404 of a proxy', text(404, 'text/html', '<h1>Not found</h1>')],
    ['a redirect', (_req, res) => void res.redirect('/login')],
    ['an empty answer', (_req, res) => void res.status(200).end()],
    ['an answer without an access token', json(200, { token_type: 'Bearer' })],
    [
      'a 500 of many words',
      text(500, 'application/json', JSON.stringify({ error: 'invalid_grant', pad: 'x'.repeat(20_000) })),
    ],
  ])('%s', async (_name, tokenEndpoint) => {
    idp.script({ tokenEndpoint })
    const response = await askToken()
    expect(await response.clone().text()).not.toContain('does not answer')
    expect(await readRefusal(response)).toBe('503 provider_unavailable')
    expect(logged('token_refresh_failed')).toMatchObject({ level: 'warn' })
    expect(String(logged('token_refresh_failed')?.reason)).toMatch(/^token endpoint: /)
    idp.reset()
    portico.clock.advance(minutes(1))
    expect((await askToken()).status).toBe(200)
  })
})

test('a page in place of an answer closes the breaker: something answered', async () => {
  const readPause = async () => (await askToken()).headers.get('retry-after')
  idp.script({ tokenEndpoint: json(500, {}) })
  await askToken()
  expect(await readPause()).toBe('1')
  portico.clock.advance(seconds(31))
  idp.script({ tokenEndpoint: text(200, 'text/html', '<h1>Busy</h1>') })
  await askToken()
  portico.clock.advance(seconds(31))
  idp.script({ tokenEndpoint: json(500, {}) })
  await askToken()
  // Open again after a success or an answer, it would be two.
  expect(await readPause()).toBe('1')
})

describe('an answer that cannot be used brings a new refresh token all the same', () => {
  test.each<[string, Record<string, unknown>, RegExp]>([
    ['expires_in a word', { expires_in: 'soon' }, /expires_in is no number/],
    ['scope an object', { scope: {} }, /scope is neither/],
    ['an unknown token_type', { token_type: 'mac' }, /token_type is neither/],
    ['no access token', { access_token: undefined }, /access_token is missing/],
    ['an id_token that is no text', { id_token: 7 }, /id_token is no text/],
    ['an id_token that is no JWT', { id_token: 'x' }, /ERR_/],
    ['an encrypted id_token', { id_token: 'a.b.c.d.e' }, /ERR_/],
  ])('%s', async (_name, changes, reason) => {
    idp.script({ tokenResponse: (body) => ({ ...body, ...changes }) })
    expect((await readRefusal(await askToken())).slice(0, 3)).toBe('502')
    expect(String(logged('token_refresh_failed')?.reason)).toMatch(reason)
    // The spent one would be taken for theft.
    idp.reset()
    portico.clock.advance(seconds(31))
    expect((await askToken()).status).toBe(200)
  })
})

test('a connection reset in one refresh pauses the refreshes of other sessions', async () => {
  const other = await signIn()
  portico.clock.advance(hours(1))
  idp.script({ tokenEndpoint: (req) => void req.socket.destroy() })
  const before = idp.calls.refresh
  expect(await readRefusal(await askToken())).toBe('503 provider_unavailable')
  expect(idp.calls.refresh).toBe(before + 1)
  const response = await other.fetch(`${portico.url}/api/token`, { method: 'POST', headers: csrf })
  expect(await readRefusal(response)).toBe('503 provider_unavailable')
  expect(idp.calls.refresh).toBe(before + 1)
})

test('a refused answer costs one rotation in half a minute, not one for each call', async () => {
  idp.script({ idTokenClaims: (claims) => ({ ...claims, aud: 'other' }) })
  const before = idp.calls.refresh
  for (let second = 0; second < 29; second += 1) {
    await askToken()
    portico.clock.advance(seconds(1))
  }
  expect(idp.calls.refresh).toBe(before + 1)
  idp.reset()
  portico.clock.advance(seconds(2))
  expect((await askToken()).status).toBe(200)
})

describe('an answer about another person is refused, and its refresh token is not this session’s', () => {
  test('by its ID token', async () => {
    const { session } = await getSession(portico, browser)
    const before = (await portico.store.read(session.id))?.tokens
    idp.script({ idTokenClaims: (claims) => ({ ...claims, sub: 'mallory' }) })
    expect(await readRefusal(await askToken())).toBe('502 invalid_id_token')
    expect((await portico.store.read(session.id))?.tokens).toEqual(before)
    // The provider has mixed people up: the spent token ends the session.
    idp.reset()
    portico.clock.advance(minutes(1))
    expect(await readRefusal(await askToken())).toBe('401 session_expired')
  })
})

test('an answer that no check foresees brings its new refresh token all the same', async () => {
  idp.script({ idTokenClaims: (claims) => ({ ...claims, auth_time: { valueOf: 1, toString: 1 } }) })
  expect((await askToken()).status).toBeGreaterThanOrEqual(500)
  idp.reset()
  portico.clock.advance(minutes(1))
  expect((await askToken()).status).toBe(200)
})

test('an access token that is said to have run out already is not renewed for each call', async () => {
  idp.script({
    tokenResponse: ({ expires_in: _, ...body }) => body,
    accessTokenClaims: (claims) => ({ ...claims, exp: Math.floor(portico.clock.now() / 1000) - 5 }),
  })
  const before = idp.calls.refresh
  for (let turn = 0; turn < 10; turn += 1) expect((await askToken()).status).toBe(200)
  expect(idp.calls.refresh).toBe(before + 1)
})

test('a person who signs in again in another app of the same single sign-on keeps this session', async () => {
  // As at Keycloak: each refresh tells the later auth_time, for ever.
  idp.script({ idTokenClaims: (claims) => ({ ...claims, auth_time: Number(claims.auth_time) + 1_800 }) })
  for (let round = 0; round < 3; round += 1) {
    expect((await askToken()).status).toBe(200)
    portico.clock.advance(hours(1))
  }
  idp.reset()
})

test('the words of GitHub at a plain OAuth 2.0 provider', async () => {
  const plain = await startOAuth2Provider()
  const other = await startPortico({ env: plain.settings })
  const person = createTestBrowser()
  const loginUrl = await startLogin(other, person)
  await person.fetch(`${other.url}/api/callback?${plain.authorize(loginUrl)}`)
  plain.script({
    refreshResponse: () => ({ error: 'bad_refresh_token', error_description: 'incorrect or expired' }),
  })
  other.clock.advance(minutes(2))
  const response = await person.fetch(`${other.url}/api/token`, { method: 'POST', headers: csrf })
  expect(await readRefusal(response)).toBe('401 session_expired')
  await other.close()
  await plain.close()
})
