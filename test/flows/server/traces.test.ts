import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished } from 'vitest'
import { createTestBrowser } from '../../support/browser.ts'
import { seconds } from '../../support/clock.ts'
import { closeAfterTest, idp, providerPerFile } from '../../support/fixtures.ts'
import { csrf, logInAtScripted, startLogin } from '../../support/login.ts'
import { startPortico, type TestPortico, testSecret } from '../../support/portico.ts'
import { startOtlpReceiver } from '../../support/telemetry/otlp-receiver.ts'

const test = providerPerFile()

/** A server that sends its traces to a receiver; `flush` resolves once the receiver has them. */
async function startTraced(env: Record<string, string | undefined> = {}) {
  const receiver = closeAfterTest(await startOtlpReceiver())
  const portico = closeAfterTest(
    await startPortico({
      issuer: idp.issuer,
      env: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint, ...env },
    }),
  )
  idp.follow(portico.clock)
  return { receiver, portico, flush: () => portico.components.tracing.close() }
}

const remote = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' }
const traceparent = `00-${remote.traceId}-${remote.spanId}-01`

describe('a login', () => {
  test('is one trace over both legs, and another replica continues it', async () => {
    const { receiver, portico, flush } = await startTraced()
    const { config, store } = portico.components
    const other = closeAfterTest(await startPortico({ replaced: { config, store } }))
    idp.follow(portico.clock)
    const browser = createTestBrowser()
    const parameters = idp.authorize(await startLogin(portico, browser))
    for (const [name, value] of browser.cookies(portico.url)) browser.setCookie(other.url, name, value)
    expect((await browser.fetch(`${other.url}/api/callback?${parameters}`)).status).toBe(200)
    await Promise.all([flush(), other.components.tracing.close()])

    const first = receiver.only('GET /api/login')
    const second = receiver.only('GET /api/callback')
    const callback = receiver.only('login callback')
    expect(callback).toMatchObject({ traceId: first.traceId, parentSpanId: first.spanId })
    expect(callback.resource['service.instance.id']).not.toBe(first.resource['service.instance.id'])
    expect(callback.links).toEqual([{ traceId: second.traceId, spanId: second.spanId }])
    expect(first.parentSpanId + second.parentSpanId).toBe('')
  })

  test('of which a code is refused has its error code, and its lines in the log name the trace', async () => {
    const { receiver, portico, flush } = await startTraced()
    idp.script({ tokenResponse: () => ({}) })
    const { response } = await logInAtScripted(portico, idp)
    expect(response.status).toBe(502)
    await flush()
    const callback = receiver.only('login callback')
    expect(callback).toMatchObject({ isError: true, attributes: { 'error.type': 'invalid_token_response' } })
    expect(receiver.only('GET /api/callback')).toMatchObject({
      isError: true,
      attributes: { 'error.type': 'invalid_token_response', 'http.response.status_code': 502 },
    })
    const lines = portico.logged.filter(
      ({ event, path }) => event === 'login_failed' || path === '/api/callback',
    )
    expect(lines.map(({ trace_id }) => trace_id)).toEqual([callback.traceId, callback.traceId])
  })

  test.for([0, 1])('of two in one browser continues its own trace: the one at %i', async (chosen) => {
    const { receiver, portico, flush } = await startTraced()
    const browser = createTestBrowser()
    const begun = [await startLogin(portico, browser), await startLogin(portico, browser)]
    const parameters = idp.authorize(begun[chosen] ?? '')
    expect((await browser.fetch(`${portico.url}/api/callback?${parameters}`)).status).toBe(200)
    await flush()
    const logins = receiver.spans.filter(({ name }) => name === 'GET /api/login')
    expect(logins).toHaveLength(2)
    expect(receiver.only('login callback').traceId).toBe(logins[chosen]?.traceId)
  })

  test('with a state that this browser did not begin stays in the trace of its request', async () => {
    const { receiver, portico, flush } = await startTraced()
    const parameters = idp.authorize(await startLogin(portico, createTestBrowser()))
    await createTestBrowser().fetch(`${portico.url}/api/callback?${parameters}`)
    await flush()
    const callback = receiver.only('login callback')
    expect(callback).toMatchObject({
      parentSpanId: receiver.only('GET /api/callback').spanId,
      attributes: { 'error.type': 'login_transaction_missing' },
      links: [],
    })
  })
})

describe('a request', () => {
  test('has a span that names its route, its status and its error, and no path of a user', async () => {
    const { receiver, portico, flush } = await startTraced()
    const { browser } = await logInAtScripted(portico, idp)
    await browser.fetch(`${portico.url}/api/sessions/ada@example.com?q=ada`, {
      method: 'DELETE',
      headers: csrf,
    })
    await browser.fetch(`${portico.url}/api/session?q=ada`)
    await browser.fetch(`${portico.url}/users/ada`)
    for (const probe of ['/livez', '/readyz']) await browser.fetch(portico.url + probe)
    await flush()
    expect(receiver.only('DELETE /api/sessions/:id').attributes).toEqual({
      'url.scheme': 'https',
      'server.address': 'app.example.com',
      'server.port': 443,
      'http.request.method': 'DELETE',
      'http.route': '/api/sessions/:id',
      'http.response.status_code': 404,
      'network.protocol.version': '1.1',
      'error.type': 'not_found',
    })
    // A refusal is no fault of the server.
    expect(receiver.only('GET /api/session')).toMatchObject({
      kind: 'server',
      isError: false,
      attributes: { 'url.path': '/api/session', 'error.type': 'csrf_check_failed' },
    })
    expect(receiver.only('GET').attributes).not.toHaveProperty('url.path')
    expect(receiver.spans.filter(({ name }) => /livez|readyz/.test(name))).toEqual([])
    expect(receiver.received.join()).not.toContain('ada')
  })

  test('for the app has one name, whatever its address says', async () => {
    const SPA_DIR = mkdtempSync(join(tmpdir(), 'portico-'))
    onTestFinished(() => rmSync(SPA_DIR, { recursive: true }))
    writeFileSync(join(SPA_DIR, 'index.html'), 'the app')
    const { receiver, portico, flush } = await startTraced({ SPA_DIR })
    expect((await createTestBrowser().visit(`${portico.url}/users/ada`)).status).toBe(200)
    await flush()
    const { attributes } = receiver.only('GET (app)')
    expect(attributes).toMatchObject({ 'http.route': '(app)', 'http.response.status_code': 200 })
    expect(attributes).not.toHaveProperty('url.path')
    expect(receiver.received.join()).not.toContain('ada')
  })

  test('continues the trace of a reverse proxy in TRUST_PROXY, and of no one else', async () => {
    for (const [proxies, parent] of [
      ['127.0.0.1', remote],
      ['10.0.0.1', undefined],
      [undefined, undefined],
    ] as const) {
      const { receiver, portico, flush } = await startTraced({ TRUST_PROXY: proxies })
      await createTestBrowser().fetch(`${portico.url}/api/providers`, { headers: { traceparent } })
      await flush()
      const { traceId, parentSpanId } = receiver.only('GET /api/providers')
      expect([traceId === remote.traceId, parentSpanId]).toEqual([parent !== undefined, parent?.spanId ?? ''])
      const line = portico.logged.find(({ event }) => event === 'request_completed')
      expect(line).toMatchObject({ trace_id: traceId })
    }
  })

  test.for([
    '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331',
    '00-00000000000000000000000000000000-b7ad6b7169203331-01',
    '00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01',
    'ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    '00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01',
    '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more',
  ])('begins a trace of its own where traceparent is malformed: %s', async (malformed) => {
    const { receiver, portico, flush } = await startTraced({ TRUST_PROXY: '127.0.0.1' })
    await createTestBrowser().fetch(`${portico.url}/api/providers`, { headers: { traceparent: malformed } })
    await flush()
    expect(receiver.only('GET /api/providers').parentSpanId).toBe('')
  })

  test('of a trace that is not recorded is not recorded, either', async () => {
    const { receiver, portico, flush } = await startTraced({ TRUST_PROXY: '127.0.0.1' })
    const headers = { traceparent: traceparent.replace(/01$/, '00') }
    const browser = createTestBrowser()
    const answer = await browser.fetch(`${portico.url}/api/login`, { headers })
    const { login_url } = (await answer.json()) as { login_url: string }
    await browser.fetch(`${portico.url}/api/callback?${idp.authorize(login_url)}`)
    await flush()
    // The request of the second leg came without a trace.
    expect(receiver.spans.map(({ name }) => name)).toEqual(['GET /api/callback'])
  })
})

test('the exemplars of metrics name the traces of their requests', async () => {
  const { receiver, portico, flush } = await startTraced({ OPERATOR_PORT: '0' })
  const { browser } = await logInAtScripted(portico, idp)
  await Promise.all(
    ['session', 'sessions', 'userinfo', 'session/continue'].map((path) =>
      browser.fetch(`${portico.url}/api/${path}`, { headers: csrf }),
    ),
  )
  const accept = 'application/openmetrics-text; version=1.0.0'
  const text = (await portico.components.metrics?.scrape(accept))?.body ?? ''
  await flush()
  for (const path of ['/api/login', '/api/session', '/api/sessions', '/api/userinfo']) {
    const lines = text.split('\n').filter((line) => line.includes(`route="${path}"`))
    const [, traceId] = /# \{trace_id="(\w+)"\}/.exec(lines.join('\n')) ?? []
    expect([path, traceId]).toEqual([path, receiver.only(`GET ${path}`).traceId])
  }
  const [, ofLogin] = /portico_login_duration_seconds_bucket.*trace_id="(\w+)"/.exec(text) ?? []
  expect(ofLogin).toBe(receiver.only('login callback').traceId)
})

test('a refresh is a span of the request that needed it', async () => {
  const { receiver, portico, flush } = await startTraced()
  idp.script({ tokenResponse: (body) => ({ ...body, expires_in: 60 }) })
  const { browser } = await logInAtScripted(portico, idp)
  portico.clock.advance(seconds(61))
  await browser.fetch(`${portico.url}/api/token`, { method: 'POST', headers: csrf })
  idp.script({ tokenResponse: () => ({}) })
  portico.clock.advance(seconds(61))
  await browser.fetch(`${portico.url}/api/token`, { method: 'POST', headers: csrf })
  await flush()
  const [refreshed, failed] = receiver.named('token refresh')
  const requests = receiver.named('POST /api/token')
  expect([refreshed?.parentSpanId, failed?.parentSpanId]).toEqual(requests.map(({ spanId }) => spanId))
  expect([refreshed?.isError, failed?.isError]).toEqual([false, true])
  expect(failed?.attributes).toMatchObject({
    'error.type': 'provider_unavailable',
    'portico.outcome': 'unknown',
  })
})

describe('a receiver that takes no spans', () => {
  const losses = ({ logged }: TestPortico) => logged.filter(({ event }) => event === 'traces_not_exported')

  test('because it refuses them costs spans alone, and the log says how many', async () => {
    const { receiver, portico, flush } = await startTraced()
    receiver.status = 400
    const { response } = await logInAtScripted(portico, idp)
    expect(response.status).toBe(200)
    await flush()
    expect(losses(portico)).toMatchObject([{ level: 'warn', reason: 'status 400' }])
    expect(losses(portico)[0]?.spans).toBeGreaterThanOrEqual(3)
  })

  test('because it does not answer costs those beyond a bounded queue, and does not keep the server from ending', async () => {
    const receiver = closeAfterTest(await startOtlpReceiver())
    receiver.status = undefined
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint }
    const portico = await startPortico({ issuer: idp.issuer, env })
    idp.follow(portico.clock)
    const { tracing } = portico.components
    const recordMany = () => {
      for (let count = 0; count < 10_000; count += 1) tracing.startSpan({ name: 'one of many' }).end()
    }
    recordMany()
    expect((await logInAtScripted(portico, idp)).response.status).toBe(200)
    await expect.poll(() => receiver.received.length).toBe(1)
    receiver.status = 200
    receiver.breakConnections()
    await expect.poll(() => receiver.spans.length).toBeGreaterThan(512)
    tracing.startSpan({ name: 'another one' }).end()
    await expect.poll(() => losses(portico)).toHaveLength(1)
    const [loss] = losses(portico)
    expect([loss?.reason, Number(loss?.spans) > 7_000]).toEqual(['queue full', true])
    receiver.status = undefined
    recordMany()
    await portico.close()
    // The server did not wait until the exporter gave up: after another call, the receiver would know.
    receiver.status = 404
    await fetch(receiver.endpoint)
    expect(receiver.waiting()).toBeGreaterThan(0)
    expect(receiver.spans.length).toBeLessThan(3_000)
  })
})

describe('without an endpoint', () => {
  test.for<[string, Record<string, string>]>([
    ['there is none', { OTEL_SERVICE_NAME: 'x' }],
    [
      'OTEL_SDK_DISABLED=true',
      { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318', OTEL_SDK_DISABLED: 'true' },
    ],
    ['OTEL_TRACES_EXPORTER=none', { OTEL_EXPORTER_OTLP_ENDPOINT: 'x', OTEL_TRACES_EXPORTER: 'none' }],
  ])('(%s) no trace is recorded, named in the log or carried by a login', async ([, env]) => {
    const portico = closeAfterTest(await startPortico({ issuer: idp.issuer, env }))
    idp.follow(portico.clock)
    const traced = await startTraced()
    const cookieLength = async ({ url }: TestPortico) => {
      const browser = createTestBrowser()
      await startLogin({ url }, browser)
      return browser.setCookies[0]?.line.length ?? 0
    }
    const { response } = await logInAtScripted(portico, idp)
    expect(response.status).toBe(200)
    expect(portico.components.tracing.isOn).toBe(false)
    expect(portico.logged.filter((line) => 'trace_id' in line)).toEqual([])
    expect((await cookieLength(traced.portico)) - (await cookieLength(portico))).toBeGreaterThan(90)
  })
})

describe('what a span says', () => {
  test('is no token, code, state, cookie, name of a user or query, and a planted one would be found', async () => {
    const { receiver, portico, flush } = await startTraced({ RATE_LIMIT_API: '100/1m' })
    const secrets = new Map<string, string>()
    let answered = 0
    idp.script({
      idTokenClaims: (claims) => ({
        ...claims,
        sub: 'sub-of-ada',
        email: 'ada@example.com',
        name: 'Ada Lovelace',
      }),
      tokenResponse(body) {
        answered += 1
        for (const name of ['access_token', 'refresh_token', 'id_token']) {
          secrets.set(`${name} ${answered}`, String(body[name]))
        }
        return { ...body, expires_in: 60 }
      },
      onTokenRequest({ code_verifier: verifier }) {
        if (verifier !== undefined) secrets.set('code_verifier', verifier)
      },
    })
    const browser = createTestBrowser()
    const parameters = idp.authorize(
      await startLogin(portico, browser, '?return_to=/deep/page&login_hint=ada-hint'),
    )
    for (const name of ['code', 'state']) secrets.set(name, parameters.get(name) ?? '')
    const answers = [
      await browser.fetch(`${portico.url}/api/callback?${parameters}`),
      await browser.fetch(`${portico.url}/api/callback?${parameters}&error=planted-error`),
    ]
    portico.clock.advance(seconds(61))
    const call = async (method: 'GET' | 'POST' | 'DELETE', path: string) =>
      answers.push(await browser.fetch(portico.url + path, { method, headers: csrf }))
    await call('POST', '/api/token')
    await call('GET', '/api/userinfo')
    await call('GET', '/api/sessions?of=planted-query')
    await call('DELETE', '/api/sessions/planted-handle')
    await call('GET', '/planted-path')
    await call('POST', '/api/logout')
    for (const { cookie } of browser.setCookies) if (cookie.value) secrets.set(cookie.name, cookie.value)
    for (const answer of answers) {
      const { token, session } = (await answer.json().catch(() => ({}))) as {
        token?: string
        session?: { id: string }
      }
      if (token !== undefined) secrets.set(`app token of ${answer.url}`, token)
      if (session !== undefined) secrets.set('session', session.id)
    }
    const words = [
      'ada',
      'Ada Lovelace',
      'sub-of',
      'deep/page',
      'planted',
      'test-client-secret',
      '127.0.0.1:',
    ]
    const all = [...secrets.values(), ...words]
    expect(secrets.size).toBeGreaterThan(12)
    await flush()
    expect(receiver.spans.length).toBeGreaterThan(10)

    const found = () => all.filter((secret) => contains(receiver, secret))
    // The receiver's own address is in a header of the export.
    receiver.received = receiver.received.map((text) => text.replaceAll(new URL(receiver.endpoint).host, ''))
    expect(found()).toEqual([])
    // Not one that was issued: the search at the end of the run would find that as well.
    const planted = testSecret()
    all.push(planted)
    const another = await startTraced()
    await another.portico.components.tracing.inSpan({ name: planted }, async () => {})
    await another.flush()
    receiver.received.push(...another.receiver.received)
    expect(found()).toEqual(expect.arrayContaining([planted]))
  })
})

/** Whether a receiver has received a text: as it is, in a URL, or without what signs or encodes it. */
const contains = ({ received }: { received: string[] }, secret: string): boolean =>
  [
    secret,
    encodeURIComponent(secret),
    decodeURIComponent(secret),
    secret.length > 60 ? secret.slice(8, 40) : secret,
  ].some((form) => received.some((text) => text.includes(form)))
