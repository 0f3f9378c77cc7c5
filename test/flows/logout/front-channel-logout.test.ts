import { randomUUID } from 'node:crypto'
import { beforeEach, describe, expect } from 'vitest'
import { emptyPage } from '../../../src/http/pages.ts'
import { createTestBrowser, type TestBrowser } from '../../support/browser.ts'
import { idp, portico, serverPerFile, signIn } from '../../support/fixtures.ts'
import { getSession, startLogin } from '../../support/login.ts'
import { startPortico } from '../../support/portico.ts'

const test = serverPerFile({
  script: {
    metadata: (document) => ({ ...document, end_session_endpoint: 'http://127.0.0.1:1/logout' }),
  },
})
test.beforeAll(() => portico.components.providers.first.pageOrigins())
let browser: TestBrowser
let sid: string
beforeEach(async () => {
  sid = `sid-${randomUUID()}`
  browser = await signIn({ sid })
})

/** The frame on the provider's page: another site, and no cookie of ours. */
const frame = (query: string, headers = {}) =>
  createTestBrowser().visit(`${portico.url}/api/frontchannel-logout${query}`, {
    headers: { 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'iframe', ...headers },
  })
const isSignedIn = async (who: TestBrowser) => (await getSession(portico, who)).active
const toQuery = (parameters: Record<string, string>) => `?${new URLSearchParams(parameters)}`
const framersOf = (response: Response) =>
  /frame-ancestors ([^;]+)/.exec(response.headers.get('content-security-policy') ?? '')?.[1]

test('iss and sid that fit: that session ends, others do not (R75)', async () => {
  const other = await signIn({ sid: `sid-${randomUUID()}` })
  const before = idp.livingRefreshTokens()
  const response = await frame(toQuery({ iss: idp.issuer, sid }))
  expect(response.status).toBe(200)
  expect([await isSignedIn(browser), await isSignedIn(other)]).toEqual([false, true])
  await expect.poll(() => idp.livingRefreshTokens()).toBe(before - 1)
  expect(portico.logged.map(({ event }) => event)).toContain('frontchannel_logout_succeeded')
})

test('sid alone, as Microsoft Entra ID sends it: that session ends, others do not (R75)', async () => {
  const other = await signIn({ sid: `sid-${randomUUID()}` })
  const response = await frame(toQuery({ sid }))
  expect(response.status).toBe(200)
  expect(framersOf(response)).toBe(`${new URL(idp.issuer).origin} http://127.0.0.1:1`)
  expect([await isSignedIn(browser), await isSignedIn(other)]).toEqual([false, true])
})

test('the page is empty, in no cache, and framable by the provider alone', async () => {
  const response = await frame(toQuery({ iss: idp.issuer, sid }))
  expect(response.headers.get('cache-control')).toBe('no-store')
  expect(response.headers.has('x-frame-options')).toBe(false)
  expect(framersOf(response)).toBe(`${new URL(idp.issuer).origin} http://127.0.0.1:1`)
  expect(response.headers.get('content-security-policy')).toMatch(
    /^default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors /,
  )
  expect(await response.text()).toBe(emptyPage)
  expect(emptyPage).not.toMatch(/<(style|script|main)/)
})

test.each([
  ['', 'sid is missing'],
  ['?iss=https://other.example&sid=x', 'iss is of no provider here'],
])('a provider that is not set up right is seen in the log: %s', async (query, reason) => {
  await frame(query)
  const refused = portico.logged.findLast(({ event }) => event === 'frontchannel_logout_refused')
  expect(refused?.reason).toBe(reason)
  await frame(toQuery({ iss: idp.issuer }))
  const next = portico.logged.findLast(({ event }) => event === 'frontchannel_logout_refused')
  expect(next?.reason).toBe('sid is missing')
})

describe('what does not fit ends nothing, and looks the same (R75)', () => {
  test.each<[string, () => string]>([
    ['no iss, and another sid', () => toQuery({ sid: 'other' })],
    ['no sid', () => toQuery({ iss: idp.issuer })],
    ['neither', () => ''],
    ['another iss', () => toQuery({ iss: 'https://evil.example', sid })],
    ['another sid', () => toQuery({ iss: idp.issuer, sid: 'other' })],
    ['an empty sid', () => toQuery({ iss: idp.issuer, sid: '' })],
    ['sid twice', () => `${toQuery({ iss: idp.issuer, sid })}&sid=${sid}`],
    ['iss twice', () => `${toQuery({ iss: idp.issuer, sid })}&iss=x`],
    ['an empty iss', () => toQuery({ iss: '', sid })],
  ])('%s', async (_name, query) => {
    const before = portico.store.size()
    const response = await frame(query())
    expect(response.status).toBe(200)
    expect(await response.text()).toBe(emptyPage)
    expect(await isSignedIn(browser)).toBe(true)
    expect(portico.store.size()).toBe(before)
  })

  test('a stranger’s guess does not keep a login under way from its session', async () => {
    const person = createTestBrowser()
    const parameters = idp.authorize(await startLogin(portico, person))
    portico.clock.advance(1)
    await frame(toQuery({ iss: idp.issuer, sid: 'sid-guessed' }))
    idp.script({ idTokenClaims: (claims) => ({ ...claims, sid: 'sid-guessed' }) })
    const response = await person.fetch(`${portico.url}/api/callback?${parameters}`)
    expect(response.status).toBe(200)
    idp.reset()
  })

  test('and of another iss nobody may frame the page', async () => {
    expect(framersOf(await frame(toQuery({ iss: 'https://evil.example', sid })))).toBe("'none'")
  })
})

test('calls are limited by address, like all others', async () => {
  const limited = await startPortico({ issuer: idp.issuer, env: { RATE_LIMIT_API: '2/1m' } })
  const statuses: number[] = []
  for (let count = 0; count < 3; count += 1) {
    const url = `${limited.url}/api/frontchannel-logout${toQuery({ iss: idp.issuer, sid })}`
    statuses.push((await createTestBrowser().visit(url)).status)
  }
  expect(statuses).toEqual([200, 200, 429])
  await limited.close()
})
