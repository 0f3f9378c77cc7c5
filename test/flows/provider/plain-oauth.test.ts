import express, { type Response as ExpressResponse } from 'express'
import { SignJWT } from 'jose'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createTestBrowser } from '../../support/browser.ts'
import { seconds } from '../../support/clock.ts'
import { closeAfterTest } from '../../support/fixtures.ts'
import { csrf, getSession, type LoginAnswer, readRefusal, startLogin } from '../../support/login.ts'
import { startTestServer } from '../../support/network/http-server.ts'
import { startPortico, type TestPortico } from '../../support/portico.ts'
import { startOAuth2Provider } from '../../support/providers/oauth2-provider.ts'
import { createProviderKey } from '../../support/providers/scripted-provider.ts'

/** Plain OAuth 2.0: no discovery, no ID token, and a user id that must not lead anywhere else. */
let idp: Awaited<ReturnType<typeof startOAuth2Provider>>
let portico: TestPortico
beforeAll(async () => {
  idp = await startOAuth2Provider()
  portico = await startPortico({ env: idp.settings })
})
afterAll(async () => {
  await portico.close()
  await idp.close()
})
afterEach(() => {
  idp.reset()
  idp.requests.length = 0
})
const startOther = async (env: Record<string, string | undefined>) =>
  closeAfterTest(await startPortico({ env: { ...idp.settings, ...env } }))

async function logIn(to = portico) {
  const browser = createTestBrowser()
  const parameters = idp.authorize(await startLogin(to, browser))
  const response = await browser.fetch(`${to.url}/api/callback?${parameters}`)
  return { browser, response }
}
const read = async (response: Response) => (await response.json()) as LoginAnswer

describe('who signed in', () => {
  test('is the user id of the token response, with the claims of userinfo', async () => {
    const { response } = await logIn()
    const { user, session } = await read(response)
    expect(user).toEqual({ sub: 'u-1', name: 'Grace Hopper' })
    const stored = await portico.store.read(session.id)
    // Namespaced by the provider: another provider's "u-1" is another user.
    expect(stored?.identity).toMatchObject({
      issuer: `${idp.origin}/token`,
      providerSub: 'u-1',
      userId: 'u-1',
    })
    expect(stored?.tokens.idToken).toBeUndefined()
    // The answer names no scope: then it is what was asked for (RFC 6749 5.1).
    expect(stored?.tokens.scope).toEqual(['profile', 'offline_access'])
  })

  test('is asked for without a nonce, which nothing would bring back', async () => {
    expect(await startLogin(portico, createTestBrowser())).not.toContain('nonce')
  })

  test('at a provider that is known from the start: ready at once', async () => {
    const ready = await fetch(`${portico.url}/readyz`)
    expect(await ready.json()).toMatchObject({ parts: { provider: 'ok' } })
  })

  test.each([
    ['HTML', (res: ExpressResponse) => res.type('html').send('<h1>Welcome</h1>')],
    ['null', (res: ExpressResponse) => res.json(null)],
    ['a text', (res: ExpressResponse) => res.json('hello')],
  ])('nobody, where the token endpoint answers %s', async (_what, answer) => {
    const server = await startTestServer()
    server.serve(express().use((_req, res) => void answer(res)))
    const other = await startOther({ OAUTH_TOKEN_ENDPOINT: `${server.origin}/token` })
    expect(await readRefusal((await logIn(other)).response)).toBe('502 invalid_token_response')
    await server.close()
  })

  test('signed userinfo cannot be verified without keys, and is not used', async () => {
    const server = await startTestServer()
    server.serve(
      express().use((_req, res) => void res.type('application/jwt').send('eyJhbGciOiJSUzI1NiJ9.e30.AA')),
    )
    const other = await startOther({ OAUTH_USERINFO_ENDPOINT: `${server.origin}/me` })
    expect((await read((await logIn(other)).response)).user).toEqual({ sub: 'u-1' })
    expect(other.logged.find(({ event }) => event === 'userinfo_unavailable')?.reason).toContain('JWKS')
    await server.close()
  })

  test('is a number as well as a text, wherever it is told', async () => {
    idp.script({
      tokenResponse: (body) => ({ ...body, user_id: 42 }),
      userinfo: () => ({ user_id: '42', name: 'Ford' }),
    })
    expect((await read((await logIn()).response)).user).toEqual({ sub: '42', name: 'Ford' })
  })

  test('OAUTH_ISSUER names the provider where it has a name', async () => {
    const other = await startOther({ OAUTH_ISSUER: 'https://plain.example.com' })
    const { session } = await read((await logIn(other)).response)
    expect((await other.store.read(session.id))?.identity.issuer).toBe('https://plain.example.com')
  })

  test('is what userinfo says where the token response names nobody; a number counts', async () => {
    idp.script({
      tokenResponse: ({ user_id: _, ...rest }) => rest,
      userinfo: () => ({ id: 583_231, name: 'octocat' }),
    })
    const other = await startOther({
      OAUTH_USERINFO_ENDPOINT: `${idp.origin}/users/me`,
      OAUTH_USER_ID_FIELD: 'id',
    })
    const { browser, response } = await logIn(other)
    expect((await read(response)).user).toEqual({ sub: '583231', name: 'octocat' })
    idp.script({
      tokenResponse: ({ user_id: _, ...rest }) => rest,
      userinfo: () => ({ id: 1, name: 'mallory' }),
    })
    const userinfo = await browser.fetch(`${other.url}/api/userinfo`, { headers: csrf })
    expect(await readRefusal(userinfo)).toBe('502 invalid_userinfo')
  })

  test('nobody, where nothing names them', async () => {
    idp.script({ tokenResponse: ({ user_id: _, ...rest }) => rest, userinfo: () => ({ name: 'Nobody' }) })
    const other = await startOther({ OAUTH_USERINFO_ENDPOINT: `${idp.origin}/users/me` })
    const { browser, response } = await logIn(other)
    expect(await readRefusal(response)).toBe('502 invalid_token_response')
    expect(await getSession(other, browser)).toEqual({ active: false })
  })

  test('needs no userinfo', async () => {
    const other = await startOther({ OAUTH_USERINFO_ENDPOINT: undefined })
    const { browser, response } = await logIn(other)
    expect((await read(response)).user).toEqual({ sub: 'u-1' })
    const userinfo = await browser.fetch(`${other.url}/api/userinfo`, { headers: csrf })
    expect(await readRefusal(userinfo)).toBe('404 not_found')
  })

  test.each([
    ['userinfo of another user', { userinfo: () => ({ user_id: 'u-2', name: 'Mallory' }) }],
    ['userinfo with another sub', { userinfo: () => ({ sub: 'u-2', name: 'Mallory' }) }],
  ])('%s is refused (F33, R43)', async (_what, words) => {
    idp.script(words)
    const { browser, response } = await logIn()
    expect(await readRefusal(response)).toBe('502 invalid_userinfo')
    expect(await getSession(portico, browser)).toEqual({ active: false })
  })
})

describe('the userinfo URL', () => {
  test.each([
    ['../admin', '/users/..%2Fadmin'],
    ['a/b', '/users/a%2Fb'],
    ['a?b=c#d', '/users/a%3Fb%3Dc%23d'],
    ['%2e%2e', '/users/%252e%252e'],
    ['..\\..', '/users/..%5C..'],
    ['$&$1', '/users/%24%26%241'],
    ['ü {user_id}', '/users/%C3%BC%20%7Buser_id%7D'],
    ['a\r\nX-Evil: 1', '/users/a%0D%0AX-Evil%3A%201'],
    [42, '/users/42'],
  ])('holds the user id %j as one segment', async (userId, path) => {
    idp.script({
      tokenResponse: (body) => ({ ...body, user_id: userId }),
      userinfo: () => ({ name: 'Grace Hopper' }),
    })
    const { response } = await logIn()
    expect((await read(response)).user.sub).toBe(String(userId))
    expect(idp.requests.at(-1)?.path).toBe(path)
  })

  test.each([
    ['.'],
    ['..'],
    [''],
    ['x'.repeat(256)],
    ['\ud800'],
    [{ id: 'u-1' }],
    [['u-1']],
    [null],
    [1.5],
    [true],
  ])('is never made from %j, which is no user id', async (userId) => {
    idp.script({ tokenResponse: (body) => ({ ...body, user_id: userId }) })
    const { response } = await logIn()
    expect(await readRefusal(response)).toBe('502 invalid_token_response')
    expect(idp.requests.filter(({ path }) => path.startsWith('/users'))).toEqual([])
  })

  test('a field that every object has is no user id', async () => {
    const other = await startOther({ OAUTH_USER_ID_FIELD: 'constructor' })
    expect(await readRefusal((await logIn(other)).response)).toBe('502 invalid_token_response')
  })
})

describe('an ID token', () => {
  test('without keys is not looked into, whatever it holds', async () => {
    idp.script({ tokenResponse: (body) => ({ ...body, id_token: 'eyJhbGciOiJub25lIn0.e30.' }) })
    const other = await startOther({ OIDC_SCOPES: 'openid profile' })
    const { response } = await logIn(other)
    const { user, session } = await read(response)
    expect(user.sub).toBe('u-1')
    expect((await other.store.read(session.id))?.tokens.idToken).toBeUndefined()
  })

  test('with keys and openid must come, and must verify', async () => {
    const key = await createProviderKey('k')
    const keys = await startTestServer()
    keys.serve((_req, res) => void res.end(JSON.stringify({ keys: [key.publicJwk] })))
    const other = await startOther({
      OIDC_SCOPES: 'openid profile',
      OAUTH_ISSUER: 'https://plain.example.com',
      OAUTH_JWKS_URI: `${keys.origin}/keys`,
    })
    expect(await readRefusal((await logIn(other)).response)).toBe('502 invalid_token_response')
    expect(other.logged.findLast(({ event }) => event === 'login_failed')?.reason).toMatch(/id_token/)

    const sign = (nonce: string, issuer = 'https://plain.example.com') =>
      new SignJWT({ nonce })
        .setProtectedHeader({ alg: 'RS256', kid: 'k' })
        .setIssuer(issuer)
        .setSubject('the-sub')
        .setAudience('plain')
        .setIssuedAt()
        .setExpirationTime('1h')
        .sign(key.privateKey)
    const logInWith = async (make: (nonce: string) => Promise<string>) => {
      const browser = createTestBrowser()
      const loginUrl = await startLogin(other, browser)
      const idToken = await make(new URL(loginUrl).searchParams.get('nonce') ?? '')
      idp.script({ tokenResponse: (body) => ({ ...body, id_token: idToken }) })
      return browser.fetch(`${other.url}/api/callback?${idp.authorize(loginUrl)}`)
    }
    expect(await readRefusal(await logInWith(() => sign('another')))).toBe('502 invalid_id_token')
    expect(await readRefusal(await logInWith((nonce) => sign(nonce, 'https://evil.example')))).toBe(
      '502 invalid_id_token',
    )
    const good = await read(await logInWith((nonce) => sign(nonce)))
    // The ID token names the person; userinfo is asked by the user id all the same.
    expect(good.user).toEqual({ sub: 'the-sub', name: 'Grace Hopper' })
    expect(idp.requests.at(-1)?.path).toBe('/users/u-1')
    await keys.close()
  })

  test.each(['max_age=60', 'acr_values=a'])(
    '%s is refused where there is none to prove it',
    async (query) => {
      const response = await createTestBrowser().fetch(`${portico.url}/api/login?${query}`)
      expect(await readRefusal(response)).toBe('400 invalid_request')
      expect(response.headers.getSetCookie()).toEqual([])
    },
  )
})

describe('a refresh', () => {
  async function refresh(browser: ReturnType<typeof createTestBrowser>, to = portico) {
    to.clock.advance(seconds(59))
    return browser.fetch(`${to.url}/api/token`, { method: 'POST', headers: csrf })
  }

  test('needs no ID token, and follows the claims', async () => {
    const { browser } = await logIn()
    idp.script({ userinfo: (claims) => ({ ...claims, name: 'Rear Admiral Hopper' }) })
    expect((await refresh(browser)).status).toBe(200)
    expect((await getSession(portico, browser)).user.name).toBe('Rear Admiral Hopper')
  })

  test('narrows the scope to what it grants (R66)', async () => {
    const { browser, response } = await logIn()
    const { session } = await read(response)
    idp.script({ refreshResponse: (body) => ({ ...body, scope: 'profile admin' }) })
    expect((await refresh(browser)).status).toBe(200)
    expect((await portico.store.read(session.id))?.tokens.scope).toEqual(['profile'])
  })

  test('needs to name nobody again', async () => {
    const { browser } = await logIn()
    idp.script({ refreshResponse: ({ user_id: _, ...rest }) => rest })
    expect((await refresh(browser)).status).toBe(200)
  })

  test('and a login read no ID token under the name that this server uses for one itself', async () => {
    const withOwnName = (body: Record<string, unknown>) => ({ ...body, unverified_id_token: 'x' })
    idp.script({ tokenResponse: withOwnName, refreshResponse: withOwnName })
    const { browser, response } = await logIn()
    const { session } = await read(response)
    expect((await portico.store.read(session.id))?.tokens.idToken).toBeUndefined()
    expect((await refresh(browser)).status).toBe(200)
    expect((await portico.store.read(session.id))?.tokens.idToken).toBeUndefined()
  })

  test('that names another user is refused, and the session keeps what it had', async () => {
    const { browser } = await logIn()
    idp.script({ refreshResponse: (body) => ({ ...body, user_id: 'u-2' }) })
    expect((await refresh(browser)).status).toBe(502)
    expect((await getSession(portico, browser)).user.sub).toBe('u-1')
  })

  test('that names another user brings no refresh token of theirs either', async () => {
    const { browser, response } = await logIn()
    const { session } = await read(response)
    const before = await portico.store.read(session.id)
    idp.script({ refreshResponse: (body) => ({ ...body, user_id: 'u-2', refresh_token: 'of-another-user' }) })
    expect((await refresh(browser)).status).toBe(502)
    expect((await portico.store.read(session.id))?.tokens).toEqual(before?.tokens)
  })

  test('whose userinfo is of another user is refused: nothing else says whose tokens these are', async () => {
    const { browser, response } = await logIn()
    const { session } = await read(response)
    const before = await portico.store.read(session.id)
    idp.script({ userinfo: () => ({ user_id: 'u-2', name: 'Mallory' }) })
    expect((await refresh(browser)).status).toBe(502)
    const after = await portico.store.read(session.id)
    expect(after?.tokens).toEqual({ ...before?.tokens, refreshToken: after?.tokens.refreshToken })
    expect(after?.identity).toEqual(before?.identity)
    expect((await getSession(portico, browser)).user).toEqual({ sub: 'u-1', name: 'Grace Hopper' })
  })

  test('takes a group away that userinfo no longer tells of (R65)', async () => {
    idp.script({ userinfo: (claims) => ({ ...claims, groups: ['Admins'] }) })
    const { browser } = await logIn()
    expect((await getSession(portico, browser)).user.groups).toEqual(['Admins'])
    idp.reset()
    expect((await refresh(browser)).status).toBe(200)
    expect((await getSession(portico, browser)).user).not.toHaveProperty('groups')
  })

  test('keeps the claims where userinfo does not answer', async () => {
    const { browser } = await logIn()
    idp.script({ userinfo: () => 'nothing' })
    expect((await refresh(browser)).status).toBe(200)
    expect((await getSession(portico, browser)).user.name).toBe('Grace Hopper')
  })
})

describe('answers in the way of GitHub', () => {
  test('an error with status 200 is an error', async () => {
    idp.script({ tokenResponse: () => ({ error: 'bad_verification_code', error_description: 'expired' }) })
    const { response } = await logIn()
    expect(await readRefusal(response)).toBe('502 provider_error')
    expect(portico.logged.findLast(({ event }) => event === 'login_failed')?.reason).toBe(
      'token endpoint: bad_verification_code: expired',
    )
  })

  test('scopes with commas between them are scopes', async () => {
    idp.script({ tokenResponse: (body) => ({ ...body, scope: 'repo,gist read:user gist' }) })
    const { session } = await read((await logIn()).response)
    expect((await portico.store.read(session.id))?.tokens.scope).toEqual(['repo', 'gist', 'read:user'])
  })
})

describe('the configured field names the user', () => {
  const byId = { OAUTH_USERINFO_ENDPOINT: undefined as string | undefined, OAUTH_USER_ID_FIELD: 'id' }
  const nameless = { tokenResponse: ({ user_id: _, ...rest }: Record<string, unknown>) => rest }

  test('before a sub, which means nothing in plain OAuth 2.0', async () => {
    idp.script({ ...nameless, userinfo: () => ({ id: 7, sub: 'premium' }) })
    const other = await startOther({ ...byId, OAUTH_USERINFO_ENDPOINT: `${idp.origin}/users/me` })
    const { browser, response } = await logIn(other)
    expect((await read(response)).user.sub).toBe('7')
    const userinfo = await browser.fetch(`${other.url}/api/userinfo`, { headers: csrf })
    expect(userinfo.status).toBe(200)
  })

  test('a sub that is a number serves where the field is not there', async () => {
    idp.script({ ...nameless, userinfo: () => ({ sub: 42 }) })
    const other = await startOther({ ...byId, OAUTH_USERINFO_ENDPOINT: `${idp.origin}/users/me` })
    const { browser, response } = await logIn(other)
    expect((await read(response)).user.sub).toBe('42')
    const userinfo = await browser.fetch(`${other.url}/api/userinfo`, { headers: csrf })
    expect(userinfo.status).toBe(200)
  })
})

describe('without PKCE', () => {
  const secret = {
    OIDC_CLIENT_SECRET: 'plain-secret',
    OIDC_CLIENT_AUTH: 'client_secret_post',
    OIDC_PKCE: 'off',
  }

  test('no challenge and no verifier is sent, but the secret', async () => {
    const other = await startOther(secret)
    const browser = createTestBrowser()
    const loginUrl = await startLogin(other, browser)
    expect(loginUrl).not.toContain('code_challenge')
    const response = await browser.fetch(`${other.url}/api/callback?${idp.authorize(loginUrl)}`)
    expect(response.status).toBe(200)
    const { body } = idp.requests.find(({ path }) => path === '/token') ?? {}
    expect(body).toMatchObject({ client_id: 'plain', client_secret: 'plain-secret' })
    expect(body).not.toHaveProperty('code_verifier')
  })

  test('the state still ties the answer to the browser (R4, F10)', async () => {
    const other = await startOther(secret)
    const [victim, attacker] = [createTestBrowser(), createTestBrowser()]
    await startLogin(other, victim)
    const parameters = idp.authorize(await startLogin(other, attacker))
    const response = await victim.fetch(`${other.url}/api/callback?${parameters}`)
    expect(await readRefusal(response)).toBe('400 login_transaction_missing')
    expect(idp.requests).toEqual([])
  })
})
