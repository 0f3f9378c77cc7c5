import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RequestHandler, Response } from 'express'
import {
  calculateJwkThumbprint,
  decodeJwt,
  decodeProtectedHeader,
  exportJWK,
  generateKeyPair,
  type JWK,
} from 'jose'
import type { KoaContextWithOIDC } from 'oidc-provider'
import { describe, expect, test } from 'vitest'
import { errors } from '../../../demo/provider/oidc-provider.ts'
import { createTestBrowser, type TestBrowser } from '../../support/browser.ts'
import { hours, seconds } from '../../support/clock.ts'
import { closeAfterTest } from '../../support/fixtures.ts'
import {
  csrf,
  getSession,
  logInAtOkta,
  logInAtScripted,
  readRefusal,
  startLogin,
} from '../../support/login.ts'
import { createCertificate } from '../../support/network/certificate.ts'
import { freePort } from '../../support/network/http-server.ts'
import { startPortico, type TestPortico, testSecret } from '../../support/portico.ts'
import {
  type DemoProviderSetup,
  rewriteJson,
  startDemoProvider,
} from '../../support/providers/demo-provider.ts'
import { signInAtOkta } from '../../support/providers/okta.ts'
import { startRecordedProvider } from '../../support/providers/recorded-provider.ts'
import { startScriptedProvider } from '../../support/providers/scripted-provider.ts'

/** Client assertions, pushed requests and DPoP, as the provider sees them. */

/** Ory Hydra takes an assertion for its token endpoint alone, at every endpoint. */
function takeTokenEndpointAsAudience(ctx: KoaContextWithOIDC, { aud }: Record<string, unknown>): void {
  if (aud !== ctx.oidc.urlFor('token')) throw new errors.InvalidClientAuth('aud is not the token endpoint')
}

const post = (portico: TestPortico, browser: TestBrowser, path = 'token') =>
  browser.fetch(`${portico.url}/api/${path}`, { method: 'POST', headers: csrf })

describe('private_key_jwt', () => {
  test.each([
    ['fapi2', 'issuer'],
    ['okta', 'endpoint'],
  ] as const)(
    'each assertion is made for one call, at %s for the %s (R21, R22, R23)',
    async (variant, audience) => {
      const { calls, idp, portico } = await startRecordedProvider(
        { variant, auth: 'private_key_jwt ES256', provider: { par: true } },
        { OIDC_CLIENT_ASSERTION_AUDIENCE: audience },
      )
      await logInAtOkta(portico)
      await logInAtOkta(portico)
      const asserted = calls.filter(({ body }) => body.client_assertion !== undefined)
      expect(asserted.length).toBeGreaterThanOrEqual(4)
      for (const { path, body } of asserted) {
        const assertion = body.client_assertion ?? ''
        const claims = decodeJwt(assertion)
        expect(claims).toMatchObject({ iss: 'portico-demo', sub: 'portico-demo' })
        expect(claims.aud).toBe(audience === 'issuer' ? idp.env.OIDC_ISSUER : idp.origin + path)
        expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(60)
        expect(decodeProtectedHeader(assertion)).toEqual({ alg: 'ES256', kid: 'portico-demo-1' })
        expect(body.client_assertion_type).toBe('urn:ietf:params:oauth:client-assertion-type:jwt-bearer')
        expect(body.client_id).toBe('portico-demo')
      }
      const ids = asserted.map(({ body }) => decodeJwt(body.client_assertion ?? '').jti)
      expect(new Set(ids).size).toBe(asserted.length)
      expect(asserted.some(({ path }) => path.endsWith('/par'))).toBe(true)
      expect(asserted.some(({ path }) => path.endsWith('/token'))).toBe(true)
    },
  )

  test('at Ory Hydra each is made for the token endpoint, whichever endpoint is called: login and revocation', async () => {
    const more: DemoProviderSetup['provider'] = {
      par: true,
      more: { assertJwtClientAuthClaimsAndHeader: takeTokenEndpointAsAudience },
    }
    const { calls, idp, start, portico } = await startRecordedProvider(
      { auth: 'private_key_jwt ES256', provider: more },
      { OIDC_CLIENT_ASSERTION_AUDIENCE: 'token_endpoint' },
    )
    const soon = { timeout: 10_000 }
    const eventsOf = ({ logged }: TestPortico) => logged.map(({ event }) => event)
    const logOut = async (server: TestPortico) => {
      const { browser, response } = await logInAtOkta(server)
      expect(response.status).toBe(200)
      await browser.fetch(`${server.url}/api/logout`, { method: 'POST', headers: csrf })
      await expect.poll(() => eventsOf(server), soon).toContain('refresh_token_revoked')
    }
    await logOut(portico)
    const asserted = calls.filter(({ body }) => body.client_assertion !== undefined)
    expect(new Set(asserted.map(({ path }) => path.split('/').at(-1)))).toEqual(
      new Set(['par', 'token', 'revoke']),
    )
    for (const { body } of asserted) {
      expect(decodeJwt(body.client_assertion ?? '').aud).toBe(`${idp.env.OIDC_ISSUER}/v1/token`)
    }
    for (const audience of ['issuer', 'endpoint']) {
      const other = await start({ OIDC_CLIENT_ASSERTION_AUDIENCE: audience, OIDC_PAR: 'off' })
      const { browser, response } = await logInAtOkta(other)
      // With the endpoint that is called there is a login, and no revocation.
      expect([audience, response.status]).toEqual([audience, audience === 'issuer' ? 502 : 200])
      if (response.status !== 200) continue
      await browser.fetch(`${other.url}/api/logout`, { method: 'POST', headers: csrf })
      await expect.poll(() => eventsOf(other), soon).toContain('revocation_failed')
    }
  })

  test('is dated by the clock of this server', async () => {
    const more = { clockTolerance: 60 }
    const { calls, portico } = await startRecordedProvider(
      { auth: 'private_key_jwt ES256', provider: { more } },
      { OIDC_CLIENT_ASSERTION_AUDIENCE: 'endpoint' },
    )
    portico.clock.advance(seconds(25))
    expect((await logInAtOkta(portico)).response.status).toBe(200)
    const { iat } = decodeJwt(calls.at(-1)?.body.client_assertion ?? '')
    expect(iat).toBe(Math.floor(portico.clock.now() / 1000))
  })

  test('a key is rotated without a failed login: published before it signs, and after', async () => {
    const makeKey = async (kid: string) => {
      const { privateKey } = await generateKeyPair('ES256', { extractable: true })
      return { ...(await exportJWK(privateKey)), kid }
    }
    const [old, next] = [await makeKey('old'), await makeKey('next')]
    const port = await freePort()
    const client = {
      token_endpoint_auth_method: 'private_key_jwt' as const,
      jwks_uri: 'https://app.example.com/.well-known/client-jwks.json',
    }
    // A provider on this machine would not fetch from it (oidc-provider guards against that).
    const more = {
      fetch: (url: string | URL | Request) =>
        fetch(String(url).replace('https://app.example.com', `http://127.0.0.1:${port}`)),
    }
    const idp = closeAfterTest(await startDemoProvider({ auth: 'none', client, provider: { more } }))
    const signWith = async (...keys: JWK[]) => {
      const portico = await startPortico({
        env: {
          ...idp.env,
          PORT: String(port),
          OIDC_CLIENT_AUTH: undefined,
          OIDC_CLIENT_KEY: JSON.stringify({ keys }),
          OIDC_CLIENT_ASSERTION_AUDIENCE: 'endpoint',
        },
      })
      const published = await fetch(`${portico.url}/.well-known/client-jwks.json`)
      const { status } = (await logInAtOkta(portico)).response
      await portico.close()
      return {
        status,
        cacheControl: published.headers.get('cache-control'),
        published: (await published.json()) as { keys: JWK[] },
      }
    }
    const first = await signWith(old, next)
    expect(first.status).toBe(200)
    expect(first.published.keys.map(({ kid }) => kid)).toEqual(['old', 'next'])
    expect(first.published.keys[0]).toEqual({
      kty: 'EC',
      crv: 'P-256',
      x: old.x,
      y: old.y,
      kid: 'old',
      alg: 'ES256',
      use: 'sig',
    })
    expect(first.cacheControl).toBe('public, max-age=300')
    expect((await signWith(next, old)).status).toBe(200)
    expect((await signWith(next)).status).toBe(200)
  })

  test('without such a client there are no keys to publish', async () => {
    const { portico } = await startRecordedProvider({})
    expect(await (await fetch(`${portico.url}/.well-known/client-jwks.json`)).json()).toEqual({ keys: [] })
  })
})

test('client_secret_basic escapes what form encoding escapes, and no more (RFC 6749 2.3.1)', async () => {
  const client_secret = 'a b:c%+-_.~*!/&=0123456789'
  const { portico } = await startRecordedProvider(
    { client: { client_secret } },
    { OIDC_CLIENT_SECRET: client_secret },
  )
  expect((await logInAtOkta(portico)).response.status).toBe(200)
})

test('a client with a certificate asks for userinfo at its own door (RFC 8705 5)', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'portico-alias-'))
  const { certificate, key } = createCertificate(folder, 'client')
  rmSync(folder, { recursive: true })
  const before = rewriteJson('/openid-configuration', (document) => ({
    ...document,
    mtls_endpoint_aliases: { userinfo_endpoint: `${String(document.userinfo_endpoint)}?door=mtls` },
  }))
  const doors: string[] = []
  const watch: RequestHandler = (req, res, next) => {
    if (req.path.endsWith('userinfo')) doors.push(String(req.query.door))
    before(req, res, next)
  }
  const ask = async (env: Record<string, string | undefined>) => {
    const { portico } = await startRecordedProvider({ auth: 'none', before: watch }, env)
    const { browser } = await logInAtOkta(portico)
    expect((await browser.fetch(`${portico.url}/api/userinfo`, { headers: csrf })).status).toBe(200)
  }
  await ask({})
  await ask({ OIDC_CLIENT_AUTH: undefined, OIDC_CLIENT_CERT: certificate, OIDC_CLIENT_CERT_KEY: key })
  expect(doors).toEqual(['undefined', 'mtls'])
})

describe('pushed authorization requests', () => {
  test('only client_id and request_uri are in the front channel, and the reference is good once (R81)', async () => {
    const { calls, portico } = await startRecordedProvider({ provider: { par: true } })
    const browser = createTestBrowser()
    const loginUrl = await startLogin(portico, browser, '?prompt=login&login_hint=ada%40example.com')
    expect([...new URL(loginUrl).searchParams.keys()].sort()).toEqual(['client_id', 'request_uri'])
    const [pushed] = calls.filter(({ path }) => path.endsWith('/par'))
    expect(pushed?.body).toMatchObject({
      response_type: 'code',
      code_challenge_method: 'S256',
      prompt: 'login',
      login_hint: 'ada@example.com',
    })
    expect(pushed?.authorization).toMatch(/^Basic /)
    const callback = await signInAtOkta(browser, loginUrl)
    expect((await browser.fetch(`${portico.url}/api/callback${callback.search}`)).status).toBe(200)
    const again = await browser.visit(loginUrl)
    expect(again.headers.get('location') ?? '').not.toContain('code=')
    expect((await startLogin(portico, browser)) === loginUrl).toBe(false)
  })

  test('a refused one is a login that failed, and a warning', async () => {
    const { portico } = await startRecordedProvider(
      { provider: { par: true } },
      { OIDC_REDIRECT_URI: 'https://localhost:1/not-registered' },
    )
    await createTestBrowser().fetch(`${portico.url}/api/login`)
    expect(portico.logged.find(({ event }) => event === 'login_failed')).toMatchObject({
      level: 'warn',
      code: 'provider_error',
      reason: expect.stringMatching(/redirect_uri/),
    })
  })

  test('OIDC_PAR=off leaves them, where the provider does not insist', async () => {
    const { calls, portico } = await startRecordedProvider({ provider: { par: true } }, { OIDC_PAR: 'off' })
    expect((await logInAtOkta(portico)).response.status).toBe(200)
    expect(calls.filter(({ path }) => path.endsWith('/par'))).toEqual([])
  })

  test('a refused one: 502, the reason is logged, nothing of the request with it', async () => {
    const { portico } = await startRecordedProvider(
      { provider: { par: true } },
      { OIDC_REDIRECT_URI: 'https://localhost:1/not-registered' },
    )
    const browser = createTestBrowser()
    const response = await browser.fetch(`${portico.url}/api/login`)
    expect(await readRefusal(response)).toBe('502 provider_error')
    expect(browser.setCookies).toEqual([])
    const refused = portico.logged.find(
      ({ event, path }) => event === 'request_completed' && path === '/api/login',
    )
    expect(refused?.reason).toMatch(/redirect_uri/)
  })

  test('a provider that hangs there costs one deadline, then nothing (R26)', async () => {
    let hangs = false
    const before: RequestHandler = (req, _res, next) => {
      if (!(hangs && req.path.endsWith('/par'))) next()
    }
    const { portico, calls } = await startRecordedProvider(
      { provider: { par: true }, before },
      { OIDC_TIMEOUT: '1s' },
    )
    await startLogin(portico, createTestBrowser())
    hangs = true
    const ask = async () => {
      const response = await createTestBrowser().fetch(`${portico.url}/api/login`)
      expect(response.headers.get('retry-after')).toMatch(/^\d+$/)
      return readRefusal(response)
    }
    expect(await ask()).toBe('503 provider_unavailable')
    const before2 = calls.length
    for (let count = 0; count < 10; count += 1) expect(await ask()).toBe('503 provider_unavailable')
    expect(calls.length).toBe(before2)
    hangs = false
    portico.clock.advance(seconds(2))
    await startLogin(portico, createTestBrowser())
  })

  test.each<[string, (res: Response) => unknown]>([
    ['a 500', (res) => res.status(500).end()],
    ['a cut connection', (res) => res.socket?.resetAndDestroy()],
  ])('%s for what one person asks for does not close the door for others', async (_what, answer) => {
    const before: RequestHandler = (req, res, next) =>
      req.body?.login_hint === 'mallory' ? void answer(res) : next()
    const { portico } = await startRecordedProvider({ provider: { par: true }, before })
    const response = await createTestBrowser().fetch(`${portico.url}/api/login?login_hint=mallory`)
    expect(await readRefusal(response)).toBe('503 provider_unavailable')
    await startLogin(portico, createTestBrowser())
  })
})

const toHash = (text: string) => createHash('sha256').update(text).digest('base64url')

async function thumbprintOf(proof: string | undefined): Promise<string> {
  return calculateJwkThumbprint(decodeProtectedHeader(proof ?? '').jwk ?? {})
}

describe('DPoP towards the provider', () => {
  const okta = { provider: { dpop: true, accessTokenLifetime: 20, more: { clockTolerance: 60 } } }

  test('every proof is fresh, names the call, and holds the nonce once there is one; userinfo gets ath (R82)', async () => {
    const { calls, idp, portico } = await startRecordedProvider(okta)
    const { browser, answer } = await logInAtOkta(portico)
    await browser.fetch(`${portico.url}/api/userinfo`, { headers: csrf })
    const [challenged, exchanged, ...more] = calls.filter(({ path }) => path.endsWith('/token'))
    const userinfo = calls.find(({ path }) => path.endsWith('userinfo'))
    // The code is presented a second time only because the first time was refused unread.
    expect(more).toEqual([])
    expect(decodeJwt(challenged?.dpop ?? '')).not.toHaveProperty('nonce')
    expect(decodeJwt(exchanged?.dpop ?? '')).toMatchObject({
      htm: 'POST',
      htu: `${idp.origin}${exchanged?.path}`,
      nonce: expect.any(String),
    })
    const accessToken = (await portico.store.read(answer.session.id))?.tokens.accessToken ?? ''
    expect(userinfo?.authorization).toBe(`DPoP ${accessToken}`)
    expect(decodeJwt(userinfo?.dpop ?? '')).toMatchObject({ htm: 'GET', ath: toHash(accessToken) })
    const ids = calls.filter(({ dpop }) => dpop !== undefined).map(({ dpop }) => decodeJwt(dpop ?? '').jti)
    expect(new Set(ids).size).toBe(ids.length)
    expect(decodeJwt(accessToken).cnf).toEqual({ jkt: await thumbprintOf(userinfo?.dpop) })
  })

  test('a pushed request is proven as well', async () => {
    const { portico, calls } = await startRecordedProvider({ provider: { ...okta.provider, par: true } })
    expect((await logInAtOkta(portico)).response.status).toBe(200)
    const [pushed] = calls.filter(({ path }) => path.endsWith('/par'))
    expect(decodeJwt(pushed?.dpop ?? '')).toMatchObject({ htm: 'POST' })
  })

  test('the code is bound to the key as well', async () => {
    const { portico, calls } = await startRecordedProvider(okta)
    const browser = createTestBrowser()
    const loginUrl = await startLogin(portico, browser)
    const callback = await signInAtOkta(browser, loginUrl)
    await browser.fetch(`${portico.url}/api/callback${callback.search}`)
    const bound = new URL(loginUrl).searchParams.get('dpop_jkt')
    expect(bound).toBe(await thumbprintOf(calls.find(({ path }) => path.endsWith('/token'))?.dpop))
  })

  test('a nonce that userinfo asks for is given', async () => {
    let challenges = 0
    const before: RequestHandler = (req, res, next) => {
      const proof = req.get('dpop')
      if (!req.path.endsWith('userinfo') || decodeJwt(proof ?? '').nonce === 'fresh-nonce') return next()
      challenges += 1
      res
        .set({ 'WWW-Authenticate': 'DPoP error="use_dpop_nonce"', 'DPoP-Nonce': 'fresh-nonce' })
        .status(401)
        .end()
    }
    const { portico } = await startRecordedProvider({ ...okta, before })
    const { browser } = await logInAtOkta(portico)
    const response = await browser.fetch(`${portico.url}/api/userinfo`, { headers: csrf })
    expect([response.status, challenges]).toEqual([200, 1])
    expect(await response.json()).toMatchObject({ groups: ['Everyone', 'Admins'] })
  })

  const toBearer = rewriteJson('/token', (body) =>
    'token_type' in body ? { ...body, token_type: 'Bearer' } : body,
  )

  test('OIDC_DPOP=required takes no token that comes as Bearer', async () => {
    const { portico } = await startRecordedProvider({ ...okta, before: toBearer }, { OIDC_DPOP: 'required' })
    const { browser, response } = await logInAtOkta(portico)
    expect(await readRefusal(response)).toBe('502 invalid_token_response')
    expect(await getSession(portico, browser)).toEqual({ active: false })
  })

  test('OIDC_DPOP=required proves also where nothing is offered, and then signs nobody in', async () => {
    const { portico, calls } = await startRecordedProvider({}, { OIDC_DPOP: 'required' })
    expect(await readRefusal((await logInAtOkta(portico)).response)).toBe('502 invalid_token_response')
    expect(calls.find(({ path }) => path.endsWith('/token'))?.dpop).toBeDefined()
  })

  test('by itself, a provider that binds the tokens of other clients alone is taken at its word', async () => {
    const { portico, calls } = await startRecordedProvider({ ...okta, before: toBearer })
    const { response, answer } = await logInAtOkta(portico)
    expect(response.status).toBe(200)
    expect((await portico.store.read(answer.session.id))?.tokens.dpopThumbprint).toBeUndefined()
    expect(calls.find(({ path }) => path.endsWith('/token'))?.dpop).toBeDefined()
  })

  test('bound tokens are not renewed as Bearer: no downgrade (R82)', async () => {
    let isBearer = false
    const before: RequestHandler = (req, res, next) => (isBearer ? toBearer(req, res, next) : next())
    const { portico } = await startRecordedProvider({ ...okta, before })
    const { browser } = await logInAtOkta(portico)
    isBearer = true
    portico.clock.advance(seconds(19.5))
    expect(await readRefusal(await post(portico, browser))).toBe('502 invalid_token_response')
  })

  test('an unbound session stays so when the provider begins to offer proofs', async () => {
    const { start, portico, calls } = await startRecordedProvider(okta, { OIDC_DPOP: 'off' })
    const { browser } = await logInAtOkta(portico)
    const { clock, store } = portico
    const on = await start({ OIDC_DPOP: 'auto' }, { clock, store })
    for (const [name, cookie] of browser.cookies(portico.url)) browser.setCookie(on.url, name, cookie)
    clock.advance(seconds(19.5))
    expect((await post(on, browser)).status).toBe(200)
    expect(calls.filter(({ dpop }) => dpop !== undefined)).toEqual([])
  })

  test('OIDC_DPOP=off takes Bearer, sends no proof, and refuses a token of type DPoP', async () => {
    const { portico, calls } = await startRecordedProvider(okta, { OIDC_DPOP: 'off' })
    expect((await logInAtOkta(portico)).response.status).toBe(200)
    expect(calls.filter(({ dpop }) => dpop !== undefined)).toEqual([])
    const odd = await startRecordedProvider(
      { before: rewriteJson('/token', (body) => ({ ...body, token_type: 'DPoP' })) },
      { OIDC_DPOP: 'off' },
    )
    expect(await readRefusal((await logInAtOkta(odd.portico)).response)).toBe('502 invalid_token_response')
  })

  test.each([
    ['nobody', undefined],
    ['another key', { jkt: 'A'.repeat(43) }],
  ])('an access token that is bound to %s is refused', async (_what, cnf) => {
    const idp = closeAfterTest(await startScriptedProvider())
    idp.script({
      metadata: (document) => ({ ...document, dpop_signing_alg_values_supported: ['ES256'] }),
      tokenResponse: (body) => ({ ...body, token_type: 'DPoP' }),
      accessTokenClaims: (claims) => ({ ...claims, cnf }),
    })
    const portico = closeAfterTest(await startPortico({ issuer: idp.issuer }))
    const { response } = await logInAtScripted(portico, idp)
    expect(await readRefusal(response)).toBe('502 invalid_access_token')
  })

  test('neither is one that a refresh brings', async () => {
    const idp = closeAfterTest(await startScriptedProvider())
    let jkt = ''
    const script = (cnf: () => unknown) =>
      idp.script({
        metadata: (document) => ({ ...document, dpop_signing_alg_values_supported: ['ES256'] }),
        tokenResponse: (body) => ({ ...body, token_type: 'DPoP' }),
        accessTokenClaims: (claims) => ({ ...claims, cnf: cnf() }),
      })
    script(() => ({ jkt }))
    const portico = closeAfterTest(
      await startPortico({ issuer: idp.issuer, env: { SESSION_IDLE_TIMEOUT: '2h' } }),
    )
    idp.follow(portico.clock)
    const browser = createTestBrowser()
    const loginUrl = await startLogin(portico, browser)
    jkt = new URL(loginUrl).searchParams.get('dpop_jkt') ?? ''
    const callback = await browser.fetch(`${portico.url}/api/callback?${idp.authorize(loginUrl)}`)
    expect(callback.status).toBe(200)
    script(() => ({ jkt: 'A'.repeat(43) }))
    portico.clock.advance(hours(1))
    expect(await readRefusal(await post(portico, browser))).toBe('502 invalid_access_token')
    expect(portico.logged.find(({ event }) => event === 'token_refresh_failed')?.reason).toMatch(/cnf\.jkt/)
  })

  test('a provider whose algorithms are not ours gets no proof', async () => {
    const idp = closeAfterTest(await startScriptedProvider())
    idp.script({ metadata: (document) => ({ ...document, dpop_signing_alg_values_supported: ['RS256'] }) })
    const portico = closeAfterTest(await startPortico({ issuer: idp.issuer }))
    expect((await logInAtScripted(portico, idp)).response.status).toBe(200)
  })

  test.each([[{ length: 1 }], ['ES256'], [7]])('an offer that is no list (%j) is none', async (offer) => {
    const idp = closeAfterTest(await startScriptedProvider())
    idp.script({ metadata: (document) => ({ ...document, dpop_signing_alg_values_supported: offer }) })
    const portico = closeAfterTest(await startPortico({ issuer: idp.issuer }))
    expect((await logInAtScripted(portico, idp)).response.status).toBe(200)
  })

  test('replicas have one key: begun here, finished there, refreshed at a third', async () => {
    const { start, portico, calls } = await startRecordedProvider(okta)
    const { clock, store } = portico
    const [second, third] = [await start({}, { clock, store }), await start({}, { clock, store })]
    const browser = createTestBrowser()
    const move = (from: TestPortico, to: TestPortico) => {
      for (const [name, cookie] of browser.cookies(from.url)) browser.setCookie(to.url, name, cookie)
    }
    const callback = await signInAtOkta(browser, await startLogin(portico, browser))
    move(portico, second)
    const response = await browser.fetch(`${second.url}/api/callback${callback.search}`)
    expect(response.status).toBe(200)
    move(second, third)
    clock.advance(seconds(19.5))
    expect((await post(third, browser)).status).toBe(200)
    const proofs = calls.filter(({ dpop }) => dpop !== undefined)
    expect(new Set(await Promise.all(proofs.map(({ dpop }) => thumbprintOf(dpop)))).size).toBe(1)
  })

  test('while secrets rotate, a login and a session keep the key they began with', async () => {
    const [old, next] = [testSecret(), testSecret()]
    // A public client: its refresh token is bound to the key (RFC 9449 5).
    const { start, calls } = await startRecordedProvider({ ...okta, auth: 'none' })
    const before = await start({ BFF_SECRETS: `${old},${next}` })
    const { clock, store } = before
    const browser = createTestBrowser()
    const callback = await signInAtOkta(browser, await startLogin(before, browser))
    const after = await start({ BFF_SECRETS: `${next},${old}` }, { clock, store })
    for (const [name, cookie] of browser.cookies(before.url)) browser.setCookie(after.url, name, cookie)
    expect((await browser.fetch(`${after.url}/api/callback${callback.search}`)).status).toBe(200)
    clock.advance(seconds(19.5))
    expect((await post(after, browser)).status).toBe(200)
    const first = await thumbprintOf(calls.findLast(({ dpop }) => dpop !== undefined)?.dpop)
    expect((await browser.fetch(`${after.url}/api/userinfo`, { headers: csrf })).status).toBe(200)
    const userinfo = calls.findLast(({ path }) => path.endsWith('userinfo'))
    expect(await thumbprintOf(userinfo?.dpop)).toBe(first)
    // A new login takes the new secret's key.
    const other = await logInAtOkta(after)
    expect(other.response.status).toBe(200)
    expect(await thumbprintOf(calls.findLast(({ dpop }) => dpop !== undefined)?.dpop)).not.toBe(first)
  })

  test('a provider that stops offering it: a bound session goes on with its key', async () => {
    const { start, portico } = await startRecordedProvider({ ...okta, auth: 'none' })
    const { browser, answer } = await logInAtOkta(portico)
    const { clock, store } = portico
    const off = await start({ OIDC_DPOP: 'off' }, { clock, store })
    for (const [name, cookie] of browser.cookies(portico.url)) browser.setCookie(off.url, name, cookie)
    clock.advance(seconds(19.5))
    expect((await post(off, browser)).status).toBe(200)
    expect((await store.read(answer.session.id))?.tokens.dpopThumbprint).toBeDefined()
  })
})

test('no assertion, proof, key or session token is in any answer, log line or URL (R51)', async () => {
  const { calls, idp, portico } = await startRecordedProvider({
    variant: 'fapi2',
    auth: 'private_key_jwt ES256',
  })
  const browser = createTestBrowser()
  const begun = await browser.fetch(`${portico.url}/api/login`, {
    method: 'POST',
    headers: { ...csrf, 'content-type': 'application/json' },
    body: JSON.stringify({ session_token: 'canary-of-a-session-token' }),
  })
  const { login_url: loginUrl } = (await begun.json()) as { login_url: string }
  const callback = await signInAtOkta(browser, loginUrl)
  const answers = [
    await browser.fetch(`${portico.url}/api/callback${callback.search}`),
    await browser.fetch(`${portico.url}/api/userinfo`, { headers: csrf }),
    await browser.fetch(`${portico.url}/.well-known/client-jwks.json`),
  ]
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
  const { d = '' } = JSON.parse(idp.env.OIDC_CLIENT_KEY ?? '{}') as { d?: string }
  const secrets = [
    d,
    'canary-of-a-session-token',
    ...calls.flatMap(({ body, dpop }) =>
      [body.client_assertion ?? [], body.code_verifier ?? [], dpop ?? []].flat(),
    ),
  ]
  expect(secrets.length).toBeGreaterThan(6)
  const texts = await Promise.all(answers.map((answer) => answer.text()))
  const output = [loginUrl, ...texts, JSON.stringify(portico.logged)].join('\n')
  for (const secret of secrets) {
    expect(secret.length).toBeGreaterThan(20)
    expect(output).not.toContain(secret)
  }
})

test('what a provider repeats of a pushed request is not logged', async () => {
  const before: RequestHandler = (req, res, next) => {
    if (!req.path.endsWith('/par')) return next()
    const { state, nonce, login_hint: hint } = req.body as Record<string, string>
    res
      .status(400)
      .json({ error: 'invalid_request', error_description: `what is ${state} ${nonce} ${hint} ${state}?` })
  }
  const { portico } = await startRecordedProvider({ provider: { par: true }, before })
  const response = await createTestBrowser().fetch(`${portico.url}/api/login?login_hint=canary%40example.com`)
  expect(await readRefusal(response)).toBe('502 provider_error')
  expect(portico.logged.find(({ event }) => event === 'request_completed')).toMatchObject({
    reason:
      'pushed authorization request: invalid_request: what is [redacted] [redacted] [redacted] [redacted]?',
  })
})

test("what a provider repeats of the client's secret and assertion, the code and its verifier is not logged", async () => {
  const before: RequestHandler = (req, res, next) => {
    if (!req.path.endsWith('/token')) return next()
    const {
      client_secret: secret,
      client_assertion: assertion,
      code,
      code_verifier: verifier,
    } = req.body as Record<string, string>
    const repeated = `${secret ?? assertion} ${code} ${verifier}`
    res.status(400).json({ error: 'invalid_request', error_description: repeated })
  }
  const onRefresh: RequestHandler = (req, res, next) => {
    const {
      grant_type: grant,
      client_secret: secret,
      refresh_token: token,
    } = (req.body ?? {}) as Record<string, string>
    if (grant !== 'refresh_token') return next()
    res.status(400).json({ error: 'invalid_request', error_description: `${secret} ${token}` })
  }
  const refreshed = await startRecordedProvider({
    auth: 'client_secret_post',
    provider: { accessTokenLifetime: 20 },
    before: onRefresh,
  })
  const { browser } = await logInAtOkta(refreshed.portico)
  refreshed.portico.clock.advance(seconds(19.5))
  expect(await readRefusal(await post(refreshed.portico, browser))).toBe('503 provider_unavailable')
  expect(refreshed.portico.logged.find(({ event }) => event === 'token_refresh_rejected')?.reason).toBe(
    'token endpoint: invalid_request: [redacted] [redacted]',
  )
  for (const auth of ['client_secret_post', 'private_key_jwt ES256'] as const) {
    const { portico } = await startRecordedProvider({ auth, before })
    expect(await readRefusal((await logInAtOkta(portico)).response)).toBe('502 provider_error')
    expect(portico.logged.find(({ event }) => event === 'login_failed')?.reason).toBe(
      'token endpoint: invalid_request: [redacted] [redacted] [redacted]',
    )
  }
})

test.each([[['a list']], [7], [{ toString: 1 }], [null]])(
  'an error_description that is %j is no reason to fall over',
  async (description) => {
    const before: RequestHandler = (req, res, next) =>
      req.path.endsWith('/token')
        ? void res.status(400).json({ error: 'invalid_request', error_description: description })
        : next()
    const { portico } = await startRecordedProvider({ before })
    expect(await readRefusal((await logInAtOkta(portico)).response)).toBe('502 provider_error')
  },
)
