import { decodeJwt } from 'jose'
import { describe, expect } from 'vitest'
import { createTestBrowser, type TestBrowser } from '../../support/browser.ts'
import { closeAfterTest, idp, providerPerFile, writeProvidersFile } from '../../support/fixtures.ts'
import { csrf, logInAtScripted, startLogin } from '../../support/login.ts'
import { goToProvider, readLogoutUrl } from '../../support/logout.ts'
import { publicUrl, startPortico, type TestPortico } from '../../support/portico.ts'
import { type ProviderScript, startScriptedProvider } from '../../support/providers/scripted-provider.ts'

/** What the provider is told of who leaves: the ID token, or a name and who asks. */

const test = providerPerFile()

const start = async (env: Record<string, string> = {}) =>
  closeAfterTest(await startPortico({ issuer: idp.issuer, env }))

const byFetch = async (portico: TestPortico, browser: TestBrowser) => {
  const answer = await browser.fetch(`${portico.url}/api/logout`, { method: 'POST', headers: csrf })
  return goToProvider(portico, browser, await readLogoutUrl(answer))
}
const byForm = async (portico: TestPortico, browser: TestBrowser) => {
  const answer = await browser.visit(`${portico.url}/api/logout`, {
    method: 'POST',
    headers: { 'sec-fetch-site': 'same-origin', origin: publicUrl },
    body: new URLSearchParams(),
  })
  return answer.headers.get('location') ?? ''
}

/** The provider's address at the logout of somebody who just signed in. */
async function logOut(portico: TestPortico, way = byFetch): Promise<URL> {
  const { browser, response } = await logInAtScripted(portico, idp)
  expect(response.status).toBe(200)
  return new URL(await way(portico, browser))
}

/** The names of its parameters, without what the endpoint has of its own. */
const namesOf = ({ searchParams }: URL) => [...searchParams.keys()].filter((name) => name !== 'pad').sort()

const always = ['client_id', 'post_logout_redirect_uri', 'state']
const withToken = [...always, 'id_token_hint'].sort()
const withName = [...always, 'logout_hint'].sort()

describe('by the length of the address', () => {
  const padEndpoint = (characters: number): ProviderScript => ({
    metadata: (document) => ({
      ...document,
      end_session_endpoint: `${idp.issuer}/v1/logout?pad=${'x'.repeat(characters)}`,
    }),
  })

  /** How much the endpoint has to grow for an address with the ID token of this length. */
  async function toPad(length: number): Promise<number> {
    idp.script(padEndpoint(0))
    const { href } = await logOut(await start({ OIDC_LOGOUT_HINT: 'id_token' }))
    return length - href.length
  }

  test.each([
    ['auto', 1_900, withToken],
    ['auto', 1_999, withToken],
    ['auto', 2_000, withToken],
    ['auto', 2_001, withName],
    ['auto', 6_000, withName],
    ['id_token', 2_000, withToken],
    ['id_token', 2_001, withToken],
    ['id_token', 6_000, withToken],
    ['client_id', 1_900, withName],
    ['client_id', 6_000, withName],
  ])('OIDC_LOGOUT_HINT=%s, %d characters with the ID token: %j', async (setting, length, expected) => {
    idp.script(padEndpoint(await toPad(length)))
    const portico = await start({ OIDC_LOGOUT_HINT: setting })
    for (const way of [byFetch, byForm]) {
      const url = await logOut(portico, way)
      expect(namesOf(url)).toEqual(expected)
      expect(url.searchParams.get('client_id')).toBe('portico-test')
      expect(url.searchParams.get('post_logout_redirect_uri')).toBe(`${publicUrl}/api/logout/callback`)
      if (expected === withToken) expect(url.href).toHaveLength(length)
    }
  })

  test('auto is what counts where nothing is said', async () => {
    idp.script(padEndpoint(await toPad(2_000)))
    expect(namesOf(await logOut(await start()))).toEqual(withToken)
    idp.script(padEndpoint(await toPad(2_001)))
    expect(namesOf(await logOut(await start()))).toEqual(withName)
  })

  test('an ID token of many groups, or a long return_to, makes it long as well', async () => {
    const portico = await start()
    const groups = Array.from({ length: 40 }, (_, index) => `group-of-some-people-${index}`)
    idp.script({ idTokenClaims: (claims) => ({ ...claims, groups }) })
    expect(namesOf(await logOut(portico))).toEqual(withName)
    idp.reset()
    const { browser } = await logInAtScripted(portico, idp)
    const answer = await browser.fetch(`${portico.url}/api/logout`, {
      method: 'POST',
      headers: { ...csrf, 'content-type': 'application/json' },
      body: JSON.stringify({ return_to: `/?${'x'.repeat(1_000)}` }),
    })
    const url = new URL(await goToProvider(portico, browser, await readLogoutUrl(answer)))
    expect(namesOf(url)).toEqual(withName)
  })

  test('with id_token, an ID token of 8,000 characters is on its way, too', async () => {
    const portico = await start({ OIDC_LOGOUT_HINT: 'id_token' })
    idp.script({ idTokenClaims: (claims) => ({ ...claims, more: 'x'.repeat(5_400) }) })
    const hint = (await logOut(portico)).searchParams.get('id_token_hint') ?? ''
    expect(hint.length).toBeGreaterThan(8_000)
    expect(decodeJwt(hint)).toMatchObject({ sub: '00u-grace' })
  })
})

describe('without the ID token, the person is named by the claim that providers know best', () => {
  const all = {
    login_hint: 'O.CiQ0M2E1',
    sid: 'sid-1',
    preferred_username: 'grace',
    email: 'grace@example.com',
  }
  const none = { login_hint: undefined, sid: undefined, preferred_username: undefined, email: undefined }

  test.each<[string, Record<string, unknown>, string | null]>([
    ['all of them', all, 'O.CiQ0M2E1'],
    ['no login_hint', { ...all, login_hint: undefined }, 'sid-1'],
    ['a user name and an address', { ...none, preferred_username: 'grace', email: all.email }, 'grace'],
    ['an address', { ...none, email: all.email }, 'grace@example.com'],
    ['a text with everything in it', { ...none, email: 'a b&c=d+é#?/%41' }, 'a b&c=d+é#?/%41'],
    ['an empty one', { ...all, login_hint: '' }, 'sid-1'],
    ['a number', { ...all, login_hint: 7 }, 'sid-1'],
    ['null', { ...all, login_hint: null }, 'sid-1'],
    ['true', { ...all, login_hint: true }, 'sid-1'],
    ['a list', { ...all, login_hint: ['a'] }, 'sid-1'],
    ['an object', { ...all, login_hint: { a: 'b' } }, 'sid-1'],
    ['none', none, null],
    ['none that is a text', { ...none, email: 7, preferred_username: [] }, null],
  ])('%s', async (_name, claims, expected) => {
    const portico = await start({ OIDC_LOGOUT_HINT: 'client_id' })
    idp.script({ idTokenClaims: (before) => ({ ...before, ...claims }) })
    const url = await logOut(portico)
    expect(url.searchParams.get('logout_hint')).toBe(expected)
    expect(namesOf(url)).toEqual(expected === null ? always : withName)
  })

  test('by the ID token alone, never by what userinfo says', async () => {
    const portico = await start({ OIDC_LOGOUT_HINT: 'client_id' })
    idp.script({ idTokenClaims: (before) => ({ ...before, ...none }) })
    const { browser, response } = await logInAtScripted(portico, idp)
    expect(await response.json()).toMatchObject({ user: { email: 'grace@example.com' } })
    expect(namesOf(new URL(await byFetch(portico, browser)))).toEqual(always)
  })
})

test('each of several providers has a setting of its own', async () => {
  const other = await startScriptedProvider()
  const client = { OIDC_CLIENT_ID: 'portico-test', OIDC_CLIENT_SECRET: 'test-client-secret' }
  const providers = {
    one: { ...client, OIDC_ISSUER: idp.issuer, OIDC_LOGOUT_HINT: 'client_id' },
    two: { ...client, OIDC_ISSUER: other.issuer },
  }
  const path = writeProvidersFile(providers)
  const portico = closeAfterTest(await startPortico({ env: { PROVIDERS_FILE: path } }))
  for (const [name, provider, expected] of [
    ['one', idp, withName],
    ['two', other, withToken],
  ] as const) {
    const browser = createTestBrowser()
    const parameters = provider.authorize(await startLogin(portico, browser, `?provider=${name}`))
    expect((await browser.fetch(`${portico.url}/api/callback/${name}?${parameters}`)).status).toBe(200)
    const url = new URL(await byFetch(portico, browser))
    expect([url.origin + url.pathname, namesOf(url)]).toEqual([`${provider.issuer}/v1/logout`, expected])
  }
  await other.close()
})

test('what OIDC_LOGOUT_PARAMS contains goes along, with the ID token or without', async () => {
  const returnTo = `${publicUrl}/api/logout/callback`
  for (const [hint, names] of [
    ['id_token', withToken],
    ['client_id', withName],
  ] as const) {
    const portico = await start({
      OIDC_LOGOUT_HINT: hint,
      OIDC_LOGOUT_PARAMS: `logout_uri=${returnTo}&ui_locales=de%20fr`,
    })
    for (const way of [byFetch, byForm]) {
      const url = await logOut(portico, way)
      expect(namesOf(url)).toEqual([...names, 'logout_uri', 'ui_locales'].sort())
      expect(url.searchParams.get('logout_uri')).toBe(returnTo)
      expect(url.searchParams.get('ui_locales')).toBe('de fr')
    }
  }
})
