import { connect } from 'node:net'
import express from 'express'
import { decodeJwt } from 'jose'
import { describe, expect } from 'vitest'
import { requireToken } from '../../../src/verify/verify.ts'
import { createTestBrowser } from '../../support/browser.ts'
import { createDpopKey, type DpopKey } from '../../support/dpop.ts'
import { idp, portico, serverPerFile } from '../../support/fixtures.ts'
import { csrf, logInAtScripted, readRefusal, startLogin } from '../../support/login.ts'
import { startTestServer, type TestServer } from '../../support/network/http-server.ts'
import { publicUrl } from '../../support/portico.ts'

const test = serverPerFile()
let apiServer: TestServer
let key: DpopKey

const apiUrl = 'https://api.example.com'
const tokenUrl = `${publicUrl}/api/token`

test.beforeAll(async () => {
  key = await createDpopKey()
  apiServer = await startTestServer()
  const options = { issuer: publicUrl, jwksUri: `${portico.url}/.well-known/jwks.json` }
  const api = express()
  api.get('/plain', requireToken(options), (req, res) => void res.json({ sub: req.auth?.sub }))
  api.get(
    '/orders',
    requireToken({ ...options, publicUrl: apiUrl }),
    (req, res) => void res.json({ sub: req.auth?.sub }),
  )
  const mounted = express.Router().use(requireToken({ ...options, publicUrl: apiUrl }))
  api.use(
    '/v1',
    mounted.get('/orders', (req, res) => void res.json({ sub: req.auth?.sub })),
  )
  apiServer.serve(api)
})
test.afterAll(() => apiServer.close())

async function askToken(proof: string | undefined) {
  const { browser } = await logInAtScripted(portico, idp)
  return browser.fetch(`${portico.url}/api/token`, { method: 'POST', headers: { ...csrf, dpop: proof } })
}

async function getBoundToken(): Promise<string> {
  const response = await askToken(await key.prove({ url: tokenUrl }))
  return ((await response.json()) as { token: string }).token
}

describe('POST /api/token with a DPoP proof (R83)', () => {
  test('binds the token to the key', async () => {
    const response = await askToken(await key.prove({ url: tokenUrl }))
    const answer = (await response.json()) as { token: string; token_type: string }
    expect(answer.token_type).toBe('DPoP')
    expect(decodeJwt(answer.token).cnf).toEqual({ jkt: key.thumbprint })
  })

  test('without one: a plain bearer token', async () => {
    const answer = (await (await askToken(undefined)).json()) as { token: string; token_type: string }
    expect(answer.token_type).toBe('Bearer')
    expect(decodeJwt(answer.token)).not.toHaveProperty('cnf')
  })

  const now = () => Math.floor(Date.now() / 1000)
  test.each<[string, () => Promise<string>]>([
    ['no JWT', async () => 'proof'],
    [
      'two of them',
      async () => `${await key.prove({ url: tokenUrl })}, ${await key.prove({ url: tokenUrl })}`,
    ],
    ['another method', () => key.prove({ url: tokenUrl, method: 'GET' })],
    ['another address', () => key.prove({ url: `${publicUrl}/api/session` })],
    ['another host', () => key.prove({ url: 'https://evil.example/api/token' })],
    ['no address', () => key.prove({ url: '' })],
    ['an iat that is no number', () => key.prove({ url: tokenUrl }, { claims: { iat: String(now()) } })],
    ['no iat', () => key.prove({ url: tokenUrl }, { claims: { iat: undefined } })],
    ['no jti', () => key.prove({ url: tokenUrl }, { claims: { jti: undefined } })],
    ['another typ', () => key.prove({ url: tokenUrl }, { header: { typ: 'JWT' } })],
    ['no key', () => key.prove({ url: tokenUrl }, { header: { jwk: undefined } })],
    [
      'a point off the curve',
      () =>
        key.prove({ url: tokenUrl }, { header: { jwk: { kty: 'EC', crv: 'P-256', x: 'AAAA', y: 'AAAA' } } }),
    ],
    [
      'an unknown curve',
      () =>
        key.prove({ url: tokenUrl }, { header: { jwk: { kty: 'EC', crv: 'P-1', x: 'AAAA', y: 'AAAA' } } }),
    ],
    [
      'a key for encryption',
      () => key.prove({ url: tokenUrl }, { header: { jwk: { kty: 'OKP', crv: 'X25519', x: 'AAAA' } } }),
    ],
    [
      'a small RSA key',
      () =>
        key.prove({ url: tokenUrl }, { header: { alg: 'ES256', jwk: { kty: 'RSA', n: 'AAAA', e: 'AQAB' } } }),
    ],
    ['a key that is no object', () => key.prove({ url: tokenUrl }, { header: { jwk: 'key' } })],
    ['a private key', () => key.prove({ url: tokenUrl }, { header: { jwk: key.privateJwk } })],
  ])('refuses a proof: %s', async (_name, prove) => {
    expect(await readRefusal(await askToken(await prove()))).toBe('400 invalid_dpop_proof')
  })

  test('refuses a proof signed by another key than it shows', async () => {
    const other = await createDpopKey()
    const [header] = (await other.prove({ url: tokenUrl })).split('.')
    const [, payload, signature] = (await key.prove({ url: tokenUrl })).split('.')
    expect(await readRefusal(await askToken(`${header}.${payload}.${signature}`))).toBe(
      '400 invalid_dpop_proof',
    )
  })

  test('takes a proof once (R83)', async () => {
    const proof = await key.prove({ url: tokenUrl })
    expect((await askToken(proof)).status).toBe(200)
    expect(await readRefusal(await askToken(proof))).toBe('400 invalid_dpop_proof')
  })
})

describe('the callback with a DPoP proof', () => {
  const callbackUrl = `${publicUrl}/api/callback`

  test('binds its token as well', async () => {
    const browser = createTestBrowser()
    const parameters = idp.authorize(await startLogin(portico, browser))
    const headers = { dpop: await key.prove({ url: callbackUrl }) }
    const response = await browser.fetch(`${portico.url}/api/callback`, {
      method: 'POST',
      headers,
      body: parameters,
    })
    const answer = (await response.json()) as { token: string; token_type: string }
    expect([answer.token_type, decodeJwt(answer.token).cnf]).toEqual(['DPoP', { jkt: key.thumbprint }])
  })

  test('that is refused does not cost the code', async () => {
    const browser = createTestBrowser()
    const parameters = idp.authorize(await startLogin(portico, browser))
    const headers = { dpop: await key.prove({ url: tokenUrl }) }
    const refused = await browser.fetch(`${portico.url}/api/callback`, {
      method: 'POST',
      headers,
      body: parameters,
    })
    expect(await readRefusal(refused)).toBe('400 invalid_dpop_proof')
    const again = await browser.fetch(`${portico.url}/api/callback`, { method: 'POST', body: parameters })
    expect(again.status).toBe(200)
  })
})

describe('an API', () => {
  const call = async (path: string, authorization: string, dpop?: string) =>
    fetch(apiServer.origin + path, { headers: { authorization, ...(dpop === undefined ? {} : { dpop }) } })
  const prove = (accessToken: string, claims = {}) =>
    key.prove({ method: 'GET', url: `${apiUrl}/orders`, accessToken }, { claims })

  test('takes a bound token with a proof of its key', async () => {
    const token = await getBoundToken()
    const response = await call('/orders?page=2', `DPoP ${token}`, await prove(token))
    expect(await response.json()).toEqual({ sub: '00u-grace' })
  })

  test.each<[string, (token: string) => Promise<[string, string?]>]>([
    ['as a bearer token (no downgrade)', async (token) => [`Bearer ${token}`]],
    ['as a bearer token with a proof beside it', async (token) => [`Bearer ${token}`, await prove(token)]],
    ['without a proof', async (token) => [`DPoP ${token}`]],
    [
      'with a proof of another key',
      async (token) => [
        `DPoP ${token}`,
        await (await createDpopKey()).prove({ method: 'GET', url: `${apiUrl}/orders`, accessToken: token }),
      ],
    ],
    ['with a proof for another token', async (token) => [`DPoP ${token}`, await prove('other')]],
    ['with a proof for no token', async (token) => [`DPoP ${token}`, await prove(token, { ath: undefined })]],
  ])('refuses a bound token %s', async (_name, present) => {
    const response = await call('/orders', ...(await present(await getBoundToken())))
    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toMatch(
      /^(Bearer|DPoP) error="invalid_(token|dpop_proof)"/,
    )
  })

  test('tells what it takes, and what is wrong with a proof (RFC 9449 7.1)', async () => {
    const anonymous = await fetch(`${apiServer.origin}/orders`)
    expect(anonymous.headers.get('www-authenticate')).toMatch(/^Bearer, DPoP algs="ES256 /)
    const token = await getBoundToken()
    const refused = await call('/orders', `dpop ${token}`, 'junk')
    expect(refused.headers.get('www-authenticate')).toMatch(
      /^DPoP error="invalid_dpop_proof", .*algs="ES256 /,
    )
    const metadata = await fetch(`${portico.url}/.well-known/oauth-authorization-server`)
    expect(await metadata.json()).toMatchObject({
      dpop_signing_alg_values_supported: expect.arrayContaining(['ES256']),
    })
  })

  test('an odd address is no reason for a 503', async () => {
    const token = await getBoundToken()
    const { hostname, port } = new URL(apiServer.origin)
    const response = await new Promise<string>((resolve) => {
      const socket = connect(Number(port), hostname, () =>
        socket.write(
          `GET //orders HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: DPoP ${token}\r\nDPoP: x\r\n\r\n`,
        ),
      )
      socket.on('data', (chunk) => resolve(chunk.toString()))
    })
    expect(response).toMatch(/^HTTP\/1\.1 40[14]/)
  })

  test('takes a proof for the whole address, also below the path of a router', async () => {
    const token = await getBoundToken()
    const target = { method: 'GET', url: `${apiUrl}/v1/orders`, accessToken: token }
    expect((await call('/v1/orders', `DPoP ${token}`, await key.prove(target))).status).toBe(200)
    expect((await call('/v1/orders', `DPoP ${token}`, await prove(token))).status).toBe(401)
  })

  test('takes a proof once', async () => {
    const token = await getBoundToken()
    const proof = await prove(token)
    expect((await call('/orders', `DPoP ${token}`, proof)).status).toBe(200)
    expect((await call('/orders', `DPoP ${token}`, proof)).status).toBe(401)
  })

  test('refuses a plain token dressed up as a bound one', async () => {
    const { token } = (await (await askToken(undefined)).json()) as { token: string }
    expect((await call('/orders', `DPoP ${token}`, await prove(token))).status).toBe(401)
    expect((await call('/orders', `Bearer ${token}`)).status).toBe(200)
  })

  test('that does not know its own address takes no bound tokens', async () => {
    const token = await getBoundToken()
    expect((await call('/plain', `DPoP ${token}`, await prove(token))).status).toBe(401)
    expect((await call('/plain', `Bearer ${token}`)).status).toBe(401)
  })
})
