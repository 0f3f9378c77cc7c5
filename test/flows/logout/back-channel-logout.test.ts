import { randomUUID } from 'node:crypto'
import type { JWTPayload } from 'jose'
import { beforeEach, describe, expect } from 'vitest'
import { createTestBrowser, type TestBrowser } from '../../support/browser.ts'
import { minutes, seconds } from '../../support/clock.ts'
import { failOn } from '../../support/failing-store.ts'
import { idp, portico, serverPerFile, signIn, writeProvidersFile } from '../../support/fixtures.ts'
import { csrf, getSession, logInAtScripted, readRefusal, startLogin } from '../../support/login.ts'
import { startPortico } from '../../support/portico.ts'
import { createProviderKey, type ScriptedProvider } from '../../support/providers/scripted-provider.ts'

const event = 'http://schemas.openid.net/event/backchannel-logout'

const test = serverPerFile()
let browser: TestBrowser
/** Of the session at the provider that `browser` came from. */
let sid: string
beforeEach(async () => {
  portico.clock.advance(seconds(1))
  sid = `sid-${randomUUID()}`
  browser = await signIn({ sid })
})

interface TokenChange {
  claims?: (claims: JWTPayload) => JWTPayload
  header?: Record<string, unknown>
  key?: ScriptedProvider['goodKey']
}

/** A logout token that is right but for what a test changes. */
function makeToken({ claims = (same) => same, header = {}, key = idp.goodKey }: TokenChange = {}) {
  const now = Math.floor(portico.clock.now() / 1000)
  const right = {
    iss: idp.issuer,
    aud: 'portico-test',
    iat: now,
    exp: now + 120,
    jti: randomUUID(),
    events: { [event]: {} },
    sid,
    sub: '00u-grace',
  }
  return idp.sign(key, { alg: 'RS256', kid: key.kid, typ: 'logout+jwt', ...header }, claims(right))
}

const post = (token: string, at = portico, more: Record<string, string> = {}) =>
  createTestBrowser().fetch(`${at.url}/api/backchannel-logout`, {
    method: 'POST',
    // As a provider sends it: no browser says anything of itself.
    headers: { 'sec-fetch-mode': undefined, 'sec-fetch-site': undefined, accept: '*/*' },
    body: new URLSearchParams({ logout_token: token, ...more }),
  })

async function describeAnswer(response: Response): Promise<string> {
  expect(response.headers.get('cache-control')).toBe('no-store')
  const text = await response.text()
  return text === ''
    ? `${response.status}`
    : `${response.status} ${(JSON.parse(text) as { error: string }).error}`
}
const isSignedIn = async (who: TestBrowser, at = portico) => (await getSession(at, who)).active

const without =
  (...names: string[]) =>
  (claims: JWTPayload) =>
    Object.fromEntries(Object.entries(claims).filter(([name]) => !names.includes(name)))
const withClaims = (more: JWTPayload) => (claims: JWTPayload) => ({ ...claims, ...more })
const seconds1970 = (offset: number) => Math.floor(portico.clock.now() / 1000) + offset

describe('a logout token that is not right ends nothing: 400 (R71, R73, BCL 2.6)', () => {
  const invalid: [string, () => TokenChange][] = [
    ['of another issuer', () => ({ claims: withClaims({ iss: 'https://evil.example' }) })],
    ['without iss', () => ({ claims: without('iss') })],
    ['for another client', () => ({ claims: withClaims({ aud: 'other' }) })],
    ['for another client as well', () => ({ claims: withClaims({ aud: ['portico-test', 'other'] }) })],
    ['without aud', () => ({ claims: without('aud') })],
    ['that has expired', () => ({ claims: () => withClaims({ exp: seconds1970(-31) })(base()) })],
    ['whose exp is null', () => ({ claims: withClaims({ exp: null as unknown as number }) })],
    ['whose exp is no number', () => ({ claims: withClaims({ exp: '9999999999' as unknown as number }) })],
    ['that is good for more than a day', () => ({ claims: withClaims({ exp: seconds1970(86_401) }) })],
    ['issued in the future', () => ({ claims: withClaims({ iat: seconds1970(31) }) })],
    ['without iat', () => ({ claims: without('iat') })],
    [
      'whose iat is no number',
      () => ({ claims: withClaims({ iat: String(seconds1970(0)) as unknown as number }) }),
    ],
    ['without jti', () => ({ claims: without('jti') })],
    ['with an empty jti', () => ({ claims: withClaims({ jti: '' }) })],
    ['without events', () => ({ claims: without('events') })],
    ['with another event', () => ({ claims: withClaims({ events: { 'https://other.example': {} } }) })],
    ['whose event is no object', () => ({ claims: withClaims({ events: { [event]: true } }) })],
    ['whose event is null', () => ({ claims: withClaims({ events: { [event]: null } }) })],
    ['whose event is a list', () => ({ claims: withClaims({ events: { [event]: [] } }) })],
    ['whose jti is no text', () => ({ claims: withClaims({ jti: 1 as unknown as string }) })],
    ['whose events are a list', () => ({ claims: withClaims({ events: [event] }) })],
    ['with a nonce, as ID tokens have it (R79)', () => ({ claims: withClaims({ nonce: 'n' }) })],
    ['without sub and sid', () => ({ claims: without('sub', 'sid') })],
    ['with an empty sid', () => ({ claims: withClaims({ sid: '' }) })],
    [
      'with an empty sub and no sid',
      () => ({ claims: (claims) => withClaims({ sub: '' })(without('sid')(claims)) }),
    ],
    ['whose sid is no text', () => ({ claims: withClaims({ sid: 1 }) })],
    ['that says it is an access token (R79)', () => ({ header: { typ: 'at+jwt' } })],
    ['that says it is something else', () => ({ header: { typ: 'secevent+jwt' } })],
  ]
  const base = () => ({
    iss: idp.issuer,
    aud: 'portico-test',
    iat: seconds1970(-120),
    jti: randomUUID(),
    events: { [event]: {} },
    sid,
  })

  test.each(invalid)('%s', async (_name, change) => {
    expect(await describeAnswer(await post(await makeToken(change())))).toBe('400 invalid_logout_token')
    expect(await isSignedIn(browser)).toBe(true)
    expect(portico.logged.findLast((line) => line.event === 'backchannel_logout_refused')).toMatchObject({
      code: 'invalid_logout_token',
      reason: expect.any(String),
    })
  })

  test('signed by a key of somebody else', async () => {
    const key = { ...(await createProviderKey('good-1')), kid: idp.goodKey.kid }
    expect(await describeAnswer(await post(await makeToken({ key })))).toBe('400 invalid_logout_token')
    expect(await isSignedIn(browser)).toBe(true)
  })

  test('signed with another algorithm, by a key of the provider', async () => {
    const key = await createProviderKey('es-1', 'ES256')
    idp.publish(idp.goodKey, key)
    portico.clock.advance(minutes(1))
    const token = await makeToken({ key, header: { alg: 'ES256' } })
    expect(await describeAnswer(await post(token))).toBe('400 invalid_logout_token')
    expect(await isSignedIn(browser)).toBe(true)
    idp.publish(idp.goodKey)
  })

  test('not signed at all (alg none)', async () => {
    const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')
    const [, payload] = (await makeToken()).split('.')
    const token = `${encode({ alg: 'none', typ: 'logout+jwt' })}.${payload}.`
    expect(await describeAnswer(await post(token))).toBe('400 invalid_logout_token')
    expect(await isSignedIn(browser)).toBe(true)
  })

  test('an ID token of the person is none (R79)', async () => {
    let idToken = ''
    idp.script({
      tokenResponse(body) {
        idToken = String(body.id_token)
        return body
      },
    })
    const { browser: other } = await logInAtScripted(portico, idp)
    expect(await describeAnswer(await post(idToken))).toBe('400 invalid_logout_token')
    expect(await isSignedIn(other)).toBe(true)
  })

  test('an app token of the person is none (R79)', async () => {
    const answer = await browser.fetch(`${portico.url}/api/token`, { method: 'POST', headers: csrf })
    const { token } = (await answer.json()) as { token: string }
    expect(await describeAnswer(await post(token))).toBe('400 invalid_logout_token')
    expect(await isSignedIn(browser)).toBe(true)
  })

  test('and a logout token is no app token (R79)', async () => {
    const headers = { ...csrf, authorization: `Bearer ${await makeToken()}` }
    const response = await createTestBrowser().fetch(`${portico.url}/api/token`, { method: 'POST', headers })
    expect(await readRefusal(response)).toBe('401 session_required')
  })

  test.each([
    ['no token', new URLSearchParams(), undefined],
    ['two tokens', new URLSearchParams('logout_token=a&logout_token=b'), undefined],
    ['what is no JWT', new URLSearchParams('logout_token=abc'), undefined],
    ['JSON', JSON.stringify({ logout_token: 'x' }), 'application/json'],
    ['a body without end', `logout_token=${'a'.repeat(20_000)}`, 'application/x-www-form-urlencoded'],
  ])('a call with %s', async (_name, body, type) => {
    const response = await createTestBrowser().fetch(`${portico.url}/api/backchannel-logout`, {
      method: 'POST',
      headers: type === undefined ? {} : { 'content-type': type },
      body,
    })
    expect(response.status).toBe(400)
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(await isSignedIn(browser)).toBe(true)
  })

  test('F42: a token that was used before', async () => {
    const token = await makeToken()
    expect(await describeAnswer(await post(token))).toBe('200')
    expect(await isSignedIn(browser)).toBe(false)
    portico.clock.advance(1)
    const again = await signIn({ sid })
    expect(await describeAnswer(await post(token))).toBe('400 invalid_logout_token')
    // Until nobody would take it anyway, the clocks' tolerance included.
    for (const later of [119, 20]) {
      portico.clock.advance(seconds(later))
      expect(await describeAnswer(await post(token))).toBe('400 invalid_logout_token')
      const refused = portico.logged.findLast((line) => line.event === 'backchannel_logout_refused')
      expect(refused?.reason).toBe('jti was used before')
    }
    expect(await isSignedIn(again)).toBe(true)
  })
})

describe('a logout token that is right (R73)', () => {
  test('with sid: that one session ends, the person’s others do not', async () => {
    const other = await signIn({ sid: 'sid-2' })
    expect(await describeAnswer(await post(await makeToken({ claims: without('sub') })))).toBe('200')
    expect([await isSignedIn(browser), await isSignedIn(other)]).toEqual([false, true])
    const done = portico.logged.findLast((line) => line.event === 'backchannel_logout_succeeded')
    expect(done).toMatchObject({ providers: ['default'], sessions: [expect.any(String)] })
  })

  test('with sid and the sub of somebody else: nobody’s session ends', async () => {
    const token = await makeToken({ claims: withClaims({ sub: 'somebody-else' }) })
    expect(await describeAnswer(await post(token))).toBe('200')
    expect(await isSignedIn(browser)).toBe(true)
  })

  test('with sub alone: all of the person’s sessions end, nobody else’s (R72)', async () => {
    const phone = await signIn({ sid: 'sid-3' })
    const other = await signIn({ sub: 'somebody-else', sid: 'sid-4' })
    expect(await describeAnswer(await post(await makeToken({ claims: without('sid') })))).toBe('200')
    expect([await isSignedIn(browser), await isSignedIn(phone), await isSignedIn(other)]).toEqual([
      false,
      false,
      true,
    ])
  })

  test('of somebody who is out already: success (R72)', async () => {
    expect(await describeAnswer(await post(await makeToken()))).toBe('200')
    expect(await describeAnswer(await post(await makeToken()))).toBe('200')
    const token = await makeToken({ claims: withClaims({ sub: 'never-was', sid: 'never-was' }) })
    expect(await describeAnswer(await post(token))).toBe('200')
  })

  test.each(['JWT', undefined, 'application/logout+jwt', 'LOGOUT+JWT'])('whose typ is %s', async (typ) => {
    expect(await describeAnswer(await post(await makeToken({ header: { typ } })))).toBe('200')
    expect(await isSignedIn(browser)).toBe(false)
  })

  test('within the clocks’ tolerance', async () => {
    const late = withClaims({ iat: seconds1970(29), exp: seconds1970(-29) })
    expect(await describeAnswer(await post(await makeToken({ claims: late })))).toBe('200')
  })

  test('whose audience is a list of this client', async () => {
    const token = await makeToken({ claims: withClaims({ aud: ['portico-test'] }) })
    expect(await describeAnswer(await post(token))).toBe('200')
    expect(await isSignedIn(browser)).toBe(false)
  })

  test('that is good for a day', async () => {
    const token = await makeToken({ claims: withClaims({ exp: seconds1970(86_399) }) })
    expect(await describeAnswer(await post(token))).toBe('200')
  })

  /** The claims of providers that tests do not have, as their sources make them. */
  test.each<[string, () => TokenChange]>([
    [
      'Ory Hydra: no exp, no sub, aud a list, the usual typ',
      () => ({
        claims: (claims) => without('exp', 'sub')({ ...claims, aud: ['portico-test'] }),
        header: { typ: 'JWT' },
      }),
    ],
    [
      'Keycloak: one event more',
      () => ({ claims: withClaims({ events: { [event]: {}, revoke_offline_access: true } }) }),
    ],
    ['Keycloak up to 23.0.3: no exp', () => ({ claims: without('exp'), header: { typ: 'JWT' } })],
    [
      'LemonLDAP::NG: no exp, aud a list, sub and sid',
      () => ({ claims: (claims) => without('exp')({ ...claims, aud: ['portico-test'] }) }),
    ],
    [
      'Duende IdentityServer: nbf, good for five minutes',
      () => ({ claims: withClaims({ nbf: seconds1970(0), exp: seconds1970(300) }) }),
    ],
  ])('of %s', async (_name, change) => {
    expect(await describeAnswer(await post(await makeToken(change())))).toBe('200')
    expect(await isSignedIn(browser)).toBe(false)
  })

  test('beside parameters that nobody knows (R70)', async () => {
    expect(await describeAnswer(await post(await makeToken(), portico, { more: 'x' }))).toBe('200')
    expect(await isSignedIn(browser)).toBe(false)
  })

  test('signed by a key that the provider took into use a moment ago', async () => {
    const key = await createProviderKey('fresh-1')
    idp.publish(key)
    portico.clock.advance(minutes(1))
    expect(await describeAnswer(await post(await makeToken({ key })))).toBe('200')
    expect(await isSignedIn(browser)).toBe(false)
    idp.publish(idp.goodKey)
    portico.clock.advance(minutes(1))
  })

  test('revokes the refresh token of the session', async () => {
    const before = idp.livingRefreshTokens()
    await post(await makeToken())
    await expect.poll(() => idp.livingRefreshTokens()).toBe(before - 1)
  })

  test('wins against a login under way, by sid as by sub', async () => {
    for (const claims of [without('sub'), without('sid')]) {
      const person = createTestBrowser()
      const parameters = idp.authorize(await startLogin(portico, person))
      portico.clock.advance(1)
      let release = () => {}
      const asked = new Promise<void>((arrived) => {
        idp.script({
          idTokenClaims: (before) => ({ ...before, sid }),
          onTokenRequest: () => arrived(),
          tokenDelay: new Promise<void>((done) => {
            release = done
          }),
        })
      })
      const callback = person.fetch(`${portico.url}/api/callback?${parameters}`)
      await asked
      expect(await describeAnswer(await post(await makeToken({ claims })))).toBe('200')
      release()
      expect(await readRefusal(await callback)).toBe('401 signed_out')
      idp.reset()
      portico.clock.advance(1)
      expect(await isSignedIn(await signIn({ sid }))).toBe(true)
    }
  })
})

describe('a logout token without exp counts for two minutes from its iat', () => {
  beforeEach(() => {
    // To the second, so that the edges are where they are said to be.
    portico.clock.advance(1_000 - (portico.clock.now() % 1_000))
  })
  const issued = (ago: number) => ({
    claims: (claims: JWTPayload) => without('exp')({ ...claims, iat: portico.clock.now() / 1000 - ago }),
  })
  const readReason = () =>
    portico.logged.findLast((line) => line.event === 'backchannel_logout_refused')?.reason
  const tooOld = 'iat lies more than two minutes back, and there is no exp'

  test.each([-30, -29, 0, 1, 119, 119.5, 120, 149, 149.5])('taken, made %s s ago', async (ago) => {
    expect(await describeAnswer(await post(await makeToken(issued(ago))))).toBe('200')
    expect(await isSignedIn(browser)).toBe(false)
  })

  test.each([
    [150, tooOld],
    [150.5, tooOld],
    [3_600, tooOld],
    [1e9, tooOld],
    [-30.5, /^iat lies \d+ s in the future$/],
    [-31, /^iat lies \d+ s in the future$/],
    [-86_400, /^iat lies \d+ s in the future$/],
    [-1e12, /^iat lies \d+ s in the future$/],
  ])('refused, made %s s ago', async (ago, reason) => {
    expect(await describeAnswer(await post(await makeToken(issued(ago))))).toBe('400 invalid_logout_token')
    expect(readReason()).toMatch(reason)
    expect(await isSignedIn(browser)).toBe(true)
  })

  test.each<[string, (claims: JWTPayload) => JWTPayload, string]>([
    ['no iat either', without('iat', 'exp'), 'ERR_JWT_CLAIM_VALIDATION_FAILED iat'],
    [
      'an iat that is no number',
      (claims) => without('exp')({ ...claims, iat: 'now' as unknown as number }),
      'ERR_JWT_CLAIM_VALIDATION_FAILED iat',
    ],
    [
      'an iat that is null',
      (claims) => without('exp')({ ...claims, iat: null as unknown as number }),
      'ERR_JWT_CLAIM_VALIDATION_FAILED iat',
    ],
    ['no jti', without('jti', 'exp'), 'jti is missing'],
    [
      'an nbf that lies ahead',
      (claims) => without('exp')({ ...claims, nbf: seconds1970(60) }),
      'ERR_JWT_CLAIM_VALIDATION_FAILED nbf',
    ],
  ])('refused, with %s', async (_name, claims, reason) => {
    expect(await describeAnswer(await post(await makeToken({ claims })))).toBe('400 invalid_logout_token')
    expect(readReason()).toBe(reason)
    expect(await isSignedIn(browser)).toBe(true)
  })

  test('with an exp, an old iat says nothing', async () => {
    const claims = withClaims({ iat: seconds1970(-3_600), exp: seconds1970(60) })
    expect(await describeAnswer(await post(await makeToken({ claims })))).toBe('200')
  })

  test.each([0, 29, 60])(
    'F42: and is good once, made %s s ago: as long as it is taken at all',
    async (ago) => {
      const token = await makeToken(issued(ago))
      const endsAt = portico.clock.now() + seconds(150 - ago)
      expect(await describeAnswer(await post(token))).toBe('200')
      portico.clock.advance(1)
      const again = await signIn({ sid })
      for (const [at, reason] of [
        [portico.clock.now(), 'jti was used before'],
        [endsAt - seconds(31), 'jti was used before'],
        [endsAt - 1, 'jti was used before'],
        [endsAt, tooOld],
        [endsAt + seconds(60), tooOld],
      ] as const) {
        portico.clock.advance(at - portico.clock.now())
        expect(await describeAnswer(await post(token))).toBe('400 invalid_logout_token')
        expect(readReason()).toBe(reason)
      }
      expect(await isSignedIn(again)).toBe(true)
    },
  )
})

test('what strangers send does not keep logins from learning of new keys (R38, F30)', async () => {
  const stranger = { ...(await createProviderKey('strange-1')), kid: 'unknown' }
  expect(await describeAnswer(await post(await makeToken({ key: stranger })))).toBe(
    '400 invalid_logout_token',
  )
  const key = await createProviderKey('rotated-1')
  idp.publish(key)
  idp.script({ key, accessTokenKey: key })
  const { response } = await logInAtScripted(portico, idp)
  expect(response.status).toBe(200)
  idp.publish(idp.goodKey)
  idp.reset()
  portico.clock.advance(minutes(1))
})

test.each([
  ['exp', () => withClaims({ exp: seconds1970(60) + 0.5 }), 90],
  ['iat', () => (claims: JWTPayload) => without('exp')({ ...claims, iat: seconds1970(-60) + 0.5 }), 90],
])(
  'a token whose %s is no whole second is remembered until its last one is over',
  async (_name, change, end) => {
    portico.clock.advance(1_000 - (portico.clock.now() % 1_000))
    const token = await makeToken({ claims: change() })
    expect(await describeAnswer(await post(token))).toBe('200')
    const endsAt = portico.clock.now() + seconds(end)
    for (const at of [portico.clock.now(), endsAt, endsAt + 499, endsAt + 999, endsAt + 1_000]) {
      portico.clock.advance(at - portico.clock.now())
      expect(await describeAnswer(await post(token))).toBe('400 invalid_logout_token')
    }
  },
)

test('with OIDC_LOGOUT_TOKEN_TYP=required, typ must be logout+jwt (R74)', async () => {
  const { clock } = portico
  const strict = await startPortico({
    issuer: idp.issuer,
    env: { OIDC_LOGOUT_TOKEN_TYP: 'required' },
    replaced: { clock },
  })
  for (const typ of ['JWT', undefined]) {
    const response = await post(await makeToken({ header: { typ } }), strict)
    expect(await describeAnswer(response)).toBe('400 invalid_logout_token')
  }
  expect(await describeAnswer(await post(await makeToken(), strict))).toBe('200')
  await strict.close()
})

test('while the keys cannot be had: 400, nothing ends, and the same token works later', async () => {
  const { clock } = portico
  const { store, config } = portico.components
  idp.script({ jwks: () => 'nothing' })
  const cold = await startPortico({ replaced: { clock, store, config } })
  const token = await makeToken()
  expect(await describeAnswer(await post(token, cold))).toBe('400 provider_unavailable')
  expect(await isSignedIn(browser)).toBe(true)
  idp.reset()
  clock.advance(minutes(1))
  expect(await describeAnswer(await post(token, cold))).toBe('200')
  expect(await isSignedIn(browser)).toBe(false)
  await cold.close()
})

test.each(['findByGroup', 'end', 'rejectEarlierLogins', 'publish'] as const)(
  'while the store cannot %s: 400, and the same token works later: a provider tries again',
  async (method) => {
    const { clock, store, config } = portico.components
    const failing = failOn(store, method)
    const unlucky = await startPortico({ replaced: { clock, config, store: failing.store } })
    const token = await makeToken()
    expect(await describeAnswer(await post(token, unlucky))).toBe('400 store_unavailable')
    failing.heal()
    expect(await describeAnswer(await post(token, unlucky))).toBe('200')
    expect(await isSignedIn(browser)).toBe(false)
    await unlucky.close()
  },
)

test('a flood of logout tokens is not limited: a provider may sign out many at once', async () => {
  const { clock, store } = portico.components
  const limited = await startPortico({
    issuer: idp.issuer,
    env: { RATE_LIMIT_API: '1/1m', RATE_LIMIT_LOGIN: '1/1m' },
    replaced: { clock, store },
  })
  for (let count = 0; count < 5; count += 1) {
    expect(await describeAnswer(await post(await makeToken(), limited))).toBe('200')
  }
  await limited.close()
})

test('two clients at one provider: a token ends the sessions of its own client alone', async () => {
  const { clock } = portico
  const client = { OIDC_ISSUER: idp.issuer, OIDC_CLIENT_SECRET: 'test-client-secret' }
  const path = writeProvidersFile({
    one: { ...client, OIDC_CLIENT_ID: 'portico-test' },
    two: { ...client, OIDC_CLIENT_ID: 'portico-two' },
  })
  const both = await startPortico({
    env: { PROVIDERS_FILE: path },
    replaced: { clock },
  })
  const one = createTestBrowser()
  idp.script({ idTokenClaims: (before) => ({ ...before, sid }) })
  const parameters = idp.authorize(await startLogin(both, one, '?provider=one'))
  expect((await one.fetch(`${both.url}/api/callback/one?${parameters}`)).status).toBe(200)
  idp.reset()
  const toTwo = await makeToken({ claims: withClaims({ aud: 'portico-two' }) })
  expect(await describeAnswer(await post(toTwo, both))).toBe('200')
  expect(await isSignedIn(one, both)).toBe(true)
  expect(await describeAnswer(await post(await makeToken(), both))).toBe('200')
  expect(await isSignedIn(one, both)).toBe(false)
  await both.close()
})

test('one client by two names: a token ends the sessions of both', async () => {
  const { clock } = portico
  const client = {
    OIDC_ISSUER: idp.issuer,
    OIDC_CLIENT_ID: 'portico-test',
    OIDC_CLIENT_SECRET: 'test-client-secret',
  }
  const path = writeProvidersFile({ one: client, two: client })
  const both = await startPortico({ env: { PROVIDERS_FILE: path }, replaced: { clock } })
  const signInBy = async (name: string) => {
    const person = createTestBrowser()
    idp.script({ idTokenClaims: (before) => ({ ...before, sid }) })
    const parameters = idp.authorize(await startLogin(both, person, `?provider=${name}`))
    expect((await person.fetch(`${both.url}/api/callback/${name}?${parameters}`)).status).toBe(200)
    idp.reset()
    return person
  }
  const people = [await signInBy('one'), await signInBy('two')]
  expect(await describeAnswer(await post(await makeToken(), both))).toBe('200')
  for (const person of people) expect(await isSignedIn(person, both)).toBe(false)
  await both.close()
})
