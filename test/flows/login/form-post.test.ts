import { describe, expect } from 'vitest'
import { type BrowserRequest, createTestBrowser, type TestBrowser } from '../../support/browser.ts'
import { closeAfterTest, idp, portico, serverPerFile, writeProvidersFile } from '../../support/fixtures.ts'
import { getSession, logInAtScripted, readRefusal, startLogin } from '../../support/login.ts'
import { publicUrl, startPortico } from '../../support/portico.ts'

/** Providers that post their answer (OAuth 2.0 Form Post Response Mode), whose page is on another site. */
const test = serverPerFile({ env: { OIDC_RESPONSE_MODE: 'form_post' } })

const callback = () => `${portico.url}/api/callback`
const begin = async (browser: TestBrowser, query = '?return_to=/deep') =>
  idp.authorize(await startLogin(portico, browser, query))

/** The provider's page posts a form. */
const post = (
  browser: TestBrowser,
  body: URLSearchParams,
  { url = callback(), headers = {} }: Pick<BrowserRequest, 'headers'> & { url?: string } = {},
) =>
  browser.visit(url, {
    method: 'POST',
    body,
    headers: { 'sec-fetch-site': 'cross-site', 'sec-fetch-user': undefined, ...headers },
  })

/** Of a browser without Fetch Metadata. */
const silent = { 'sec-fetch-site': undefined, 'sec-fetch-mode': undefined, 'sec-fetch-dest': undefined }

const unescapeHtml = (html = '') =>
  html
    .replaceAll(/&(lt|gt|quot|#39);/g, (_, name: string) => ({ lt: '<', gt: '>', quot: '"' })[name] ?? "'")
    .replaceAll('&amp;', '&')

interface Form {
  action: string
  fields: Record<string, string>
}

/** The form of a page, as a browser without scripts shows and sends it. */
async function readForm(response: Response): Promise<Form> {
  const html = await response.clone().text()
  const action = /<form method="post" action="([^"]+)">/.exec(html)?.[1]
  if (response.status !== 200 || action === undefined) throw new Error(`${response.status}: ${html}`)
  const inputs = [...html.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)">/g)]
  const fields = inputs.map(([, name, value]) => [unescapeHtml(name), unescapeHtml(value)])
  return { action: unescapeHtml(action), fields: Object.fromEntries(fields) as Form['fields'] }
}

/** Posts the form of our page. */
async function postAgain(browser: TestBrowser, page: Response, base = portico.url): Promise<Response> {
  const { action, fields } = await readForm(page)
  const url = new URL(action, base).href
  return post(browser, new URLSearchParams(fields), { url, headers: { 'sec-fetch-site': 'same-origin' } })
}

const leadsTo = async (response: Response) =>
  unescapeHtml(/http-equiv="refresh" content="0;url=([^"]+)"/.exec(await response.clone().text())?.[1])

test('the login asks for it', async () => {
  const url = new URL(await startLogin(portico, createTestBrowser()))
  expect(url.searchParams.get('response_mode')).toBe('form_post')
})

describe('a form from another site, which comes without cookies', () => {
  test('is posted once more by a page of this site, and signs the user in', async () => {
    const browser = createTestBrowser()
    const parameters = await begin(browser)
    const before = browser.setCookies.length
    const page = await post(browser, parameters)
    expect(await readForm(page)).toEqual({
      action: '/api/callback?again=1',
      fields: Object.fromEntries(parameters),
    })
    expect(browser.setCookies.length).toBe(before)
    expect(idp.calls.token).toBe(0)

    const signedIn = await postAgain(browser, page)
    expect([signedIn.status, await leadsTo(signedIn)]).toEqual([200, '/deep'])
    expect((await getSession(portico, browser)).active).toBe(true)
  })

  test('its page is in no cache, frame or address, and runs no script but its own', async () => {
    const browser = createTestBrowser()
    const page = await post(browser, await begin(browser))
    expect(page.headers.get('cache-control')).toBe('no-store')
    expect(page.headers.get('referrer-policy')).toBe('no-referrer')
    expect(page.headers.get('x-frame-options')).toBe('DENY')
    const policy = (page.headers.get('content-security-policy') ?? '').split(';')
    expect(policy).toEqual(
      expect.arrayContaining([
        "default-src 'none'",
        expect.stringMatching(/^script-src 'sha256-[^' ]+'$/),
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
      ]),
    )
  })

  test('repeats only what a provider may answer, escaped', async () => {
    const hostile = `"><script>canary()</script>'&`
    const fields = {
      state: hostile,
      code: 'c',
      id_token: 'canary',
      user: '{"name":"canary"}',
      action: 'canary',
    }
    const page = await post(createTestBrowser(), new URLSearchParams(fields))
    const html = await page.clone().text()
    expect(html).not.toContain('<script>canary')
    expect(html.replaceAll('canary()', '')).not.toContain('canary')
    expect((await readForm(page)).fields).toEqual({ state: hostile, code: 'c' })
  })

  test('what is in the query of its address goes no further', async () => {
    const browser = createTestBrowser()
    const page = await post(browser, await begin(browser), { url: `${callback()}?code=canary&x=1` })
    expect((await readForm(page)).action).toBe('/api/callback?again=1')
  })

  test('comes again once only: without cookies it then finds no login in progress', async () => {
    const parameters = await begin(createTestBrowser())
    const other = createTestBrowser()
    const refused = await postAgain(other, await post(other, parameters))
    expect(refused.status).toBe(400)
    expect(await refused.text()).toContain('login_transaction_missing')
    const fromElsewhere = await post(other, parameters, { url: `${callback()}?again=1` })
    expect(fromElsewhere.status).toBe(400)
  })

  test('ends the session that the browser had, whose cookie is strict', async () => {
    const { browser } = await logInAtScripted(portico, idp)
    const old = browser.cookies(portico.url).get('__Host-bff_session')
    const page = await post(browser, await begin(browser))
    expect((await postAgain(browser, page)).status).toBe(200)
    expect(browser.cookies(portico.url).get('__Host-bff_session')).not.toBe(old)
    const thief = createTestBrowser()
    thief.setCookie(portico.url, '__Host-bff_session', old)
    expect((await getSession(portico, thief)).active).toBe(false)
  })

  test('may be a refusal: of the user, or of a silent login', async () => {
    const browser = createTestBrowser()
    const refuse = async (error: string, query: string) => {
      const state = (await begin(browser, query)).get('state') ?? ''
      return postAgain(browser, await post(browser, new URLSearchParams({ state, error })))
    }
    const denied = await refuse('access_denied', '?return_to=/deep')
    expect([denied.status, await denied.text()]).toEqual([403, expect.stringContaining('access_denied')])
    const unseen = await refuse('login_required', '?prompt=none&return_to=/deep')
    expect([unseen.status, await leadsTo(unseen)]).toEqual([200, '/deep'])
  })

  test.each([
    ['malformed', 'state=a&state=b&code=c'],
    ['empty', ''],
  ])('is refused where it is %s', async (_what, body) => {
    const refused = await post(createTestBrowser(), new URLSearchParams(body))
    expect(refused.status).toBe(400)
    expect(await refused.text()).toContain('invalid_request')
  })

  test('is recognised where a browser sends no Fetch Metadata', async () => {
    const browser = createTestBrowser()
    const parameters = await begin(browser)
    const page = await post(createTestBrowser(), parameters, { headers: silent })
    const { action, fields } = await readForm(page)
    const signedIn = await post(browser, new URLSearchParams(fields), {
      url: new URL(action, portico.url).href,
      headers: silent,
    })
    expect([signedIn.status, await leadsTo(signedIn)]).toEqual([200, '/deep'])
  })

  test('gets no page in a frame, which would not show it', async () => {
    const parameters = await begin(createTestBrowser())
    const refused = await post(createTestBrowser(), parameters, { headers: { 'sec-fetch-dest': 'iframe' } })
    expect(refused.status).toBe(400)
  })
})

describe('a signed answer of one of several providers, below API_PREFIX and a path of PUBLIC_URL', () => {
  test('is posted once more to the address of that provider', async () => {
    const of = {
      OIDC_ISSUER: idp.issuer,
      OIDC_CLIENT_ID: 'portico-test',
      OIDC_CLIENT_SECRET: 'test-client-secret',
    }
    const file = writeProvidersFile({ one: of, two: { ...of, OIDC_RESPONSE_MODE: 'form_post.jwt' } })
    const where = { PUBLIC_URL: `${publicUrl}/shop`, API_PREFIX: '/auth' }
    const on = closeAfterTest(await startPortico({ env: { ...where, PROVIDERS_FILE: file } }))
    const shop = { url: `${on.url}/shop`, apiPrefix: '/auth' }
    const browser = createTestBrowser()
    const parameters = idp.authorize(await startLogin(shop, browser, '?provider=two&return_to=/shop/deep'))
    const exp = Math.floor(on.clock.now() / 1000) + 60
    const claims = { iss: idp.issuer, aud: 'portico-test', exp, ...Object.fromEntries(parameters) }
    const response = await idp.sign(idp.goodKey, { alg: 'RS256', kid: idp.goodKey.kid }, claims)

    const url = `${shop.url}/auth/callback/two`
    const page = await post(browser, new URLSearchParams({ response }), { url })
    expect(await readForm(page)).toEqual({ action: '/shop/auth/callback/two?again=1', fields: { response } })
    const signedIn = await postAgain(browser, page, on.url)
    expect([signedIn.status, await leadsTo(signedIn)]).toEqual([200, '/shop/deep'])
    expect((await getSession(shop, browser)).active).toBe(true)
  })
})

describe('a form that comes with its cookies', () => {
  test.each([
    ['as browsers say', { 'sec-fetch-site': 'same-site' }],
    ['and the browser says nothing', silent],
  ])('of a provider on the same site, %s, signs in at once', async (_what, headers) => {
    const browser = createTestBrowser()
    const signedIn = await post(browser, await begin(browser), { headers })
    expect([signedIn.status, signedIn.headers.get('location')]).toEqual([303, '/deep'])
    const stray = await post(createTestBrowser(), await begin(browser), {
      headers: { 'sec-fetch-site': 'same-site' },
    })
    expect(stray.status).toBe(400)
  })

  test('of a script of the app is answered with JSON, without a page', async () => {
    const browser = createTestBrowser()
    const body = await begin(browser)
    const signedIn = await browser.fetch(callback(), { method: 'POST', body })
    expect([signedIn.status, await signedIn.json()]).toEqual([
      200,
      expect.objectContaining({ return_to: '/deep' }),
    ])
    const stray = await createTestBrowser().fetch(callback(), { method: 'POST', body, headers: silent })
    expect(await readRefusal(stray)).toBe('400 login_transaction_missing')
  })
})
