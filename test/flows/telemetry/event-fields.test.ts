import { describe, expect } from 'vitest'
import { createTestBrowser } from '../../support/browser.ts'
import { minutes } from '../../support/clock.ts'
import { idp, portico, serverPerTest } from '../../support/fixtures.ts'
import { csrf, logInAtScripted, startLogin } from '../../support/login.ts'
import { startPortico } from '../../support/portico.ts'

const test = serverPerTest({ env: { RATE_LIMIT_API: '20/1m' } })

const eventsOf = (login: string) => portico.logged.filter((line) => line.login === login)
const namesOf = (login: string) => eventsOf(login).map(({ event }) => event)
const find = (name: string) => portico.logged.findLast(({ event }) => event === name)
const toLoginId = (parameters: URLSearchParams) => parameters.get('state')?.split('.')[0] ?? ''

describe('one id is on every event of a login, at /api/login and at the callback', () => {
  test('of one that succeeds, with the events that the provider causes', async () => {
    idp.script({
      idTokenClaims: ({ email: _, ...claims }) => claims,
      userinfoEndpoint: (_req, res) => void res.sendStatus(503),
    })
    const browser = createTestBrowser()
    const parameters = idp.authorize(await startLogin(portico, browser))
    portico.clock.advance(minutes(1))
    await browser.fetch(`${portico.url}/api/callback?${parameters}`)
    await browser.fetch(`${portico.url}/api/callback?${parameters}`)
    const login = toLoginId(parameters)
    expect(login).toMatch(/^[0-9a-z]{9}[0-9a-f]{8}$/)
    expect(namesOf(login)).toEqual([
      'login_started',
      'request_completed',
      'userinfo_unavailable',
      'login_succeeded',
      'request_completed',
      'login_repeated',
      'request_completed',
    ])
    const [started, , , succeeded, , repeated] = eventsOf(login)
    expect(started).toMatchObject({ provider: 'default' })
    const who = { provider: 'default', sub: expect.any(String), session: expect.any(String) }
    expect(succeeded).toMatchObject({ ...who, duration_ms: minutes(1) })
    expect(repeated).toMatchObject(who)
  })

  test('of one that the provider refuses', async () => {
    const browser = createTestBrowser()
    const parameters = idp.authorize(await startLogin(portico, browser))
    parameters.delete('code')
    parameters.set('error', 'access_denied')
    await browser.fetch(`${portico.url}/api/callback?${parameters}`)
    const login = toLoginId(parameters)
    const provider = 'default'
    expect(eventsOf(login).slice(2)).toMatchObject([
      { event: 'login_refused_by_provider', provider, error: 'access_denied' },
      { event: 'login_failed', provider, code: 'access_denied', step: 'callback' },
      { event: 'request_completed', status: 403 },
    ])
  })

  test('of one that cannot begin', async () => {
    const other = await startPortico({ issuer: 'https://idp.invalid' })
    await createTestBrowser().fetch(`${other.url}/api/login`)
    const failed = other.logged.find(({ event }) => event === 'login_failed')
    expect(failed).toMatchObject({ provider: 'default', code: 'provider_unavailable', step: 'begin' })
    expect(failed?.login).toMatch(/^[0-9a-z]{9}[0-9a-f]{8}$/)
    // The line of a request is written once its connection is done.
    await other.close()
    expect(other.logged.find(({ event }) => event === 'request_completed')).toMatchObject({
      login: failed?.login,
    })
  })

  test('of one whose cookie another browser has', async () => {
    const parameters = idp.authorize(await startLogin(portico, createTestBrowser()))
    await createTestBrowser().fetch(`${portico.url}/api/callback?${parameters}`)
    expect(namesOf(toLoginId(parameters)).slice(2)).toEqual(['login_failed', 'request_completed'])
  })
})

test('a session that another login replaces is named, with its successor', async () => {
  const { browser } = await logInAtScripted(portico, idp)
  const session = find('login_succeeded')?.session
  await logInAtScripted(portico, idp, { browser })
  expect(find('session_superseded')).toMatchObject({ session, successor: find('login_succeeded')?.session })
  expect(session).not.toBe(find('login_succeeded')?.session)
})

test('the end of a session names its user and its provider', async () => {
  const { browser } = await logInAtScripted(portico, idp)
  const signedIn = find('login_succeeded')
  await browser.fetch(`${portico.url}/api/logout`, { method: 'POST', headers: csrf })
  expect(find('logout_succeeded')).toMatchObject({
    session: signedIn?.session,
    sub: signedIn?.sub,
    provider: 'default',
    others: [],
  })
})

test('a refusal by a rate limit, and of a page of another site', async () => {
  const fetch = createTestBrowser().fetch
  for (let calls = 0; calls < 21; calls += 1) await fetch(`${portico.url}/api/session`, { headers: csrf })
  expect(portico.logged.filter(({ event }) => event === 'request_limited')).toMatchObject([
    { level: 'info', limit: 'api', address: '127.0.0.1' },
  ])
  await fetch(`${portico.url}/api/session`)
  expect(find('csrf_check_failed')).toMatchObject({ path: '/api/session', address: '127.0.0.1' })
})
