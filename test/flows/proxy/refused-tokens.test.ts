import { decodeJwt, type JWTPayload } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createTestBrowser } from '../../support/browser.ts'
import { minutes } from '../../support/clock.ts'
import { closeAfterTest } from '../../support/fixtures.ts'
import { csrf, logInAtOkta } from '../../support/login.ts'
import { startRecordedProvider } from '../../support/providers/recorded-provider.ts'
import { type Proxied, startProxied } from '../../support/upstreams/proxied.ts'
import { type RawRequest, startRawUpstream, toResponse } from '../../support/upstreams/raw-upstream.ts'

/** Calls whose token the upstream refuses with 401: what is tried again, and what is passed on. */

let proxied: Proxied
beforeAll(async () => {
  proxied = await startProxied()
})
afterAll(() => proxied.close())

let browser = createTestBrowser()
beforeEach(async () => {
  proxied.upstream.requests.length = 0
  browser = await proxied.signIn()
  // A younger token is not replaced.
  proxied.portico.clock.advance(minutes(1))
})

const call = (init = {}) =>
  browser.fetch(`${proxied.portico.url}/api/proxy/orders/items`, { headers: csrf, ...init })

const headerOf = ({ headers }: RawRequest, name: string) =>
  headers.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2)

const refuse = (challenge = 'Bearer error="invalid_token"', body = 'no') =>
  toResponse('401 Unauthorized', [`WWW-Authenticate: ${challenge}`], body)

/** Makes a call that the upstream answers so; returns how often it arrived, and how many refreshes it took. */
async function measure(answer: string, init = {}) {
  proxied.upstream.answer = answer
  const before = proxied.idp.calls.refresh
  const response = await call(init)
  return {
    status: response.status,
    body: await response.text(),
    arrived: proxied.upstream.requests.length,
    refreshes: proxied.idp.calls.refresh - before,
  }
}

test('a refused token is replaced, and the call sent again with the other one and the same body', async () => {
  proxied.upstream.answer = ({ socket }) =>
    void socket.write(proxied.upstream.requests.length === 1 ? refuse() : toResponse('200 OK', [], 'yes'))
  const response = await call({ method: 'POST', body: 'once' })
  expect([response.status, await response.text()]).toEqual([200, 'yes'])
  const { requests } = proxied.upstream
  expect(requests.map(({ line, body }) => `${line} ${body}`)).toEqual(
    Array.from({ length: 2 }, () => 'POST /items HTTP/1.1 once'),
  )
  expect(new Set(requests.map((request) => headerOf(request, 'authorization'))).size).toBe(2)
})

test('a token that is refused after its renewal as well is not replaced again', async () => {
  proxied.upstream.answer = ({ socket }) => {
    // As if the answer took so long that the new token could be replaced, too.
    proxied.portico.clock.advance(minutes(1))
    socket.write(refuse())
  }
  const before = proxied.idp.calls.refresh
  const response = await call()
  expect([response.status, await response.text()]).toEqual([401, 'no'])
  expect(proxied.upstream.requests).toHaveLength(2)
  expect(proxied.idp.calls.refresh - before).toBe(1)
})

describe('the answer is passed on, and no token replaced, where', () => {
  const passedOn = { body: 'no', arrived: 1, refreshes: 0 }

  test('the upstream wants a stronger sign-in (RFC 9470)', async () => {
    const stepUp = refuse('Bearer error="insufficient_user_authentication", acr_values="urn:mfa"')
    expect(await measure(stepUp)).toEqual({ status: 401, ...passedOn })
  })

  test('it answers 403', async () => {
    const answer = refuse().replace('401 Unauthorized', '403 Forbidden')
    expect(await measure(answer)).toEqual({ status: 403, ...passedOn })
  })

  test('the body of the call was too large to be kept', async () => {
    expect(await measure(refuse(), { method: 'POST', body: 'x'.repeat(65_537) })).toEqual({
      status: 401,
      ...passedOn,
    })
    expect(proxied.upstream.requests[0]?.body).toHaveLength(65_537)
  })

  test('its answer is too large to be held back', async () => {
    const body = 'x'.repeat(16_385)
    expect(await measure(refuse(undefined, body))).toEqual({ status: 401, ...passedOn, body })
  })
})

test('the largest body and the largest answer that are kept: the call is sent again', async () => {
  const body = 'x'.repeat(16_384)
  expect(await measure(refuse(undefined, body), { method: 'POST', body: 'x'.repeat(65_536) })).toEqual({
    status: 401,
    body,
    arrived: 2,
    refreshes: 1,
  })
})

describe('an upstream that wants a nonce in DPoP proofs (RFC 9449 9)', () => {
  const wantsNonce = (nonce: string) =>
    refuse('DPoP error="use_dpop_nonce"').replace('\r\n', `\r\nDPoP-Nonce: ${nonce}\r\n`)

  /** A user whose token is bound to a key, and an upstream that answers each request with the next of these. */
  async function start(...answers: string[]) {
    const upstream = closeAfterTest(await startRawUpstream())
    upstream.answer = ({ socket }) => void socket.write(answers.shift() ?? toResponse('200 OK', [], 'yes'))
    const provider = await startRecordedProvider(
      { provider: { dpop: true } },
      { PROXY_ORDERS: upstream.origin },
    )
    const { portico } = provider
    const user = (await logInAtOkta(portico)).browser
    portico.clock.advance(minutes(1))
    return {
      origin: upstream.origin,
      async call() {
        const response = await user.fetch(`${portico.url}/api/proxy/orders/items?a=b`, { headers: csrf })
        return response.status
      },
      /** What each proof that arrived says. */
      proofs: (): JWTPayload[] =>
        upstream.requests.map((request) => decodeJwt(headerOf(request, 'dpop') ?? '')),
      tokens: () => upstream.requests.map((request) => headerOf(request, 'authorization')),
    }
  }

  test('gets the latest that it sent, with each answer, for the address without its query', async () => {
    const next = toResponse('200 OK', ['DPoP-Nonce: n2'], 'yes')
    const { call, proofs, tokens, origin } = await start(wantsNonce('n1'), next)
    expect([await call(), await call()]).toEqual([200, 200])
    expect(proofs().map(({ nonce }) => nonce)).toEqual([undefined, 'n1', 'n2'])
    expect(new Set(proofs().map(({ jti }) => jti)).size).toBe(3)
    for (const proof of proofs()) expect(proof).toMatchObject({ htm: 'GET', htu: `${origin}/items` })
    expect(new Set(tokens()).size).toBe(1)
    expect(tokens()[0]).toMatch(/^DPoP /)
  })

  test('and refuses it as well: the call is not sent a third time', async () => {
    const { call, proofs } = await start(wantsNonce('n1'), wantsNonce('n2'), wantsNonce('n3'))
    expect(await call()).toBe(401)
    expect(proofs().map(({ nonce }) => nonce)).toEqual([undefined, 'n1'])
  })

  test('and then refuses the token: that is replaced, too', async () => {
    const { call, proofs, tokens } = await start(wantsNonce('n1'), refuse('DPoP error="invalid_token"'))
    expect(await call()).toBe(200)
    expect(proofs().map(({ nonce }) => nonce)).toEqual([undefined, 'n1', 'n1'])
    expect(tokens()[1]).toBe(tokens()[0])
    expect(tokens()[2]).not.toBe(tokens()[0])
  })
})
