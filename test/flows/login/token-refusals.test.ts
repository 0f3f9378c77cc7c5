import { createHmac, createPublicKey } from 'node:crypto'
import type { JWTPayload } from 'jose'
import { afterEach, describe, expect } from 'vitest'
import { seconds } from '../../support/clock.ts'
import { idp, portico, serverPerFile } from '../../support/fixtures.ts'
import { getSession, logInAtScripted, readRefusal } from '../../support/login.ts'
import { startPortico } from '../../support/portico.ts'
import {
  createProviderKey,
  type ProviderScript,
  startScriptedProvider,
  unsigned,
} from '../../support/providers/scripted-provider.ts'

const test = serverPerFile()
afterEach(() => idp.publish(idp.goodKey))

const now = () => Math.floor(Date.now() / 1000)
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const without = (name: string) => (claims: JWTPayload) => ({ ...claims, [name]: undefined })
const withClaims = (changes: JWTPayload) => (claims: JWTPayload) => ({ ...claims, ...changes })

const flipSignature = (token: string) => token.slice(0, -6) + (token.endsWith('AAAAAA') ? 'BBBBBB' : 'AAAAAA')

const unmet = 'unmet_authentication_requirements'

async function expectRefusal(code: string, query = '', on = portico): Promise<string | undefined> {
  const { browser, response } = await logInAtScripted(on, idp, { query })
  const status = code === unmet ? 401 : 502
  expect(await readRefusal(response)).toBe(`${status} ${code}`)
  expect(await getSession(on, browser)).toEqual({ active: false })
  const failures = on.logged.filter(({ event }) => event === 'login_failed')
  return failures.at(-1)?.reason as string | undefined
}

test('without a defect, the login succeeds', async () => {
  expect((await logInAtScripted(portico, idp)).response.status).toBe(200)
})

describe('an ID token is refused, and nothing is stored (F17)', () => {
  test.each<[string, string, ProviderScript]>([
    ['R27', 'iss of another issuer', { idTokenClaims: withClaims({ iss: 'https://evil.example' }) }],
    [
      'R27',
      'iss with a slash too many',
      { idTokenClaims: (claims) => ({ ...claims, iss: `${claims.iss}/` }) },
    ],
    ['R27', 'no iss', { idTokenClaims: without('iss') }],
    ['R28', 'aud of another client', { idTokenClaims: withClaims({ aud: 'other' }) }],
    [
      'R28',
      'aud with another client beside us',
      { idTokenClaims: withClaims({ aud: ['portico-test', 'other'], azp: 'portico-test' }) },
    ],
    ['R28', 'no aud', { idTokenClaims: without('aud') }],
    ['R29', 'azp of another client', { idTokenClaims: withClaims({ azp: 'other' }) }],
    ['R30', 'a broken signature', { idToken: flipSignature }],
    ['R31', 'alg none, though the provider lists it', { idToken: unsigned }],
    ['R32', 'exp in the past', { idTokenClaims: withClaims({ exp: now() - 60 }) }],
    ['R32', 'no exp', { idTokenClaims: without('exp') }],
    ['R32', 'iat a day ahead', { idTokenClaims: withClaims({ iat: now() + 86_400 }) }],
    ['R32', 'iat of ten years ago', { idTokenClaims: withClaims({ iat: now() - 315_360_000 }) }],
    ['R32', 'no iat', { idTokenClaims: without('iat') }],
    ['R35', 'auth_time a day ahead', { idTokenClaims: withClaims({ auth_time: now() + 86_400 }) }],
    ['R35', 'auth_time that is no number', { idTokenClaims: withClaims({ auth_time: 'now' }) }],
    ['R37', 'an endless sub', { idTokenClaims: withClaims({ sub: 'u'.repeat(256) }) }],
    ['R33', 'another nonce', { idTokenClaims: withClaims({ nonce: 'other' }) }],
    ['R33', 'no nonce', { idTokenClaims: without('nonce') }],
    ['R36', "another token's at_hash", { idTokenClaims: withClaims({ at_hash: 'AAAAAAAAAAAAAAAAAAAAAA' }) }],
    ['R37', 'no sub', { idTokenClaims: without('sub') }],
    ['R37', 'an empty sub', { idTokenClaims: withClaims({ sub: '' }) }],
    [
      'R37',
      'a sub that is no text',
      { idTokenClaims: (claims) => ({ ...claims, sub: 42 as unknown as string }) },
    ],
  ])('%s: %s', async (_requirement, _name, defect) => {
    idp.script(defect)
    await expectRefusal('invalid_id_token')
  })

  test('R30: signed by a key the provider does not publish', async () => {
    idp.script({ key: await createProviderKey('good-1') })
    await expectRefusal('invalid_id_token')
  })

  test('R30: HMAC with the public key as the secret', async () => {
    const publicKey = createPublicKey({ key: idp.goodKey.publicJwk, format: 'jwk' })
    const secret = publicKey.export({ type: 'spki', format: 'pem' })
    idp.script({
      idToken(token) {
        const [, payload] = token.split('.')
        const input = `${encode({ alg: 'HS256', kid: 'good-1' })}.${payload}`
        return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
      },
    })
    await expectRefusal('invalid_id_token')
  })

  test('R30: another algorithm than the pinned one, though key and signature are good', async () => {
    const key = await createProviderKey('ps', 'PS256')
    idp.publish(idp.goodKey, key)
    idp.script({ key })
    await expectRefusal('invalid_id_token')
  })

  test('R34: acr is none of those asked for', async () => {
    idp.script({ idTokenClaims: withClaims({ acr: 'urn:weak' }) })
    await expectRefusal(unmet, '?acr_values=urn:strong%20urn:stronger')
    idp.script({ idTokenClaims: without('acr') })
    await expectRefusal(unmet, '?acr_values=urn:strong')
    idp.script({ idTokenClaims: withClaims({ acr: 'urn:stronger' }) })
    expect(
      (await logInAtScripted(portico, idp, { query: '?acr_values=urn:strong%20urn:stronger' })).response
        .status,
    ).toBe(200)
  })

  test('R35: auth_time missing or older than max_age', async () => {
    idp.script({ idTokenClaims: without('auth_time') })
    await expectRefusal(unmet, '?max_age=300')
    idp.script({ idTokenClaims: withClaims({ auth_time: now() - 600 }) })
    await expectRefusal(unmet, '?max_age=300')
    idp.script({ idTokenClaims: withClaims({ auth_time: now() - 200 }) })
    expect((await logInAtScripted(portico, idp, { query: '?max_age=300' })).response.status).toBe(200)
  })

  test('R35: auth_time before a login that asked to sign in anew', async () => {
    idp.script({ idTokenClaims: withClaims({ auth_time: now() - 3_600 }) })
    await expectRefusal(unmet, '?prompt=login')
    expect((await logInAtScripted(portico, idp)).response.status).toBe(200)
  })

  test('R34: an empty acr satisfies nothing', async () => {
    idp.script({ idTokenClaims: withClaims({ acr: '' }) })
    await expectRefusal(unmet, '?acr_values=gold%20')
  })

  test('a missing ID token (R33)', async () => {
    idp.script({ tokenResponse: (body) => ({ ...body, id_token: undefined }) })
    await expectRefusal('invalid_token_response')
  })
})

describe('clocks (F18)', () => {
  test.each([-25, 25])('%i s apart: works', async (skew) => {
    idp.script({
      idTokenClaims: (claims) => ({
        ...claims,
        iat: (claims.iat ?? 0) + skew,
        exp: (claims.exp ?? 0) + skew,
      }),
    })
    expect((await logInAtScripted(portico, idp)).response.status).toBe(200)
  })

  test.each([-700, 120])('%i s apart: an error that says so', async (skew) => {
    idp.script({
      idTokenClaims: (claims) => ({
        ...claims,
        iat: (claims.iat ?? 0) + skew,
        exp: (claims.exp ?? 0) + skew,
      }),
    })
    const { response } = await logInAtScripted(portico, idp)
    expect(await response.clone().text()).toContain('clocks')
    expect(await readRefusal(response)).toBe('502 invalid_id_token')
  })

  test('an ID token that expired by our clock: an error that says so', async () => {
    idp.script({ idTokenClaims: withClaims({ exp: now() - 120 }) })
    const { response } = await logInAtScripted(portico, idp)
    expect(await response.text()).toContain('clocks')
  })
})

describe('keys are found', () => {
  test('R38: after a rotation a second ago, and another a second later (F30)', async () => {
    expect((await logInAtScripted(portico, idp)).response.status).toBe(200)
    for (const kid of ['rotated-1', 'rotated-2']) {
      const key = await createProviderKey(kid)
      idp.publish(key)
      idp.script({ key, accessTokenKey: key })
      portico.clock.advance(seconds(1))
      expect((await logInAtScripted(portico, idp)).response.status).toBe(200)
    }
  })

  test('R39: among two of the same kid, and where token or keys have no kid', async () => {
    const twin = await createProviderKey('good-1')
    const other = await startPortico({ issuer: idp.issuer })
    idp.publish(twin, idp.goodKey)
    expect((await logInAtScripted(other, idp)).response.status).toBe(200)
    idp.script({ idTokenHeader: () => ({ kid: undefined }) })
    expect((await logInAtScripted(other, idp)).response.status).toBe(200)
    await other.close()

    const nameless = await startPortico({ issuer: idp.issuer })
    idp.script({ jwks: (keys) => ({ keys: keys.map(({ kid: _, ...key }) => key) }) })
    expect((await logInAtScripted(nameless, idp)).response.status).toBe(200)
    await nameless.close()
  })

  test('R39: never one meant for encryption', async () => {
    const other = await startPortico({ issuer: idp.issuer })
    idp.script({ jwks: (keys) => ({ keys: keys.map((key) => ({ ...key, use: 'enc' })) }) })
    await expectRefusal('invalid_id_token', '', other)
    await other.close()
  })

  test('R80: never from jku, x5u or jwk in the header of the token', async () => {
    const key = await createProviderKey('attackers')
    idp.script({
      key,
      accessTokenKey: idp.goodKey,
      idTokenHeader: () => ({ jwk: key.publicJwk, jku: `${idp.issuer}/v1/keys`, kid: undefined }),
    })
    await expectRefusal('invalid_id_token')
  })

  test('where the provider lists no algorithms and another than RS256 is pinned', async () => {
    const key = await createProviderKey('ec', 'ES256')
    idp.publish(key)
    idp.script({
      key,
      accessTokenKey: key,
      metadata: (document) => ({ ...document, id_token_signing_alg_values_supported: undefined }),
    })
    const other = await startPortico({ issuer: idp.issuer, env: { OIDC_ID_TOKEN_ALG: 'ES256' } })
    expect((await logInAtScripted(other, idp)).response.status).toBe(200)
    await other.close()
  })
})

describe('an access token of an Okta custom server is refused (R40)', () => {
  test.each<[string, ProviderScript]>([
    ['iss of another issuer', { accessTokenClaims: withClaims({ iss: 'https://evil.example' }) }],
    ['aud of another API', { accessTokenClaims: withClaims({ aud: 'api://other' }) }],
    ['exp in the past', { accessTokenClaims: withClaims({ exp: now() - 60 }) }],
    ['no exp', { accessTokenClaims: without('exp') }],
    ['cid of another client', { accessTokenClaims: withClaims({ cid: 'other' }) }],
    ['a broken signature', { accessToken: flipSignature }],
    ['alg none', { accessToken: unsigned }],
    ['no JWT at all', { accessToken: () => 'opaque-after-all' }],
  ])('%s', async (_name, defect) => {
    // Whatever happens to the access token, the ID token's at_hash must not be what gives it away.
    idp.script({ ...defect, idTokenClaims: without('at_hash') })
    await expectRefusal('invalid_access_token')
  })

  test('signed by a key the provider does not publish', async () => {
    idp.script({ accessTokenKey: await createProviderKey('good-1') })
    await expectRefusal('invalid_access_token')
  })

  test('its scp array becomes the scope of the app token', async () => {
    idp.script({ accessTokenClaims: withClaims({ scp: ['openid', 'orders:read'] }) })
    const { response } = await logInAtScripted(portico, idp)
    const { token } = (await response.json()) as { token: string }
    expect(JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())).toMatchObject({
      scope: 'openid orders:read',
    })
  })
})

describe('an opaque access token', () => {
  test('of the org server is never parsed, and its scope is that of the token response (R41)', async () => {
    const org = await startScriptedProvider({ path: '' })
    const other = await startPortico({ issuer: org.issuer })
    org.script({
      // A JWT that would fail every check, were it looked into.
      accessToken: () => `${encode({ alg: 'none' })}.${encode({ scp: ['admin'], exp: 1 })}.`,
      idTokenClaims: without('at_hash'),
      tokenResponse: (body) => ({ ...body, scope: 'openid profile' }),
    })
    const { response } = await logInAtScripted(other, org)
    expect(response.status).toBe(200)
    const { token } = (await response.json()) as { token: string }
    expect(JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())).toMatchObject({
      scope: 'openid profile',
    })
    await other.close()
    await org.close()
  })

  test('of a custom server is left alone with OIDC_ACCESS_TOKEN=opaque', async () => {
    const other = await startPortico({ issuer: idp.issuer, env: { OIDC_ACCESS_TOKEN: 'opaque' } })
    idp.script({ accessToken: () => 'opaque', idTokenClaims: without('at_hash') })
    expect((await logInAtScripted(other, idp)).response.status).toBe(200)
    await other.close()
  })
})

describe('the token response', () => {
  test.each<[string, ProviderScript]>([
    ['no access token', { tokenResponse: (body) => ({ ...body, access_token: undefined }) }],
    ['a token type we did not ask for', { tokenResponse: (body) => ({ ...body, token_type: 'DPoP' }) }],
    ['an unknown token type', { tokenResponse: (body) => ({ ...body, token_type: 'mac' }) }],
    ['an expires_in that is no number', { tokenResponse: (body) => ({ ...body, expires_in: 'soon' }) }],
    ['HTML', { tokenEndpoint: (_req, res) => void res.send('<h1>Hello</h1>') }],
    ['broken JSON', { tokenEndpoint: (_req, res) => void res.type('json').send('{') }],
  ])('with %s is refused', async (_name, defect) => {
    idp.script(defect)
    await expectRefusal('invalid_token_response')
  })

  test.each<[string, ProviderScript]>([
    ['bearer', { tokenResponse: (body) => ({ ...body, token_type: 'bearer' }) }],
    ['BEARER', { tokenResponse: (body) => ({ ...body, token_type: 'BEARER' }) }],
    ['no expires_in', { tokenResponse: (body) => ({ ...body, expires_in: undefined }) }],
  ])('with %s is accepted (R25)', async (_name, defect) => {
    idp.script(defect)
    expect((await logInAtScripted(portico, idp)).response.status).toBe(200)
  })

  test('that refuses our credentials tells the log which settings to look at', async () => {
    idp.script({
      tokenEndpoint: (_req, res) =>
        void res.status(401).set('www-authenticate', 'Basic realm="x"').json({ error: 'invalid_client' }),
    })
    expect(await readRefusal((await logInAtScripted(portico, idp)).response)).toBe('502 provider_error')
    expect(portico.logged.findLast(({ event }) => event === 'login_failed')?.reason).toContain(
      'OIDC_CLIENT_SECRET',
    )
  })

  test.each([
    [400, 'Basic realm="x"'],
    [401, 'Basic realm="x"'],
    [400, 'Bearer error="invalid_token"'],
    [401, 'DPoP algs="ES256"'],
  ])(
    'with an error in the body and a challenge (%i, %s): the log names the error',
    async (status, challenge) => {
      idp.script({
        tokenEndpoint: (_req, res) =>
          void res.status(status).set('www-authenticate', challenge).json({ error: 'invalid_grant' }),
      })
      expect(await expectRefusal('provider_error')).toBe('token endpoint: invalid_grant')
    },
  )

  test('with an error that repeats the code: the log does not', async () => {
    idp.script({
      tokenEndpoint: (req, res) =>
        void res.status(400).json({
          error: 'invalid_grant',
          error_description: `code ${(req.body as { code: string }).code} is unknown`,
        }),
    })
    const { parameters } = await logInAtScripted(portico, idp)
    const code = parameters.get('code') ?? ''
    expect(code.length).toBeGreaterThan(10)
    expect(JSON.stringify(portico.logged)).not.toContain(code)
  })

  test('with an error is a refusal of the provider, whose text is not shown', async () => {
    idp.script({
      tokenEndpoint: (_req, res) =>
        void res.status(401).json({ error: 'invalid_client', error_description: 'canary' }),
    })
    const { response } = await logInAtScripted(portico, idp)
    expect(await response.clone().text()).not.toContain('canary')
    expect(await readRefusal(response)).toBe('502 provider_error')
  })
})

describe('thin ID tokens', () => {
  const thin: ProviderScript = {
    idTokenClaims: (claims) => ({ ...claims, groups: undefined, email: undefined }),
  }

  test('are filled up from userinfo, asked with the token in the header, never in the URL (R42)', async () => {
    const asked: { url: string; authorization: string | undefined }[] = []
    idp.script({
      ...thin,
      userinfoEndpoint(req, _res, next) {
        asked.push({ url: req.originalUrl, authorization: req.get('authorization') })
        next()
      },
    })
    const { response } = await logInAtScripted(portico, idp)
    expect(await response.json()).toMatchObject({ user: { groups: ['Navy'], email: 'grace@example.com' } })
    expect(asked).toEqual([
      { url: '/oauth2/default/v1/userinfo', authorization: expect.stringMatching(/^Bearer eyJ/) },
    ])
  })

  test('userinfo is not asked where nothing is missing', async () => {
    const calls = idp.calls.userinfo
    await logInAtScripted(portico, idp)
    expect(idp.calls.userinfo).toBe(calls)
  })

  test('R43: userinfo of another sub is refused (F33)', async () => {
    idp.script({ ...thin, userinfo: (claims) => ({ ...claims, sub: 'someone-else' }) })
    await expectRefusal('invalid_userinfo')
  })
})
