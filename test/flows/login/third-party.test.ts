import { describe, expect } from 'vitest'
import { createTestBrowser } from '../../support/browser.ts'
import { closeAfterTest, idp, providerPerFile, writeProvidersFile } from '../../support/fixtures.ts'
import { readRefusal } from '../../support/login.ts'
import { publicUrl, startPortico } from '../../support/portico.ts'
import { startScriptedProvider } from '../../support/providers/scripted-provider.ts'

/** Logins that a third party initiates, such as a tile on Okta's dashboard (OpenID Connect Core 4). */
const test = providerPerFile()

/** What a browser says of a page of another site: after a click of the user, and after none. */
const clicked = { 'sec-fetch-site': 'cross-site' }
const byItself = { ...clicked, 'sec-fetch-user': undefined }

const client = { OIDC_CLIENT_ID: 'portico-test', OIDC_CLIENT_SECRET: 'test-client-secret' }
/** An Okta org whose name never has an address (RFC 2606). */
const org = 'https://okta.invalid'

/** A server with these providers, or with the one of the file. */
async function start(
  providers: Record<string, Record<string, string>> = { one: { OIDC_ISSUER: idp.issuer } },
  env: Record<string, string> = {},
) {
  const entries = Object.entries(providers).map(([name, settings]) => [name, { ...client, ...settings }])
  const file = writeProvidersFile(Object.fromEntries(entries))
  const portico = closeAfterTest(await startPortico({ env: { PROVIDERS_FILE: file, ...env } }))
  idp.follow(portico.clock)
  const browser = createTestBrowser()
  const address = `${portico.url}/api/login`
  type Asked = Record<string, string>
  return {
    portico,
    browser,
    link: (asked: Asked, headers: Record<string, string | undefined> = clicked) =>
      browser.visit(`${address}?${new URLSearchParams(asked)}`, { headers }),
    form: (asked: Asked, headers: Record<string, string | undefined> = clicked, query = '') =>
      browser.visit(address + query, { method: 'POST', headers, body: new URLSearchParams(asked) }),
    fetch: (asked: Asked) => browser.fetch(`${address}?${new URLSearchParams(asked)}`),
  }
}

const readHref = async (response: Response) =>
  [...(await response.text()).matchAll(/<a href="([^"]*)"/g)].map(([, href = '']) =>
    href.replaceAll('&amp;', '&'),
  )
const toAuthorization = (response: Response) => new URL(response.headers.get('location') ?? '')

/** Two providers of which each can be reached. */
async function startTwo() {
  const other = closeAfterTest(await startScriptedProvider())
  const started = await start({ one: { OIDC_ISSUER: idp.issuer }, two: { OIDC_ISSUER: other.issuer } })
  return { ...started, other }
}

describe('a login that a third party initiates', () => {
  test('by a link and by a form: iss chooses the provider, and the user ends at target_link_uri', async () => {
    const { portico, browser, link, form, other } = await startTwo()
    const asked = {
      iss: other.issuer,
      login_hint: 'ada@example.com',
      target_link_uri: `${publicUrl}/orders?a=1#top`,
      lti_message_hint: 'unknown ones do not matter',
    }
    for (const [begin, status] of [
      [link, 302],
      [form, 303],
    ] as const) {
      const response = await begin(asked)
      expect(response.status).toBe(status)
      const { searchParams } = toAuthorization(response)
      expect(Object.fromEntries(searchParams)).toMatchObject({
        login_hint: asked.login_hint,
        redirect_uri: `${publicUrl}/api/callback/two`,
      })
      const answer = other.authorize(toAuthorization(response).href)
      const end = await browser.arrive(`${portico.url}/api/callback/two?${answer}`)
      expect([end.status, end.headers.get('location')]).toEqual([303, '/orders?a=1#top'])
    }
  })

  test('a script of the app may begin it as well', async () => {
    const { fetch, other } = await startTwo()
    const { login_url: url } = (await (await fetch({ iss: other.issuer })).json()) as { login_url: string }
    expect(url.startsWith(other.issuer)).toBe(true)
  })

  test('a slash at the end of iss makes no other issuer', async () => {
    const { link } = await start()
    expect((await link({ iss: `${idp.issuer}/` })).status).toBe(302)
  })

  test('the address that is registered may have a query: a field of the form has priority', async () => {
    const { form } = await startTwo()
    const response = await form({ login_hint: 'ada' }, clicked, '?provider=two&login_hint=other')
    const { searchParams } = toAuthorization(response)
    expect(Object.fromEntries(searchParams)).toMatchObject({
      login_hint: 'ada',
      redirect_uri: `${publicUrl}/api/callback/two`,
    })
  })

  test('a form without iss: the user chooses, and all that it asked for goes on', async () => {
    const { form } = await startTwo()
    const response = await form({ login_hint: 'ada', other: 'x' }, clicked, '?ui_locales=de')
    expect([response.status, await readHref(response)]).toEqual([
      200,
      ['one', 'two'].map((name) => `/api/login?ui_locales=de&login_hint=ada&provider=${name}`),
    ])
  })

  test('a form carries no session token, and is limited like any other login', async () => {
    const { form } = await start(undefined, { RATE_LIMIT_LOGIN: '1/1m' })
    const first = await form({ iss: idp.issuer, session_token: 'x' })
    expect(toAuthorization(first).searchParams.has('sessionToken')).toBe(false)
    expect((await form({ iss: idp.issuer })).status).toBe(429)
  })
})

describe('target_link_uri obeys the rules of return_to (R7)', () => {
  test.each([
    ['a path', '/orders', '/orders'],
    ['an address of this origin', `${publicUrl}/orders`, '/orders'],
    ['another site', 'https://evil.example/orders', '/'],
    ['a host without a protocol', '//evil.example', '/'],
    ['the login itself', `${publicUrl}/api/login?iss=x`, '/'],
  ])('%s', async (_what, target, end) => {
    const { portico, browser, link } = await start()
    const response = await link({ iss: idp.issuer, target_link_uri: target, return_to: '/registered' })
    const answer = idp.authorize(toAuthorization(response).href)
    const arrived = await browser.arrive(`${portico.url}/api/callback/one?${answer}`)
    expect(arrived.headers.get('location')).toBe(end)
    const isRefused = portico.logged.some(({ event }) => event === 'return_to_refused')
    expect(isRefused).toBe(end === '/')
  })
})

describe('an issuer that is not configured', () => {
  test.each(['https://evil.example', 'https://okta.invalid.evil.example', 'nothing', '__proto__'])(
    '%s is refused, and nothing begins',
    async (iss) => {
      const { portico, browser, link, form, fetch } = await start()
      expect(await readRefusal(await fetch({ iss }))).toBe('400 unknown_issuer')
      const page = await link({ iss })
      expect([page.status, await page.text()]).toEqual([400, expect.stringContaining('unknown_issuer')])
      expect((await form({ iss })).status).toBe(400)
      expect(browser.setCookies).toEqual([])
      expect(portico.logged.findLast(({ event }) => event === 'login_failed')).toMatchObject({
        code: 'unknown_issuer',
        reason: `iss is at ${URL.parse(iss)?.origin ?? 'no address'}`,
        step: 'begin',
      })
    },
  )

  test('so are an empty one, two, and one that is not that of the provider', async () => {
    const { portico, browser, link, fetch, other } = await startTwo()
    expect((await link({ iss: '' })).status).toBe(400)
    const twice = await browser.fetch(`${portico.url}/api/login?iss=${idp.issuer}&iss=${other.issuer}`)
    expect(await readRefusal(twice)).toBe('400 invalid_request')
    expect(await readRefusal(await fetch({ iss: other.issuer, provider: 'one' }))).toBe('400 invalid_request')
    expect((await fetch({ iss: other.issuer, provider: 'two' })).status).toBe(200)
  })
})

describe('a page of another site that sends the user without a click (R8)', () => {
  test('is followed if it is of the provider that iss names: a form says so by Origin, a link by Referer', async () => {
    const { link, form } = await start()
    const { origin } = new URL(idp.issuer)
    expect((await form({ iss: idp.issuer }, { ...byItself, origin })).status).toBe(303)
    expect((await link({ iss: idp.issuer }, { ...byItself, referer: `${origin}/home` })).status).toBe(302)
  })

  test.each<[string, string | undefined]>([
    ['another origin', 'https://evil.example'],
    ['a hidden origin', 'null'],
    ['no origin', undefined],
  ])('leads to a page that asks: %s', async (_what, origin) => {
    const { portico, browser, form, link } = await start()
    const asked = { iss: idp.issuer, login_hint: 'ada', target_link_uri: `${publicUrl}/orders` }
    for (const response of [
      await form(asked, { ...byItself, origin }),
      await link(asked, { ...byItself, referer: origin }),
    ]) {
      expect(response.status).toBe(403)
      const [again = ''] = await readHref(response)
      // What it leads to has all that was asked for, as the click of a user on a page of this server.
      expect(again).toBe('/api/login?return_to=%2Forders&login_hint=ada')
      expect((await browser.visit(`${portico.url}${again}`)).status).toBe(302)
    }
  })

  test('is asked, too, where that provider posts the answer for a client whose redirect URI is the login', async () => {
    const { form } = await start()
    const headers = { ...byItself, origin: new URL(idp.issuer).origin }
    const query = `?${new URLSearchParams({ iss: idp.issuer, login_hint: 'mallory' })}`
    for (const name of ['code', 'error', 'id_token', 'response', 'state']) {
      expect([name, (await form({ [name]: 'x' }, headers, query)).status]).toEqual([name, 403])
    }
  })

  test('a form says where it comes from by Origin alone, in a browser without Fetch Metadata', async () => {
    const { form } = await start()
    const silent = { 'sec-fetch-site': undefined, 'sec-fetch-mode': undefined, 'sec-fetch-user': undefined }
    const post = async (origin: string | undefined) => (await form({}, { ...silent, origin })).status
    expect(await Promise.all(['https://evil.example', 'null'].map(post))).toEqual([403, 403])
    expect(await Promise.all([publicUrl, undefined].map(post))).toEqual([303, 303])
  })

  test('the origin of one provider says nothing for another one, nor for an unknown one', async () => {
    const { form, other } = await startTwo()
    const headers = { ...byItself, origin: new URL(other.issuer).origin }
    const response = await form({ iss: idp.issuer }, headers)
    expect(response.status).toBe(403)
    expect((await readHref(response))[0]).toBe('/api/login?return_to=%2F&provider=one')
    const unknown = { ...byItself, origin: 'https://evil.example' }
    expect((await form({ iss: 'https://evil.example' }, unknown)).status).toBe(403)
    expect((await form({}, unknown)).status).toBe(403)
  })

  test('a script of another site begins none, by a form either', async () => {
    const { portico, browser } = await start()
    const headers = { ...clicked, origin: 'https://evil.example' }
    const body = new URLSearchParams({ iss: idp.issuer })
    const call = (more: object) =>
      browser.fetch(`${portico.url}/api/login`, { method: 'POST', body, ...more })
    expect(await readRefusal(await call({ headers }))).toBe('403 csrf_check_failed')
    // No form can have another content type but these two.
    for (const type of ['text/plain', 'multipart/form-data; boundary=x']) {
      const other = {
        ...headers,
        'sec-fetch-user': '?1',
        'sec-fetch-mode': 'navigate',
        accept: 'text/html',
        'content-type': type,
      }
      expect((await call({ headers: other, body: 'iss=x' })).status).toBe(403)
    }
  })
})

describe("Okta's dashboard names its org", () => {
  const custom = (id: string, more = {}) => ({ OIDC_ISSUER: `${org}/oauth2/${id}`, ...more })

  const renamed = { OIDC_ISSUER: 'https://id.invalid/oauth2/default', OIDC_UNIVERSAL_LOGOUT_ISSUER: org }

  /** The provider that is asked to sign the user in; the links of a page if there is a choice. */
  async function find(providers: Record<string, Record<string, string>>, iss: string) {
    const { portico, link } = await start({ ...providers, other: { OIDC_ISSUER: idp.issuer } })
    const response = await link({ iss })
    const failed = portico.logged.findLast(({ event }) => event === 'login_failed')
    return response.status === 200 ? readHref(response) : (failed?.provider ?? failed?.code)
  }

  test.each([
    ['for a custom authorization server', { okta: custom('default') }, org, 'okta'],
    ['with a slash', { okta: custom('default') }, `${org}/`, 'okta'],
    ['the server itself', { okta: custom('default') }, `${org}/oauth2/default`, 'okta'],
    ['another server of the org', { okta: custom('default') }, `${org}/oauth2/aus1`, 'unknown_issuer'],
    ['the org server', { okta: { OIDC_ISSUER: org } }, org, 'okta'],
    ['an org behind a domain of its own, by its Okta name', { okta: renamed }, org, 'okta'],
    ['the same, by its own domain', { okta: renamed }, 'https://id.invalid', 'okta'],
  ])('%s', async (_what, providers, iss, expected) => {
    expect(await find(providers, iss)).toBe(expected)
  })

  test('a login that cannot begin is tried again at the provider that iss names', async () => {
    const { link } = await start({ other: { OIDC_ISSUER: idp.issuer }, okta: custom('default') })
    const response = await link({ iss: org })
    expect([response.status, (await readHref(response))[0]]).toEqual([
      503,
      '/api/login?return_to=%2F&provider=okta',
    ])
  })

  test('of several providers of an org, none is chosen for a user who made no click', async () => {
    const { link } = await start({ a: custom('a'), b: custom('b') })
    const response = await link({ iss: org }, byItself)
    expect([response.status, (await readHref(response))[0]]).toEqual([403, '/api/login?return_to=%2F'])
  })

  test('where it is the org of several providers, the user chooses among those', async () => {
    const encoded = encodeURIComponent(org)
    expect(await find({ a: custom('a'), b: custom('b') }, org)).toEqual([
      `/api/login?iss=${encoded}&provider=a`,
      `/api/login?iss=${encoded}&provider=b`,
    ])
  })
})
