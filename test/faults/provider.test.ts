import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { JWTPayload } from 'jose'
import { describe, expect, test } from 'vitest'
import { createTestBrowser } from '../support/browser.ts'
import { hours, minutes, seconds } from '../support/clock.ts'
import { closeAfterTest } from '../support/fixtures.ts'
import { timerTime } from '../support/latencies.ts'
import { csrf, getSession, logInAtScripted, readRefusal } from '../support/login.ts'
import { createCertificate } from '../support/network/certificate.ts'
import { startTestServer } from '../support/network/http-server.ts'
import { startPortico, type TestPortico } from '../support/portico.ts'
import {
  createProviderKey,
  type ProviderScript,
  type ScriptedProvider,
  startScriptedProvider,
} from '../support/providers/scripted-provider.ts'

const startIdp = async (options = {}) => closeAfterTest(await startScriptedProvider(options))
const start = async (issuer: string, env = {}) =>
  closeAfterTest(await startPortico({ issuer, env: { OIDC_TIMEOUT: '1s', ...env } }))

/** Only the server's clock is moved by hand: the provider's tokens must follow it. */
function byTheClockOf({ clock }: TestPortico): ProviderScript {
  const shift = Math.floor((clock.now() - Date.now()) / 1000)
  const later = (claims: JWTPayload) => ({
    ...claims,
    iat: (claims.iat ?? 0) + shift,
    exp: (claims.exp ?? 0) + shift,
  })
  return { idTokenClaims: later, accessTokenClaims: later }
}

const askLogin = (portico: TestPortico) => createTestBrowser().fetch(`${portico.url}/api/login`)

describe('the provider is down at start (F19)', () => {
  test('the server is up, login answers 503 with Retry-After, and it heals by itself', async () => {
    const reserved = await startTestServer()
    const port = Number(new URL(reserved.origin).port)
    await reserved.close()
    const portico = await start(`http://127.0.0.1:${port}/oauth2/default`)
    const refused = await askLogin(portico)
    expect(refused.headers.get('retry-after')).toMatch(/^\d+$/)
    expect(await readRefusal(refused)).toBe('503 provider_unavailable')
    const ready = await fetch(`${portico.url}/readyz`)
    expect(ready.status).toBe(200)
    expect(await ready.json()).toMatchObject({
      parts: { store: 'ok', provider: expect.stringContaining('not discovered') },
    })

    await startIdp({ port })
    // No login asks again: the server finds out in the background, in a second by the real clock.
    await expect.poll(() => portico.components.providers.first.isReady(), { timeout: 10_000 }).toBe(true)
    expect((await askLogin(portico)).status).toBe(200)
  })

  test('a flood of logins does not become a flood of discoveries', async () => {
    const idp = await startIdp()
    idp.script({ discovery: (_req, res) => void res.status(500).end() })
    const portico = await start(idp.issuer)
    const answers = await Promise.all(Array.from({ length: 50 }, () => askLogin(portico)))
    expect(answers.every(({ status }) => status === 503)).toBe(true)
    expect(idp.calls.discovery).toBeLessThanOrEqual(2)
  })
})

describe('a discovery that cannot be trusted (F20, R24)', () => {
  test.each<[string, ProviderScript]>([
    ['HTML', { discovery: (_req, res) => void res.send('<h1>Welcome</h1>') }],
    [
      'a redirect',
      { discovery: (_req, res) => res.redirect('https://evil.example/.well-known/openid-configuration') },
    ],
    ['another issuer', { metadata: (document) => ({ ...document, issuer: 'https://evil.example' }) }],
    [
      'the issuer with a slash too many',
      { metadata: (document) => ({ ...document, issuer: `${String(document.issuer)}/` }) },
    ],
    ['no token endpoint', { metadata: (document) => ({ ...document, token_endpoint: undefined }) }],
    ['no keys', { metadata: (document) => ({ ...document, jwks_uri: undefined }) }],
    [
      'keys by another protocol than the issuer has',
      { metadata: (document) => ({ ...document, jwks_uri: 'https://127.0.0.1:1/keys' }) },
    ],
    ['too many requests', { discovery: (_req, res) => void res.status(429).set('retry-after', '7').end() }],
    ['two megabytes', { metadata: (document) => ({ ...document, filler: 'x'.repeat(2_000_000) }) }],
  ])('%s: login answers 503, and heals', async (_name, defect) => {
    const idp = await startIdp()
    idp.script(defect)
    const portico = await start(idp.issuer)
    expect(await readRefusal(await askLogin(portico))).toBe('503 provider_unavailable')
    idp.reset()
    portico.clock.advance(minutes(1))
    expect((await askLogin(portico)).status).toBe(200)
  })

  test('the issuer differing by nothing but a slash at its end: 503, though both URLs mean the same', async () => {
    const idp = await startIdp({ path: '' })
    idp.script({ metadata: (document) => ({ ...document, issuer: `${idp.issuer}/` }) })
    const portico = await start(idp.issuer)
    expect(await readRefusal(await askLogin(portico))).toBe('503 provider_unavailable')
  })

  test('by plain http, where PUBLIC_URL is no loopback host, is a configuration error', async () => {
    await expect(startPortico({ issuer: 'http://idp.example.com' })).rejects.toThrow(
      'OIDC_ISSUER must be https',
    )
  })

  test('dripping: 503 within the deadline', async () => {
    const idp = await startIdp()
    idp.script({
      discovery(_req, res) {
        res.type('json').write('{')
        const drip = setInterval(() => res.write(' '), 50)
        res.on('close', () => clearInterval(drip))
      },
    })
    const portico = await start(idp.issuer)
    const started = timerTime()
    expect(await readRefusal(await askLogin(portico))).toBe('503 provider_unavailable')
    expect(timerTime() - started).toBeLessThan(1_500)
  })
})

describe('the provider fails during the exchange (R26)', () => {
  test.each<[string, ProviderScript]>([
    ['status 500', { tokenEndpoint: (_req, res) => void res.status(500).json({ error: 'server_error' }) }],
    ['status 429', { tokenEndpoint: (_req, res) => void res.status(429).end() }],
    ['a reset connection', { tokenEndpoint: (req) => void req.socket.destroy() }],
    ['no answer', { tokenEndpoint: () => {} }],
  ])('%s: 503 within the deadline, nobody signed in', async (_name, defect) => {
    const idp = await startIdp()
    const portico = await start(idp.issuer)
    expect((await askLogin(portico)).status).toBe(200)
    idp.script(defect)
    const started = timerTime()
    const { browser, response } = await logInAtScripted(portico, idp)
    expect(response.headers.get('retry-after')).not.toBeNull()
    expect(await readRefusal(response)).toBe('503 provider_unavailable')
    expect(timerTime() - started).toBeLessThan(1_500)
    expect(await getSession(portico, browser)).toEqual({ active: false })
  })

  test('an answer of 300 MB: 503, long before its end (F29)', async () => {
    const idp = await startIdp()
    const portico = await start(idp.issuer)
    let countSent = () => 0
    idp.script({
      tokenEndpoint: (_req, res) => {
        countSent = writeForever(res)
      },
    })
    const { browser, response } = await logInAtScripted(portico, idp)
    expect(await readRefusal(response)).toBe('503 provider_unavailable')
    // A megabyte is read; the rest is in the buffers of the connection.
    expect(countSent()).toBeLessThan(30)
    expect(await getSession(portico, browser)).toEqual({ active: false })
  })

  test('429 with X-Rate-Limit-Reset, as Okta sends it: Retry-After tells when', async () => {
    const idp = await startIdp()
    const portico = await start(idp.issuer)
    expect((await askLogin(portico)).status).toBe(200)
    const reset = Math.floor(portico.clock.now() / 1000) + 42
    idp.script({
      tokenEndpoint: (_req, res) => void res.status(429).set('x-rate-limit-reset', String(reset)).end(),
    })
    const { response } = await logInAtScripted(portico, idp)
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(40)
  })

  test.each([
    [429, 'retry-after', () => 86_400],
    [503, 'retry-after', () => 301],
    [429, 'x-rate-limit-reset', (now: number) => now + 86_400],
  ])('%i with %s far ahead: Retry-After is five minutes at most', async (status, header, wait) => {
    const idp = await startIdp()
    const portico = await start(idp.issuer)
    expect((await askLogin(portico)).status).toBe(200)
    const value = String(wait(Math.floor(portico.clock.now() / 1000)))
    idp.script({ tokenEndpoint: (_req, res) => void res.status(status).set(header, value).end() })
    const { response } = await logInAtScripted(portico, idp)
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '300'])
  })

  test.each([
    [1_000_000, 200],
    [1_000_001, 503],
  ])('a complete token response of %i bytes: %i (F29)', async (size, status) => {
    const idp = await startIdp()
    const portico = await start(idp.issuer)
    idp.script({
      tokenResponse(body) {
        const { length } = JSON.stringify({ ...body, filler: '' })
        return { ...body, filler: 'x'.repeat(size - length) }
      },
    })
    const { response } = await logInAtScripted(portico, idp)
    expect(response.status).toBe(status)
    const reason = portico.logged.findLast(({ event }) => event === 'login_failed')?.reason
    if (status === 503) expect(reason).toContain('response larger than 1000000 bytes')
  })
})

describe('the keys', () => {
  test('down for 30 minutes: known keys still verify (F31)', async () => {
    const idp = await startIdp()
    const portico = await start(idp.issuer)
    expect((await logInAtScripted(portico, idp)).response.status).toBe(200)
    const calls = idp.calls.jwks
    idp.script({ jwks: () => 'down' })
    for (let minute = 0; minute < 30; minute += 6) {
      portico.clock.advance(minutes(6))
      idp.script({ jwks: () => 'down', ...byTheClockOf(portico) })
      expect((await logInAtScripted(portico, idp)).response.status).toBe(200)
    }
    expect(idp.calls.jwks).toBeGreaterThan(calls)
    expect(portico.logged.some(({ event }) => event === 'provider_keys_unavailable')).toBe(true)
  })

  test('never fetched and not to be had: 503, not a refused token', async () => {
    const idp = await startIdp()
    idp.script({ jwks: () => 'no keys here' })
    const portico = await start(idp.issuer)
    expect(await readRefusal((await logInAtScripted(portico, idp)).response)).toBe('503 provider_unavailable')
  })

  test('an empty key set does not take the place of good keys', async () => {
    const idp = await startIdp()
    const portico = await start(idp.issuer)
    await logInAtScripted(portico, idp)
    for (let turn = 0; turn < 3; turn += 1) {
      portico.clock.advance(minutes(6))
      idp.script({ jwks: () => ({ keys: [] }), ...byTheClockOf(portico) })
      expect((await logInAtScripted(portico, idp)).response.status).toBe(200)
    }
  })

  test.each<[string, unknown, number]>([
    ['nothing but null', [null], 503],
    ['a key that is none', [{ kty: 'RSA', kid: 'good-1', n: '!', e: 'AQAB' }], 502],
  ])('%s: refused, not a 500', async (_name, keys, status) => {
    const idp = await startIdp()
    idp.script({ jwks: () => ({ keys }) })
    const portico = await start(idp.issuer)
    expect((await logInAtScripted(portico, idp)).response.status).toBe(status)
  })

  test('a new key under the old kid, or without any, is found at once', async () => {
    const idp = await startIdp()
    const portico = await start(idp.issuer)
    await logInAtScripted(portico, idp)
    const key = await createProviderKey('good-1')
    idp.publish(key)
    idp.script({ key, accessTokenKey: key })
    expect((await logInAtScripted(portico, idp)).response.status).toBe(200)
  })

  test('rotated twice within 30 s: logins and refreshes work (F30)', async () => {
    const idp = await startIdp()
    const portico = await start(idp.issuer)
    idp.follow(portico.clock)
    const { browser } = await logInAtScripted(portico, idp)
    for (const kid of ['rotated-1', 'rotated-2']) {
      const key = await createProviderKey(kid)
      idp.publish(key)
      idp.script({ key, accessTokenKey: key, tokenResponse: (body) => ({ ...body, expires_in: 5 }) })
      portico.clock.advance(seconds(10))
      expect((await logInAtScripted(portico, idp)).response.status).toBe(200)
      const headers = { ...csrf }
      expect((await browser.fetch(`${portico.url}/api/token`, { method: 'POST', headers })).status).toBe(200)
    }
  })

  test('a flood of unknown kids: at most one fetch in 30 s (F32)', async () => {
    const idp = await startIdp()
    const portico = await start(idp.issuer)
    expect((await logInAtScripted(portico, idp)).response.status).toBe(200)
    const calls = idp.calls.jwks
    for (let index = 0; index < 20; index += 1) {
      idp.script({ idTokenHeader: () => ({ kid: `unknown-${index}` }) })
      expect(await readRefusal((await logInAtScripted(portico, idp)).response)).toBe('502 invalid_id_token')
    }
    expect(idp.calls.jwks - calls).toBe(1)
    portico.clock.advance(seconds(31))
    idp.script({ idTokenHeader: () => ({ kid: 'unknown' }) })
    await logInAtScripted(portico, idp)
    expect(idp.calls.jwks - calls).toBe(2)
  })

  test('a rotation is found out although someone sends unknown kids', async () => {
    const idp = await startIdp()
    const portico = await start(idp.issuer)
    await logInAtScripted(portico, idp)
    idp.script({ idTokenHeader: () => ({ kid: 'unknown' }) })
    await logInAtScripted(portico, idp)
    const key = await createProviderKey('next')
    idp.publish(key)
    portico.clock.advance(seconds(31))
    idp.script({ key, accessTokenKey: key, ...byTheClockOf(portico) })
    expect((await logInAtScripted(portico, idp)).response.status).toBe(200)
  })
})

describe('the provider goes away while people are signed in (F21)', () => {
  test('sessions and app tokens go on', async () => {
    const idp: ScriptedProvider = await startScriptedProvider()
    const portico = await start(idp.issuer)
    const { browser } = await logInAtScripted(portico, idp)
    await idp.close()
    portico.clock.advance(minutes(20))
    expect((await getSession(portico, browser)).active).toBe(true)
    const token = await browser.fetch(`${portico.url}/api/token`, { method: 'POST', headers: csrf })
    expect(token.status).toBe(200)
    expect((await fetch(`${portico.url}/readyz`)).status).toBe(200)
  })

  test('a login still begins from the metadata known, also after hours', async () => {
    const idp: ScriptedProvider = await startScriptedProvider()
    const portico = await start(idp.issuer)
    expect((await askLogin(portico)).status).toBe(200)
    await idp.close()
    portico.clock.advance(hours(5))
    expect((await askLogin(portico)).status).toBe(200)
  })
})

describe('an https endpoint at an http issuer, or the reverse, is nobody’s', () => {
  const endpoints = [
    'authorization_endpoint',
    'token_endpoint',
    'jwks_uri',
    'userinfo_endpoint',
    'pushed_authorization_request_endpoint',
    'revocation_endpoint',
    'end_session_endpoint',
  ]
  test.each([
    ...endpoints.map((name) => [name, { [name]: 'https://elsewhere.example/x' }] as const),
    ...endpoints.map(
      (name) =>
        [`alias of ${name}`, { mtls_endpoint_aliases: { [name]: 'https://elsewhere.example/x' } }] as const,
    ),
    ...endpoints.slice(0, 3).map((name) => [`no ${name}`, { [name]: undefined }] as const),
  ])('%s', async (_what, change) => {
    const other = await startScriptedProvider()
    other.script({ metadata: (document) => ({ ...document, ...change }) })
    const portico = await startPortico({ issuer: other.issuer })
    const response = await createTestBrowser().fetch(`${portico.url}/api/login`)
    expect(await readRefusal(response)).toBe('503 provider_unavailable')
    await portico.close()
    await other.close()
  })
})

test.each([
  ['tls_client_auth', 1],
  ['client_secret_post', 0],
] as const)(
  'the door for clients with a certificate is for them alone (RFC 8705 5): %s',
  async (method, times) => {
    const folder = mkdtempSync(join(tmpdir(), 'portico-alias-'))
    const { certificate, key } = createCertificate(folder, 'client')
    rmSync(folder, { recursive: true })
    const alias = await startTestServer()
    const paths: string[] = []
    alias.serve((req, res) => {
      paths.push(req.url ?? '')
      res.writeHead(400, { 'content-type': 'application/json' }).end('{"error":"invalid_grant"}')
    })
    const other = await startScriptedProvider()
    other.script({
      metadata: (document) => ({
        ...document,
        mtls_endpoint_aliases: {
          token_endpoint: `${alias.origin}/token`,
          userinfo_endpoint: `${alias.origin}/userinfo`,
        },
      }),
    })
    const credentials =
      method === 'tls_client_auth'
        ? { OIDC_CLIENT_SECRET: undefined, OIDC_CLIENT_CERT: certificate, OIDC_CLIENT_CERT_KEY: key }
        : { OIDC_CLIENT_AUTH: method }
    const portico = await startPortico({ issuer: other.issuer, env: credentials })
    expect((await logInAtScripted(portico, other)).response.status).toBe(502)
    expect([paths, other.calls.token]).toEqual([times === 1 ? ['/token'] : [], 1 - times])
    await portico.close()
    await other.close()
    await alias.close()
  },
)

test.each([null, ''])('an endpoint that is %j is one the provider does not have', async (nothing) => {
  const metadata = (document: Record<string, unknown>) => ({
    ...document,
    end_session_endpoint: nothing,
    pushed_authorization_request_endpoint: nothing,
  })
  const other = await startScriptedProvider()
  other.script({ metadata })
  const portico = await startPortico({ issuer: other.issuer })
  expect((await logInAtScripted(portico, other)).response.status).toBe(200)
  await portico.close()
  await other.close()
})

test('userinfo of another person is refused, at the login and afterwards (F33)', async () => {
  const idp = await startIdp()
  const portico = await start(idp.issuer)
  const { browser } = await logInAtScripted(portico, idp)
  idp.script({
    idTokenClaims: ({ groups: _, ...claims }) => claims,
    userinfo: (claims) => ({ ...claims, sub: 'someone-else' }),
  })
  expect(await readRefusal((await logInAtScripted(portico, idp)).response)).toBe('502 invalid_userinfo')
  const response = await browser.fetch(`${portico.url}/api/userinfo`, { headers: csrf })
  expect(await readRefusal(response)).toBe('502 invalid_userinfo')
  expect((await getSession(portico, browser)).active).toBe(true)
})

test('a port where nothing speaks HTTP: 503 within the deadline', async () => {
  const mute = createServer()
  await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve))
  const { port } = mute.address() as { port: number }
  const portico = await start(`http://127.0.0.1:${port}/oauth2/default`)
  expect(await readRefusal(await askLogin(portico))).toBe('503 provider_unavailable')
  mute.close()
})

/** Up to 300 MB, as fast as the other side takes it; returns how many of them are sent so far. */
function writeForever(res: {
  write(chunk: Buffer): boolean
  on(event: string, listener: () => void): unknown
  end(): unknown
}): () => number {
  const chunk = Buffer.alloc(1_000_000, 'x')
  let left = 300
  const go = () => {
    while (left > 0) {
      left -= 1
      if (!res.write(chunk)) return
    }
    res.end()
  }
  res.on('drain', go)
  res.on('error', () => {})
  go()
  return () => 300 - left
}
