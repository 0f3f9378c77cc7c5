import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTestBrowser, type TestBrowser } from '../support/browser.ts'
import { seconds } from '../support/clock.ts'
import { type Fleet, type Replica, startFleet } from '../support/deployments/fleet.ts'
import { csrf } from '../support/login.ts'
import { freePort } from '../support/network/http-server.ts'
import { signInAtOkta } from '../support/providers/okta.ts'
import {
  type OtlpReceiver,
  type ReceivedSpan,
  startOtlpReceiver,
} from '../support/telemetry/otlp-receiver.ts'
import { type RawUpstream, startRawUpstream } from '../support/upstreams/raw-upstream.ts'

let receiver: OtlpReceiver
let upstream: RawUpstream
let fleet: Fleet

beforeAll(async () => {
  receiver = await startOtlpReceiver()
  upstream = await startRawUpstream()
  fleet = await startFleet({
    replicas: 2,
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
      OTEL_EXPORTER_OTLP_HEADERS: 'x-api-key=canary-of-the-receiver',
      OTEL_BSP_SCHEDULE_DELAY: '50',
      OTEL_SERVICE_NAME: 'sign-in',
      PROXY_ORDERS: upstream.origin,
      RATE_LIMIT_LOGIN: '100/1m',
    },
  })
})
afterAll(() => Promise.all([fleet.close(), receiver.close(), upstream.close()]))

const replica = (index: number): Replica => {
  const found = fleet.replicas[index]
  if (found === undefined) throw new Error(`there is no replica ${index}`)
  return found
}

/** Lets a browser go on at another replica: here, cookies depend on the port. */
function goOn(browser: TestBrowser, from: Replica, to: Replica): void {
  for (const [name, value] of browser.cookies(from.url)) browser.setCookie(to.url, name, value)
}

/** Signs a user in, the first leg at one replica and the second at another. */
async function signIn(first: Replica, second: Replica) {
  const browser = createTestBrowser()
  const answer = await browser.fetch(`${first.url}/api/login`)
  const { login_url: loginUrl } = (await answer.json()) as { login_url: string }
  const callback = await signInAtOkta(browser, loginUrl)
  goOn(browser, first, second)
  const response = await browser.fetch(`${second.url}/api/callback${callback.search}`)
  expect(response.status).toBe(200)
  const { token } = (await response.json()) as { token: string }
  return { browser, callback, token }
}

/** Waits until a span was received, and all that begins before it. */
const received = (name: string, count = 1) =>
  expect.poll(() => receiver.spans.filter((span) => span.name === name).length).toBe(count)

const namesOf = (spans: readonly ReceivedSpan[]) => spans.map(({ name }) => name)

test('one life of a session, over two replicas with Redis, a provider and an upstream, and nothing secret in it', async () => {
  const [one, other] = [replica(0), replica(1)]
  const { browser, callback, token } = await signIn(one, other)
  goOn(browser, other, one)
  const call = (method: 'GET' | 'POST', path: string) =>
    browser.fetch(one.url + path, { method, headers: csrf })
  expect((await call('GET', '/api/proxy/orders/items?of=query-of-ada')).status).toBe(200)
  await fleet.advance(seconds(1_000))
  const { token: renewed } = (await (await call('POST', '/api/token')).json()) as { token: string }
  expect((await call('POST', '/api/logout')).status).toBe(200)
  for (const name of ['login callback', 'GET orders', 'token refresh', 'completeRevocation'])
    await received(name)
  await received('POST /api/logout')

  // The login, from one replica to the other.
  const begin = receiver.only('GET /api/login')
  const login = receiver.only('login callback')
  expect(receiver.childrenOf(begin)).toEqual(expect.arrayContaining([login]))
  expect(namesOf(receiver.childrenOf(login))).toEqual(
    expect.arrayContaining(['provider token', 'provider jwks', 'create', 'index', 'settleReservation']),
  )
  const [tokenCall] = receiver.childrenOf(login).filter(({ name }) => name === 'provider token')
  expect(tokenCall).toMatchObject({
    kind: 'client',
    attributes: {
      'portico.provider': 'default',
      'portico.endpoint': 'token',
      'http.request.method': 'POST',
      'http.response.status_code': 200,
      'server.port': Number(new URL(fleet.issuer).port),
    },
  })
  const [create] = receiver.named('create')
  expect(create?.attributes).toEqual({ 'db.system.name': 'redis', 'db.operation.name': 'create' })
  expect(new Set([begin, login].map(({ resource }) => resource['service.instance.id'])).size).toBe(2)
  expect(new Set(receiver.spans.map(({ resource }) => resource['service.name']))).toEqual(
    new Set(['sign-in']),
  )

  // What the session did then.
  const proxied = receiver.only('GET orders')
  expect(receiver.childrenOf(receiver.only('GET /api/proxy/*'))).toContainEqual(proxied)
  const { headers = [] } = upstream.requests.at(-1) ?? {}
  expect(headers).toContain(`traceparent: 00-${proxied.traceId}-${proxied.spanId}-01`)
  const refresh = receiver.only('token refresh')
  expect(receiver.childrenOf(receiver.only('POST /api/token'))).toContainEqual(refresh)
  expect(namesOf(receiver.childrenOf(refresh))).toEqual(
    expect.arrayContaining(['lock', 'provider token', 'commit']),
  )
  expect(namesOf(receiver.childrenOf(receiver.only('POST /api/logout')))).toEqual(
    expect.arrayContaining(['end', 'provider revocation', 'completeRevocation']),
  )

  // Each trace begins with a request: neither pings nor discovery at the start.
  const roots = receiver.spans.filter(({ parentSpanId }) => parentSpanId === '')
  expect(roots.filter(({ kind }) => kind !== 'server')).toEqual([])

  const ofProvider = headers.find((line) => line.startsWith('authorization: '))?.split(' ')[2] ?? ''
  const cookies = browser.setCookies.map(({ cookie }) => cookie.value ?? '').filter((value) => value !== '')
  const { searchParams } = callback
  const parameters = ['code', 'state'].map((name) => searchParams.get(name) ?? '')
  const secrets = [token, renewed, ofProvider, ...cookies, ...parameters, 'query-of-ada', 'ada@']
  expect(secrets.filter((secret) => secret.length < 4)).toEqual([])
  // The header of the export shows that a text in what was received is found.
  const found = [...secrets, 'canary-of-the-receiver'].filter((secret) =>
    receiver.received.some((text) => text.includes(secret) || text.includes(encodeURIComponent(secret))),
  )
  expect(found).toEqual(['canary-of-the-receiver'])
})

describe('a receiver that is down', () => {
  test('fails no request, is reported once without its headers, and does not keep the process from ending', async () => {
    const down = await fleet.start({
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${await freePort()}`,
      OTEL_EXPORTER_OTLP_TIMEOUT: '200',
    })
    const { browser } = await signIn(down, down)
    for (let count = 0; count < 100; count += 1) {
      expect((await browser.fetch(`${down.url}/api/session`, { headers: csrf })).status).toBe(200)
    }
    const line = await down.process.line(/"traces_not_exported"/)
    expect(JSON.parse(line)).toMatchObject({
      level: 'warn',
      reason: 'ECONNREFUSED',
      spans: expect.any(Number),
    })
    expect(await down.process.stop()).toBe(0)
    const { text } = down.process.output
    expect(text.match(/traces_not_exported/g)).toHaveLength(1)
    expect(text).not.toContain('canary-of-the-receiver')
    expect(text).not.toContain('config_unknown_variable')
  })
})
