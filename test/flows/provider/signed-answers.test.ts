import { createHmac, createPublicKey } from 'node:crypto'
import type { JWTPayload } from 'jose'
import { describe, expect } from 'vitest'
import { createTestBrowser, type TestBrowser } from '../../support/browser.ts'
import { minutes } from '../../support/clock.ts'
import { closeAfterTest, idp, portico, serverPerFile, writeProvidersFile } from '../../support/fixtures.ts'
import { getSession, readRefusal, startLogin } from '../../support/login.ts'
import { startPortico, type TestPortico } from '../../support/portico.ts'
import {
  createProviderKey,
  type ScriptedProvider,
  startScriptedProvider,
  unsigned,
} from '../../support/providers/scripted-provider.ts'

/** JARM: answers that the provider signs, right and wrong ones. */

const test = serverPerFile({ env: { OIDC_RESPONSE_MODE: 'jwt' } })

const now = (on = portico) => Math.floor(on.clock.now() / 1000)

/** The claims of a right answer (JARM 2.1). */
const toClaims = (parameters: URLSearchParams, at = idp, on = portico): JWTPayload => ({
  iss: at.issuer,
  aud: 'portico-test',
  exp: now(on) + 600,
  ...Object.fromEntries(parameters),
})

const signAnswer = (claims: JWTPayload, at = idp, { kid, alg, ...key } = at.goodKey) =>
  at.sign({ kid, alg, ...key }, { alg, kid }, claims)

const bring = (browser: TestBrowser, query: Record<string, string>, on = portico, path = '') =>
  browser.fetch(`${on.url}/api/callback${path}?${new URLSearchParams(query)}`)

async function begin(on: TestPortico = portico, at: ScriptedProvider = idp, query = '') {
  const browser = createTestBrowser()
  const loginUrl = await startLogin(on, browser, query)
  return { browser, loginUrl, parameters: at.authorize(loginUrl) }
}

const lastFailure = (on = portico) => on.logged.findLast(({ event }) => event === 'login_failed')

const anotherKey = await createProviderKey('another')
/** With the kid of a key that is published. */
const sameKid = await createProviderKey('good-1')

/** Signs with a public key as if it were a secret, as libraries once accepted (RFC 8725 2.1). */
function signByPublicKey(claims: JWTPayload): string {
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')
  const input = `${encode({ alg: 'HS256', kid: 'good-1' })}.${encode(claims)}`
  const secret = createPublicKey({ key: idp.goodKey.publicJwk as never, format: 'jwk' })
  const pem = secret.export({ type: 'spki', format: 'pem' })
  return `${input}.${createHmac('sha256', pem).update(input).digest('base64url')}`
}

/** The same signature under other claims. */
function tamper(jwt: string, change: JWTPayload): string {
  const [header, claims = '', signature] = jwt.split('.')
  const changed = { ...(JSON.parse(Buffer.from(claims, 'base64url').toString()) as object), ...change }
  return [header, Buffer.from(JSON.stringify(changed)).toString('base64url'), signature].join('.')
}

describe('a signed answer', () => {
  test.each(['jwt', 'query.jwt'])('is asked for by %s, and brings a session', async (mode) => {
    const on = closeAfterTest(await startPortico({ issuer: idp.issuer, env: { OIDC_RESPONSE_MODE: mode } }))
    const { browser, loginUrl, parameters } = await begin(on)
    expect(new URL(loginUrl).searchParams.get('response_mode')).toBe(mode)
    const response = await signAnswer(toClaims(parameters, idp, on))
    expect((await bring(browser, { response }, on)).status).toBe(200)
    expect((await getSession(on, browser)).active).toBe(true)
  })

  test.each<[string, (jwt: string) => { body: string | URLSearchParams; headers?: Record<string, string> }]>([
    [
      'as JSON, by the page that it came to',
      (response) => ({ body: JSON.stringify({ response }), headers: { 'content-type': 'application/json' } }),
    ],
    ['as a form', (response) => ({ body: new URLSearchParams({ response }) })],
  ])('is forwarded %s', async (_name, toInit) => {
    const { browser, parameters } = await begin()
    const init = toInit(await signAnswer(toClaims(parameters)))
    const headers = { 'x-csrf': '1', ...init.headers }
    const response = await browser.fetch(`${portico.url}/api/callback`, { ...init, method: 'POST', headers })
    expect(response.status).toBe(200)
  })

  test('comes with a navigation from the site of the provider', async () => {
    const { browser, parameters } = await begin()
    const response = await signAnswer(toClaims(parameters))
    const arrived = await browser.arrive(`${portico.url}/api/callback?response=${response}`)
    expect([arrived.status, arrived.headers.get('location')]).toEqual([303, '/'])
    expect((await getSession(portico, browser)).active).toBe(true)
  })

  test('that comes again brings the same session, with and without the cookie of its login', async () => {
    const { browser, parameters } = await begin()
    const response = await signAnswer(toClaims(parameters))
    const cookies = new Map(browser.cookies(portico.url))
    const calls = idp.calls.token
    expect((await bring(browser, { response })).status).toBe(200)
    const { session } = await getSession(portico, browser)
    expect((await bring(browser, { response })).status).toBe(200)
    for (const [name, value] of cookies) browser.setCookie(portico.url, name, value)
    expect((await bring(browser, { response })).status).toBe(200)
    expect((await getSession(portico, browser)).session.id).toBe(session.id)
    expect(idp.calls.token).toBe(calls + 1)
  })

  test('with an error is logged and answered as a plain one', async () => {
    const { browser, parameters } = await begin()
    const state = parameters.get('state') ?? ''
    const error = new URLSearchParams({ state, error: 'access_denied', error_description: 'no' })
    const response = await signAnswer(toClaims(error))
    expect(await readRefusal(await bring(browser, { response }))).toBe('403 access_denied')
    expect(portico.logged.findLast(({ event }) => event === 'login_refused_by_provider')).toMatchObject({
      error: 'access_denied',
      description: 'no',
      login: state.split('.')[0],
    })
  })

  test('names its login in the log, whatever state is beside it', async () => {
    const { browser, parameters } = await begin()
    const state = parameters.get('state') ?? ''
    const other = (await begin()).parameters.get('state') ?? ''
    const response = await signAnswer({ ...toClaims(parameters), aud: 'another-client' })
    await bring(browser, { response, state: other })
    expect(lastFailure()?.login).toBe(state.split('.')[0])
    await browser.fetch(`${portico.url}/api/callback`, {
      method: 'POST',
      body: new URLSearchParams({ response, state: other }),
      headers: { 'x-csrf': '1' },
    })
    expect(lastFailure()?.login).toBe(state.split('.')[0])
  })

  test('counts alone: what is beside it is ignored', async () => {
    const { browser, parameters } = await begin()
    const response = await signAnswer(toClaims(parameters))
    const beside = {
      code: 'code-of-an-attacker',
      state: 'x',
      error: 'access_denied',
      iss: 'https://evil.example',
    }
    expect((await bring(browser, { response, ...beside })).status).toBe(200)
  })

  test('may be long: its code alone has up to 4,096 characters', async () => {
    const { browser, parameters } = await begin()
    const response = await signAnswer({ ...toClaims(parameters), filler: 'x'.repeat(4_096) })
    expect((await bring(browser, { response })).status).toBe(200)
  })

  test('may come within the tolerance of the clocks', async () => {
    const { browser, parameters } = await begin()
    const response = await signAnswer({ ...toClaims(parameters), exp: now() - 20, iat: now() + 20 })
    expect((await bring(browser, { response })).status).toBe(200)
  })

  test('by a key that the provider publishes only now, is verified after a fetch', async () => {
    const { browser: other, parameters: first } = await begin()
    expect((await bring(other, { response: await signAnswer(toClaims(first)) })).status).toBe(200)
    idp.publish(idp.goodKey, anotherKey)
    const { browser, parameters } = await begin()
    const response = await signAnswer(toClaims(parameters), idp, anotherKey)
    expect((await bring(browser, { response })).status).toBe(200)
    idp.publish(idp.goodKey)
  })
})

describe('a wrong answer is refused, and its code not used', () => {
  const refused = '400 invalid_authorization_response'

  test.each<[string, RegExp, (claims: JWTPayload) => string | Promise<string>]>([
    ['signed by another key with the same kid', /SIGNATURE/, (c) => signAnswer(c, idp, sameKid)],
    ['signed by a key that is not published', /NO_MATCHING_KEY/, (c) => signAnswer(c, idp, anotherKey)],
    ['not signed (alg none)', /ALG_NOT_ALLOWED/, async (c) => unsigned(await signAnswer(c))],
    ['signed by the public key as a secret (HS256)', /ALG_NOT_ALLOWED/, signByPublicKey],
    [
      'with another code under the signature',
      /SIGNATURE/,
      async (c) => tamper(await signAnswer(c), { code: 'x' }),
    ],
    ['for another client', / aud/, (c) => signAnswer({ ...c, aud: 'another-client' })],
    ['for another client as well', /^aud names/, (c) => signAnswer({ ...c, aud: ['portico-test', 'other'] })],
    ['for no client', / aud/, ({ aud: _, ...c }) => signAnswer(c)],
    ['that is over', /EXPIRED/, (c) => signAnswer({ ...c, exp: now() - 40 })],
    ['that is never over', / exp/, ({ exp: _, ...c }) => signAnswer(c)],
    ['of the future', /^iat lies/, (c) => signAnswer({ ...c, iat: now() + 40 })],
    ['that is not valid yet', / nbf/, (c) => signAnswer({ ...c, nbf: now() + 40 })],
  ])('%s', async (_name, reason, make) => {
    const { browser, parameters } = await begin()
    const calls = idp.calls.token
    const response = await make(toClaims(parameters))
    expect(await readRefusal(await bring(browser, { response }))).toBe(refused)
    expect(lastFailure()).toMatchObject({
      code: 'invalid_authorization_response',
      reason: expect.stringMatching(reason),
    })
    expect(idp.calls.token).toBe(calls)
    expect(await getSession(portico, browser)).toEqual({ active: false })
  })

  test.each([
    ['of another issuer', 'https://evil.example', 'iss is another issuer'],
    ['without an issuer', undefined, 'iss is missing'],
  ])('%s', async (_name, iss, reason) => {
    const { browser, parameters } = await begin()
    const calls = idp.calls.token
    const { iss: _, ...claims } = toClaims(parameters)
    const response = await signAnswer({ ...claims, ...(iss && { iss }) })
    expect(await readRefusal(await bring(browser, { response }))).toBe('400 issuer_mismatch')
    expect(lastFailure()?.reason).toBe(reason)
    expect(idp.calls.token).toBe(calls)
  })

  test.each([
    ['a text that is no JWT', 'x.y.z'],
    ['an encrypted JWT', 'eyJhbGciOiJSU0EtT0FFUCJ9.e30.e30.e30.e30'],
    ['an empty text', ''],
  ])('%s: 400 invalid_request', async (_name, response) => {
    const { browser } = await begin()
    expect(await readRefusal(await bring(browser, { response }))).toBe('400 invalid_request')
  })

  test.each<[string, (claims: JWTPayload) => JWTPayload]>([
    ['no state', ({ state: _, ...claims }) => claims],
    ['a state that is no text', (claims) => ({ ...claims, state: 1 })],
    ['a code that is no text', (claims) => ({ ...claims, code: ['a'] })],
    ['neither code nor error', ({ code: _, ...claims }) => claims],
  ])('a JWT with %s: 400 invalid_request', async (_name, change) => {
    const { browser, parameters } = await begin()
    const response = await signAnswer(change(toClaims(parameters)))
    expect(await readRefusal(await bring(browser, { response }))).toBe('400 invalid_request')
  })

  test('an endless one, though all is right: 400 invalid_request', async () => {
    const { browser, parameters } = await begin()
    const response = await signAnswer({ ...toClaims(parameters), filler: 'x'.repeat(7_400) })
    expect(await readRefusal(await bring(browser, { response }))).toBe('400 invalid_request')
  })

  test('two of them: 400 invalid_request', async () => {
    const { browser, parameters } = await begin()
    const response = await signAnswer(toClaims(parameters))
    const twice = `${portico.url}/api/callback?response=${response}&response=${response}`
    expect(await readRefusal(await browser.fetch(twice))).toBe('400 invalid_request')
  })

  test('for the login of another browser', async () => {
    const [{ parameters }, { browser }] = [await begin(), await begin()]
    const response = await signAnswer(toClaims(parameters))
    expect(await readRefusal(await bring(browser, { response }))).toBe('400 login_transaction_missing')
  })

  test('with the state of this browser, changed', async () => {
    const { browser, parameters } = await begin()
    const [id] = (parameters.get('state') ?? '').split('.')
    const response = await signAnswer({ ...toClaims(parameters), state: `${id}.${'A'.repeat(43)}` })
    expect(await readRefusal(await bring(browser, { response }))).toBe('400 login_transaction_missing')
  })

  test('after ten minutes, however long it is valid', async () => {
    const on = closeAfterTest(await startPortico({ issuer: idp.issuer, env: { OIDC_RESPONSE_MODE: 'jwt' } }))
    const { browser, parameters } = await begin(on)
    const response = await signAnswer({ ...toClaims(parameters, idp, on), exp: now(on) + 3600 })
    on.clock.advance(minutes(10) + 1)
    expect(await readRefusal(await bring(browser, { response }, on))).toBe('400 login_transaction_expired')
  })

  test.each<[string, (p: URLSearchParams) => URLSearchParams]>([
    ['a code', (p) => p],
    ['an error', (p) => new URLSearchParams({ state: p.get('state') ?? '', error: 'access_denied' })],
  ])('%s without a signature, where it has to be signed (downgrade)', async (what, toPlain) => {
    const { browser, parameters } = await begin()
    const calls = idp.calls.token
    const plain = Object.fromEntries(toPlain(parameters))
    expect(await readRefusal(await bring(browser, plain))).toBe(refused)
    expect(lastFailure()?.reason).toBe(
      `it is not signed, and OIDC_RESPONSE_MODE is jwt${what === 'a code' ? '' : '; its error: access_denied'}`,
    )
    expect(idp.calls.token).toBe(calls)
  })

  test.each(['query', 'form_post'])('a signed one, where %s is configured', async (mode) => {
    const on = closeAfterTest(await startPortico({ issuer: idp.issuer, env: { OIDC_RESPONSE_MODE: mode } }))
    const { browser, parameters } = await begin(on)
    const calls = idp.calls.token
    const response = await signAnswer(toClaims(parameters, idp, on))
    expect(await readRefusal(await bring(browser, { response }, on))).toBe(refused)
    expect(lastFailure(on)?.reason).toBe(`it is a JWT, and OIDC_RESPONSE_MODE is ${mode}`)
    expect(idp.calls.token).toBe(calls)
  })

  test('while the keys cannot be fetched: 503, and the code is not spent', async () => {
    const other = closeAfterTest(await startScriptedProvider())
    const on = closeAfterTest(
      await startPortico({ issuer: other.issuer, env: { OIDC_RESPONSE_MODE: 'jwt' } }),
    )
    other.script({ jwks: () => ({ keys: 'none' }) })
    const { browser, parameters } = await begin(on, other)
    const response = await signAnswer(toClaims(parameters, other, on), other)
    expect(await readRefusal(await bring(browser, { response }, on))).toBe('503 provider_unavailable')
    expect(other.calls.token).toBe(0)
  })
})

test('answers by keys that do not exist keep no ID token from a new key', async () => {
  const other = closeAfterTest(await startScriptedProvider())
  const on = closeAfterTest(await startPortico({ issuer: other.issuer, env: { OIDC_RESPONSE_MODE: 'jwt' } }))
  const right = async () => {
    const { browser, parameters } = await begin(on, other)
    const response = await signAnswer(toClaims(parameters, other, on), other)
    return (await bring(browser, { response }, on)).status
  }
  expect(await right()).toBe(200)
  for (const key of [anotherKey, await createProviderKey('third')]) {
    const { browser, parameters } = await begin(on, other)
    const response = await signAnswer(toClaims(parameters, other, on), other, key)
    expect((await bring(browser, { response }, on)).status).toBe(400)
  }
  const next = await createProviderKey('next')
  other.publish(other.goodKey, next)
  other.script({ key: next })
  expect(await right()).toBe(200)
})

describe('with several providers', () => {
  test('each signs for itself, and its name in the answer does for the common address (R13)', async () => {
    const other = closeAfterTest(await startScriptedProvider())
    const toSettings = ({ issuer }: ScriptedProvider, mode: string) => ({
      OIDC_ISSUER: issuer,
      OIDC_CLIENT_ID: 'portico-test',
      OIDC_CLIENT_SECRET: 'test-client-secret',
      OIDC_RESPONSE_MODE: mode,
    })
    const file = writeProvidersFile({ one: toSettings(idp, 'jwt'), two: toSettings(other, 'jwt') })
    const on = closeAfterTest(await startPortico({ env: { PROVIDERS_FILE: file } }))
    const beginAt = (name: string, at: ScriptedProvider) => begin(on, at, `?provider=${name}`)

    const own = await beginAt('one', idp)
    const right = await signAnswer(toClaims(own.parameters, idp, on))
    expect((await bring(own.browser, { response: right }, on)).status).toBe(200)

    // The one that is asked answers, but it is signed, honestly, by the other one.
    const mixed = await beginAt('one', idp)
    const foreign = await signAnswer(toClaims(mixed.parameters, other, on), other)
    expect(await readRefusal(await bring(mixed.browser, { response: foreign }, on))).toBe(
      '400 invalid_authorization_response',
    )
    const elsewhere = await beginAt('one', idp)
    const response = await signAnswer(toClaims(elsewhere.parameters, idp, on))
    expect(await readRefusal(await bring(elsewhere.browser, { response }, on, '/two'))).toBe(
      '400 issuer_mismatch',
    )
  })
})
