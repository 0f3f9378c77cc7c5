import { describe, expect } from 'vitest'
import { createTestBrowser, type TestBrowser } from '../../support/browser.ts'
import { seconds } from '../../support/clock.ts'
import { idp, portico, serverPerFile } from '../../support/fixtures.ts'
import { csrf, startLogin } from '../../support/login.ts'
import { readLogoutUrl, visitPortico } from '../../support/logout.ts'
import { publicUrl } from '../../support/portico.ts'

/** Everything the provider hands out, at the login and at the refresh, and everything a login keeps to itself. */
type Secrets = Record<string, string>

const test = serverPerFile({ env: { LOG_LEVEL: 'debug' } })

/** One whole life of a session; returns its secrets and all that left the server, sealed cookies aside. */
async function liveThrough(navigate: boolean): Promise<{ secrets: Secrets; output: string }> {
  const browser = createTestBrowser()
  const go = navigate ? browser.visit : browser.fetch
  const loginUrl = await startLogin(portico, browser)
  const parameters = idp.authorize(loginUrl)
  const told: Secrets = {}
  let answered = 0
  idp.script({
    tokenResponse(body) {
      answered += 1
      for (const name of ['access_token', 'refresh_token', 'id_token']) {
        told[`${name} ${answered}`] = String(body[name])
      }
      return { ...body, expires_in: 60 }
    },
    onTokenRequest({ code_verifier: codeVerifier }) {
      if (codeVerifier !== undefined) told.code_verifier = codeVerifier
    },
  })
  const answers = [
    await go(`${portico.url}/api/callback?${parameters}`),
    await go(`${portico.url}/api/callback?${parameters}`),
    await browser.fetch(`${portico.url}/api/session`, { headers: csrf }),
    await browser.fetch(`${portico.url}/api/token`, { method: 'POST', headers: csrf }),
    await refresh(browser),
    await browser.fetch(`${portico.url}/api/userinfo`, { headers: csrf }),
    await browser.fetch(`${portico.url}/api/sessions`, { headers: csrf }),
    await go(`${portico.url}/api/callback?${parameters}&state=twice`),
    ...(await (navigate ? logOutByForm(browser) : logOutByFetch(browser))),
    await go(`${portico.url}/api/callback?${parameters}`),
  ]
  idp.reset()
  const texts = await Promise.all(
    answers.map(async (answer) => `${JSON.stringify([...answer.headers])}\n${await answer.text()}`),
  )
  const secrets = { ...told, code: parameters.get('code') ?? '', client_secret: 'test-client-secret' }
  expect(Object.keys(secrets)).toHaveLength(9)
  return { secrets, output: [...texts, JSON.stringify(portico.logged)].join('\n') }
}

/**
 * The redirect of a navigation to the provider, without the address it leads to: the provider wants to see its ID token when
 * a person signs out there (R67), and the address of a navigation's redirect is told to no script.
 */
function withoutItsTarget(response: Response): Response {
  expect(response.status).toBe(303)
  expect(response.headers.get('location')).toMatch(
    new RegExp(`^${idp.issuer}/v1/logout\\?id_token_hint=[\\w.-]{100}`),
  )
  response.headers.delete('location')
  return response
}

/** Every answer of a logout by a script, which also tries to learn where its address leads. */
async function logOutByFetch(browser: TestBrowser): Promise<Response[]> {
  const answer = await browser.fetch(`${portico.url}/api/logout`, { method: 'POST', headers: csrf })
  const address = (await readLogoutUrl(answer.clone())) ?? ''
  const probe = await browser.fetch(portico.url + address.slice(publicUrl.length))
  expect(probe.status).toBe(400)
  const redirect = withoutItsTarget(await visitPortico(portico, browser, address))
  return [answer, probe, redirect, await visitPortico(portico, browser, address)]
}

async function logOutByForm(browser: TestBrowser): Promise<Response[]> {
  const answer = await browser.visit(`${portico.url}/api/logout`, {
    method: 'POST',
    headers: { 'sec-fetch-site': 'same-origin', origin: publicUrl },
    body: new URLSearchParams(),
  })
  return [withoutItsTarget(answer)]
}

/** Asks for an app token once the provider's has expired. */
async function refresh(browser: TestBrowser): Promise<Response> {
  portico.clock.advance(seconds(61))
  const response = await browser.fetch(`${portico.url}/api/token`, { method: 'POST', headers: csrf })
  expect(response.status).toBe(200)
  return response
}

describe.each([
  ['the SPA forwards the code', false],
  ['the provider redirects to the server', true],
])('where %s', (_name, navigate) => {
  test('no provider token, code or secret is in any response, cookie, log line or URL of ours (R51)', async () => {
    const { secrets, output } = await liveThrough(navigate)
    expect(output.length).toBeGreaterThan(1_000)
    for (const [name, secret] of Object.entries(secrets)) {
      expect(secret.length, name).toBeGreaterThan(10)
      expect(output.includes(secret), name).toBe(false)
      expect(output.includes(encodeURIComponent(secret)), name).toBe(false)
      expect(output.includes(Buffer.from(secret).toString('base64url').slice(2, -4)), name).toBe(false)
    }
  })

  test('the session id is nowhere but in the cookie', async () => {
    const browser = createTestBrowser()
    const parameters = idp.authorize(await startLogin(portico, browser))
    const response = await browser.fetch(`${portico.url}/api/callback?${parameters}`)
    const cookie = decodeURIComponent(browser.cookies(portico.url).get('__Host-bff_session') ?? '')
    const id = cookie.slice(2, cookie.indexOf('.', 2))
    expect(id).toMatch(/^[\w-]{43}$/)
    expect(await response.text()).not.toContain(id)
    expect(JSON.stringify(portico.logged)).not.toContain(id)
  })
})

test('a failing login tells the log why, and nothing secret (R86)', async () => {
  const browser = createTestBrowser()
  const parameters = idp.authorize(await startLogin(portico, browser))
  let idToken = ''
  idp.script({
    idTokenClaims: (claims) => ({ ...claims, aud: 'other' }),
    tokenResponse(body) {
      idToken = String(body.id_token)
      return undefined
    },
  })
  await browser.fetch(`${portico.url}/api/callback?${parameters}`)
  idp.reset()
  const failure = portico.logged.findLast(({ event }) => event === 'login_failed')
  expect(failure).toMatchObject({
    code: 'invalid_id_token',
    reason: expect.any(String),
    request_id: expect.any(String),
  })
  expect(JSON.stringify(portico.logged)).not.toContain(idToken)
})

test('every authentication event is logged with its outcome (R86)', async () => {
  await liveThrough(false)
  const events = new Set(portico.logged.map(({ event }) => event))
  for (const event of [
    'login_started',
    'login_succeeded',
    'login_repeated',
    'login_failed',
    'app_token_issued',
    'tokens_refreshed',
    'logout_succeeded',
  ]) {
    expect(events).toContain(event)
  }
})
