import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createTestBrowser, type TestBrowser } from '../support/browser.ts'
import { minutes, seconds } from '../support/clock.ts'
import { copyBrowser, type Deployment, deployments } from '../support/deployments/deployments.ts'
import { closeAfterTest } from '../support/fixtures.ts'
import { csrf, getSession, logInAtScripted, readRefusal, startLogin } from '../support/login.ts'
import { goToProvider, readLogoutUrl, visitPortico } from '../support/logout.ts'
import { publicUrl, startPortico, type TestPortico, testSecret } from '../support/portico.ts'
import { type ScriptedProvider, startScriptedProvider } from '../support/providers/scripted-provider.ts'

/** The address that a script gets from a logout: it leads the browser that logged out to the provider, once, within a minute. */

const cookieName = '__Host-bff_logout'
const prefix = `${publicUrl}/api/logout/provider?ticket=`

async function logOut(at: { url: string }, browser: TestBrowser, body: object = {}): Promise<Response> {
  const response = await browser.fetch(`${at.url}/api/logout`, {
    method: 'POST',
    headers: { ...csrf, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  expect(response.status).toBe(200)
  return response
}

/** Signs in and out; returns the browser, and the address that its page got. */
async function leave(
  at: { url: string; idp: ScriptedProvider },
  { browser = createTestBrowser(), returnTo = '/there' }: { browser?: TestBrowser; returnTo?: string } = {},
) {
  const { response } = await logInAtScripted(at, at.idp, { browser })
  expect(response.status).toBe(200)
  const answer = await logOut(at, browser, { return_to: returnTo })
  return { browser, answer, address: (await readLogoutUrl(answer.clone())) ?? '' }
}

/** Where a visit leads: the provider, or an address of ours. */
async function land(
  at: { url: string; idp: ScriptedProvider },
  browser: TestBrowser,
  address: string,
): Promise<string | null> {
  const response = await visitPortico(at, browser, address)
  expect([response.status, await response.text()]).toEqual([303, ''])
  const location = response.headers.get('location')
  return location?.startsWith(`${at.idp.issuer}/v1/logout?id_token_hint=`) ? 'the provider' : location
}

describe.each(deployments)('%s', (_name, start) => {
  let deployment: Deployment
  beforeAll(async () => {
    deployment = await start({ LOGOUT_RETURN_TO: '/bye' })
  })
  afterAll(() => deployment.close())

  test('leads to the provider, and a second time to where the logout was to end', async () => {
    const { browser, address } = await leave(deployment)
    const again = copyBrowser(browser, deployment.url)
    expect(await land(deployment, browser, address)).toBe('the provider')
    for (const one of [browser, again]) expect(await land(deployment, one, address)).toBe('/there')
  })

  test('of ten visits at the same time, exactly one comes to the provider', async () => {
    const { browser, address } = await leave(deployment)
    const tabs = Array.from({ length: 10 }, () => copyBrowser(browser, deployment.url))
    const landed = await Promise.all(tabs.map((tab) => land(deployment, tab, address)))
    expect(landed.sort()).toEqual([...Array.from({ length: 9 }, () => '/there'), 'the provider'])
  })

  test('is good for a minute', async () => {
    const [inTime, late] = [await leave(deployment), await leave(deployment)]
    await deployment.advance(seconds(50))
    expect(await land(deployment, inTime.browser, inTime.address)).toBe('the provider')
    await deployment.advance(seconds(10))
    expect(await land(deployment, late.browser, late.address)).toBe('/there')
  })

  test('is worth nothing to others who learn it, and they do not spend it', async () => {
    const { browser, address } = await leave(deployment)
    const thief = createTestBrowser()
    expect(await land(deployment, thief, address)).toBe('/there')
    // Neither with the cookie of a logout of their own.
    const other = await leave(deployment)
    expect(await land(deployment, other.browser, address)).toBe('/there')
    expect(await land(deployment, other.browser, other.address)).toBe('the provider')
    expect(await land(deployment, browser, address)).toBe('the provider')
  })
})

describe('in one process', () => {
  let idp: ScriptedProvider
  let portico: TestPortico & { idp: ScriptedProvider }
  beforeAll(async () => {
    idp = await startScriptedProvider()
    portico = { ...(await startPortico({ issuer: idp.issuer, env: { LOGOUT_RETURN_TO: '/bye' } })), idp }
    idp.follow(portico.clock)
  })
  beforeEach(() => void portico.logged.splice(0))
  afterAll(async () => {
    await portico.close()
    await idp.close()
  })

  /** Another server for the same provider, at the same time of day. */
  async function startAnother(env: Record<string, string>): Promise<typeof portico> {
    const options = { issuer: idp.issuer, env, replaced: { clock: portico.clock } }
    return { ...closeAfterTest(await startPortico(options)), idp }
  }

  /** The same browser at another server. */
  function moved(browser: TestBrowser, from: { url: string }, to: { url: string }): TestBrowser {
    const copy = createTestBrowser()
    for (const [name, value] of browser.cookies(from.url)) copy.setCookie(to.url, name, value)
    return copy
  }

  /** Why browsers were not sent to the provider. */
  const skipped = () =>
    portico.logged
      .filter(({ event }) => event === 'logout_at_provider_skipped')
      .map(({ reason, level }) => `${level}: ${reason}`)

  test('it is an address of ours that tells nothing, and a cookie that no script can read', async () => {
    const { browser, answer, address } = await leave(portico)
    expect(address.startsWith(prefix)).toBe(true)
    expect(address.slice(prefix.length)).toMatch(/^[\w-]{1000,3000}$/)
    expect(Buffer.from(address.slice(prefix.length), 'base64url').toString('latin1')).not.toMatch(
      /eyJ[\w-]+\.eyJ|logout|there/,
    )
    const [line = '', ...more] = answer.headers.getSetCookie().filter((each) => each.includes('bff_logout'))
    expect(line).toMatch(
      /^__Host-bff_logout=[\w-]{43}; Max-Age=60; Path=\/; Expires=[^;]+; HttpOnly; Secure; SameSite=Strict$/,
    )
    expect(more).toEqual([])
    const secret = browser.cookies(portico.url).get(cookieName) ?? ''
    expect(await answer.text()).not.toContain(secret)
    const response = await visitPortico(portico, browser, address)
    expect(response.headers.get('referrer-policy')).toBe('no-referrer')
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(browser.cookies(portico.url).has(cookieName)).toBe(false)
    expect(JSON.stringify(portico.logged)).not.toContain(secret)
    expect(skipped()).toEqual([])
  })

  test('a logout with nothing to do at the provider brings neither', async () => {
    const answer = await logOut(portico, createTestBrowser())
    expect([await readLogoutUrl(answer.clone()), answer.headers.getSetCookie()]).toEqual([null, []])
  })

  test('on http://localhost the cookie has no prefix and is not Secure, like the others', async () => {
    const { answer } = await leave(await startAnother({ PUBLIC_URL: 'http://localhost:3000' }))
    expect(answer.headers.getSetCookie().join()).toMatch(/bff_logout=[\w-]{43}; .*HttpOnly; SameSite=Strict/)
    expect(answer.headers.getSetCookie().join()).not.toMatch(/__Host-|Secure/)
  })

  test.each([
    [minutes(1) - 1, 'the provider', []],
    [minutes(1), '/there', ['warn: the ticket has expired']],
    [minutes(1) + 1, '/there', ['warn: the ticket has expired']],
    [minutes(60), '/there', ['warn: the ticket has expired']],
  ])('after %d ms it leads to %s', async (wait, expected, reasons) => {
    const { browser, address } = await leave(portico)
    portico.clock.advance(wait)
    expect(await land(portico, browser, address)).toBe(expected)
    expect(skipped()).toEqual(reasons)
  })

  test('that it was used is remembered for as long as it would be good', async () => {
    const { browser, address } = await leave(portico)
    const again = copyBrowser(browser, portico.url)
    expect(await land(portico, browser, address)).toBe('the provider')
    portico.clock.advance(minutes(1) - 1)
    expect(await land(portico, again, address)).toBe('/there')
    expect(skipped()).toEqual(['warn: the ticket was used'])
  })

  test('the log tells why a browser was not sent on', async () => {
    const { browser, address } = await leave(portico)
    const again = copyBrowser(browser, portico.url)
    await land(portico, createTestBrowser(), address)
    await land(portico, browser, address)
    await land(portico, again, address)
    await land(portico, browser, `${prefix}x`)
    expect(skipped()).toEqual([
      'warn: the ticket is of another browser, or was used',
      'warn: the ticket was used',
      'warn: the ticket does not open',
    ])
  })

  test.each<[string, (ticket: string) => string]>([
    ['no ticket', () => `${publicUrl}/api/logout/provider`],
    ['an empty one', () => prefix],
    ['a short one', () => `${prefix}abc`],
    ['another first character', (ticket) => prefix + flip(ticket, 0)],
    ['another character in its middle', (ticket) => prefix + flip(ticket, Math.floor(ticket.length / 2))],
    ['another character near its end', (ticket) => prefix + flip(ticket, ticket.length - 3)],
    ['its end cut off', (ticket) => prefix + ticket.slice(0, -4)],
    ['its beginning cut off', (ticket) => prefix + ticket.slice(4)],
    ['something behind it', (ticket) => `${prefix}${ticket}AAAA`],
    ['itself twice', (ticket) => `${prefix}${ticket}&ticket=${ticket}`],
    ['another name', (ticket) => `${publicUrl}/api/logout/provider?state=${ticket}`],
  ])('with %s it leads to the default page, and is not spent', async (_name, change) => {
    const { browser, address } = await leave(portico)
    const ticket = address.slice(prefix.length)
    expect(await land(portico, browser, change(ticket))).toBe('/bye')
    expect(await land(portico, browser, address)).toBe('the provider')
  })

  describe('what was sealed for something else is none', () => {
    test('a login in progress', async () => {
      const browser = createTestBrowser()
      await startLogin(portico, browser)
      const [sealed = ''] = [...browser.cookies(portico.url)]
        .filter(([name]) => name.includes('bff_tx'))
        .map(([, value]) => value)
      expect(sealed.length).toBeGreaterThan(100)
      expect(await land(portico, browser, prefix + sealed)).toBe('/bye')
    })

    test('the state of a logout; nor is a ticket such a state', async () => {
      const { browser, address } = await leave(portico)
      const providerUrl = new URL(await goToProvider(portico, browser, address))
      const state = providerUrl.searchParams.get('state') ?? ''
      const comeBack = (text: string) =>
        land(portico, browser, `${publicUrl}/api/logout/callback?state=${text}`)
      expect(await land(portico, browser, prefix + state)).toBe('/bye')
      expect(await comeBack(address.slice(prefix.length))).toBe('/bye')
      expect(await comeBack(state)).toBe('/there')
    })

    test('a ticket of another server', async () => {
      const other = await startAnother({ BFF_SECRETS: testSecret() })
      const { browser, address } = await leave(other)
      expect(await land(portico, moved(browser, other, portico), address)).toBe('/bye')
    })
  })

  describe('a script cannot learn where it leads', () => {
    test.each<[string, Record<string, string | undefined>]>([
      ['by a fetch', {}],
      ['by a fetch that asks for a page', { accept: 'text/html' }],
      ['by an image or a form of a fetch', { 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' }],
      ['by a fetch within the origin', { 'sec-fetch-mode': 'same-origin', accept: 'text/html' }],
      ['by a socket', { 'sec-fetch-mode': 'websocket', accept: 'text/html' }],
      ['from another origin', { 'sec-fetch-site': 'same-site', origin: 'https://spa.example.com' }],
      ['by a program', { 'sec-fetch-mode': undefined, 'sec-fetch-site': undefined, accept: '*/*' }],
      ['by one that asks for JSON', { 'sec-fetch-mode': undefined, accept: 'application/json' }],
    ])('%s: refused, and the ticket is not spent', async (_name, headers) => {
      const { browser, address } = await leave(portico)
      const response = await browser.fetch(portico.url + address.slice(publicUrl.length), { headers })
      expect([response.headers.has('location'), response.headers.getSetCookie()]).toEqual([false, []])
      expect(await readRefusal(response)).toBe('400 invalid_request')
      expect(await land(portico, browser, address)).toBe('the provider')
    })

    test.each(['HEAD', 'POST', 'PUT', 'DELETE'] as const)(
      'nor spends %s the ticket, not even of a navigation',
      async (method) => {
        const { browser, address } = await leave(portico)
        const response = await browser.visit(portico.url + address.slice(publicUrl.length), { method })
        expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET'])
        expect(response.headers.has('location')).toBe(false)
        expect(await land(portico, browser, address)).toBe('the provider')
      },
    )
  })

  test('a later logout of the same browser takes the place of one that the browser did not follow', async () => {
    const { browser, address: first } = await leave(portico)
    const { address: second } = await leave(portico, { browser, returnTo: '/second' })
    expect(await land(portico, browser, first)).toBe('/there')
    expect(await land(portico, browser, second)).toBe('the provider')
  })

  test('a page that is no longer allowed is not gone to', async () => {
    const spa = 'https://spa.example.com'
    const secrets = { BFF_SECRETS: testSecret() }
    const wide = await startAnother({ ...secrets, SPA_ORIGINS: spa })
    const narrow = await startAnother({ ...secrets, LOGOUT_RETURN_TO: '/bye' })
    const { address } = await leave(wide, { returnTo: `${spa}/left` })
    expect(await land(wide, createTestBrowser(), address)).toBe(`${spa}/left`)
    expect(await land(narrow, createTestBrowser(), address)).toBe('/bye')
  })

  test('a ticket of before the master secrets rotated is good', async () => {
    const [older, newer] = [testSecret(), testSecret()]
    const before = await startAnother({ BFF_SECRETS: `${older},${newer}` })
    const after = await startAnother({ BFF_SECRETS: `${newer},${older}` })
    const { browser, address } = await leave(before)
    expect(await land(after, moved(browser, before, after), address)).toBe('the provider')
  })

  test('who signs in again before following it stays signed in here', async () => {
    const { browser, address } = await leave(portico)
    await logInAtScripted(portico, idp, { browser })
    expect(await land(portico, browser, address)).toBe('the provider')
    expect((await getSession(portico, browser)).active).toBe(true)
  })
})

/** The same text with another character in one place, by which all six of its bits differ. */
function flip(text: string, index: number): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const other = alphabet[63 - alphabet.indexOf(text[index] ?? 'A')] ?? 'A'
  return text.slice(0, index) + other + text.slice(index + 1)
}
