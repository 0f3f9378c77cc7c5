import { describe, expect } from 'vitest'
import { createTestBrowser, type TestBrowser } from '../../support/browser.ts'
import { minutes } from '../../support/clock.ts'
import { idp, portico, serverPerFile } from '../../support/fixtures.ts'
import { getSession, logInAtScripted, readRefusal, startLogin } from '../../support/login.ts'
import { startPortico, type TestPortico } from '../../support/portico.ts'
import { startScriptedProvider } from '../../support/providers/scripted-provider.ts'

const test = serverPerFile()

const callback = (browser: TestBrowser, query: string, on = portico) =>
  browser.fetch(`${on.url}/api/callback?${query}`)
const transactionCookies = (browser: TestBrowser) =>
  [...browser.cookies(portico.url).keys()].filter((name) => name.startsWith('__Host-bff_tx.'))

describe('malformed parameters are refused, and the old session is untouched (R12, F6)', () => {
  test.each([
    ['state twice', (p: URLSearchParams) => `${p}&state=x`],
    ['code twice', (p: URLSearchParams) => `${p}&code=x`],
    ['iss twice', (p: URLSearchParams) => `${p}&iss=a&iss=b`],
    ['error twice', (p: URLSearchParams) => `${p}&error=a&error=b`],
    ['no state', (p: URLSearchParams) => `code=${p.get('code')}`],
    ['an empty state', (p: URLSearchParams) => `code=${p.get('code')}&state=`],
    ['an array-valued state', (p: URLSearchParams) => `code=${p.get('code')}&state[]=${p.get('state')}`],
    ['a state that is none of ours', (p: URLSearchParams) => `code=${p.get('code')}&state=${'a'.repeat(60)}`],
    ['neither code nor error', (p: URLSearchParams) => `state=${p.get('state')}`],
    ['an endless code', (p: URLSearchParams) => `state=${p.get('state')}&code=${'a'.repeat(5_000)}`],
  ])('%s', async (_name, toQuery) => {
    const { browser } = await logInAtScripted(portico, idp)
    const before = await getSession(portico, browser)
    const calls = idp.calls.token
    const parameters = idp.authorize(await startLogin(portico, browser))
    expect(await readRefusal(await callback(browser, toQuery(parameters)))).toBe('400 invalid_request')
    expect(await getSession(portico, browser)).toEqual(before)
    expect(idp.calls.token).toBe(calls)
  })
})

describe('a callback that no login of this browser began', () => {
  test('without its transaction cookie: 400, with a way to start again (F5)', async () => {
    const parameters = idp.authorize(await startLogin(portico, createTestBrowser()))
    const other = createTestBrowser()
    expect(await readRefusal(await callback(other, `${parameters}`))).toBe('400 login_transaction_missing')
    const page = await other.visit(`${portico.url}/api/callback?${parameters}`)
    expect([page.status, page.headers.get('content-type')]).toEqual([400, 'text/html; charset=utf-8'])
    expect(await page.text()).toContain('href="/api/login?return_to=')
    expect(await getSession(portico, other)).toEqual({ active: false })
  })

  test("with another login's cookie under its name: 400 (R3, F10)", async () => {
    const [attacker, victim] = [createTestBrowser(), createTestBrowser()]
    const attackers = idp.authorize(await startLogin(portico, attacker))
    await startLogin(portico, victim)
    const [name = ''] = transactionCookies(victim)
    const id = (attackers.get('state') ?? '').split('.')[0]
    victim.setCookie(portico.url, `__Host-bff_tx.${id}`, victim.cookies(portico.url).get(name))
    expect(await readRefusal(await callback(victim, `${attackers}`))).toBe('400 login_transaction_missing')
  })

  test('with the right id but another secret in its state: 400 (R3)', async () => {
    const browser = createTestBrowser()
    const parameters = idp.authorize(await startLogin(portico, browser))
    const [id] = (parameters.get('state') ?? '').split('.')
    parameters.set('state', `${id}.${'A'.repeat(43)}`)
    expect(await readRefusal(await callback(browser, `${parameters}`))).toBe('400 login_transaction_missing')
  })

  test('with a tampered cookie: 400', async () => {
    const browser = createTestBrowser()
    const parameters = idp.authorize(await startLogin(portico, browser))
    const [name = ''] = transactionCookies(browser)
    const sealed = browser.cookies(portico.url).get(name) ?? ''
    browser.setCookie(portico.url, name, `${sealed.slice(0, -2)}${sealed.endsWith('AA') ? 'BB' : 'AA'}`)
    expect(await readRefusal(await callback(browser, `${parameters}`))).toBe('400 login_transaction_missing')
  })

  test('after more than ten minutes: 400 login_transaction_expired', async () => {
    const other = await startPortico({ issuer: idp.issuer })
    const browser = createTestBrowser()
    const parameters = idp.authorize(await startLogin(other, browser))
    other.clock.advance(minutes(10) + 1)
    expect(await readRefusal(await callback(browser, `${parameters}`, other))).toBe(
      '400 login_transaction_expired',
    )
    await other.close()
  })

  test('by HEAD, as link checkers do: 405, and the login goes on', async () => {
    const browser = createTestBrowser()
    const parameters = idp.authorize(await startLogin(portico, browser))
    const head = await browser.fetch(`${portico.url}/api/callback?${parameters}`, { method: 'HEAD' })
    expect(head.status).toBe(405)
    expect((await callback(browser, `${parameters}`)).status).toBe(200)
  })
})

describe('iss in the response (RFC 9207)', () => {
  let strict: TestPortico
  test.beforeAll(async () => {
    idp.script({
      metadata: (document) => ({ ...document, authorization_response_iss_parameter_supported: true }),
    })
    strict = await startPortico({ issuer: idp.issuer })
    await startLogin(strict, createTestBrowser())
  })
  test.afterAll(() => strict.close())

  test.each([
    ['another issuer', '&iss=https%3A%2F%2Fevil.example'],
    ['missing though advertised', ''],
  ])('%s: 400 before code or error is looked at (R13, R15)', async (_name, iss) => {
    for (const answer of ['code', 'error'] as const) {
      const browser = createTestBrowser()
      const parameters = idp.authorize(await startLogin(strict, browser))
      const calls = idp.calls.token
      const query =
        answer === 'code' ? `${parameters}` : `state=${parameters.get('state')}&error=access_denied`
      expect(await readRefusal(await callback(browser, query + iss, strict))).toBe('400 issuer_mismatch')
      expect(idp.calls.token).toBe(calls)
    }
  })

  test('the right one passes', async () => {
    const browser = createTestBrowser()
    const parameters = idp.authorize(await startLogin(strict, browser))
    parameters.set('iss', idp.issuer)
    expect((await callback(browser, `${parameters}`, strict)).status).toBe(200)
  })

  test('of a provider that does not advertise it is disregarded (R14)', async () => {
    const browser = createTestBrowser()
    const parameters = idp.authorize(await startLogin(portico, browser))
    parameters.set('iss', 'https://whatever.example')
    expect((await callback(browser, `${parameters}`)).status).toBe(200)
  })

  test('a login begun with another provider is refused, as after a change of configuration (R5)', async () => {
    const secret = Buffer.from(Array.from({ length: 32 }, (_, index) => index * 7)).toString('base64url')
    const other = await startScriptedProvider()
    const [before, after] = [
      await startPortico({ issuer: other.issuer, env: { BFF_SECRETS: secret } }),
      await startPortico({ issuer: idp.issuer, env: { BFF_SECRETS: secret } }),
    ]
    const browser = createTestBrowser()
    const loginUrl = await startLogin(before, browser)
    for (const [name, value] of browser.cookies(before.url)) browser.setCookie(after.url, name, value)
    const response = await callback(browser, `${idp.authorize(loginUrl)}`, after)
    expect(await readRefusal(response)).toBe('400 issuer_mismatch')
    for (const part of [before, after, other]) await part.close()
  })
})

describe("the provider's refusals (R17)", () => {
  test.each([
    ['access_denied', '403 access_denied'],
    ['login_required', '401 login_required'],
    ['consent_required', '401 consent_required'],
    ['interaction_required', '401 interaction_required'],
    ['account_selection_required', '401 interaction_required'],
    ['temporarily_unavailable', '503 provider_unavailable'],
    ['server_error', '502 provider_error'],
    ['whatever_else', '502 provider_error'],
    ['constructor', '502 provider_error'],
    ['__proto__', '502 provider_error'],
  ])('%s: %s, no session, the old one untouched (F7)', async (error, expected) => {
    const { browser } = await logInAtScripted(portico, idp)
    const before = await getSession(portico, browser)
    const state = new URL(await startLogin(portico, browser)).searchParams.get('state')
    const query = `state=${state}&error=${error}&error_description=${encodeURIComponent('<script>canary()</script>')}`
    const response = await callback(browser, query)
    expect(await response.clone().text()).not.toContain('canary')
    expect(await readRefusal(response)).toBe(expected)
    expect(await getSession(portico, browser)).toEqual(before)
    expect(
      portico.logged.find(
        ({ event, error: logged }) => event === 'login_refused_by_provider' && logged === error,
      ),
    ).toBeDefined()
  })

  test('a person sees a page with a way to try again that keeps return_to, and nothing of the raw text (F7, F8)', async () => {
    const browser = createTestBrowser()
    const state = new URL(await startLogin(portico, browser, '?return_to=/deep?a=1')).searchParams.get(
      'state',
    )
    const hostile = encodeURIComponent('"><img src=x onerror=canary()>')
    const page = await browser.visit(
      `${portico.url}/api/callback?state=${state}&error=access_denied&error_description=${hostile}&error_uri=${hostile}`,
    )
    const html = await page.text()
    expect(page.status).toBe(403)
    expect(html).toContain(`href="/api/login?return_to=${encodeURIComponent('/deep?a=1')}"`)
    expect(html).not.toContain('canary')
    expect(html).not.toMatch(/(src|href)="https?:/) // R18: nothing third-party
    expect(page.headers.get('referrer-policy')).toBe('no-referrer')
  })

  test('an answer with an error and a code is a refusal: the code is not exchanged', async () => {
    const browser = createTestBrowser()
    const parameters = idp.authorize(await startLogin(portico, browser))
    const calls = idp.calls.token
    expect(await readRefusal(await callback(browser, `${parameters}&error=access_denied`))).toBe(
      '403 access_denied',
    )
    expect(idp.calls.token).toBe(calls)
  })

  test('a silent login refused goes back to return_to by navigation, and is 401 by fetch', async () => {
    const browser = createTestBrowser()
    const begin = async () =>
      new URL(await startLogin(portico, browser, '?prompt=none&return_to=/quiet')).searchParams.get('state')
    const visited = await browser.visit(
      `${portico.url}/api/callback?state=${await begin()}&error=login_required`,
    )
    expect([visited.status, visited.headers.get('location')]).toEqual([303, '/quiet'])
    const fetched = await callback(browser, `state=${await begin()}&error=login_required`)
    expect(await readRefusal(fetched)).toBe('401 login_required')
    expect(await getSession(portico, browser)).toEqual({ active: false })
  })

  test('an expired code: a way to start again (F9)', async () => {
    const browser = createTestBrowser()
    const parameters = idp.authorize(await startLogin(portico, browser))
    parameters.set('code', 'expired')
    const response = await browser.visit(`${portico.url}/api/callback?${parameters}`)
    const html = await response.text()
    expect(response.status).toBe(502)
    expect(html).toContain('sign in again')
    expect(html).toContain('Try again')
    expect(html).not.toContain('canary')
  })
})

describe('the transaction', () => {
  test.each([
    ['success', ''],
    ['the provider refusing', 'access_denied'],
  ])('is cleared whatever the outcome: %s (R20)', async (_name, error) => {
    const browser = createTestBrowser()
    const parameters = idp.authorize(await startLogin(portico, browser))
    expect(transactionCookies(browser)).toHaveLength(1)
    await callback(
      browser,
      error === '' ? `${parameters}` : `state=${parameters.get('state')}&error=${error}`,
    )
    expect(transactionCookies(browser)).toHaveLength(0)
  })

  test('is spent by its first use: another code with the same state is not exchanged (R4, R16)', async () => {
    const browser = createTestBrowser()
    const loginUrl = await startLogin(portico, browser)
    const [first, second] = [idp.authorize(loginUrl), idp.authorize(loginUrl)]
    const cookies = new Map(browser.cookies(portico.url))
    expect((await callback(browser, `${first}`)).status).toBe(200)
    const calls = idp.calls.token
    // Even where the cookie came back, as in a restored browser session.
    for (const [name, value] of cookies) browser.setCookie(portico.url, name, value)
    expect(await readRefusal(await callback(browser, `${second}`))).toBe('400 login_transaction_missing')
    expect(idp.calls.token).toBe(calls)
  })

  test('a failed first use is failed when the same callback is sent again, too (R19)', async () => {
    const browser = createTestBrowser()
    const parameters = idp.authorize(await startLogin(portico, browser))
    const cookies = new Map(browser.cookies(portico.url))
    idp.script({ idTokenClaims: (claims) => ({ ...claims, nonce: 'other' }) })
    expect(await readRefusal(await callback(browser, `${parameters}`))).toBe('502 invalid_id_token')
    idp.reset()
    const calls = idp.calls.token
    for (const [name, value] of cookies) browser.setCookie(portico.url, name, value)
    expect(await readRefusal(await callback(browser, `${parameters}`))).toBe('502 invalid_id_token')
    expect(idp.calls.token).toBe(calls)
  })
})

describe('hostile return_to becomes "/" (R7, F13)', () => {
  test.each([
    '//evil.example',
    'https://evil.example/',
    '/\\evil.example',
    'javascript:alert(1)',
    '/api/login',
  ])('%s', async (returnTo) => {
    const query = `?return_to=${encodeURIComponent(returnTo)}`
    const { response } = await logInAtScripted(portico, idp, { query })
    expect(await response.json()).toMatchObject({ return_to: '/' })
    expect(portico.logged.some(({ event }) => event === 'return_to_refused')).toBe(true)
  })
})
