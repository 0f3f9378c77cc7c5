import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { findAdvice, upstreamAdvice } from '../../../src/advice/advice.ts'
import { systemClock } from '../../../src/clock.ts'
import { readConfig } from '../../../src/config/config.ts'
import { examine } from '../../../src/doctor/doctor.ts'
import { checkRoutesAtProvider } from '../../../src/doctor/provider/proxy-route-checks.ts'
import { checkProxyRoutes } from '../../../src/doctor/proxy-checks.ts'
import { discoveredServer, type Env, goodSettings, toLine } from '../../support/examination.ts'
import { closeAfterTest } from '../../support/fixtures.ts'
import { createCertificate, trust } from '../../support/network/certificate.ts'
import { freePort, startTestServer } from '../../support/network/http-server.ts'
import { startDemoProvider } from '../../support/providers/demo-provider.ts'

const folder = mkdtempSync(join(tmpdir(), 'portico-doctor-proxy-'))
afterAll(() => rmSync(folder, { recursive: true }))

function writeRoutes(routes: object): string {
  const path = join(folder, 'routes.json')
  writeFileSync(path, JSON.stringify(routes))
  return path
}

/** What the doctor finds out about a route `orders` with these members. */
async function tryRoute(members: object, more: Env = {}): Promise<string[]> {
  const env = { ...goodSettings, ...more, PROXY_ROUTES_FILE: writeRoutes({ orders: members }) }
  return (await checkProxyRoutes(readConfig(env), systemClock)).map(toLine)
}

/** An upstream; `received` has what it was asked. */
async function startUpstream(status: number, headers = {}): Promise<{ origin: string; received: string[] }> {
  const { origin, serve } = closeAfterTest(await startTestServer())
  const received: string[] = []
  serve((req, res) => {
    received.push(`${req.method} ${req.url} ${req.headers.authorization ?? 'without a token'}`)
    res.writeHead(status, headers).end()
  })
  return { origin, received }
}

/** An upstream with a certificate of its own for localhost and 127.0.0.1; it listens on 127.0.0.2, too. */
async function startTlsUpstream(name: string, { isTrusted = false } = {}): Promise<number> {
  const certificate = createCertificate(folder, name)
  const server = createServer({ cert: certificate.certificate, key: certificate.key }, (_req, res) =>
    res.end(),
  )
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve))
  closeAfterTest({ close: async () => server.close() })
  if (isTrusted) trust(certificate)
  return (server.address() as AddressInfo).port
}

describe('an upstream', () => {
  test.each([200, 302, 401, 404, 405, 429, 500, 503])(
    'that answers with status %s passes',
    async (status) => {
      const { origin, received } = await startUpstream(status, { Location: 'https://elsewhere.example' })
      expect(await tryRoute({ upstream: `${origin}/v2` })).toEqual([
        `pass route orders: /api/proxy/orders/ leads to ${origin}/v2; GET, HEAD, POST, PUT, PATCH, DELETE of /; with the provider's access token`,
        `pass route orders: ${origin}/v2 answers (status ${status})`,
      ])
      expect(received).toEqual(['HEAD /v2/ without a token'])
    },
  )

  test('is named by the address that it has here', async () => {
    const { origin } = await startUpstream(200)
    const [line] = await tryRoute({ upstream: origin }, { API_PREFIX: '/auth' })
    expect(line).toContain(`: /auth/proxy/orders/ leads to ${origin};`)
  })

  test('over TLS passes with a certificate that is trusted here', async () => {
    const port = await startTlsUpstream('trusted', { isTrusted: true })
    expect(await tryRoute({ upstream: `https://localhost:${port}` })).toContain(
      `pass route orders: https://localhost:${port} answers (status 200)`,
    )
  })

  test.each<[string, () => Promise<string>, RegExp]>([
    [
      'where nothing listens',
      async () => `http://127.0.0.1:${await freePort()}`,
      /does not answer: ECONNREFUSED → correct host and port of the upstream; is it running\?$/,
    ],
    [
      'whose host has no address',
      async () => 'https://portico.invalid',
      /does not answer: (ENOTFOUND|EAI_AGAIN) → correct the host name of the upstream; in a container/,
    ],
    [
      'with a certificate that is not trusted here',
      async () => `https://localhost:${await startTlsUpstream('unknown')}`,
      /does not answer: DEPTH_ZERO_SELF_SIGNED_CERT → set NODE_EXTRA_CA_CERTS to a file with the CA/,
    ],
    [
      'with the certificate of another host',
      async () => `https://127.0.0.2:${await startTlsUpstream('other', { isTrusted: true })}`,
      /does not answer: ERR_TLS_CERT_ALTNAME_INVALID → write the upstream with a host name that is in/,
    ],
    [
      'that speaks no TLS',
      async () => (await startUpstream(200)).origin.replace('http:', 'https:'),
      /does not answer: ERR_SSL_\w+ → correct https or http, or the port/,
    ],
    [
      'that speaks only TLS',
      async () => `http://127.0.0.1:${await startTlsUpstream('tls')}`,
      /does not answer: \w+ → correct https or http, or the port/,
    ],
    [
      'that hangs',
      async () => closeAfterTest(await startTestServer()).origin,
      /does not answer: deadline passed → check the firewall between this machine and the upstream/,
    ],
  ])('%s fails, with what to correct', async (_what, start, expected) => {
    const [, ...found] = await tryRoute({ upstream: await start(), timeout: '1s' })
    expect(found).toEqual([expect.stringMatching(/^fail route orders: https?:/)])
    expect(found[0]).toMatch(expected)
  })

  test.each([
    ['CERT_HAS_EXPIRED', /^renew the certificate/],
    ['EHOSTUNREACH', /^check the network/],
    ['UND_ERR_CONNECT_TIMEOUT', /^check the firewall/],
    ['HPE_INVALID_CONSTANT', /^correct https or http/],
    ['anything', /^otherwise$/],
  ])('%s: what to do', (reason, expected) => {
    expect(findAdvice(upstreamAdvice, reason, 'otherwise')).toMatch(expected)
  })

  test('by http outside of this machine is a warning', async () => {
    const members = { upstream: 'http://portico.invalid', allow_http: true, token: 'none' }
    expect(await tryRoute(members)).toContainEqual(
      expect.stringMatching(/^warn route orders: http:\/\/portico\.invalid is http: .* → use https, unless/),
    )
    const { origin } = await startUpstream(200)
    expect((await tryRoute({ upstream: origin })).filter((line) => line.startsWith('warn'))).toEqual([])
  })
})

test.each<[object, string]>([
  [
    { methods: ['GET'], paths: ['/a', '/b'], scopes: ['read', 'write'], groups: ['Admins', 'Auditors'] },
    "GET, HEAD of /a, /b; for the scopes read write; for members of Admins or Auditors; with the provider's access token",
  ],
  [
    { methods: ['GET'], websocket: true, token: 'app', audience: 'https://a' },
    'GET, HEAD of /, and WebSocket; with an app token for https://a',
  ],
  [
    { methods: ['GET'], token: 'exchange', audience: 'a' },
    'GET, HEAD of /; with a token that the provider exchanges for a',
  ],
  [{ methods: ['POST'], token: 'none' }, 'POST of /; without a token'],
  [
    { methods: ['POST'], token: 'optional' },
    "POST of /; with the provider's access token, and without one for users who are not signed in",
  ],
])('a route is shown: %j', async (members, expected) => {
  const { origin } = await startUpstream(204)
  const [shown] = await tryRoute({ upstream: origin, ...members })
  expect(shown).toBe(`pass route orders: /api/proxy/orders/ leads to ${origin}; ${expected}`)
})

describe('at the provider', () => {
  const grant = 'urn:ietf:params:oauth:grant-type:token-exchange'
  const check = (members: object, metadata: object = {}, env: Env = {}): string[] => {
    const path = writeRoutes({ orders: { upstream: 'https://orders.internal', ...members } })
    const { providers, proxyRoutes } = readConfig({ ...goodSettings, PROXY_ROUTES_FILE: path, ...env })
    return checkRoutesAtProvider(discoveredServer(metadata).metadata, providers[0], proxyRoutes).map(toLine)
  }
  const exchange = { token: 'exchange', audience: 'a' }

  test.each<[string, string[], RegExp[]]>([
    ['that exchanges tokens', ['authorization_code', grant], [/^pass token exchange: offered, for: orders$/]],
    [
      'that does not',
      ['authorization_code'],
      [/^fail token exchange: .*authorization_code, not urn:.*: orders → allow token exchange at/],
    ],
  ])('%s', (_what, grants, expected) => {
    expect(check(exchange, { grant_types_supported: grants })).toEqual(
      expected.map((pattern) => expect.stringMatching(pattern)),
    )
    expect(check({ token: 'app' }, { grant_types_supported: grants })).toEqual([])
  })

  test('that does not say which grants it offers', () => {
    expect(check(exchange)).toEqual([
      expect.stringMatching(/^unknown token exchange: the provider does not say .*: orders → sign in, and/),
    ])
  })

  test('a scope that no login asks for is a warning', () => {
    const env = { OIDC_SCOPES: 'openid read' }
    expect(check({ scopes: ['read'] }, {}, env)).toEqual([])
    expect(check({ scopes: ['read', 'write'] }, {}, env)).toEqual([
      expect.stringMatching(
        /^warn route orders: it needs write, which no login asks for: .* → add it to OIDC_S/,
      ),
    ])
  })

  test('groups that no session has are a warning', () => {
    expect(check({ groups: ['Admins'] })).toEqual([])
    expect(check({}, {}, { APP_TOKEN_CLAIMS: 'name' })).toEqual([])
    expect(check({ groups: ['Admins'] }, {}, { APP_TOKEN_CLAIMS: 'name' })).toEqual([
      expect.stringMatching(/^warn route orders: it needs groups, but .* → add groups to APP_TOKEN_CLAIMS/),
    ])
  })
})

test('the whole doctor examines routes and forward auth', async () => {
  const { env } = closeAfterTest(await startDemoProvider({}))
  const { origin } = await startUpstream(404)
  const path = writeRoutes({ orders: { upstream: origin, token: 'exchange', audience: 'a' } })
  const more = { PROXY_ROUTES_FILE: path, FORWARD_AUTH_SECRET: 'a-secret-of-the-reverse-proxy-in-a-test' }
  const lines = async (change: Env) =>
    (await examine({ ...env, ...more, ...change }, systemClock)).map(toLine)
  const found = await lines({ TRUST_PROXY: undefined })
  expect(found).toContain(`pass route orders: ${origin} answers (status 404)`)
  expect(found).toContainEqual(expect.stringMatching(/^(fail|unknown) token exchange: /))
  expect(found).toContainEqual(
    expect.stringMatching(/^warn forward auth: FORWARD_AUTH_SECRET is set, but .* → set TRUST_PROXY to/),
  )
  expect(await lines({ TRUST_PROXY: '10.0.0.0/8' })).toContain(
    'pass forward auth: for proxies at 10.0.0.0/8, with tokens for those that know the secret',
  )
  expect((await lines({ FORWARD_AUTH_SECRET: undefined })).join()).not.toContain('forward auth')
})
