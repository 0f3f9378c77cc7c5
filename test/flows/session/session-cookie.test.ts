import { describe, expect } from 'vitest'
import { createTestBrowser, type TestBrowser } from '../../support/browser.ts'
import { hours, minutes, seconds } from '../../support/clock.ts'
import { closeAfterTest, idp, providerPerFile } from '../../support/fixtures.ts'
import { csrf, getSession, logInAtScripted, startLogin } from '../../support/login.ts'
import { startPortico } from '../../support/portico.ts'

const test = providerPerFile()

async function start(env: Record<string, string>) {
  const portico = closeAfterTest(await startPortico({ issuer: idp.issuer, env }))
  idp.follow(portico.clock)
  return portico
}

const linesOf = (browser: TestBrowser, name: string) =>
  browser.setCookies.filter(({ cookie }) => cookie.name === name).map(({ line }) => line)

/** Milliseconds that a cookie was to live when it was set, between these two moments; rounded up to seconds. */
function expectLifetime(line: string | undefined, expected: number, [from, to]: [number, number]): void {
  const expires = Date.parse(/; Expires=([^;]+)/.exec(line ?? '')?.[1] ?? '')
  // The header has whole seconds.
  expect(expires).toBeGreaterThan(from + expected - 1_000)
  expect(expires).toBeLessThanOrEqual(to + expected)
}

describe('COOKIE_NAME', () => {
  test('names the cookies of sessions, logins and logouts', async () => {
    const portico = await start({ COOKIE_NAME: 'shop-2' })
    const { browser } = await logInAtScripted(portico, idp)
    await browser.fetch(`${portico.url}/api/logout`, { method: 'POST', headers: csrf })
    const names = new Set(browser.setCookies.map(({ cookie }) => cookie.name.replace(/\..*/, '.')))
    expect([...names].sort()).toEqual(['__Host-shop-2_logout', '__Host-shop-2_session', '__Host-shop-2_tx.'])
    const { components } = (await (await fetch(`${portico.url}/api/openapi.json`)).json()) as {
      components: { securitySchemes: { session: { name: string } } }
    }
    expect(components.securitySchemes.session.name).toBe('__Host-shop-2_session')
  })
})

describe('SESSION_COOKIE_PERSISTENT', () => {
  test('the cookie lives as long as the session may, which no use and no refresh extends, and a logout removes it', async () => {
    const portico = await start({ SESSION_COOKIE_PERSISTENT: 'true', SESSION_ABSOLUTE_TIMEOUT: '8h' })
    const before = Date.now()
    const { browser, response } = await logInAtScripted(portico, idp)
    expect(response.status).toBe(200)
    const [line] = linesOf(browser, '__Host-bff_session')
    expect(line).toMatch(/; Path=\/; Expires=[^;]+; HttpOnly; Secure; SameSite=Strict$/)
    expectLifetime(line, hours(8), [before, Date.now()])

    portico.clock.advance(minutes(29))
    const renewed = await browser.fetch(`${portico.url}/api/token`, { method: 'POST', headers: csrf })
    expect(renewed.status).toBe(200)
    expect(linesOf(browser, '__Host-bff_session')).toHaveLength(1)

    await browser.fetch(`${portico.url}/api/logout`, { method: 'POST', headers: csrf })
    expect(linesOf(browser, '__Host-bff_session').at(-1)).toMatch(
      /^__Host-bff_session=; .*Expires=Thu, 01 Jan 1970/,
    )
  })

  test('a callback that comes again gives it for what is left of the session', async () => {
    const portico = await start({ SESSION_COOKIE_PERSISTENT: 'true', SESSION_ABSOLUTE_TIMEOUT: '8h' })
    const browser = createTestBrowser()
    const address = `${portico.url}/api/callback?${idp.authorize(await startLogin(portico, browser))}`
    const [[name = '', value] = []] = browser.cookies(portico.url)
    expect((await browser.fetch(address)).status).toBe(200)
    portico.clock.advance(seconds(10))
    // The first answer was lost: the browser has the cookie of the login, and none of a session.
    browser.setCookie(portico.url, name, value)
    browser.setCookie(portico.url, '__Host-bff_session', undefined)
    const before = Date.now()
    expect((await browser.visit(address)).status).toBe(303)
    const lines = linesOf(browser, '__Host-bff_session')
    expect(lines).toHaveLength(2)
    expectLifetime(lines.at(-1), hours(8) - seconds(10), [before, Date.now()])
  })

  test('the server ends an idle session all the same', async () => {
    const portico = await start({ SESSION_COOKIE_PERSISTENT: 'true' })
    const { browser } = await logInAtScripted(portico, idp)
    portico.clock.advance(minutes(31))
    expect((await getSession(portico, browser)).active).toBe(false)
  })

  test('without it, the cookie ends with the browser', async () => {
    const { browser } = await logInAtScripted(await start({}), idp)
    expect(linesOf(browser, '__Host-bff_session')[0]).not.toMatch(/Expires|Max-Age/i)
  })
})
