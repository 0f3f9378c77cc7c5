import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { calculateJwkThumbprint, createRemoteJWKSet, EmbeddedJWK, type JWTPayload, jwtVerify } from 'jose'
import { csrf } from '../support/login.ts'
import { freePort, startTestServer } from '../support/network/http-server.ts'
import { testSecret } from '../support/portico.ts'
import { type Keycloak, runPortico, signInAtKeycloak, startKeycloak } from './keycloak.ts'

/**
 * Shows token exchange (RFC 8693) at a real Keycloak: a user signs in at a real Portico, and calls an API whose
 * audience only an exchanged token has. Prints what it has seen, and fails where it is not what it must be.
 *
 *     KEYCLOAK_HOME=/path/to/keycloak npm run test:keycloak
 */

const realm = 'portico'
const client = { id: 'portico', secret: testSecret() }
const user = { username: 'ada', password: 'analytical-engine' }
/** Seconds, so that the run sees tokens expire. */
const tokenLifetime = 20

const print = (text: string) => process.stdout.write(`${text}\n`)

/** A token that an upstream received, verified. */
interface Received {
  scheme: string
  token: string
  claims: JWTPayload
}

const keycloak = await startKeycloak()
try {
  print(`Keycloak runs at ${keycloak.origin}.`)
  const [bound, bearer] = [await freePort(), await freePort()]
  await createRealm(keycloak, [bound, bearer])
  await showExchange(bound, 'auto')
  await showExchange(bearer, 'off')
} finally {
  await keycloak.stop()
}

/** A realm with two clients: Portico, which may exchange tokens, and the API "stock", their audience. */
async function createRealm({ admin }: Keycloak, ports: readonly number[]): Promise<void> {
  await admin('POST', '/realms', {
    realm,
    enabled: true,
    sslRequired: 'none',
    accessTokenLifespan: tokenLifetime,
    eventsEnabled: true,
    clients: [
      {
        clientId: client.id,
        secret: client.secret,
        redirectUris: ports.map((port) => `http://127.0.0.1:${port}/api/callback`),
        attributes: { 'standard.token.exchange.enabled': 'true' },
      },
      { clientId: 'stock', publicClient: false, standardFlowEnabled: false },
    ],
    users: [
      {
        username: user.username,
        enabled: true,
        email: 'ada@example.com',
        emailVerified: true,
        firstName: 'Ada',
        lastName: 'Lovelace',
        credentials: [{ type: 'password', value: user.password }],
      },
    ],
  })
  // Without a scope that adds it, Keycloak issues no token for an audience.
  await admin('POST', `/realms/${realm}/client-scopes`, {
    name: 'stock',
    protocol: 'openid-connect',
    protocolMappers: [
      {
        name: 'stock',
        protocol: 'openid-connect',
        protocolMapper: 'oidc-audience-mapper',
        config: { 'included.client.audience': 'stock', 'access.token.claim': 'true' },
      },
    ],
  })
  const list = async (path: string) =>
    (await admin('GET', `/realms/${realm}/${path}`)) as { id: string; name?: string }[]
  const [portico] = await list(`clients?clientId=${client.id}`)
  const scope = (await list('client-scopes')).find(({ name }) => name === 'stock')
  await admin('PUT', `/realms/${realm}/clients/${portico?.id}/optional-client-scopes/${scope?.id}`)
}

/** How many exchanges Keycloak has recorded. */
async function countExchanges({ admin }: Keycloak): Promise<number> {
  const events = (await admin('GET', `/realms/${realm}/events?type=TOKEN_EXCHANGE&max=1000`)) as unknown[]
  return events.length
}

/** An API that verifies what it receives, and responds with it. */
async function startApi({ origin }: Keycloak) {
  const server = await startTestServer()
  const issuer = `${origin}/realms/${realm}`
  const keys = createRemoteJWKSet(new URL(`${issuer}/protocol/openid-connect/certs`))
  server.serve((req, res) => {
    verifyCall(req).then(
      (received) => res.end(JSON.stringify(received)),
      (error: unknown) => res.writeHead(401).end(String(error)),
    )
  })
  return server

  async function verifyCall({ headers, method, url }: IncomingMessage): Promise<Received> {
    const [scheme = '', token = ''] = (headers.authorization ?? '').split(' ')
    const { payload: claims } = await jwtVerify(token, keys, { issuer })
    const { jkt } = (claims.cnf ?? {}) as { jkt?: string }
    if (jkt !== undefined) {
      const { payload, protectedHeader } = await jwtVerify(String(headers.dpop), EmbeddedJWK, {
        typ: 'dpop+jwt',
      })
      assert.equal(await calculateJwkThumbprint(protectedHeader.jwk ?? { kty: 'none' }), jkt)
      assert.deepEqual([payload.htm, payload.htu], [method, `${server.origin}${url}`])
    }
    assert.equal(scheme, jkt === undefined ? 'Bearer' : 'DPoP')
    return { scheme, token, claims }
  }
}

/** Signs in at a Portico of its own, and calls the API by its routes. */
async function showExchange(port: number, dpop: 'auto' | 'off'): Promise<void> {
  const api = await startApi(keycloak)
  const folder = mkdtempSync(join(tmpdir(), 'portico-'))
  const routes = join(folder, 'routes.json')
  const exchange = { upstream: api.origin, token: 'exchange' }
  writeFileSync(
    routes,
    JSON.stringify({
      own: { upstream: api.origin },
      stock: { ...exchange, audience: 'stock', token_scopes: ['stock'] },
      unknown: { ...exchange, audience: 'unknown' },
    }),
  )
  const url = `http://127.0.0.1:${port}`
  const settings = {
    OIDC_ISSUER: `${keycloak.origin}/realms/${realm}`,
    OIDC_CLIENT_ID: client.id,
    OIDC_CLIENT_SECRET: client.secret,
    OIDC_SCOPES: 'openid profile email',
    OIDC_DPOP: dpop,
    PROXY_ROUTES_FILE: routes,
  }
  try {
    await runPortico(url, settings, async () => {
      const browser = await signInAtKeycloak(url, user)
      const call = (route: string) => browser.fetch(`${url}/api/proxy/${route}/items`, { headers: csrf })
      await checkCalls(call, dpop)
    })
  } finally {
    await api.close()
    rmSync(folder, { recursive: true })
  }
}

/** What a user's calls must show, with tokens bound to a key or not. */
async function checkCalls(call: (route: string) => Promise<Response>, dpop: 'auto' | 'off'): Promise<void> {
  const scheme = dpop === 'auto' ? 'DPoP' : 'Bearer'
  const receive = async (route: string) => {
    const response = await call(route)
    const text = await response.text()
    assert.equal(response.status, 200, text)
    return JSON.parse(text) as Received
  }
  const show = (what: string, { scheme, claims: { aud, azp, scope, exp, iat } }: Received) =>
    print(`${what}: ${JSON.stringify({ scheme, aud, azp, scope, lifetime: (exp ?? 0) - (iat ?? 0) })}`)
  const before = await countExchanges(keycloak)
  print(`\nOIDC_DPOP=${dpop}`)

  const own = await receive('own')
  show("the user's own token", own)
  assert.notEqual(own.claims.aud, 'stock')

  const received = await Promise.all(Array.from({ length: 50 }, () => receive('stock')))
  const [first] = received
  assert.ok(first)
  show('the exchanged token', first)
  assert.deepEqual([first.claims.aud, first.claims.sub], ['stock', own.claims.sub])
  assert.equal(first.scheme, scheme)
  assert.equal(new Set(received.map(({ token }) => token)).size, 1)
  assert.equal((await countExchanges(keycloak)) - before, 1)
  print('50 calls at once caused 1 exchange, by the events of Keycloak.')

  await delay((tokenLifetime + 1) * 1_000)
  const next = await receive('stock')
  assert.notEqual(next.token, first.token)
  assert.equal(next.claims.aud, 'stock')
  assert.equal((await countExchanges(keycloak)) - before, 2)
  print('After the token had expired, the next call caused 1 more, and was accepted.')

  const refused = await call('unknown')
  const problem = (await refused.json()) as { code: string }
  assert.deepEqual([refused.status, problem.code], [502, 'provider_error'])
  assert.equal((await receive('stock')).token, next.token)
  print('An audience that Keycloak does not know: 502 provider_error, and the user is still signed in.')
}
