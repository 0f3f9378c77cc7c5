import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeJwt } from 'jose'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createTestBrowser } from '../../support/browser.ts'
import { hours } from '../../support/clock.ts'
import { askForwardAuth } from '../../support/forward-auth.ts'
import { csrf, getSession, type LoginAnswer, readRefusal, startLogin } from '../../support/login.ts'
import { publicUrl, startPortico, type TestPortico, testSecret } from '../../support/portico.ts'
import { type ScriptedProvider, startScriptedProvider } from '../../support/providers/scripted-provider.ts'

/** Two providers that know the same person by the same subject; the second one names itself in its answers. */
const folder = mkdtempSync(join(tmpdir(), 'portico-providers-'))
const file = join(folder, 'providers.json')
let one: ScriptedProvider
let two: ScriptedProvider
let portico: TestPortico

const toSettings = ({ issuer }: ScriptedProvider, more: Record<string, string> = {}) => ({
  OIDC_ISSUER: issuer,
  OIDC_CLIENT_ID: 'portico-test',
  OIDC_CLIENT_SECRET: 'test-client-secret',
  ...more,
})
const writeProviders = (providers: object) => writeFileSync(file, JSON.stringify(providers))

beforeAll(async () => {
  one = await startScriptedProvider()
  two = await startScriptedProvider()
  writeProviders({ one: toSettings(one), two: toSettings(two, { OIDC_SCOPES: 'openid profile' }) })
  portico = await startPortico({ env: { PROVIDERS_FILE: file, LOG_SUBJECT: 'plain' } })
})
afterAll(async () => {
  await portico.close()
  await one.close()
  await two.close()
  rmSync(folder, { recursive: true })
})
afterEach(() => {
  one.reset()
  two.reset()
})

const idps = () => ({ one, two })
type Name = 'one' | 'two'

async function logIn(name: Name, browser = createTestBrowser(), on = portico) {
  const parameters = idps()[name].authorize(await startLogin(on, browser, `?provider=${name}`))
  const response = await browser.fetch(`${on.url}/api/callback/${name}?${parameters}`)
  return { browser, response, answer: (await response.clone().json()) as LoginAnswer }
}

describe('a sign-in page', () => {
  test('learns the names, the default first', async () => {
    const response = await createTestBrowser().fetch(`${portico.url}/api/providers`)
    expect(await response.json()).toEqual({
      providers: [
        { name: 'one', label: 'One', icon: null },
        { name: 'two', label: 'Two', icon: null },
      ],
    })
  })

  test("the metadata of the app tokens lists every provider's scopes once", async () => {
    const metadata = await fetch(`${portico.url}/.well-known/oauth-authorization-server`)
    const { scopes_supported: scopes } = (await metadata.json()) as { scopes_supported: string[] }
    expect(scopes.sort()).toEqual(['email', 'offline_access', 'openid', 'profile'])
  })

  test('a key that two providers know this client by is published once', async () => {
    const toKey = (kid: string) =>
      JSON.stringify({ ...generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }), kid })
    const [shared, own] = [toKey('shared'), toKey('own')]
    const withKey = (idp: ScriptedProvider, key: string) => ({
      OIDC_ISSUER: idp.issuer,
      OIDC_CLIENT_ID: 'portico-test',
      OIDC_CLIENT_KEY: key,
    })
    writeProviders({ a: withKey(one, shared), b: withKey(two, shared), c: withKey(two, own) })
    const other = await startPortico({ env: { PROVIDERS_FILE: file } })
    const { keys } = (await (await fetch(`${other.url}/.well-known/client-jwks.json`)).json()) as {
      keys: { kid: string }[]
    }
    expect(keys.map(({ kid }) => kid)).toEqual(['shared', 'own'])
    await other.close()
  })

  test('every provider is discovered at the start', async () => {
    await expect
      .poll(() => portico.components.providers.all.map((provider) => provider.isReady()))
      .toEqual([true, true])
  })

  test.each([
    ['POST', '/api/providers', 405],
    ['POST', '/.well-known/client-jwks.json', 405],
    ['HEAD', '/api/callback/one', 405],
    ['PUT', '/api/callback/one', 405],
    ['PUT', '/api/login', 405],
  ])('%s %s: %d', async (method, path, status) => {
    expect((await fetch(`${portico.url}${path}`, { method })).status).toBe(status)
  })

  test.each([
    ['', 'one'],
    ['?provider=one', 'one'],
    ['?provider=two', 'two'],
  ] as const)('%s leads to provider %s, with a redirect URI of its own (R6)', async (query, name) => {
    const loginUrl = new URL(await startLogin(portico, createTestBrowser(), query))
    expect(loginUrl.href.startsWith(idps()[name].issuer)).toBe(true)
    expect(loginUrl.searchParams.get('redirect_uri')).toBe(`${publicUrl}/api/callback/${name}`)
  })

  test.each(['three', 'constructor', '__proto__', 'ONE'])('the provider %s is refused', async (name) => {
    const response = await createTestBrowser().fetch(`${portico.url}/api/login?provider=${name}`)
    expect(await readRefusal(response)).toBe('400 invalid_request')
    expect(response.headers.getSetCookie()).toEqual([])
  })
})

describe('a login at each', () => {
  test('makes two users of one subject, told apart by the name of their provider', async () => {
    for (const name of ['one', 'two'] as const) {
      const { answer, browser } = await logIn(name)
      expect(answer.user.sub).toBe(`${name}:00u-grace`)
      expect(decodeJwt(answer.token)).toMatchObject({ sub: `${name}:00u-grace`, client_id: 'portico-test' })
      const told = (event: string) => portico.logged.findLast((line) => line.event === event)
      expect(told('login_started')).toMatchObject({ provider: name })
      expect(told('login_succeeded')).toMatchObject({ sub: `${name}:00u-grace` })
      const sessions = await browser.fetch(`${portico.url}/api/sessions`, { headers: csrf })
      expect(((await sessions.json()) as { sessions: unknown[] }).sessions).toHaveLength(1)
      await browser.fetch(`${portico.url}/api/logout`, { method: 'POST', headers: csrf })
    }
  })

  test('by POST, as JSON and as a form, so that the code stays out of access logs', async () => {
    for (const type of ['application/json', 'application/x-www-form-urlencoded']) {
      const browser = createTestBrowser()
      const parameters = two.authorize(await startLogin(portico, browser, '?provider=two'))
      const body = type.endsWith('json') ? JSON.stringify(Object.fromEntries(parameters)) : `${parameters}`
      const headers = { 'content-type': type }
      const response = await browser.fetch(`${portico.url}/api/callback/two`, {
        method: 'POST',
        headers,
        body,
      })
      expect(response.status).toBe(200)
    }
  })

  test('in one browser: the second one replaces the first', async () => {
    const { browser, answer: first } = await logIn('one')
    const { answer: second } = await logIn('two', browser)
    expect((await getSession(portico, browser)).user.sub).toBe('two:00u-grace')
    expect(await portico.store.read(first.session.id)).toBeUndefined()
    expect(await portico.store.read(second.session.id)).toBeDefined()
  })

  test('by navigation, also through the page in between, and back to the provider that was chosen', async () => {
    const browser = createTestBrowser()
    const parameters = two.authorize(await startLogin(portico, browser, '?provider=two&return_to=/here'))
    const response = await browser.arrive(`${portico.url}/api/callback/two?${parameters}`)
    expect([response.status, response.headers.get('location')]).toEqual([303, '/here'])

    two.script({ idTokenClaims: (claims) => ({ ...claims, nonce: 'x' }) })
    const again = two.authorize(await startLogin(portico, browser, '?provider=two&return_to=/here'))
    const page = await browser.arrive(`${portico.url}/api/callback/two?${again}`)
    expect(await page.text()).toContain('href="/api/login?return_to=%2Fhere&amp;provider=two"')
  })

  test('refreshes, and asks for userinfo, where it came from', async () => {
    writeProviders({ one: toSettings(one), two: toSettings(two) })
    const other = await startPortico({ env: { PROVIDERS_FILE: file, SESSION_IDLE_TIMEOUT: '2h' } })
    one.follow(other.clock)
    two.follow(other.clock)
    const { browser } = await logIn('two', createTestBrowser(), other)
    const before = { one: { ...one.calls }, two: { ...two.calls } }
    other.clock.advance(hours(1))
    const token = await browser.fetch(`${other.url}/api/token`, { method: 'POST', headers: csrf })
    expect(token.status).toBe(200)
    const userinfo = await browser.fetch(`${other.url}/api/userinfo`, { headers: csrf })
    expect(userinfo.status).toBe(200)
    expect([one.calls.refresh - before.one.refresh, two.calls.refresh - before.two.refresh]).toEqual([0, 1])
    expect(two.calls.userinfo).toBeGreaterThan(before.two.userinfo)
    expect(one.calls.userinfo).toBe(before.one.userinfo)
    one.follow(Date)
    two.follow(Date)
    await other.close()
  })

  test('one that is down does not keep the others from signing in', async () => {
    const down = await startScriptedProvider()
    writeProviders({ down: toSettings(down), two: toSettings(two), down2: toSettings(down) })
    await down.close()
    const other = await startPortico({ env: { PROVIDERS_FILE: file } })
    const browser = createTestBrowser()
    expect(await readRefusal(await browser.fetch(`${other.url}/api/login`))).toBe('503 provider_unavailable')
    expect((await logIn('two', browser, other)).response.status).toBe(200)
    const ready = await fetch(`${other.url}/readyz`)
    expect([ready.status, await ready.json()]).toEqual([
      200,
      expect.objectContaining({
        parts: expect.objectContaining({
          provider: 'not discovered yet (down, down2): logins answer 503',
        }),
      }),
    ])
    const page = await browser.visit(`${other.url}/api/login?provider=down2`)
    expect([page.status, await page.text()]).toEqual([
      503,
      expect.stringContaining('href="/api/login?return_to=%2F&amp;provider=down2"'),
    ])
    const choice = await browser.visit(`${other.url}/api/login`)
    expect([choice.status, await choice.text()]).toEqual([
      200,
      expect.stringContaining('href="/api/login?provider=two"'),
    ])
    await other.close()
  })
})

describe('a mix-up of providers (BCP 4.4)', () => {
  async function begin(name: Name) {
    const browser = createTestBrowser()
    return {
      browser,
      parameters: idps()[name].authorize(await startLogin(portico, browser, `?provider=${name}`)),
    }
  }

  test.each([
    ['the address of the other one', '/api/callback/two', '400 issuer_mismatch'],
    ['the common address', '/api/callback', '400 issuer_mismatch'],
    ['the address of none', '/api/callback/three', '404 not_found'],
  ])('an answer at %s is refused, and its code goes nowhere (R5, R6)', async (_what, path, refusal) => {
    const { browser, parameters } = await begin('one')
    const calls = one.calls.token + two.calls.token
    const response = await browser.fetch(`${portico.url}${path}?${parameters}`)
    expect(await readRefusal(response)).toBe(refusal)
    expect(one.calls.token + two.calls.token).toBe(calls)
    expect(await getSession(portico, browser)).toEqual({ active: false })
  })

  test('an error is not acted on there either (R15)', async () => {
    const { browser, parameters } = await begin('one')
    const query = new URLSearchParams({ state: parameters.get('state') ?? '', error: 'login_required' })
    const response = await browser.fetch(`${portico.url}/api/callback/two?${query}`)
    expect(await readRefusal(response)).toBe('400 issuer_mismatch')
    expect(portico.logged.findLast(({ event }) => event === 'login_failed')?.reason).toBe(
      'it came to the address of two, and is for one',
    )
  })

  test('one that names itself may answer at the common address, by its own name alone (R13)', async () => {
    two.script({
      metadata: (document) => ({ ...document, authorization_response_iss_parameter_supported: true }),
    })
    writeProviders({ one: toSettings(one), two: toSettings(two) })
    const other = await startPortico({ env: { PROVIDERS_FILE: file } })
    const finish = async (more: Record<string, string>) => {
      const browser = createTestBrowser()
      const parameters = two.authorize(await startLogin(other, browser, '?provider=two'))
      const query = new URLSearchParams({ ...Object.fromEntries(parameters), ...more })
      const response = await browser.fetch(`${other.url}/api/callback?${query}`)
      return response.status === 200 ? 200 : readRefusal(response)
    }
    expect(await finish({ iss: two.issuer })).toBe(200)
    expect(await finish({ iss: one.issuer })).toBe('400 issuer_mismatch')
    expect(await finish({})).toBe('400 issuer_mismatch')
    await other.close()
  })

  test('one that names itself answers at no address of another', async () => {
    two.script({
      metadata: (document) => ({ ...document, authorization_response_iss_parameter_supported: true }),
    })
    writeProviders({ one: toSettings(one), two: toSettings(two) })
    const other = await startPortico({ env: { PROVIDERS_FILE: file } })
    const browser = createTestBrowser()
    const parameters = two.authorize(await startLogin(other, browser, '?provider=two'))
    const query = `${parameters}&iss=${encodeURIComponent(two.issuer)}`
    expect(await readRefusal(await browser.fetch(`${other.url}/api/callback/one?${query}`))).toBe(
      '400 issuer_mismatch',
    )
    await other.close()
  })

  test('a name without an announcement is not one: the common address stays closed', async () => {
    one.script({
      metadata: (document) => ({ ...document, authorization_response_iss_parameter_supported: false }),
    })
    const other = await startPortico({ env: { PROVIDERS_FILE: file } })
    const browser = createTestBrowser()
    const parameters = one.authorize(await startLogin(other, browser, '?provider=one'))
    const query = `${parameters}&iss=${encodeURIComponent(one.issuer)}`
    expect(await readRefusal(await browser.fetch(`${other.url}/api/callback?${query}`))).toBe(
      '400 issuer_mismatch',
    )
    await other.close()
  })

  test('the only provider may answer at the common address, wherever its page is', async () => {
    const OIDC_REDIRECT_URI = `${publicUrl}/signed-in`
    const other = await startPortico({ issuer: one.issuer, env: { OIDC_REDIRECT_URI } })
    const browser = createTestBrowser()
    const parameters = one.authorize(await startLogin(other, browser))
    expect((await browser.fetch(`${other.url}/api/callback?${parameters}`)).status).toBe(200)
    await other.close()
  })

  test('the iss of one that does not announce it is disregarded (R14)', async () => {
    const { browser, parameters } = await begin('one')
    const response = await browser.fetch(
      `${portico.url}/api/callback/one?${parameters}&iss=${encodeURIComponent(two.issuer)}`,
    )
    expect(response.status).toBe(200)
  })

  test('one whose registered address is the common one is served there', async () => {
    writeProviders({
      one: toSettings(one, { OIDC_REDIRECT_URI: `${publicUrl}/api/callback` }),
      two: toSettings(two),
    })
    const other = await startPortico({ env: { PROVIDERS_FILE: file } })
    const browser = createTestBrowser()
    const parameters = one.authorize(await startLogin(other, browser))
    expect((await browser.fetch(`${other.url}/api/callback?${parameters}`)).status).toBe(200)
    const wrong = two.authorize(await startLogin(other, browser, '?provider=two'))
    expect(await readRefusal(await browser.fetch(`${other.url}/api/callback?${wrong}`))).toBe(
      '400 issuer_mismatch',
    )
    await other.close()
  })

  test('a login begun with another issuer under the same name is refused (R5)', async () => {
    const BFF_SECRETS = testSecret()
    writeProviders({ one: toSettings(one), two: toSettings(two) })
    const before = await startPortico({ env: { PROVIDERS_FILE: file, BFF_SECRETS } })
    const browser = createTestBrowser()
    const parameters = two.authorize(await startLogin(before, browser, '?provider=two'))
    await before.close()
    writeProviders({ one: toSettings(two), two: toSettings(one) })
    const after = await startPortico({ env: { PROVIDERS_FILE: file, BFF_SECRETS } })
    for (const [name, cookie] of browser.cookies(before.url)) browser.setCookie(after.url, name, cookie)
    const response = await browser.fetch(`${after.url}/api/callback/two?${parameters}`)
    expect(await readRefusal(response)).toBe('400 issuer_mismatch')
    expect(after.logged.findLast(({ event }) => event === 'login_failed')?.reason).toBe(
      'the provider it was begun with is no longer configured, or has another issuer',
    )
    await after.close()
  })
})

/** A session of `two`, seen by a replica with another PROVIDERS_FILE. */
async function reconfigure(providers: object) {
  writeProviders({ one: toSettings(one), two: toSettings(two) })
  const BFF_SECRETS = testSecret()
  const env = { PROVIDERS_FILE: file, BFF_SECRETS, TRUST_PROXY: '127.0.0.1' }
  const before = await startPortico({ env })
  const { browser, answer } = await logIn('two', createTestBrowser(), before)
  writeProviders(providers)
  const { clock, store } = before
  const after = await startPortico({ env, replaced: { clock, store } })
  for (const [name, cookie] of browser.cookies(before.url)) browser.setCookie(after.url, name, cookie)
  const count = () => [one, two].map(({ calls }) => [calls.refresh, calls.userinfo])
  const calls = count()
  const token = await browser.fetch(`${after.url}/api/token`, { method: 'POST', headers: csrf })
  const userinfo = await browser.fetch(`${after.url}/api/userinfo`, { headers: csrf })
  const passes = (await askForwardAuth(after, browser)).status === 200
  const isSignedIn = (await getSession(after, browser)).active
  const asked = JSON.stringify(count()) !== JSON.stringify(calls)
  await after.close()
  const isLeft = (await store.read(answer.session.id)) !== undefined
  await before.close()
  return {
    refusals: [await readRefusal(token), await readRefusal(userinfo)],
    asked,
    passes,
    isSignedIn,
    isLeft,
  }
}

test.each([
  ['was taken out', () => ({ one: toSettings(one) })],
  ['has another issuer now', () => ({ one: toSettings(two), two: toSettings(one) })],
])(
  'a provider that %s: nobody stands behind its sessions, and nobody else gets their tokens',
  async (_what, toProviders) => {
    expect(await reconfigure(toProviders())).toEqual({
      refusals: ['401 session_expired', '401 session_expired'],
      asked: false,
      passes: false,
      isSignedIn: false,
      // Another replica may still know it: the session is left to its timeout.
      isLeft: true,
    })
  },
)

test('a refused visit keeps the provider that was chosen', async () => {
  const headers = { 'sec-fetch-site': 'cross-site', 'sec-fetch-user': '?0' }
  const page = await createTestBrowser().visit(`${portico.url}/api/login?provider=two`, { headers })
  expect(await page.text()).toContain('href="/api/login?return_to=%2F&amp;provider=two"')
})
