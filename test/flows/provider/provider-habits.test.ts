import express from 'express'
import type { JWTPayload } from 'jose'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { createTestBrowser } from '../../support/browser.ts'
import { hours, minutes } from '../../support/clock.ts'
import { idp, portico, serverPerTest } from '../../support/fixtures.ts'
import {
  csrf,
  getSession,
  type LoginAnswer,
  logInAtScripted,
  readRefusal,
  startLogin,
} from '../../support/login.ts'
import { startTestServer } from '../../support/network/http-server.ts'
import { startPortico, type TestPortico } from '../../support/portico.ts'
import { startOAuth2Provider } from '../../support/providers/oauth2-provider.ts'
import type { ProviderScript } from '../../support/providers/scripted-provider.ts'

/** What real providers do, although a specification says otherwise: nobody may lose a login to it. */

const test = serverPerTest({ env: { OIDC_TIMEOUT: '1s' } })

const now = () => Math.floor(portico.clock.now() / 1000)
const withClaims = (changes: JWTPayload) => (claims: JWTPayload) => ({ ...claims, ...changes })
const withoutGroups = (claims: JWTPayload) => ({ ...claims, groups: undefined })
const lastReason = (event = 'login_failed', on = portico) =>
  String(on.logged.findLast((line) => line.event === event)?.reason)

/** A second server for the same provider with other settings. */
async function withSettings<T>(
  env: Record<string, string>,
  use: (other: TestPortico) => Promise<T>,
): Promise<T> {
  const other = await startPortico({
    issuer: idp.issuer,
    env: { OIDC_TIMEOUT: '1s', ...env },
    replaced: { clock: portico.clock },
  })
  try {
    return await use(other)
  } finally {
    await other.close()
  }
}

async function logIn(on = portico): Promise<LoginAnswer & { browser: ReturnType<typeof createTestBrowser> }> {
  const { browser, response } = await logInAtScripted(on, idp)
  if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`)
  return { ...((await response.json()) as LoginAnswer), browser }
}

const tokensOf = async (id: string) => (await portico.store.read(id))?.tokens

test('four habits at once: iat 300 s back, a second audience, scopes in a list, userinfo that refuses', async () => {
  idp.script({
    idTokenClaims: (claims) =>
      withoutGroups({ ...claims, iat: now() - 300, aud: ['portico-test', 'project-7'], azp: 'portico-test' }),
    tokenResponse: (body) => ({ ...body, scope: ['openid', 'profile'] }),
    userinfoEndpoint: (_req, res) => void res.status(401).end(),
  })
  const env = { OIDC_TRUSTED_AUDIENCES: 'project-7', OIDC_ACCESS_TOKEN: 'opaque' }
  await withSettings(env, async (other) => {
    const { user, session } = await logIn(other)
    expect(user).toMatchObject({ sub: '00u-grace', name: 'Grace Hopper' })
    expect((await other.store.read(session.id))?.tokens.scope).toEqual(['openid', 'profile'])
  })
})

describe('userinfo is a help, not a gate', () => {
  const answers: [string, NonNullable<ProviderScript['userinfoEndpoint']>, RegExp][] = [
    ['401', (_req, res) => void res.status(401).end(), /status 401/],
    [
      '401 with a challenge',
      (_req, res) => void res.status(401).set('www-authenticate', 'Bearer error="invalid_token"').end(),
      /status 401/,
    ],
    ['403', (_req, res) => void res.status(403).end(), /status 403/],
    [
      '403 with a challenge',
      (_req, res) => void res.status(403).set('www-authenticate', 'Bearer error="insufficient_scope"').end(),
      /status 403.*insufficient_scope/,
    ],
    ['404', (_req, res) => void res.status(404).end(), /status 404/],
    ['302', (_req, res) => void res.redirect('/elsewhere'), /status 302/],
    ['429', (_req, res) => void res.status(429).end(), /status 429/],
    ['500', (_req, res) => void res.status(500).end(), /status 500/],
    ['503', (_req, res) => void res.status(503).end(), /status 503/],
    ['HTML', (_req, res) => void res.type('html').send('<h1>Sign in</h1>'), /no JSON object/],
    ['a list', (_req, res) => void res.json([]), /no JSON object/],
    ['an object that names no person', (_req, res) => void res.json({ error: 'no' }), /sub is missing/],
    ['nothing in time', () => {}, /deadline/],
    ['a cut connection', (req) => void req.socket.destroy(), /UND_ERR_SOCKET|ECONNRESET/],
    [
      'a signed answer by no key',
      (_req, res) => void res.type('application/jwt').send('eyJhbGciOiJSUzI1NiJ9.e30.AA'),
      /ERR_/,
    ],
  ]
  test.each(answers)('that answers %s keeps nobody out', async (_answer, userinfoEndpoint, reason) => {
    idp.script({ idTokenClaims: withoutGroups, userinfoEndpoint })
    const { user } = await logIn()
    expect(user).toMatchObject({ sub: '00u-grace', email: 'grace@example.com' })
    expect(user).not.toHaveProperty('groups')
    expect(lastReason('userinfo_unavailable')).toMatch(/^userinfo: |^ERR_/)
    expect(lastReason('userinfo_unavailable')).toMatch(reason)
    expect(lastReason('userinfo_unavailable')).not.toContain('SECRET')
  })

  test('one that hung for another person is asked all the same', async () => {
    idp.script({ idTokenClaims: withoutGroups, userinfoEndpoint: () => {} })
    expect((await logIn()).user).not.toHaveProperty('groups')
    idp.script({ idTokenClaims: withoutGroups })
    expect((await logIn()).user).toMatchObject({ groups: ['Navy'] })
  })

  test('while it fails, a refreshed ID token that takes groups away is believed', async () => {
    idp.script({
      idTokenClaims: (claims) => ({ ...claims, email: undefined, groups: ['Admins'] }),
      userinfoEndpoint: (_req, res) => void res.status(403).end(),
    })
    const { browser, user } = await logIn()
    expect(user.groups).toEqual(['Admins'])
    idp.script({
      idTokenClaims: (claims) => ({ ...claims, email: undefined, groups: [] }),
      userinfoEndpoint: (_req, res) => void res.status(403).end(),
    })
    portico.clock.advance(minutes(29))
    await getSession(portico, browser)
    portico.clock.advance(minutes(29))
    await getSession(portico, browser)
    portico.clock.advance(minutes(3))
    const token = await browser.fetch(`${portico.url}/api/token`, { method: 'POST', headers: csrf })
    expect(token.status).toBe(200)
    expect((await getSession(portico, browser)).user.groups).toEqual([])
  })

  test('what it repeats of the access token is not logged', async () => {
    let sent = ''
    await withSettings({ OIDC_ACCESS_TOKEN: 'opaque' }, async (other) => {
      idp.script({
        idTokenClaims: (claims) => ({ ...withoutGroups(claims), at_hash: undefined }),
        accessToken: () => 'an-opaque-token-of-some-length',
        userinfoEndpoint(req, res) {
          sent = String(req.get('authorization')).slice('Bearer '.length)
          res.status(403).set('www-authenticate', `Bearer error="x", error_description="no ${sent}"`).end()
        },
      })
      await logIn(other)
      expect(sent).toBe('an-opaque-token-of-some-length')
      expect(JSON.stringify(other.logged)).not.toContain(sent)
      expect(lastReason('userinfo_unavailable', other)).toContain('[redacted]')
    })
  })

  test('a sub that is near another number is not the same one', async () => {
    idp.script({
      idTokenClaims: (claims) => withoutGroups({ ...claims, sub: '9007199254740992' }),
      userinfoEndpoint: (_req, res) =>
        void res.type('json').send('{"sub":9007199254740993,"groups":["Admins"]}'),
    })
    expect(await readRefusal((await logInAtScripted(portico, idp)).response)).toBe('502 invalid_userinfo')
  })

  test('R43: an answer about another sub refuses the login, whatever its status says otherwise', async () => {
    idp.script({
      idTokenClaims: withoutGroups,
      userinfo: (claims) => ({ ...claims, sub: 'someone-else' }),
    })
    const { browser, response } = await logInAtScripted(portico, idp)
    expect(await readRefusal(response)).toBe('502 invalid_userinfo')
    expect(await getSession(portico, browser)).toEqual({ active: false })
  })

  test('a sub that is a number there and a text in the ID token is the same one', async () => {
    idp.script({
      idTokenClaims: (claims) => withoutGroups({ ...claims, sub: '42' }),
      userinfo: (claims) => ({ ...claims, sub: 42 }),
    })
    expect((await logIn()).user).toMatchObject({ sub: '42', groups: ['Navy'] })
  })

  test('OIDC_USERINFO=never does not ask, at the login or later', async () => {
    idp.script({ idTokenClaims: withoutGroups })
    const calls = idp.calls.userinfo
    await withSettings({ OIDC_USERINFO: 'never' }, async (other) => {
      const { browser } = await logIn(other)
      const userinfo = await browser.fetch(`${other.url}/api/userinfo`, { headers: csrf })
      expect(await readRefusal(userinfo)).toBe('404 not_found')
    })
    expect(idp.calls.userinfo).toBe(calls)
  })

  test('a 403 for a live call is told as what it is', async () => {
    const { browser } = await logIn()
    idp.script({
      userinfoEndpoint: (_req, res) =>
        void res.status(403).set('www-authenticate', 'Bearer error="insufficient_scope"').end(),
    })
    const response = await browser.fetch(`${portico.url}/api/userinfo`, { headers: csrf })
    expect(await readRefusal(response)).toBe('502 provider_error')
    expect(lastReason('request_completed')).toBe('userinfo: status 403, bearer challenge: insufficient_scope')
  })

  describe('at a plain OAuth 2.0 provider', () => {
    let plain: Awaited<ReturnType<typeof startOAuth2Provider>>
    beforeAll(async () => {
      plain = await startOAuth2Provider()
    })
    afterAll(() => plain.close())

    async function logInAtPlain(words: Parameters<typeof plain.script>[0], env: Record<string, string> = {}) {
      plain.script(words)
      const other = await startPortico({ env: { ...plain.settings, ...env } })
      const browser = createTestBrowser()
      const loginUrl = await startLogin(other, browser)
      const response = await browser.fetch(`${other.url}/api/callback?${plain.authorize(loginUrl)}`)
      await other.close()
      return response
    }

    test('whose token response names the user, it is a help as well', async () => {
      const response = await logInAtPlain({ userinfo: () => 'nothing' })
      expect(response.status).toBe(200)
      expect(((await response.json()) as LoginAnswer).user).toEqual({ sub: 'u-1' })
    })

    test.each<[string, express.RequestHandler, string]>([
      ['401', (_req, res) => void res.status(401).end(), '502 provider_error'],
      ['403', (_req, res) => void res.status(403).end(), '502 invalid_userinfo'],
      ['500', (_req, res) => void res.status(500).end(), '503 provider_unavailable'],
      ['HTML', (_req, res) => void res.type('html').send('<h1>Hello</h1>'), '502 invalid_userinfo'],
      [
        'an object without a name',
        (_req, res) => void res.json({ name: 'Grace' }),
        '502 invalid_token_response',
      ],
    ])('that has nothing else to name the user, it is needed: %s', async (_answer, handler, refusal) => {
      const server = await startTestServer()
      server.serve(express().use(handler))
      const response = await logInAtPlain(
        { tokenResponse: ({ user_id: _, ...rest }) => rest },
        { OAUTH_USERINFO_ENDPOINT: `${server.origin}/me` },
      )
      expect(await readRefusal(response)).toBe(refusal)
      await server.close()
    })
  })
})

describe('time', () => {
  test.each([0, -31, -300, -580, 25])('iat %i s from now is fine', async (seconds) => {
    idp.script({ idTokenClaims: (claims) => ({ ...claims, iat: now() + seconds }) })
    await logIn()
  })

  test.each([
    [-610, /^iat lies 6\d\d s back$/],
    [-7_200, /^iat lies 72\d\d s back$/],
    [90, /^iat lies \d\d s in the future$/],
  ])('iat %i s from now is refused, and the clocks are blamed', async (seconds, reason) => {
    idp.script({ idTokenClaims: (claims) => ({ ...claims, iat: now() + seconds }) })
    const { response } = await logInAtScripted(portico, idp)
    expect(await response.clone().text()).toContain('clocks')
    expect(await readRefusal(response)).toBe('502 invalid_id_token')
    expect(lastReason()).toMatch(reason)
  })

  test.each(['iat', 'exp'])('an ID token without %s is refused, and no clock is blamed', async (name) => {
    idp.script({ idTokenClaims: withClaims({ [name]: undefined }) })
    const { response } = await logInAtScripted(portico, idp)
    expect(await response.clone().text()).not.toContain('clocks')
    expect(await readRefusal(response)).toBe('502 invalid_id_token')
    expect(lastReason()).toContain(name)
  })

  test('a login that took nine minutes: its time does not count, its nonce does', async () => {
    const browser = createTestBrowser()
    const loginUrl = await startLogin(portico, browser)
    portico.clock.advance(minutes(9))
    const response = await browser.fetch(`${portico.url}/api/callback?${idp.authorize(loginUrl)}`)
    expect(response.status).toBe(200)
  })

  test.each<[string, (skew: number) => ProviderScript]>([
    ['iat', (skew) => ({ idTokenClaims: (claims) => ({ ...claims, iat: now() + skew }) })],
    ['exp', (skew) => ({ idTokenClaims: (claims) => ({ ...claims, exp: now() - skew }) })],
    ['auth_time', (skew) => ({ idTokenClaims: (claims) => ({ ...claims, auth_time: now() + skew }) })],
    [
      "the access token's exp",
      (skew) => ({ accessTokenClaims: (claims) => ({ ...claims, exp: now() - skew }) }),
    ],
  ])('OIDC_CLOCK_TOLERANCE says how far clocks may differ: %s', async (_claim, toDefect) => {
    await withSettings({ OIDC_CLOCK_TOLERANCE: '2m' }, async (other) => {
      idp.script(toDefect(110))
      expect((await logInAtScripted(other, idp)).response.status).toBe(200)
      idp.script(toDefect(180))
      expect((await logInAtScripted(other, idp)).response.status).toBe(502)
    })
    await withSettings({ OIDC_CLOCK_TOLERANCE: '0s' }, async (other) => {
      idp.script(toDefect(60))
      expect((await logInAtScripted(other, idp)).response.status).toBe(502)
    })
  })
})

describe('audiences', () => {
  const both = ['portico-test', 'project-7']
  test.each<[string, JWTPayload]>([
    ['beside ours', { aud: both, azp: 'portico-test' }],
    ['without azp', { aud: both }],
    ['before ours', { aud: [...both].reverse() }],
    ['ours in a list', { aud: ['portico-test'] }],
    ['two trusted ones', { aud: [...both, 'project-8'] }],
  ])('that OIDC_TRUSTED_AUDIENCES names are taken: %s', async (_name, claims) => {
    idp.script({ idTokenClaims: withClaims(claims) })
    await withSettings({ OIDC_TRUSTED_AUDIENCES: 'project-7, project-8' }, async (other) => {
      expect((await logInAtScripted(other, idp)).response.status).toBe(200)
    })
  })

  test.each<[string, JWTPayload, string]>([
    [
      'one that is not named',
      { aud: [...both, 'other'] },
      'aud names "other" as well, which OIDC_TRUSTED_AUDIENCES',
    ],
    ['a trusted one alone', { aud: 'project-7' }, 'aud'],
    ['azp of another client', { aud: both, azp: 'other' }, 'azp is "other"'],
    ['azp of the trusted one', { aud: both, azp: 'project-7' }, 'azp is "project-7"'],
    ['one that is no text', { aud: ['portico-test', 7 as unknown as string] }, 'aud names "7"'],
  ])('are refused otherwise: %s', async (_name, claims, reason) => {
    idp.script({ idTokenClaims: withClaims(claims) })
    await withSettings({ OIDC_TRUSTED_AUDIENCES: 'project-7' }, async (other) => {
      const { browser, response } = await logInAtScripted(other, idp)
      expect(await readRefusal(response)).toBe('502 invalid_id_token')
      expect(await getSession(other, browser)).toEqual({ active: false })
      expect(lastReason('login_failed', other)).toContain(reason)
    })
  })
})

describe('the life of an access token', () => {
  const opaque = { OIDC_ACCESS_TOKEN: 'opaque' }
  const missing: [string, unknown][] = [
    ['missing', undefined],
    ['null', null],
    ['0', 0],
    ['"0"', '0'],
    ['negative', -1],
    ['a moment', 0.001],
    ['an empty text', ''],
  ]

  test.each(missing)("expires_in %s: a JWT's exp counts", async (_name, lifetime) => {
    idp.script({
      tokenResponse: (body) => ({ ...body, expires_in: lifetime }),
      accessTokenClaims: (claims) => ({ ...claims, exp: now() + 900 }),
    })
    const { session } = await logIn()
    const { accessTokenExpiresAt, obtainedAt = 0 } = (await tokensOf(session.id)) ?? {}
    expect((accessTokenExpiresAt ?? 0) - obtainedAt).toBeGreaterThan(890_000)
    expect((accessTokenExpiresAt ?? 0) - obtainedAt).toBeLessThanOrEqual(900_000)
  })

  test.each(missing)('expires_in %s: an opaque one counts as good for an hour', async (_name, lifetime) => {
    idp.script({ tokenResponse: (body) => ({ ...body, expires_in: lifetime }) })
    await withSettings(opaque, async (other) => {
      const { session } = await logIn(other)
      const { accessTokenExpiresAt, obtainedAt = 0 } = (await other.store.read(session.id))?.tokens ?? {}
      expect(accessTokenExpiresAt).toBe(obtainedAt + hours(1))
    })
  })

  test.each<[string, unknown, number]>([
    ['a number as a text', '120', 120_000],
    ['a fraction', 120.5, 120_500],
  ])('expires_in %s is read', async (_name, lifetime, milliseconds) => {
    idp.script({ tokenResponse: (body) => ({ ...body, expires_in: lifetime }) })
    const { session } = await logIn()
    const { accessTokenExpiresAt, obtainedAt = 0 } = (await tokensOf(session.id)) ?? {}
    expect(accessTokenExpiresAt).toBe(obtainedAt + milliseconds)
  })

  test('zero is no refresh for each call, and a person disabled there loses the app within the lifetime', async () => {
    idp.script({ tokenResponse: (body) => ({ ...body, expires_in: 0 }) })
    await withSettings({ ...opaque, OIDC_ACCESS_TOKEN_LIFETIME: '10m' }, async (other) => {
      const { browser } = await logIn(other)
      const askToken = () => browser.fetch(`${other.url}/api/token`, { method: 'POST', headers: csrf })
      const before = idp.calls.refresh
      for (let turn = 0; turn < 10; turn += 1) expect((await askToken()).status).toBe(200)
      expect(idp.calls.refresh).toBe(before)
      portico.clock.advance(minutes(11))
      for (let turn = 0; turn < 10; turn += 1) expect((await askToken()).status).toBe(200)
      expect(idp.calls.refresh).toBe(before + 1)
      idp.revokeAll()
      portico.clock.advance(minutes(11))
      expect(await readRefusal(await askToken())).toBe('401 session_expired')
    })
  })
})

describe('token answers', () => {
  test.each<[string, Record<string, unknown>]>([
    ['no token_type', { token_type: undefined }],
    ['token_type null', { token_type: null }],
    ['an empty token_type', { token_type: '' }],
    ['token_type BeArEr', { token_type: 'BeArEr' }],
    ['refresh_token null', { refresh_token: null }],
    ['an empty refresh_token', { refresh_token: '' }],
    ['scope null', { scope: null }],
    ['an error that is none', { error: 'none', error_description: '' }],
    ['an expires_in of a moment', { expires_in: 0.001 }],
    ['an unknown member that is null', { ext_expires_in: null, foci: null }],
  ])('with %s are taken', async (_name, changes) => {
    idp.script({ tokenResponse: (body) => ({ ...body, ...changes }) })
    await logIn()
  })

  test.each<[string, unknown, string[]]>([
    ['a list', ['openid', 'profile'], ['openid', 'profile']],
    ['a list with several in one', ['openid profile', 'email'], ['openid', 'profile', 'email']],
    ['an empty list', [], []],
    ['commas', 'openid,profile', ['openid', 'profile']],
    ['commas and spaces', 'openid, profile', ['openid', 'profile']],
  ])('with scopes as %s are read', async (_name, scope, expected) => {
    idp.script({ tokenResponse: (body) => ({ ...body, scope }) })
    await withSettings({ OIDC_ACCESS_TOKEN: 'opaque' }, async (other) => {
      const { session } = await logIn(other)
      expect((await other.store.read(session.id))?.tokens.scope).toEqual(expected)
    })
  })

  test.each<[string, Record<string, unknown>, string]>([
    ['access_token missing', { access_token: undefined }, 'access_token is missing'],
    ['access_token null', { access_token: null }, 'access_token'],
    ['an empty access_token', { access_token: '' }, 'access_token is empty'],
    ['access_token a number', { access_token: 42 }, 'access_token is no text'],
    ['an unknown token_type', { token_type: 'mac' }, 'token_type is neither Bearer nor DPoP'],
    ['expires_in a word', { expires_in: 'soon' }, 'expires_in is no number'],
    ['expires_in a list', { expires_in: [60] }, 'expires_in is no number'],
    ['refresh_token a number', { refresh_token: 42 }, 'refresh_token is no text'],
    ['scope an object', { scope: { openid: true } }, 'scope is neither'],
    ['scope a list of numbers', { scope: [1] }, 'scope is neither'],
    ['id_token an object', { id_token: {} }, 'id_token is no text'],
    ['no id_token', { id_token: undefined }, 'no id_token (is openid allowed?)'],
    ['id_token under our own name for it', { id_token: undefined, unverified_id_token: 'x' }, 'no id_token'],
  ])('with %s are refused, and the log names the field', async (_name, changes, reason) => {
    idp.script({ tokenResponse: (body) => ({ ...body, ...changes }) })
    expect(await readRefusal((await logInAtScripted(portico, idp)).response)).toBe(
      '502 invalid_token_response',
    )
    expect(lastReason()).toMatch(/^token endpoint: /)
    expect(lastReason()).toContain(reason)
  })

  test.each<[string, string, (body: unknown) => string]>([
    ['text/html', 'text/html', (body) => JSON.stringify(body)],
    ['text/plain', 'text/plain', (body) => JSON.stringify(body)],
    ['application/json in capitals', 'Application/JSON; charset=UTF-8', (body) => JSON.stringify(body)],
    [
      'a form',
      'application/x-www-form-urlencoded',
      (body) => new URLSearchParams(body as Record<string, string>).toString(),
    ],
  ])('of type %s are read', async (_name, type, write) => {
    idp.script({ sendTokens: (res, body) => void res.set('content-type', type).end(write(body)) })
    await logIn()
  })

  test.each<[string, unknown, boolean]>([
    ['"true"', 'true', true],
    ['"True"', 'True', true],
    ['1', 1, true],
    ['"false"', 'false', false],
    ['"no"', 'no', false],
    ['["true"]', ['true'], false],
    ['an object', { toString: 1 }, false],
    ['0', 0, false],
    ['true', true, true],
    ['false', false, false],
  ])('email_verified %s is a boolean everywhere', async (_name, sent, expected) => {
    const changes = { email_verified: sent }
    idp.script({ idTokenClaims: withClaims(changes), userinfo: (claims) => ({ ...claims, ...changes }) })
    const { browser, user, token } = await logIn()
    expect(user.email_verified).toBe(expected)
    expect((await getSession(portico, browser)).user.email_verified).toBe(expected)
    const payload = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as object
    expect(payload).toMatchObject({ email_verified: expected })
    const userinfo = await browser.fetch(`${portico.url}/api/userinfo`, { headers: csrf })
    expect(await userinfo.json()).toMatchObject({ email_verified: expected })
    idp.script({ idTokenClaims: withoutGroups, userinfo: (claims) => ({ ...claims, ...changes }) })
    expect((await logIn()).user.email_verified).toBe(true)
  })

  test.each<[string, Record<string, unknown>, Record<string, unknown>, unknown]>([
    ['the same address', {}, { email: 'grace@example.com', email_verified: true }, true],
    ['another address', {}, { email: 'other@example.com', email_verified: true }, undefined],
    ['no address', {}, { email: undefined, email_verified: true }, undefined],
    [
      'null in the ID token',
      { email_verified: null },
      { email: 'other@example.com', email_verified: true },
      undefined,
    ],
    ['another word for the same address', { email_verified: false }, { email_verified: true }, false],
  ])('email_verified counts for the address beside it: userinfo tells %s', async (...row) => {
    const [, changes, told, expected] = row
    idp.script({
      idTokenClaims: (claims) => withoutGroups({ ...claims, email_verified: undefined, ...changes }),
      userinfo: (claims) => ({ ...claims, ...told }),
    })
    const { user } = await logIn()
    expect(user.email).toBe('grace@example.com')
    expect(user.email_verified).toBe(expected)
  })

  test.each<[string, unknown]>([
    ['null', null],
    ['a text', 'key'],
    ['no kty', { kid: 'good-1' }],
    ['an unknown kty', { kty: 'AKP', kid: 'other', alg: 'ML-DSA-44' }],
    ['an unknown kty under the same kid', { kty: 'AKP', kid: 'good-1' }],
    ['a kty that is a number', { kty: 7, kid: 'good-1' }],
    ['an RSA key without a modulus', { kty: 'RSA', kid: 'other', e: 'AQAB' }],
    ['a broken key under the same kid', { kty: 'RSA', kid: 'good-1', e: 'AQAB', n: '' }],
    ['a broken key without a kid', { kty: 'RSA', e: 'AQAB' }],
  ])('one bad entry in the JWKS spoils only itself: %s', async (_name, entry) => {
    for (const order of [1, -1]) {
      idp.script({ jwks: (keys) => ({ keys: order === 1 ? [entry, ...keys] : [...keys, entry] }) })
      await withSettings({}, async (other) => {
        expect((await logInAtScripted(other, idp)).response.status).toBe(200)
      })
    }
  })

  test.each<[string, JWTPayload]>([
    ['none of cid, client_id and azp', { cid: undefined }],
    ['azp alone', { cid: undefined, azp: 'portico-test' }],
    ['client_id alone', { cid: undefined, client_id: 'portico-test' }],
  ])('a JWT access token with %s is judged by what it has', async (_name, changes) => {
    idp.script({ accessTokenClaims: withClaims(changes) })
    await logIn()
  })

  test.each<[string, JWTPayload]>([
    ['azp', { cid: undefined, azp: 'other' }],
    ['client_id', { cid: undefined, client_id: 'other' }],
  ])('one whose %s is another client is refused', async (_name, changes) => {
    idp.script({ accessTokenClaims: withClaims(changes) })
    expect(await readRefusal((await logInAtScripted(portico, idp)).response)).toBe('502 invalid_access_token')
  })
})

describe('an authentication that falls short of what the app demands (R34, R35)', () => {
  test.each<[string, string, (claims: JWTPayload) => JWTPayload, RegExp]>([
    [
      'another acr',
      '?acr_values=gold',
      withClaims({ acr: 'bronze' }),
      /acr is "bronze", asked for was "gold"/,
    ],
    ['no acr', '?acr_values=gold', withClaims({ acr: undefined }), /acr is missing, asked for was "gold"/],
    [
      'an older sign-in',
      '?max_age=300',
      (claims) => ({ ...claims, auth_time: now() - 4_000 }),
      /auth_time lies 400\d s back, max_age was 300/,
    ],
    [
      'no auth_time',
      '?max_age=300',
      withClaims({ auth_time: undefined }),
      /auth_time is missing, max_age was 300/,
    ],
    [
      'an old sign-in after prompt=login',
      '?prompt=login',
      (claims) => ({ ...claims, auth_time: now() - 3_600 }),
      /auth_time lies 36\d\d s before the login .*prompt=login/,
    ],
  ])(
    '%s: has a code of its own, and the log names both values',
    async (_name, query, idTokenClaims, reason) => {
      idp.script({ idTokenClaims })
      const { browser, response } = await logInAtScripted(portico, idp, { query })
      const { detail } = (await response.clone().json()) as { detail: string }
      expect(detail).toContain('the provider did not ask you for it')
      expect(await readRefusal(response)).toBe('401 unmet_authentication_requirements')
      expect(lastReason()).toMatch(reason)
      expect(await getSession(portico, browser)).toEqual({ active: false })
    },
  )

  test('said by the provider itself, it has the same code', async () => {
    const browser = createTestBrowser()
    const loginUrl = await startLogin(portico, browser, '?acr_values=gold')
    const state = new URL(loginUrl).searchParams.get('state')
    const response = await browser.fetch(
      `${portico.url}/api/callback?error=unmet_authentication_requirements&state=${state}`,
    )
    expect(await readRefusal(response)).toBe('401 unmet_authentication_requirements')
  })
})
