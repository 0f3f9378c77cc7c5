import { describe, expect } from 'vitest'
import { AppError } from '../../../src/errors.ts'
import { type BrowserRequest, createTestBrowser, type TestBrowser } from '../../support/browser.ts'
import { minutes } from '../../support/clock.ts'
import { copyBrowser } from '../../support/deployments/deployments.ts'
import { idp, portico, serverPerFile } from '../../support/fixtures.ts'
import { csrf, getSession, logInAtScripted, readRefusal, startLogin } from '../../support/login.ts'
import { startPortico } from '../../support/portico.ts'

/** Callbacks without a login in progress, of browsers that are signed in. */
const test = serverPerFile({ env: { LOGIN_DEFAULT_RETURN_TO: '/home' } })

const address = (query: URLSearchParams | string) => `${portico.url}/api/callback?${query}`
const sessionOf = (browser: TestBrowser) => browser.cookies(portico.url).get('__Host-bff_session')
const transactionsOf = (browser: TestBrowser) =>
  [...browser.cookies(portico.url)].filter(([name]) => name.startsWith('__Host-bff_tx.'))
const landed = (response: Response) => `${response.status} ${response.headers.get('location')}`

async function begin(browser: TestBrowser, returnTo = '/deep'): Promise<URLSearchParams> {
  return idp.authorize(await startLogin(portico, browser, `?return_to=${returnTo}`))
}

function dropTransactions(browser: TestBrowser): void {
  for (const [name] of transactionsOf(browser)) browser.setCookie(portico.url, name, undefined)
}

/** How a callback can come to nothing that says nothing of the person: each answers the query of such a callback. */
type Loss = (browser: TestBrowser) => Promise<URLSearchParams | string>

const lost: { what: string; lose: Loss; code?: string; to?: string }[] = [
  {
    what: 'its transaction cookie is gone',
    async lose(browser) {
      const parameters = await begin(browser)
      dropTransactions(browser)
      return parameters
    },
  },
  {
    what: 'and it is a refusal of the provider',
    async lose(browser) {
      const state = (await begin(browser)).get('state')
      dropTransactions(browser)
      return `state=${state}&error=access_denied&error_description=canary`
    },
  },
  {
    what: 'and it is the refusal of a silent login',
    async lose(browser) {
      const url = await startLogin(portico, browser, '?prompt=none&return_to=/deep')
      dropTransactions(browser)
      return `state=${new URL(url).searchParams.get('state')}&error=login_required`
    },
  },
  {
    what: 'and it has neither code nor error',
    async lose(browser) {
      const state = (await begin(browser)).get('state')
      dropTransactions(browser)
      return `state=${state}`
    },
  },
  { what: 'another browser began it (login CSRF, F10)', lose: () => begin(createTestBrowser()) },
  {
    what: 'it was never begun',
    lose: async () => `code=guess&state=0mwr0md1430f9d71d.${'A'.repeat(43)}`,
  },
  {
    what: 'its cookie was tampered with',
    async lose(browser) {
      const parameters = await begin(browser)
      for (const [name, sealed] of transactionsOf(browser)) {
        browser.setCookie(portico.url, name, `${sealed.slice(0, -2)}${sealed.endsWith('AA') ? 'BB' : 'AA'}`)
      }
      return parameters
    },
  },
  {
    what: 'its state has another secret, so that the return_to in its cookie is none of its business',
    async lose(browser) {
      const parameters = await begin(browser)
      parameters.set('state', `${parameters.get('state')?.split('.')[0]}.${'A'.repeat(43)}`)
      return parameters
    },
  },
  {
    what: 'it took more than ten minutes',
    code: 'login_transaction_expired',
    to: '/deep',
    async lose(browser) {
      const parameters = await begin(browser)
      portico.clock.advance(minutes(10) + 1)
      return parameters
    },
  },
  {
    what: 'it was finished before, with another code',
    to: '/deep',
    async lose(browser) {
      const loginUrl = await startLogin(portico, browser, '?return_to=/deep')
      const kept = copyBrowser(browser, portico.url)
      await browser.fetch(address(idp.authorize(loginUrl)))
      for (const [name, sealed] of transactionsOf(kept)) browser.setCookie(portico.url, name, sealed)
      return idp.authorize(loginUrl)
    },
  },
  {
    what: 'it was finished before, and the next login has replaced its session',
    to: '/deep',
    async lose(browser) {
      const parameters = await begin(browser)
      const kept = copyBrowser(browser, portico.url)
      await browser.fetch(address(parameters))
      await logInAtScripted(portico, idp, { browser })
      for (const [name, sealed] of transactionsOf(kept)) browser.setCookie(portico.url, name, sealed)
      return parameters
    },
  },
]

describe.each(lost)(
  'a callback that finds no login in progress: $what',
  ({ lose, code = 'login_transaction_missing', to = '/home' }) => {
    const refusal = `400 ${code}`

    test('a navigation goes on to the app, and nothing of the session changes', async () => {
      const { browser } = await logInAtScripted(portico, idp)
      const query = await lose(browser)
      const [session, cookie] = [await getSession(portico, browser), sessionOf(browser)]
      const [calls, from] = [idp.calls.token, portico.logged.length]
      const response = await browser.arrive(address(query))
      expect(landed(response)).toBe(`303 ${to}`)
      expect(response.headers.getSetCookie().join()).not.toContain('bff_session')
      expect([await getSession(portico, browser), sessionOf(browser)]).toEqual([session, cookie])
      expect(idp.calls.token).toBe(calls)
      const events = portico.logged.slice(from)
      expect(events.find(({ event }) => event === 'login_not_needed')).toMatchObject({
        level: 'info',
        code,
        session: session.session.id,
      })
      expect(events.some(({ event }) => event === 'login_failed')).toBe(false)
    })

    test('a fetch is refused as ever', async () => {
      const { browser } = await logInAtScripted(portico, idp)
      const query = await lose(browser)
      const from = portico.logged.length
      expect(await readRefusal(await browser.fetch(address(query)))).toBe(refusal)
      expect(portico.logged.slice(from).find(({ event }) => event === 'login_failed')).toMatchObject({ code })
    })

    test.each<[string, (browser: TestBrowser) => unknown]>([
      [
        'signed out',
        (browser) => browser.fetch(`${portico.url}/api/logout`, { method: 'POST', headers: csrf }),
      ],
      [
        'left with the cookie of a session that has ended',
        async (browser) => {
          const kept = sessionOf(browser)
          await browser.fetch(`${portico.url}/api/logout`, { method: 'POST', headers: csrf })
          browser.setCookie(portico.url, '__Host-bff_session', kept)
        },
      ],
      [
        'left with a forged cookie',
        (browser) => browser.setCookie(portico.url, '__Host-bff_session', 's%3Aforged.forged'),
      ],
      ['left with the cookie of a session that has timed out', () => portico.clock.advance(minutes(31))],
    ])('the person of a browser that is %s is told', async (_what, leave) => {
      const { browser } = await logInAtScripted(portico, idp)
      const query = await lose(browser)
      const kept = transactionsOf(browser)
      await leave(browser)
      for (const [name, sealed] of kept) browser.setCookie(portico.url, name, sealed)
      const page = await browser.arrive(address(query))
      expect([page.headers.get('location'), page.headers.get('content-type')]).toEqual([
        null,
        'text/html; charset=utf-8',
      ])
      expect(page.status).toBeGreaterThanOrEqual(400)
      expect(await page.text()).toContain('href="/api/login?return_to=')
    })
  },
)

describe('whatever kind of navigation it is', () => {
  test.each<[string, BrowserRequest]>([
    ['in the address bar', {}],
    ['from a page of ours', { headers: { 'sec-fetch-site': 'same-origin' } }],
    ['in a frame', { headers: { 'sec-fetch-dest': 'iframe', 'sec-fetch-site': 'same-origin' } }],
    [
      'of a browser without Fetch Metadata',
      { headers: { 'sec-fetch-mode': undefined, 'sec-fetch-dest': undefined, 'sec-fetch-site': undefined } },
    ],
    ['by a form', { method: 'POST' }],
  ])('%s', async (_what, init) => {
    const { browser } = await logInAtScripted(portico, idp)
    const query = await begin(browser)
    dropTransactions(browser)
    const isForm = init.method === 'POST'
    const url = isForm ? `${portico.url}/api/callback` : address(query)
    const response = await browser.visit(url, { ...init, ...(isForm ? { body: query } : {}) })
    expect(landed(response)).toBe('303 /home')
  })

  test('in a frame from another site, where a strict cookie does not come: the refusal, and no page of ours', async () => {
    const { browser } = await logInAtScripted(portico, idp)
    const query = await begin(browser)
    dropTransactions(browser)
    const headers = { 'sec-fetch-dest': 'iframe', 'sec-fetch-site': 'cross-site' }
    expect((await browser.visit(address(query), { headers })).status).toBe(400)
  })
})

describe('what is told to a person who is signed in all the same', () => {
  async function visitSignedIn(toQuery: (parameters: URLSearchParams) => string) {
    const { browser } = await logInAtScripted(portico, idp)
    const before = await getSession(portico, browser)
    const page = await browser.arrive(address(toQuery(await begin(browser))))
    expect(await getSession(portico, browser)).toEqual(before)
    return page
  }

  test.each<[string, number, (parameters: URLSearchParams) => string]>([
    ['a malformed state', 400, () => 'code=x&state=none-of-ours'],
    ['no state', 400, () => 'code=x'],
    ['a parameter given twice', 400, (parameters) => `${parameters}&code=x`],
    ['neither code nor error, for a login in progress', 400, (p) => `state=${p.get('state')}`],
    ['the provider refusing a login in progress', 403, (p) => `state=${p.get('state')}&error=access_denied`],
    ['a code that the provider does not know', 502, (p) => `state=${p.get('state')}&code=guess`],
  ])('%s', async (_what, status, toQuery) => {
    expect((await visitSignedIn(toQuery)).status).toBe(status)
  })

  test('an answer of another issuer', async () => {
    idp.script({
      metadata: (document) => ({ ...document, authorization_response_iss_parameter_supported: true }),
    })
    const strict = await startPortico({ issuer: idp.issuer })
    strict.clock.advance(portico.clock.now() - strict.clock.now())
    const browser = createTestBrowser()
    const callback = async (iss: string) => {
      const parameters = idp.authorize(await startLogin(strict, browser))
      parameters.set('iss', iss)
      return browser.visit(`${strict.url}/api/callback?${parameters}`)
    }
    expect((await callback(idp.issuer)).status).toBe(303)
    expect((await callback('https://evil.example')).status).toBe(400)
    await strict.close()
  })

  test('a logout that came while this login was under way', async () => {
    const browser = createTestBrowser()
    const parameters = await begin(browser)
    const kept = transactionsOf(browser)
    await browser.fetch(`${portico.url}/api/logout`, { method: 'POST', headers: csrf })
    portico.clock.advance(1)
    await logInAtScripted(portico, idp, { browser })
    for (const [name, sealed] of kept) browser.setCookie(portico.url, name, sealed)
    const page = await browser.arrive(address(parameters))
    expect(page.status).toBe(401)
    expect(await page.text()).toContain('signed_out')
    expect((await getSession(portico, browser)).active).toBe(true)
  })
})

test.each(['acr_values=gold', 'max_age=60', 'prompt=login'])(
  'an expired login that asked for more (%s) goes nowhere: the session does not prove it',
  async (demand) => {
    const { browser } = await logInAtScripted(portico, idp)
    const parameters = idp.authorize(await startLogin(portico, browser, `?return_to=/deep&${demand}`))
    portico.clock.advance(minutes(10) + 1)
    const response = await browser.arrive(address(parameters))
    expect(response.status).toBe(400)
    expect(await response.text()).toContain('login_transaction_expired')
  },
)

test('an expired login whose person is not signed in can be begun anew, at its provider and with its return_to', async () => {
  const browser = createTestBrowser()
  const parameters = await begin(browser, '/deep?a=1')
  portico.clock.advance(minutes(10) + 1)
  const page = await browser.arrive(address(parameters))
  expect(page.status).toBe(400)
  expect(await page.text()).toContain(`href="/api/login?return_to=${encodeURIComponent('/deep?a=1')}"`)
})

test('where the store does not tell whether the person is signed in, neither does the answer', async () => {
  const { browser } = await logInAtScripted(portico, idp)
  const parameters = await begin(browser)
  portico.clock.advance(minutes(10) + 1)
  const { read } = portico.store
  portico.store.read = () => Promise.reject(new AppError('store_unavailable', 'No answer.'))
  const page = await browser.arrive(address(parameters))
  portico.store.read = read
  expect([page.status, page.headers.get('location')]).toEqual([503, null])
})
