import { randomUUID } from 'node:crypto'
import { type AddressInfo, createServer } from 'node:net'
import { decodeJwt, type JWTPayload, SignJWT } from 'jose'
import { beforeEach, describe, expect } from 'vitest'
import { createTestBrowser, type TestBrowser } from '../../support/browser.ts'
import { minutes, seconds } from '../../support/clock.ts'
import { failOn } from '../../support/failing-store.ts'
import { idp, portico, serverPerFile, signIn, writeProvidersFile } from '../../support/fixtures.ts'
import { getSession, logInAtScripted, readRefusal, startLogin } from '../../support/login.ts'
import { publicUrl, startPortico, type TestPortico } from '../../support/portico.ts'
import {
  createProviderKey,
  type ProviderScript,
  type ScriptedProvider,
  startScriptedProvider,
} from '../../support/providers/scripted-provider.ts'

const test = serverPerFile()
/** A person with two sessions, and somebody else. */
let person: { sub: string; email: string; phone: TestBrowser; laptop: TestBrowser }
let somebodyElse: TestBrowser
beforeEach(async () => {
  portico.clock.advance(1)
  const sub = `00u-${randomUUID()}`
  const email = `${sub}@Example.com`
  person = { sub, email, phone: await signIn({ sub, email }), laptop: await signIn({ sub, email }) }
  somebodyElse = await signIn({ sub: 'somebody-else', email: 'else@example.com' })
})

interface TokenChange {
  claims?: (claims: JWTPayload) => JWTPayload
  header?: Record<string, unknown>
  key?: ScriptedProvider['goodKey']
}

/** The JWT that Okta's org sends, right but for what a test changes. */
function makeToken({ claims = (same) => same, header = {}, key = idp.orgKey }: TokenChange = {}) {
  const now = Math.floor(portico.clock.now() / 1000)
  const right = {
    iss: idp.org,
    sub: 'portico-test',
    aud: `${publicUrl}/api/universal-logout`,
    iat: now,
    exp: now + 300,
    jti: randomUUID(),
  }
  const typ = 'global-token-revocation+jwt'
  return idp.sign(key, { alg: 'RS256', kid: key.kid, typ, ...header }, claims(right))
}

const call = (token: string | undefined, body: unknown, at = portico) =>
  createTestBrowser().fetch(`${at.url}/api/universal-logout`, {
    method: 'POST',
    headers: {
      'sec-fetch-mode': undefined,
      'sec-fetch-site': undefined,
      'content-type': 'application/json',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify(body),
  })
const bySub = (sub = person.sub, iss = idp.issuer) => ({ sub_id: { format: 'iss_sub', iss, sub } })
const byEmail = (email = person.email) => ({ sub_id: { format: 'email', email } })
const isSignedIn = async (who: TestBrowser, at = portico) => (await getSession(at, who)).active
const whoIsIn = () =>
  Promise.all([person.phone, person.laptop, somebodyElse].map((browser) => isSignedIn(browser)))

describe('ends all sessions of the person, nobody else’s: 204 (R76)', () => {
  test.each<[string, () => unknown]>([
    ['by issuer and sub', () => bySub()],
    ['by the org as issuer, and sub', () => bySub(person.sub, idp.org)],
    ['by e-mail, whatever its case', () => byEmail(person.email.toUpperCase())],
    ['in the words of Okta’s first version', () => ({ subject: byEmail().sub_id })],
    ['with more than we know', () => ({ ...bySub(), event_timestamp: 1 })],
  ])('%s', async (_name, body) => {
    const response = await call(await makeToken(), body())
    expect([response.status, await response.text()]).toEqual([204, ''])
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(await whoIsIn()).toEqual([false, false, true])
    const done = portico.logged.findLast(({ event }) => event === 'universal_logout_succeeded')
    expect(done).toMatchObject({ providers: ['default'], sessions: [expect.any(String), expect.any(String)] })
  })

  test('within the clocks’ tolerance', async () => {
    const exp = Math.floor(portico.clock.now() / 1000) - 29
    const claims = (before: JWTPayload) => ({ ...before, exp })
    expect((await call(await makeToken({ claims }), bySub())).status).toBe(204)
  })

  test('their refresh tokens are revoked', async () => {
    const before = idp.livingRefreshTokens()
    await call(await makeToken(), bySub())
    await expect.poll(() => idp.livingRefreshTokens()).toBe(before - 2)
  })

  test('nobody of that name is signed in: success', async () => {
    expect((await call(await makeToken(), bySub('00u-nobody'))).status).toBe(204)
    expect(await whoIsIn()).toEqual([true, true, true])
  })

  test('a login under way is over as well', async () => {
    const browser = createTestBrowser()
    const parameters = idp.authorize(await startLogin(portico, browser))
    portico.clock.advance(1)
    await call(await makeToken(), bySub())
    idp.script({ idTokenClaims: (before) => ({ ...before, sub: person.sub }) })
    const response = await browser.fetch(`${portico.url}/api/callback?${parameters}`)
    expect(await readRefusal(response)).toBe('401 signed_out')
    idp.reset()
  })
})

describe('a caller who is not the provider: refused, and nothing ends (R76)', () => {
  const withClaims = (more: JWTPayload) => ({ claims: (claims: JWTPayload) => ({ ...claims, ...more }) })
  const without = (name: string) => ({
    claims: (claims: JWTPayload) =>
      Object.fromEntries(Object.entries(claims).filter(([other]) => other !== name)),
  })
  const now = () => Math.floor(portico.clock.now() / 1000)

  test.each<[string, () => TokenChange | Promise<TokenChange>, string]>([
    ['another issuer', () => withClaims({ iss: 'https://evil.example' }), '401 invalid_token'],
    ['the authorization server, not its org', () => withClaims({ iss: idp.issuer }), '401 invalid_token'],
    ['no issuer', () => without('iss'), '401 invalid_token'],
    ['another audience', () => withClaims({ aud: publicUrl }), '401 invalid_token'],
    ['no audience', () => without('aud'), '401 invalid_token'],
    ['a token that has expired', () => withClaims({ exp: now() - 31 }), '401 invalid_token'],
    ['a token that never expires', () => without('exp'), '401 invalid_token'],
    [
      'a token that is good for more than a day',
      () => withClaims({ exp: now() + 86_401 }),
      '401 invalid_token',
    ],
    ['a token of another type', () => ({ header: { typ: 'logout+jwt' } }), '401 invalid_token'],
    ['a token of no type', () => ({ header: { typ: undefined } }), '401 invalid_token'],
    ['a key of the authorization server', () => ({ key: idp.goodKey }), '401 invalid_token'],
    [
      'a key of nobody',
      async () => ({ key: { ...(await createProviderKey('x')), kid: idp.orgKey.kid } }),
      '401 invalid_token',
    ],
    ['another client', () => withClaims({ sub: 'other' }), '403 insufficient_authorization'],
    ['no client', () => without('sub'), '401 invalid_token'],
  ])('%s', async (_name, change, expected) => {
    const response = await call(await makeToken(await change()), bySub())
    if (expected.startsWith('401')) {
      expect(response.headers.get('www-authenticate')).toBe('Bearer error="invalid_token"')
    }
    expect(await readRefusal(response)).toBe(expected)
    expect(await whoIsIn()).toEqual([true, true, true])
    expect(portico.logged.map(({ event }) => event)).toContain('universal_logout_refused')
    portico.clock.advance(minutes(1))
  })

  test.each([
    ['no token', undefined, 'Bearer'],
    ['what is no token', 'abc', 'Bearer error="invalid_token"'],
    ['nothing', '', 'Bearer error="invalid_token"'],
  ])('%s', async (_name, token, challenge) => {
    const response = await call(token, bySub())
    expect(response.headers.get('www-authenticate')).toBe(challenge)
    expect(await readRefusal(response)).toBe('401 invalid_token')
    expect(await whoIsIn()).toEqual([true, true, true])
  })

  test('a token that was used before, until nobody would take it anyway', async () => {
    const token = await makeToken()
    expect((await call(token, bySub('00u-nobody'))).status).toBe(204)
    for (const later of [0, 300, 20]) {
      portico.clock.advance(seconds(later))
      const response = await call(token, bySub())
      expect(((await response.json()) as { detail: string }).detail).toContain('used before')
    }
    expect(await whoIsIn()).toEqual([true, true, true])
  })

  test('a token without a name that was used before', async () => {
    const token = await makeToken(without('jti'))
    expect((await call(token, bySub('00u-nobody'))).status).toBe(204)
    expect(await readRefusal(await call(token, bySub()))).toBe('401 invalid_token')
    expect((await call(await makeToken(without('jti')), bySub('00u-nobody'))).status).toBe(401)
    portico.clock.advance(seconds(1))
    expect((await call(await makeToken(without('jti')), bySub('00u-nobody'))).status).toBe(204)
  })

  describe('a token without a name that was used before, its signature written differently', () => {
    const withSignature = (token: string, change: (signature: string) => string) => {
      const at = token.lastIndexOf('.') + 1
      return token.slice(0, at) + change(token.slice(at))
    }
    /** The last character holds two bits of the signature, and four that mean nothing. */
    const changeSpareBits = (signature: string) =>
      signature.slice(0, -1) + String.fromCharCode(signature.charCodeAt(signature.length - 1) + 1)
    /** ECDSA takes s and n - s alike; n is the order of P-256. */
    const mirror = (signature: string) => {
      const bytes = Buffer.from(signature, 'base64url')
      const n = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551')
      const s = n - BigInt(`0x${bytes.subarray(32).toString('hex')}`)
      const other = Buffer.from(s.toString(16).padStart(64, '0'), 'hex')
      return Buffer.concat([bytes.subarray(0, 32), other]).toString('base64url')
    }
    /** What the same token gets, first as it is, then with its signature changed. */
    async function replay(key: ScriptedProvider['goodKey'], change: (signature: string) => string) {
      const { clock } = portico
      idp.script({ orgKeys: (_req, res) => void res.json({ keys: [key.publicJwk] }) })
      const cold = await startPortico({ issuer: idp.issuer, replaced: { clock } })
      const token = await makeToken({ ...without('jti'), key, header: { alg: key.alg } })
      const changed = withSignature(token, change)
      const first = await call(token, bySub('00u-nobody'), cold)
      const second = await call(changed, bySub('00u-nobody'), cold)
      idp.reset()
      await cold.close()
      expect(changed).not.toBe(token)
      expect(first.status).toBe(204)
      return [second.status, ((await second.json()) as { detail: string }).detail]
    }
    const refused = [401, expect.stringContaining('used before')]

    test.each<[string, [alg: string, bits?: number], (signature: string) => string]>([
      ['RS256, padded by ==', ['RS256'], (signature) => `${signature}==`],
      ['RS256, padded by =', ['RS256', 2056], (signature) => `${signature}=`],
      ['RS256, with another last character', ['RS256'], changeSpareBits],
      ['ES256, padded by ==', ['ES256'], (signature) => `${signature}==`],
      ['ES256, with another last character', ['ES256'], changeSpareBits],
      ['ES256, with n - s in place of s', ['ES256'], mirror],
    ])('%s', async (_way, key, change) => {
      expect(await replay(await createProviderKey('org-2', ...key), change)).toEqual(refused)
    })

    test('and one whose name is empty is told apart from others without one', async () => {
      const unnamed = () => makeToken(withClaims({ jti: '' }))
      const token = await unnamed()
      expect((await call(token, bySub('00u-nobody'))).status).toBe(204)
      expect(await readRefusal(await call(token, bySub()))).toBe('401 invalid_token')
      portico.clock.advance(seconds(1))
      expect((await call(await unnamed(), bySub('00u-nobody'))).status).toBe(204)
    })
  })

  test('a shared secret in place of a key', async () => {
    const oct = { kty: 'oct', alg: 'HS256', kid: 'oct-1', k: Buffer.alloc(32, 7).toString('base64url') }
    idp.script({ orgKeys: (_req, res) => void res.json({ keys: [idp.orgKey.publicJwk, oct] }) })
    const { clock } = portico
    const other = await startPortico({ issuer: idp.issuer, replaced: { clock } })
    const claims = decodeJwt(await makeToken())
    const token = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'HS256', kid: 'oct-1', typ: 'global-token-revocation+jwt' })
      .sign(Buffer.alloc(32, 7))
    expect(await readRefusal(await call(token, bySub(), other))).toBe('401 invalid_token')
    idp.reset()
    await other.close()
  })

  test('is told so before what is asked is looked at; only 401 names the scheme', async () => {
    const claims = (before: JWTPayload) => ({ ...before, aud: 'x' })
    expect(await readRefusal(await call(await makeToken({ claims }), {}))).toBe('401 invalid_token')
    const refused = await call(await makeToken(), {})
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([400, null])
  })
})

describe('a call that cannot be understood or done: refused, and nothing ends', () => {
  test.each<[string, unknown, string]>([
    ['no subject', {}, '400 invalid_request'],
    ['a format that nobody knows', { sub_id: { format: 'opaque', id: 'x' } }, '400 invalid_request'],
    ['no sub', { sub_id: { format: 'iss_sub', iss: 'https://x' } }, '400 invalid_request'],
    ['no e-mail', { sub_id: { format: 'email' } }, '400 invalid_request'],
    ['a list', [], '400 invalid_request'],
    [
      'people of another issuer',
      { sub_id: { format: 'iss_sub', iss: 'https://other.example', sub: 'x' } },
      '404 not_found',
    ],
  ])('%s', async (_name, body, expected) => {
    expect(await readRefusal(await call(await makeToken(), body))).toBe(expected)
    expect(await whoIsIn()).toEqual([true, true, true])
  })

  test('a form is not taken', async () => {
    const response = await createTestBrowser().fetch(`${portico.url}/api/universal-logout`, {
      method: 'POST',
      headers: { authorization: `Bearer ${await makeToken()}` },
      body: new URLSearchParams({ sub_id: 'x' }),
    })
    expect(await readRefusal(response)).toBe('415 unsupported_media_type')
  })

  test.each(['findByGroup', 'end', 'rejectEarlierLogins', 'publish'] as const)(
    'while the store cannot %s: 503, and the same token works later',
    async (method) => {
      const { clock, store, config } = portico.components
      const failing = failOn(store, method)
      const unlucky = await startPortico({ replaced: { clock, config, store: failing.store } })
      const token = await makeToken()
      expect(await readRefusal(await call(token, bySub(), unlucky))).toBe('503 store_unavailable')
      failing.heal()
      expect((await call(token, bySub(), unlucky)).status).toBe(204)
      expect(await whoIsIn()).toEqual([false, false, true])
      await unlucky.close()
    },
  )

  test('a refused call does not spend its token', async () => {
    const token = await makeToken()
    expect(await readRefusal(await call(token, {}))).toBe('400 invalid_request')
    expect((await call(token, bySub())).status).toBe(204)
  })

  test('an e-mail address, where sessions know none: 422', async () => {
    const { clock } = portico
    const blind = await startPortico({
      issuer: idp.issuer,
      env: { APP_TOKEN_CLAIMS: 'name' },
      replaced: { clock },
    })
    expect(await readRefusal(await call(await makeToken(), byEmail(), blind))).toBe('422 unprocessable')
    await blind.close()
  })
})

test('an e-mail address that not all servers’ sessions know: 422, and no session ends', async () => {
  const { clock } = portico
  const other = await startScriptedProvider({ path: '/oauth2/other' })
  other.follow(clock)
  const start = (claims: string) => {
    const client = { OIDC_CLIENT_ID: 'portico-test', OIDC_CLIENT_SECRET: 'test-client-secret' }
    const one = { ...client, OIDC_ISSUER: idp.issuer, claims: 'name,email' }
    const two = { ...client, OIDC_ISSUER: other.issuer, OIDC_UNIVERSAL_LOGOUT_ISSUER: idp.org, claims }
    const path = writeProvidersFile({ one, two })
    return startPortico({ env: { PROVIDERS_FILE: path }, replaced: { clock } })
  }
  const signInAtOne = async (at: TestPortico) => {
    const browser = createTestBrowser()
    const parameters = idp.authorize(await startLogin(at, browser, '?provider=one'))
    expect((await browser.fetch(`${at.url}/api/callback/one?${parameters}`)).status).toBe(200)
    return browser
  }
  const half = await start('name')
  const browser = await signInAtOne(half)
  const email = byEmail('grace@example.com')
  expect(await readRefusal(await call(await makeToken(), email, half))).toBe('422 unprocessable')
  expect(half.logged.findLast(({ event }) => event === 'universal_logout_refused')?.reason).toBe(
    'the claims of provider two have no email',
  )
  expect(await isSignedIn(browser, half)).toBe(true)
  expect((await call(await makeToken(), bySub('00u-grace'), half)).status).toBe(204)
  const whole = await start('email')
  const second = await signInAtOne(whole)
  expect((await call(await makeToken(), email, whole)).status).toBe(204)
  expect(await isSignedIn(second, whole)).toBe(false)
  for (const server of [half, whole, other]) await server.close()
})

describe('who may call', () => {
  test('for an issuer that is its own org, or another provider: the issuer itself', async () => {
    const other = await startScriptedProvider({ path: '/tenant' })
    const { clock } = portico
    other.follow(clock)
    const at = await startPortico({ issuer: other.issuer, replaced: { clock } })
    const { browser, response } = await logInAtScripted(at, other)
    expect(response.status).toBe(200)
    const claims = (before: JWTPayload) => ({ ...before, iss: other.issuer })
    const answer = await call(
      await makeToken({ claims, key: other.goodKey }),
      bySub('00u-grace', other.issuer),
      at,
    )
    expect(answer.status).toBe(204)
    expect(await isSignedIn(browser, at)).toBe(false)
    await at.close()
    await other.close()
  })

  test('OIDC_UNIVERSAL_LOGOUT_ISSUER names another one, such as the org behind a custom domain', async () => {
    const { clock } = portico
    const named = await startPortico({
      issuer: idp.issuer,
      env: { OIDC_UNIVERSAL_LOGOUT_ISSUER: idp.issuer },
      replaced: { clock },
    })
    const browser = await signIn({ sub: person.sub }, named)
    const claims = (before: JWTPayload) => ({ ...before, iss: idp.issuer })
    expect(await readRefusal(await call(await makeToken(), bySub(), named))).toBe('401 invalid_token')
    const response = await call(await makeToken({ claims, key: idp.goodKey }), bySub(), named)
    expect(response.status).toBe(204)
    expect(await isSignedIn(browser, named)).toBe(false)
    await named.close()
  })

  test.each<[string, ProviderScript]>([
    ['has no keys', { orgKeys: (_req, res) => void res.json({}) }],
    ['has keys that are no JSON', { orgKeys: (_req, res) => void res.send('keys') }],
    ['does not answer', { orgKeys: (_req, res) => void res.status(500).end() }],
    ['is not found', { orgMetadata: (_req, res) => void res.status(404).end() }],
    ['says no JSON of itself', { orgMetadata: (_req, res) => void res.send('org') }],
    [
      'says that it is somebody else',
      {
        orgMetadata: (_req, res) =>
          void res.json({ issuer: 'https://other.example', jwks_uri: `${idp.org}/oauth2/v1/keys` }),
      },
    ],
  ])('an org that %s: 503, and nothing ends', async (_name, defect) => {
    const { clock } = portico
    idp.script(defect)
    const cold = await startPortico({ issuer: idp.issuer, replaced: { clock } })
    expect(await readRefusal(await call(await makeToken(), bySub(), cold))).toBe('503 provider_unavailable')
    idp.reset()
    await cold.close()
  })

  test('an org by http whose keys are at an https URL: 503, and no connection is made to that', async () => {
    const { clock } = portico
    let connections = 0
    const elsewhere = createServer((socket) => {
      connections += 1
      socket.destroy()
    })
    await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve))
    const { port } = elsewhere.address() as AddressInfo
    const jwksUri = `https://127.0.0.1:${port}/keys`
    idp.script({ orgMetadata: (_req, res) => void res.json({ issuer: idp.org, jwks_uri: jwksUri }) })
    const cold = await startPortico({ issuer: idp.issuer, replaced: { clock } })
    expect(await readRefusal(await call(await makeToken(), bySub(), cold))).toBe('503 provider_unavailable')
    expect(cold.logged.findLast(({ event }) => event === 'universal_logout_refused')?.reason).toBe(
      `keys of ${idp.org}: jwks_uri has another protocol`,
    )
    expect(connections).toBe(0)
    idp.reset()
    await cold.close()
    await new Promise((resolve) => elsewhere.close(resolve))
  })

  test('two clients at one server: each calls for its own people alone', async () => {
    const { clock } = portico
    const client = { OIDC_ISSUER: idp.issuer, OIDC_CLIENT_SECRET: 'test-client-secret' }
    const one = { ...client, OIDC_CLIENT_ID: 'portico-test' }
    const path = writeProvidersFile({ one, two: { ...client, OIDC_CLIENT_ID: 'portico-two' } })
    const both = await startPortico({ env: { PROVIDERS_FILE: path }, replaced: { clock } })
    const browser = createTestBrowser()
    const parameters = idp.authorize(await startLogin(both, browser, '?provider=one'))
    expect((await browser.fetch(`${both.url}/api/callback/one?${parameters}`)).status).toBe(200)
    const claims = (before: JWTPayload) => ({ ...before, sub: 'portico-two' })
    expect((await call(await makeToken({ claims }), bySub('00u-grace'), both)).status).toBe(204)
    expect(await isSignedIn(browser, both)).toBe(true)
    expect((await call(await makeToken(), bySub('00u-grace'), both)).status).toBe(204)
    expect(await isSignedIn(browser, both)).toBe(false)
    await both.close()
  })

  test('several servers of one org, one client: the people of all of them', async () => {
    const { clock } = portico
    const other = await startScriptedProvider({ path: '/oauth2/other' })
    other.follow(clock)
    const client = { OIDC_CLIENT_ID: 'portico-test', OIDC_CLIENT_SECRET: 'test-client-secret' }
    const path = writeProvidersFile({
      one: { ...client, OIDC_ISSUER: idp.issuer },
      two: { ...client, OIDC_ISSUER: other.issuer, OIDC_UNIVERSAL_LOGOUT_ISSUER: idp.org },
    })
    const both = await startPortico({ env: { PROVIDERS_FILE: path }, replaced: { clock } })
    const signInBy = async (name: string, at: ScriptedProvider) => {
      const browser = createTestBrowser()
      at.script({ idTokenClaims: (before) => ({ ...before, sub: person.sub }) })
      const parameters = at.authorize(await startLogin(both, browser, `?provider=${name}`))
      expect((await browser.fetch(`${both.url}/api/callback/${name}?${parameters}`)).status).toBe(200)
      at.reset()
      return browser
    }
    const signInAll = () => Promise.all([signInBy('one', idp), signInBy('two', other)])
    const areIn = (browsers: TestBrowser[]) =>
      Promise.all(browsers.map((browser) => isSignedIn(browser, both)))
    const first = await signInAll()
    expect((await call(await makeToken(), bySub(person.sub, other.issuer), both)).status).toBe(204)
    expect(await areIn(first)).toEqual([true, false])
    clock.advance(1)
    const second = await signInAll()
    expect((await call(await makeToken(), bySub(person.sub, idp.org), both)).status).toBe(204)
    expect(await areIn([...first, ...second])).toEqual([false, false, false, false])
    await both.close()
    await other.close()
  })

  test('an org whose discovery document is of somebody else: 503, and nothing ends', async () => {
    const { clock } = portico
    const wrong = await startPortico({
      issuer: idp.issuer,
      env: { OIDC_UNIVERSAL_LOGOUT_ISSUER: `${idp.org}/` },
      replaced: { clock },
    })
    const claims = (before: JWTPayload) => ({ ...before, iss: `${idp.org}/` })
    expect(await readRefusal(await call(await makeToken({ claims }), bySub(), wrong))).toBe(
      '503 provider_unavailable',
    )
    await wrong.close()
  })
})
