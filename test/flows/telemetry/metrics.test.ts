import { randomBytes, randomUUID } from 'node:crypto'
import { request } from 'undici'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import manifest from '../../../package.json' with { type: 'json' }
import { createLog } from '../../../src/telemetry/logger.ts'
import { metricNames } from '../../../src/telemetry/metrics/catalogue.ts'
import { createTestBrowser, type TestBrowser } from '../../support/browser.ts'
import { minutes, seconds } from '../../support/clock.ts'
import { askForwardAuth } from '../../support/forward-auth.ts'
import { csrf, getSession, logInAtScripted, readRefusal, startLogin } from '../../support/login.ts'
import { type Scraped, scrape, seriesOf } from '../../support/metrics.ts'
import { freePort } from '../../support/network/http-server.ts'
import { openConnection, sendRaw } from '../../support/network/raw-http.ts'
import { startPortico, testSecret, toOperatorUrl } from '../../support/portico.ts'
import { type Proxied, startProxied } from '../../support/upstreams/proxied.ts'
import { toResponse } from '../../support/upstreams/raw-upstream.ts'

const operatorSecret = testSecret()
const forwardAuthSecret = testSecret()
const loginLimit = 40
const env = {
  OPERATOR_PORT: '0',
  OPERATOR_SECRET: operatorSecret,
  TRUST_PROXY: '127.0.0.1',
  FORWARD_AUTH_SECRET: forwardAuthSecret,
  RATE_LIMIT_LOGIN: `${loginLimit}/1m`,
}

let proxied: Proxied
let operatorUrl: string
beforeAll(async () => {
  proxied = await startProxied({ env, routes: { orders: {} } })
  operatorUrl = toOperatorUrl(proxied.portico)
})
afterAll(() => proxied.close())

const postTo = (path: string, browser: TestBrowser, body: object = {}) =>
  browser.fetch(`${proxied.portico.url}/api/${path}`, {
    method: 'POST',
    headers: { ...csrf, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
const signOut = async (browser: TestBrowser, body?: object) =>
  expect((await postTo('logout', browser, body)).status).toBe(200)

/** To the end of the access token's hour, with the session in use. */
async function passAnHour(browser: TestBrowser): Promise<void> {
  for (let passed = 0; passed < 3; passed += 1) {
    proxied.portico.clock.advance(minutes(20))
    expect((await getSession(proxied.portico, browser)).active).toBe(true)
  }
}

/** Logins that succeed, are repeated, refused by the user, and impossible. */
async function playLogins(): Promise<TestBrowser> {
  const { portico, idp } = proxied
  const { browser, parameters } = await logInAtScripted(portico, idp)
  expect((await browser.fetch(`${portico.url}/api/callback?${parameters}`)).status).toBe(200)
  const unwilling = createTestBrowser()
  const state = new URL(await startLogin(portico, unwilling)).searchParams.get('state')
  const denied = await unwilling.fetch(`${portico.url}/api/callback?error=access_denied&state=${state}`)
  expect(await readRefusal(denied)).toBe('403 access_denied')
  const unknown = await unwilling.fetch(`${portico.url}/api/login?provider=unknown`)
  expect(await readRefusal(unknown)).toBe('400 invalid_request')
  return browser
}

/** A refresh that works, one for which the provider has no answer, and one that it refuses for good. */
async function playRefreshes(browser: TestBrowser): Promise<void> {
  const { portico, idp } = proxied
  await passAnHour(browser)
  expect((await postTo('token', browser)).status).toBe(200)
  await passAnHour(browser)
  idp.script({ tokenEndpoint: (_req, res) => void res.status(503).end() })
  expect((await postTo('token', browser)).status).toBe(503)
  expect(seriesOf(await scrape(operatorUrl), 'portico_provider_breaker_open')).toEqual(
    breakers({ refresh: 1 }),
  )
  idp.reset()
  portico.clock.advance(seconds(30))
  idp.revokeAll()
  // The session's lock rests in real time after a failure: another session meets the refusal.
  const { browser: disabled } = await logInAtScripted(portico, idp)
  idp.revokeAll()
  await passAnHour(disabled)
  expect((await postTo('token', disabled)).status).toBe(401)
}

const breakers = (open: Record<string, number> = {}) =>
  Object.fromEntries(
    Object.entries({ par: 0, refresh: 0, userinfo: 0, exchange: 0, revocation: 0, ...open }).map(
      ([breaker, value]) => [`{provider="default",breaker="${breaker}"}`, value],
    ),
  )

/** Sessions that end in several ways. */
async function playEnds(): Promise<void> {
  const { portico, idp } = proxied
  const [phone, laptop] = [await proxied.signIn(), await proxied.signIn()]
  await signOut(phone, { everywhere: true })
  expect((await getSession(portico, laptop)).active).toBe(false)
  const again = await proxied.signIn()
  await logInAtScripted(portico, idp, { browser: again })
  const ended = await fetch(`${operatorUrl}/operator/subjects/00u-grace/sessions`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${operatorSecret}` },
  })
  expect(ended.status).toBe(200)
}

/** Calls of an upstream, and what another reverse proxy asks. */
async function playProxies(): Promise<void> {
  const { portico, upstream, cookieOf } = proxied
  const browser = await proxied.signIn()
  const call = () => browser.fetch(`${portico.url}/api/proxy/orders/1`, { headers: csrf })
  expect((await call()).status).toBe(200)
  upstream.answer = toResponse('500 Broken', [], '')
  expect((await call()).status).toBe(500)
  upstream.answer = ({ socket }) => void socket.destroy()
  expect((await call()).status).toBe(502)
  upstream.answer = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n'
  const headers = [`Cookie: ${cookieOf(browser)}`, 'X-CSRF: 1', 'Sec-Fetch-Site: same-origin']
  const stream = openConnection(portico.url, '/api/proxy/orders/events', headers)
  await vi.waitFor(() => expect(stream.text()).toContain('data: 1'))
  expect(seriesOf(await scrape(operatorUrl), 'portico_proxy_open_streams')).toEqual({ '': 1 })
  stream.socket.destroy()
  expect((await askForwardAuth(portico, browser)).status).toBe(200)
  expect((await askForwardAuth(portico, createTestBrowser())).status).toBe(401)
  const unclear = await fetch(`${portico.url}/api/forward-auth?unknown=1`)
  expect(await readRefusal(unclear)).toBe('400 invalid_request')
}

/** What is refused before it costs anything. */
async function playRefusals(): Promise<void> {
  const { url } = proxied.portico
  const headers = { 'x-forwarded-for': '203.0.113.9' }
  for (let count = 0; count < loginLimit + 3; count += 1) await fetch(`${url}/api/login`, { headers })
  await sendRaw(url, 'NO HTTP AT ALL\r\n\r\n')
}

describe('the story of a day', () => {
  let scraped: Scraped
  const of = (metric: string) => seriesOf(scraped, metric)
  const labelled = (provider: string, outcome: string, reason: string) =>
    `{provider="${provider}",outcome="${outcome}",reason="${reason}"}`

  beforeAll(async () => {
    await playRefreshes(await playLogins())
    await playEnds()
    await playProxies()
    await playRefusals()
    // Revoking happens in the background.
    await vi.waitFor(async () => {
      scraped = await scrape(operatorUrl)
      expect(of('portico_revocations_total')['{provider="default",outcome="revoked"}']).toBe(5)
    })
  })

  test('logins, by outcome and reason; sessions that began', () => {
    expect(of('portico_logins_total')).toEqual({
      [labelled('default', 'started', '')]: 8 + loginLimit,
      [labelled('default', 'succeeded', '')]: 7,
      [labelled('default', 'repeated', '')]: 1,
      [labelled('default', 'failed', 'access_denied')]: 1,
      [labelled('', 'failed', 'invalid_request')]: 1,
    })
    expect(of('portico_sessions_created_total')).toEqual({ '{provider="default"}': 7 })
  })

  test('the steps of logins', () => {
    const step = (name: string) => `{provider="default",step="${name}",outcome="ok"}`
    expect(of('portico_login_duration_seconds_count')).toEqual({
      [step('authorize')]: 7,
      [step('exchange')]: 7,
      [step('store')]: 7,
    })
  })

  test('refreshes, sessions that ended, revocations', () => {
    const refresh = (outcome: string) => `{provider="default",outcome="${outcome}"}`
    expect(of('portico_token_refreshes_total')).toEqual({
      [refresh('refreshed')]: 1,
      [refresh('failed')]: 1,
      [refresh('rejected')]: 0,
      [refresh('ended')]: 1,
      [refresh('lost')]: 0,
    })
    expect(of('portico_sessions_ended_total')).toEqual({
      '{cause="user"}': 1,
      '{cause="other_device"}': 1,
      '{cause="back_channel"}': 0,
      '{cause="front_channel"}': 0,
      '{cause="universal"}': 0,
      '{cause="operator"}': 1,
      '{cause="provider"}': 1,
      '{cause="superseded"}': 1,
    })
  })

  test('calls of the provider, by what they were for', () => {
    const calls = of('portico_provider_request_duration_seconds_count')
    expect(calls).toMatchObject({
      '{provider="default",endpoint="discovery",outcome="ok"}': expect.any(Number),
      '{provider="default",endpoint="jwks",outcome="ok"}': expect.any(Number),
      '{provider="default",endpoint="token",outcome="ok"}': 8,
      '{provider="default",endpoint="token",outcome="overloaded"}': 1,
      '{provider="default",endpoint="token",outcome="refused"}': 1,
    })
    expect(of('portico_provider_discovered')).toEqual({ '{provider="default"}': 1 })
    expect(of('portico_provider_breaker_open')).toEqual(breakers())
  })

  test('upstreams, forward auth, limits, connections', () => {
    expect(of('portico_proxy_request_duration_seconds_count')).toEqual({
      '{route="orders",outcome="ok"}': 2,
      '{route="orders",outcome="server_error"}': 1,
      '{route="orders",outcome="upstream_unavailable"}': 1,
    })
    expect(of('portico_forward_auth_total')).toEqual({
      '{outcome="ok"}': 1,
      '{outcome="session_required"}': 1,
      '{outcome="invalid_request"}': 1,
    })
    expect(of('portico_rate_limited_total')).toEqual({ '{limit="login"}': 3 })
    expect(of('portico_http_connections_refused_total')).toEqual({ '': 1 })
    expect(of('portico_proxy_open_streams')).toEqual({ '': 0 })
  })

  test('requests: as many as the log has lines, each under its route', async () => {
    const counts = of('portico_http_request_duration_seconds_count')
    const lines = (...paths: string[]) =>
      proxied.portico.logged.filter(
        ({ event, path }) =>
          (event === 'request_completed' || event === 'probe_completed') && paths.includes(String(path)),
      )
    const total = (route: string) =>
      Object.entries(counts)
        .filter(([labels]) => labels.startsWith(`{route="${route}",`))
        .reduce((sum, [, count]) => sum + count, 0)
    expect(total('/api/login')).toBe(lines('/api/login').length)
    expect(total('/api/session')).toBe(lines('/api/session').length)
    expect(total('/api/proxy/*')).toBe(lines('/api/proxy/orders/1', '/api/proxy/orders/events').length)
    expect(total('/operator/subjects/:sub/sessions')).toBe(1)
    expect(counts).toMatchObject({
      '{route="/api/callback",method="GET",status="200"}': 8,
      '{route="/api/callback",method="GET",status="403"}': 1,
      '{route="/api/login",method="GET",status="429"}': 3,
      '{route="/api/proxy/*",method="GET",status="502"}': 1,
    })
  })

  test('the state: sessions, keys, store, readiness', async () => {
    expect(of('portico_store_up')).toEqual({ '': 1 })
    expect(of('portico_signing_key_readable')).toEqual({ '': 1 })
    expect(of('portico_revocations_pending')).toEqual({ '': 0 })
    expect(of('portico_audit_failures_total')).toEqual({ '': 0 })
    const age = of('portico_signing_key_age_seconds')['']
    const next = of('portico_signing_key_next_rotation_seconds')['']
    // Time passes by the test's clock only: three hours and half a minute, of thirty days.
    expect([age, next]).toEqual([3 * 3_600 + 30, 30 * 86_400 - 3 * 3_600 - 30])
    expect([of('portico_ready'), of('portico_draining')]).toEqual([{ '': 1 }, { '': 0 }])
    await proxied.portico.components.lifecycle.setDraining(true)
    const draining = await scrape(operatorUrl)
    await proxied.portico.components.lifecycle.setDraining(false)
    expect(seriesOf(draining, 'portico_ready')).toEqual({ '': 0 })
    expect(seriesOf(draining, 'portico_draining')).toEqual({ '': 1 })
    expect(Object.keys(of('portico_build_info'))).toEqual([
      `{version="${manifest.version}",node="${process.version}"}`,
    ])
  })

  test('every metric is there, and those of the process with them', () => {
    const named = new Set([...scraped.text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name))
    expect([...named].filter((name) => name?.startsWith('portico_'))).toEqual(metricNames)
    for (const name of ['process_cpu_seconds_total', 'nodejs_eventloop_lag_p99_seconds']) {
      expect(named).toContain(name)
    }
  })

  test('nothing of a user and no secret is in it', () => {
    const { components } = proxied.portico
    const secrets = [
      operatorSecret,
      forwardAuthSecret,
      components.config.publicUrl,
      'grace',
      '127.0.0.1',
      '203.0.113',
    ]
    for (const secret of secrets) expect(scraped.text.toLowerCase()).not.toContain(secret)
  })
})

describe('where it is', () => {
  test('on the operator’s port without a secret, as OpenMetrics where the scraper accepts it', async () => {
    expect((await scrape(operatorUrl)).contentType).toMatch(/^text\/plain; version=0\.0\.4/)
    const prometheus =
      'application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.2,*/*;q=0.1'
    const { contentType, text } = await scrape(operatorUrl, prometheus)
    expect(contentType).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8')
    expect(text).toMatch(/^# TYPE portico_logins counter$/m)
    expect(text).toMatch(/^portico_logins_total\{/m)
    expect(text).toMatch(/\n# EOF\n$/)
  })

  test('not on the public port', async () => {
    const response = await fetch(`${proxied.portico.url}/metrics`)
    expect(await readRefusal(response)).toBe('404 not_found')
  })

  test('with OPERATOR_PORT alone: metrics and health, and nothing else', async () => {
    const portico = await startPortico({ issuer: proxied.idp.issuer, env: { OPERATOR_PORT: '0' } })
    const url = toOperatorUrl(portico)
    expect(seriesOf(await scrape(url), 'portico_ready')).toEqual({ '': 1 })
    for (const path of ['/livez', '/readyz']) expect((await fetch(url + path)).status).toBe(200)
    for (const authorization of [undefined, 'Bearer ']) {
      const response = await fetch(`${url}/operator/subjects/x/sessions`, {
        method: 'DELETE',
        ...(authorization !== undefined && { headers: { authorization } }),
      })
      expect(await readRefusal(response)).toBe('404 not_found')
    }
    await portico.close()
  })

  test('nowhere without either setting: nothing is kept, and nothing is observed', async () => {
    const portico = await startPortico({ issuer: proxied.idp.issuer })
    expect(portico.components.metrics).toBeUndefined()
    expect(() => toOperatorUrl(portico)).toThrow('no port for operators')
    await portico.close()
  })

  test('counts whatever LOG_LEVEL is', async () => {
    const portico = await startPortico({
      issuer: proxied.idp.issuer,
      env: { OPERATOR_PORT: '0' },
      replaced: { clock: proxied.portico.clock, log: createLog('silent', { write() {} }) },
    })
    await logInAtScripted(portico, proxied.idp)
    const scraped = await scrape(toOperatorUrl(portico))
    expect(seriesOf(scraped, 'portico_sessions_created_total')).toEqual({ '{provider="default"}': 1 })
    expect(seriesOf(scraped, 'portico_http_request_duration_seconds_count')).toMatchObject({
      '{route="/api/callback",method="GET",status="200"}': 1,
    })
    await portico.close()
  })
})

test('the steps of a login: how long the user took, and userinfo; and how a step failed', async () => {
  const { idp, portico: first } = proxied
  const { clock } = first
  const portico = await startPortico({
    issuer: idp.issuer,
    env: { OPERATOR_PORT: '0' },
    replaced: { clock },
  })
  idp.script({ idTokenClaims: ({ email: _, ...claims }) => claims })
  const browser = createTestBrowser()
  const parameters = idp.authorize(await startLogin(portico, browser))
  clock.advance(seconds(90))
  expect((await browser.fetch(`${portico.url}/api/callback?${parameters}`)).status).toBe(200)
  idp.script({ tokenEndpoint: (_req, res) => void res.status(503).end() })
  expect((await logInAtScripted(portico, idp)).response.status).toBe(503)
  idp.reset()
  const scraped = await scrape(toOperatorUrl(portico))
  const step = (name: string, outcome = 'ok') => `{provider="default",step="${name}",outcome="${outcome}"}`
  expect(seriesOf(scraped, 'portico_login_duration_seconds_count')).toEqual({
    [step('authorize')]: 2,
    [step('exchange')]: 1,
    [step('exchange', 'provider_unavailable')]: 1,
    [step('userinfo')]: 1,
    [step('store')]: 1,
  })
  expect(seriesOf(scraped, 'portico_login_duration_seconds_sum')[step('authorize')]).toBeCloseTo(90)
  await portico.close()
})

test.each([
  ['userinfo', 'userinfo_endpoint'],
  ['par', 'pushed_authorization_request_endpoint'],
])('the breaker of %s opens where its endpoint does not answer, and no other one', async (breaker, name) => {
  const { idp, portico: first } = proxied
  const { clock } = first
  const nowhere = `http://127.0.0.1:${await freePort()}/`
  idp.script({ metadata: (document) => ({ ...document, [name]: nowhere }) })
  const portico = await startPortico({ issuer: idp.issuer, env: { OPERATOR_PORT: '0' }, replaced: { clock } })
  const browser = createTestBrowser()
  if (breaker === 'userinfo') await logInAtScripted(portico, idp, { browser })
  const path = breaker === 'userinfo' ? 'userinfo' : 'login'
  expect((await browser.fetch(`${portico.url}/api/${path}`, { headers: csrf })).status).toBe(503)
  const scraped = await scrape(toOperatorUrl(portico))
  expect(seriesOf(scraped, 'portico_provider_breaker_open')).toEqual(breakers({ [breaker]: 1 }))
  idp.reset()
  await portico.close()
})

test('a client that goes before the answer: status 0, and the call of the upstream says so', async () => {
  const { portico, upstream, cookieOf } = proxied
  const browser = await proxied.signIn()
  const { promise: reached, resolve: reach } = Promise.withResolvers<void>()
  upstream.answer = () => reach()
  const headers = [`Cookie: ${cookieOf(browser)}`, 'X-CSRF: 1', 'Sec-Fetch-Site: same-origin']
  const client = openConnection(portico.url, '/api/proxy/orders/1', headers)
  await reached
  client.socket.destroy()
  await vi.waitFor(async () => {
    const scraped = await scrape(operatorUrl)
    expect(seriesOf(scraped, 'portico_http_request_duration_seconds_count')).toMatchObject({
      '{route="/api/proxy/*",method="GET",status="0"}': 1,
    })
    expect(seriesOf(scraped, 'portico_proxy_request_duration_seconds_count')).toMatchObject({
      '{route="orders",outcome="client_gone"}': 1,
    })
  })
})

describe('hostile requests', () => {
  const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'PURGE', 'SEARCH']
  const routes = [
    '/api/session',
    '/api/token',
    '/api/login',
    '/api/callback',
    '/api/providers',
    '/livez',
    '/',
  ]
  const evil = () => `evil${randomBytes(6).toString('hex')}`

  /** Sends one request to the server; whatever it answers. */
  async function send(path: string, method = 'GET', headers: Record<string, string> = {}): Promise<void> {
    const { body } = await request(proxied.portico.url + path, {
      method: method as 'GET',
      headers: {
        'user-agent': evil(),
        'x-request-id': evil(),
        ...headers,
      },
    })
    await body.dump()
  }

  /** What nobody planned for, each with other texts. */
  async function attack(cookie: string, statuses: readonly number[]): Promise<void> {
    const { upstream } = proxied
    upstream.answer = ({ line, socket }) => {
      const status = /status\/(\d+)/.exec(line)?.[1] ?? '200'
      socket.write(toResponse(`${status} ${evil()}`, ['X-Evil: evil'], ''))
    }
    for (const method of methods) {
      for (const route of routes) await send(route, method)
      await send(`/${evil()}/${randomUUID()}`, method)
      await send(`/api/proxy/${evil()}/1`, method, { 'x-csrf': '1', cookie })
      await send(`/api/sessions/${evil()}`, method, { 'x-csrf': '1', cookie })
    }
    const address = { 'x-forwarded-for': `203.0.113.${statuses.length % 250}` }
    await send(`/api/login?provider=${evil()}&return_to=/${evil()}`, 'GET', address)
    await send(`/api/callback/${evil()}?state=${evil()}`, 'GET', address)
    await send(`/api/callback?error=${evil()}&error_description=${evil()}&state=${evil()}`, 'GET', address)
    await send(`/api/frontchannel-logout?iss=${evil()}&sid=${evil()}`)
    await send(`/api/forward-auth/${evil()}`)
    const stolen = { cookie: `__Host-portico=${evil()}`, dpop: evil(), origin: `https://${evil()}.example` }
    await send('/api/session', 'GET', { ...stolen, 'x-csrf': '1' })
    const own = { cookie, 'x-csrf': '1', 'sec-fetch-site': 'same-origin' }
    for (const status of statuses) await send(`/api/proxy/orders/status/${status}`, 'GET', own)
    await sendRaw(proxied.portico.url, `${evil().toUpperCase()} / HTTP/1.1\r\n\r\n`)
    await fetch(`${operatorUrl}/operator/${evil()}`, { method: 'DELETE' })
  }

  test('make no more series, and put none of their texts into a label', async () => {
    const cookie = proxied.cookieOf(await proxied.signIn())
    const all = Array.from({ length: 800 }, (_, index) => 200 + index)
    await attack(cookie, all)
    const first = await scrape(operatorUrl)
    expect(first.text).not.toContain('evil')
    const ours = ({ series }: Scraped) => [...series.keys()].filter((name) => name.startsWith('portico_'))
    const statuses = new Set(
      [...first.text.matchAll(/route="\/api\/proxy\/\*",method="GET",status="(\d+)"/g)].map(
        ([, status]) => status,
      ),
    )
    // Every status was answered, and few are told apart.
    expect(statuses.size).toBeGreaterThan(30)
    expect(statuses.size).toBeLessThan(70)
    for (let round = 0; round < 5; round += 1) {
      const some = Array.from({ length: 40 }, () => 200 + Math.floor(800 * Math.random()))
      await attack(cookie, some)
    }
    const last = await scrape(operatorUrl)
    expect(ours(last).filter((name) => !ours(first).includes(name))).toEqual([])
    expect(last.text).not.toContain('evil')
    // Routes by methods by the three statuses that most have, upstreams with seventy, and all else of the catalogue.
    const perHistogram = 16
    const bound = perHistogram * (35 * 8 * 3 + 70 + 200)
    expect(ours(last).length).toBeLessThan(bound)
  })
})
