import express from 'express'
import { describe, expect } from 'vitest'
import { createDpopNonces } from '../../../src/app-token/dpop-nonce.ts'
import { requireToken, type TokenVerifierOptions } from '../../../src/verify/verify.ts'
import { createTestBrowser, type TestBrowser } from '../../support/browser.ts'
import { createTestClock, hours, minutes, seconds } from '../../support/clock.ts'
import { createDpopKey, type DpopKey } from '../../support/dpop.ts'
import { closeAfterTest, idp, portico, serverPerTest } from '../../support/fixtures.ts'
import { csrf, logInAtScripted, readRefusal, startLogin } from '../../support/login.ts'
import { startTestServer } from '../../support/network/http-server.ts'
import { publicUrl, startPortico, type TestPortico } from '../../support/portico.ts'

/** Nonces in DPoP proofs (RFC 9449 8, 9): also a browser whose clock is wrong can have bound tokens. */

const test = serverPerTest()
const spaOrigin = 'https://spa.example.com'
let key: DpopKey
test.beforeAll(async () => {
  key = await createDpopKey()
})

const iatOf = (clock: TestPortico['clock'], off = 0) => Math.floor((clock.now() + off) / 1000)

/** A proof by a browser whose clock is wrong by `off` milliseconds. */
const prove = (path: string, claims: { off?: number; nonce?: string | undefined } = {}) => {
  const { off = 0, nonce } = claims
  return key.prove({ url: publicUrl + path }, { claims: { iat: iatOf(portico.clock, off), nonce } })
}

const askToken = (browser: TestBrowser, proof: string, at: Pick<TestPortico, 'url'> = portico) =>
  browser.fetch(`${at.url}/api/token`, { method: 'POST', headers: { ...csrf, dpop: proof } })

/** Expects that a nonce is demanded; returns it. */
async function readNonce(response: Response): Promise<string> {
  expect(await readRefusal(response)).toBe('400 use_dpop_nonce')
  const nonce = response.headers.get('dpop-nonce') ?? ''
  // NQCHAR (RFC 9449 8.1).
  expect(nonce).toMatch(/^[\x21\x23-\x5b\x5d-\x7e]{20,100}$/)
  return nonce
}

describe('a browser whose clock is wrong', () => {
  test.each([
    ['two minutes slow', -minutes(2)],
    ['an hour slow', -hours(1)],
    ['two minutes fast', minutes(2)],
    ['a year fast', hours(24 * 365)],
  ])('%s gets a token with a nonce', async (_name, off) => {
    const { browser } = await logInAtScripted(portico, idp)
    const nonce = await readNonce(await askToken(browser, await prove('/api/token', { off })))
    const response = await askToken(browser, await prove('/api/token', { off, nonce }))
    expect(await response.json()).toMatchObject({ token_type: 'DPoP' })
  })

  test('signs in: the demand for a nonce costs no code, and is no failed login', async () => {
    const browser = createTestBrowser()
    const body = idp.authorize(await startLogin(portico, browser))
    const send = async (nonce?: string) => {
      const headers = { dpop: await prove('/api/callback', { off: hours(1), nonce }) }
      return browser.fetch(`${portico.url}/api/callback`, { method: 'POST', headers, body })
    }
    const nonce = await readNonce(await send())
    expect((await send(nonce)).status).toBe(200)
    expect(portico.logged.map(({ event }) => event)).not.toContain('login_failed')
  })

  test('may be on another origin, whose page can read the nonce', async () => {
    const env = { SPA_ORIGINS: spaOrigin }
    const at = closeAfterTest(await startPortico({ issuer: idp.issuer, env }))
    const { browser } = await logInAtScripted(at, idp)
    const headers = { ...csrf, origin: spaOrigin, dpop: await prove('/api/token', { off: hours(1) }) }
    const response = await browser.fetch(`${at.url}/api/token`, { method: 'POST', headers })
    expect(response.headers.get('access-control-expose-headers')?.split(',')).toContain('DPoP-Nonce')
    await readNonce(response)
  })

  test('needs no nonce while the clock is right enough', async () => {
    const { browser } = await logInAtScripted(portico, idp)
    for (const off of [-seconds(89), 0, seconds(29)]) {
      expect((await askToken(browser, await prove('/api/token', { off }))).status).toBe(200)
    }
  })
})

describe('a nonce', () => {
  test('is valid for two minutes', async () => {
    const { browser } = await logInAtScripted(portico, idp)
    const nonce = await readNonce(await askToken(browser, await prove('/api/token', { off: hours(1) })))
    portico.clock.advance(minutes(2))
    expect((await askToken(browser, await prove('/api/token', { nonce }))).status).toBe(200)
    portico.clock.advance(seconds(1))
    await readNonce(await askToken(browser, await prove('/api/token', { nonce })))
  })

  test.each<[string, (nonce: string) => unknown]>([
    ['of another server', () => createDpopNonces({ ...local, clock: portico.clock }).issue()],
    ['with another time', (nonce) => `${Number(nonce.split('.')[0]) + 1}.${nonce.split('.')[1]}`],
    ['without a signature', (nonce) => nonce.split('.')[0]],
    ['that is empty', () => ''],
    ['that is no text', (nonce) => [nonce]],
    ['that is long', (nonce) => nonce + 'A'.repeat(100)],
  ])('%s is not accepted, although iat is right', async (_name, forge) => {
    const { browser } = await logInAtScripted(portico, idp)
    const nonce = await readNonce(await askToken(browser, await prove('/api/token', { off: hours(1) })))
    const claims = { iat: iatOf(portico.clock), nonce: forge(nonce) }
    await readNonce(await askToken(browser, await key.prove({ url: `${publicUrl}/api/token` }, { claims })))
  })

  test('does not let a proof pass twice, neither while it is valid nor when the time of iat comes', async () => {
    const { browser } = await logInAtScripted(portico, idp)
    const nonce = await readNonce(await askToken(browser, await prove('/api/token', { off: minutes(10) })))
    const proof = await prove('/api/token', { off: minutes(10), nonce })
    expect((await askToken(browser, proof)).status).toBe(200)
    portico.clock.advance(minutes(2))
    expect(await readRefusal(await askToken(browser, proof))).toBe('400 invalid_dpop_proof')
    portico.clock.advance(minutes(8))
    await readNonce(await askToken(browser, proof))
  })

  test('that a replica with a fast clock issued counts here, and its proof once', async () => {
    const { browser } = await logInAtScripted(portico, idp)
    const [secret] = portico.components.config.secrets
    const now = () => portico.clock.now() + seconds(30)
    const nonces = createDpopNonces({ secrets: [secret ?? Buffer.of()], mode: 'auto', clock: { now } })
    const proof = await prove('/api/token', { off: hours(1), nonce: nonces.issue() })
    expect((await askToken(browser, proof)).status).toBe(200)
    portico.clock.advance(seconds(150))
    expect(await readRefusal(await askToken(browser, proof))).toBe('400 invalid_dpop_proof')
    portico.clock.advance(seconds(1))
    await readNonce(await askToken(browser, proof))
  })

  test('of a replica that has a newer secret first is accepted, while secrets are rotated', () => {
    const clock = createTestClock()
    const [before, after] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)]
    const ahead = createDpopNonces({ secrets: [after, before], mode: 'auto', clock })
    const behind = createDpopNonces({ secrets: [before, after], mode: 'auto', clock })
    expect(behind.isValid(ahead.issue())).toBe(true)
    expect(ahead.isValid(behind.issue())).toBe(true)
  })
})

test('APP_TOKEN_DPOP_NONCE=required: each proof needs one', async () => {
  const env = { APP_TOKEN_DPOP_NONCE: 'required' }
  const at = closeAfterTest(await startPortico({ issuer: idp.issuer, env }))
  const { browser } = await logInAtScripted(at, idp)
  const nonce = await readNonce(await askToken(browser, await prove('/api/token'), at))
  for (let count = 0; count < 2; count += 1) {
    expect((await askToken(browser, await prove('/api/token', { nonce }), at)).status).toBe(200)
  }
})

const local = { secrets: [Buffer.alloc(32, 7)], mode: 'auto' } as const

describe('an API', () => {
  const apiUrl = 'https://api.example.com'

  async function startApi(options: Partial<TokenVerifierOptions> = {}): Promise<string> {
    const server = closeAfterTest(await startTestServer())
    const jwksUri = `${portico.url}/.well-known/jwks.json`
    const { clock } = portico
    const api = express()
    api.use(requireToken({ issuer: publicUrl, publicUrl: apiUrl, jwksUri, clock, ...options }))
    api.get('/orders', (_req, res) => void res.json([]))
    server.serve(api)
    return server.origin
  }

  async function getToken(): Promise<string> {
    const { browser } = await logInAtScripted(portico, idp)
    const response = await askToken(browser, await prove('/api/token'))
    return ((await response.json()) as { token: string }).token
  }

  async function call(origin: string, token: string, { off = 0, nonce }: { off?: number; nonce?: string }) {
    const claims = { iat: iatOf(portico.clock, off), nonce }
    const target = { method: 'GET', url: `${apiUrl}/orders`, accessToken: token }
    const headers = { authorization: `DPoP ${token}`, dpop: await key.prove(target, { claims }) }
    return fetch(`${origin}/orders`, { headers })
  }

  function readChallenge(response: Response): string {
    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toMatch(
      /^DPoP error="use_dpop_nonce", error_description="[^"]+", algs="ES256 /,
    )
    return response.headers.get('dpop-nonce') ?? ''
  }

  test('demands a nonce of a client whose clock is wrong', async () => {
    const [origin, token] = [await startApi(), await getToken()]
    const nonce = readChallenge(await call(origin, token, { off: hours(1) }))
    expect((await call(origin, token, { off: hours(1), nonce })).status).toBe(200)
    expect((await call(origin, token, {})).status).toBe(200)
  })

  test('demands one of each proof, if its option says so', async () => {
    const [origin, token] = [await startApi({ dpopNonce: 'required' }), await getToken()]
    const nonce = readChallenge(await call(origin, token, {}))
    expect((await call(origin, token, { nonce })).status).toBe(200)
  })

  test('with several replicas takes the nonces of all by one secret; without it, by none', async () => {
    const nonceSecret = 's'.repeat(32)
    const token = await getToken()
    const [a, b] = [await startApi({ nonceSecret }), await startApi({ nonceSecret })]
    const nonce = readChallenge(await call(a, token, { off: hours(1) }))
    expect((await call(b, token, { off: hours(1), nonce })).status).toBe(200)
    const [one, other] = [await startApi(), await startApi()]
    const own = readChallenge(await call(one, token, { nonce }))
    readChallenge(await call(other, token, { nonce: own }))
  })

  test.each<[string, object]>([
    ['dpopNonce', { dpopNonce: 'Required' }],
    ['nonceSecret', { nonceSecret: 'short' }],
  ])('says at once that %s is a mistake', (name, options) => {
    expect(() => requireToken({ issuer: publicUrl, ...options })).toThrow(name)
  })
})
