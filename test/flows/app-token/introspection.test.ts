import { createHash } from 'node:crypto'
import express from 'express'
import { decodeJwt, type JWTPayload } from 'jose'
import { afterEach, beforeEach, describe, expect } from 'vitest'
import { AppError } from '../../../src/errors.ts'
import { createTokenVerifier, requireToken } from '../../../src/verify/verify.ts'
import { createTestBrowser, type TestBrowser } from '../../support/browser.ts'
import { minutes, seconds } from '../../support/clock.ts'
import { createDpopKey } from '../../support/dpop.ts'
import { idp, portico, serverPerFile } from '../../support/fixtures.ts'
import { csrf, logInAtScripted, readRefusal } from '../../support/login.ts'
import { startTestServer } from '../../support/network/http-server.ts'
import { publicUrl, startPortico, type TestPortico, testSecret } from '../../support/portico.ts'

const secret = `${testSecret()}:+%/ü`
const hash = createHash('sha256').update(secret).digest('hex')
const test = serverPerFile({
  env: { INTROSPECTION_CLIENTS: `other-api:${'0'.repeat(64)}, orders-api:${hash}` },
})
let browser: TestBrowser
let token: string
beforeEach(async () => {
  const login = await logInAtScripted(portico, idp)
  browser = login.browser
  token = ((await login.response.json()) as { token: string }).token
})

const encode = (text: string) => new URLSearchParams([['', text]]).toString().slice(1)
const basic = (id: string, password: string) =>
  `Basic ${Buffer.from(`${encode(id)}:${encode(password)}`).toString('base64')}`
const good = basic('orders-api', secret)

const ask = (fields: Record<string, string>, authorization: string | undefined = good) =>
  fetch(`${portico.url}/api/introspect`, {
    method: 'POST',
    headers: authorization === '' ? {} : { authorization },
    body: new URLSearchParams(fields),
  })
const introspect = async (text: string) => (await (await ask({ token: text })).json()) as { active: boolean }
const logOut = () => browser.fetch(`${portico.url}/api/logout`, { method: 'POST', headers: csrf })

describe('POST /api/introspect (RFC 7662)', () => {
  test('a good token: active, with its claims', async () => {
    const response = await ask({ token, token_type_hint: 'access_token' })
    expect([response.status, response.headers.get('cache-control')]).toEqual([200, 'no-store'])
    expect(await response.json()).toEqual({ ...decodeJwt(token), active: true, token_type: 'Bearer' })
  })

  test('inactive the moment its session ended, and it tells no more', async () => {
    expect((await introspect(token)).active).toBe(true)
    await logOut()
    expect(await introspect(token)).toEqual({ active: false })
  })

  test('inactive once it has expired, once its session has', async () => {
    portico.clock.advance(minutes(5) - seconds(1))
    expect((await introspect(token)).active).toBe(true)
    portico.clock.advance(seconds(2))
    expect(await introspect(token)).toEqual({ active: false })
    const answer = await browser.fetch(`${portico.url}/api/token`, { method: 'POST', headers: csrf })
    const { token: fresh } = (await answer.json()) as { token: string }
    expect((await introspect(fresh)).active).toBe(true)
  })

  test('what is no app token of ours is inactive (R79)', async () => {
    const now = Math.floor(portico.clock.now() / 1000)
    const { sid } = decodeJwt(token)
    const claims = { iss: publicUrl, sub: 'x', sid, exp: now + 60, iat: now }
    const [header = '', payload = '', signature = ''] = token.split('.')
    const forged = await idp.sign(idp.goodKey, { alg: 'RS256', kid: 'x', typ: 'at+jwt' }, claims)
    const none = `${Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url')}.${payload}.`
    const tampered = `${header}.${Buffer.from(JSON.stringify({ ...decodeJwt(token), sub: 'root' })).toString('base64url')}.${signature}`
    for (const text of ['abc', forged, none, tampered]) {
      expect(await introspect(text)).toEqual({ active: false })
    }
  })

  test.each<[string, { typ?: string; claims?: object; drop?: string; scope?: string; active: boolean }]>([
    ['that is right', { active: true }],
    ['of the other type of APP_TOKEN_TYP, as before a change of it', { typ: 'JWT', active: true }],
    ['of a type that no app token has', { typ: 'logout+jwt', active: false }],
    [
      'whose scopes are in scp',
      { claims: { scope: undefined, scp: ['a', 'b'] }, scope: 'a b', active: true },
    ],
    ['of another issuer', { claims: { iss: 'https://other.example' }, active: false }],
    ['that never expires', { drop: 'exp', active: false }],
    ['of no session', { drop: 'sid', active: false }],
    ['of a session that never was', { claims: { sid: 'never-was' }, active: false }],
    ['whose claims say otherwise', { claims: { active: false, token_type: 'x' }, active: true }],
  ])(
    'a token signed by our own key, %s',
    async (_name, { typ = 'at+jwt', claims = {}, drop = '', scope, active }) => {
      const key = await portico.components.keyRing.signingKey()
      const all: JWTPayload = { ...decodeJwt(token), ...claims }
      const kept = Object.fromEntries(Object.entries(all).filter(([name]) => name !== drop))
      const answer = await introspect(key.signJwt(typ, kept))
      expect(answer).toMatchObject(active ? { active, token_type: 'Bearer' } : { active })
      expect(answer).not.toHaveProperty('scp')
      if (scope !== undefined) expect(answer).toMatchObject({ scope })
    },
  )

  test('a token that is bound to a key says so', async () => {
    const key = await createDpopKey()
    const url = `${publicUrl}/api/token`
    const iat = Math.floor(portico.clock.now() / 1000)
    const answer = await browser.fetch(`${portico.url}/api/token`, {
      method: 'POST',
      headers: { ...csrf, dpop: await key.prove({ url }, { claims: { iat } }) },
    })
    const bound = ((await answer.json()) as { token: string }).token
    expect(await introspect(bound)).toMatchObject({
      active: true,
      token_type: 'DPoP',
      cnf: { jkt: key.thumbprint },
    })
  })

  test('while the keys cannot be had, nobody is told that a token is bad: 503', async () => {
    const { clock, store, config } = portico.components
    const down = () => Promise.reject(new AppError('store_unavailable', 'down'))
    const keyRing = { ...portico.components.keyRing, publicKeys: down }
    const blind = await startPortico({ replaced: { clock, store, config, keyRing } })
    const response = await fetch(`${blind.url}/api/introspect`, {
      method: 'POST',
      headers: { authorization: good },
      body: new URLSearchParams({ token }),
    })
    expect(await readRefusal(response)).toBe('503 store_unavailable')
    await blind.close()
  })

  test('who calls is looked at before what is asked', async () => {
    expect(await readRefusal(await ask({}, basic('orders-api', 'wrong')))).toBe('401 invalid_client')
  })

  test('JSON is not taken', async () => {
    const response = await fetch(`${portico.url}/api/introspect`, {
      method: 'POST',
      headers: { authorization: good, 'content-type': 'application/json' },
      body: JSON.stringify({ token }),
    })
    expect(await readRefusal(response)).toBe('415 unsupported_media_type')
  })

  test('the credentials may be in the form instead', async () => {
    const response = await ask({ token, client_id: 'orders-api', client_secret: secret }, '')
    expect(await response.json()).toMatchObject({ active: true })
  })

  test.each([
    ['nobody', ''],
    ['another secret', basic('orders-api', 'wrong')],
    ['an empty secret', basic('orders-api', '')],
    ['another name', basic('nobody', secret)],
    ['no name', basic('', secret)],
    ['the hash as secret', basic('orders-api', hash)],
    ['the secret of nobody', basic('other-api', '')],
    ['an app token', 'Bearer x'],
    ['half a header', 'Basic'],
    ['a header with more behind it', `${good} x`],
    ['another scheme that ends the same', `X${good}`],
    ['what is no base64', 'Basic ???'],
  ])('%s: 401 invalid_client, and nothing is told', async (_name, authorization) => {
    const response = await ask({ token }, authorization)
    expect(response.headers.get('www-authenticate')).toMatch(/^Basic realm=/)
    expect(await readRefusal(response)).toBe('401 invalid_client')
    expect(portico.logged.map(({ event }) => event)).toContain('introspection_refused')
  })

  test('a header that is no pair does not bring the form into play', async () => {
    const fields = { token, client_id: 'orders-api', client_secret: 'wrong' }
    const noPair = `Basic ${Buffer.from('orders-api').toString('base64')}`
    expect(await readRefusal(await ask(fields, noPair))).toBe('401 invalid_client')
  })

  test.each([{ client_id: 'x'.repeat(101) }, { client_secret: 'x'.repeat(501) }])(
    'credentials without end are refused',
    async (credentials) => {
      expect(await readRefusal(await ask({ token, ...credentials }, ''))).toBe('400 invalid_request')
    },
  )

  test('wrong credentials in the header are not mended by right ones in the form', async () => {
    const fields = { token, client_id: 'orders-api', client_secret: secret }
    expect(await readRefusal(await ask(fields, basic('orders-api', 'wrong')))).toBe('401 invalid_client')
  })

  test.each([{}, { token: '' }])('%o: 400', async (fields) => {
    expect(await readRefusal(await ask(fields))).toBe('400 invalid_request')
  })

  test('the metadata names the address, where somebody may ask', async () => {
    const read = async ({ url }: TestPortico) =>
      (await (await fetch(`${url}/.well-known/oauth-authorization-server`)).json()) as Record<string, unknown>
    expect(await read(portico)).toMatchObject({
      introspection_endpoint: `${publicUrl}/api/introspect`,
      introspection_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
    })
    const plain = await startPortico({ issuer: idp.issuer })
    expect(await read(plain)).not.toHaveProperty('introspection_endpoint')
    const response = await fetch(`${plain.url}/api/introspect`, {
      method: 'POST',
      headers: { authorization: good },
      body: new URLSearchParams({ token }),
    })
    expect(await readRefusal(response)).toBe('401 invalid_client')
    await plain.close()
  })
})

describe('an API that asks (@portico-bff/verify)', () => {
  const servers: { close(): Promise<void> }[] = []
  afterEach(async () => {
    for (const server of servers.splice(0)) await server.close()
  })

  /** Portico's introspection, seen from the API; counts the questions, and can script. */
  async function startFront() {
    const server = await startTestServer()
    const front = {
      asked: 0,
      url: server.origin,
      answer: undefined as express.RequestHandler | undefined,
      metadata: {} as object,
    }
    const app = express()
    app.get('/.well-known/oauth-authorization-server', (_req, res) => void res.json(front.metadata))
    app.post('/elsewhere', (_req, res) => void res.json({ active: true }))
    app.post('/api/introspect', express.urlencoded({ extended: false }), async (req, res, next) => {
      front.asked += 1
      if (front.answer !== undefined) return front.answer(req, res, next)
      const response = await ask(req.body as Record<string, string>, req.get('authorization') ?? '')
      return void res.status(response.status).json(await response.json())
    })
    server.serve(app)
    servers.push(server)
    return front
  }

  async function createVerifier(more: { cacheFor?: number; clientSecret?: string } = {}) {
    const front = await startFront()
    const verifyToken = createTokenVerifier({
      issuer: publicUrl,
      jwksUri: `${portico.url}/.well-known/jwks.json`,
      clock: portico.clock,
      introspection: {
        clientId: 'orders-api',
        clientSecret: secret,
        endpoint: `${front.url}/api/introspect`,
        ...more,
      },
    })
    const verify = (token: string) => verifyToken({ headers: { authorization: `Bearer ${token}` } })
    return { front, verify }
  }

  test('a token is refused once its session has ended, after ten seconds at the most', async () => {
    const { front, verify } = await createVerifier()
    expect(await verify(token)).toMatchObject({ sub: '00u-grace' })
    await logOut()
    portico.clock.advance(seconds(10) - 1)
    expect(await verify(token)).toMatchObject({ sub: '00u-grace' })
    expect(front.asked).toBe(1)
    portico.clock.advance(1)
    await expect(verify(token)).rejects.toMatchObject({ status: 401, code: 'invalid_token' })
    await expect(verify(token)).rejects.toThrow('The session of the token has ended')
    expect(front.asked).toBe(2)
  })

  test('with cacheFor 0, at once', async () => {
    const { verify } = await createVerifier({ cacheFor: 0 })
    await verify(token)
    await logOut()
    await expect(verify(token)).rejects.toThrow('The session of the token has ended')
  })

  test('with cacheFor 0 nobody takes the answer to a question that was asked before the logout', async () => {
    const { front, verify } = await createVerifier({ cacheFor: 0 })
    let release = () => {}
    const isHeld = new Promise<void>((arrived) => {
      front.answer = async (_req, res) => {
        arrived()
        front.answer = undefined
        await new Promise<void>((done) => {
          release = done
        })
        res.json({ active: true })
      }
    })
    const before = verify(token)
    await isHeld
    await logOut()
    await expect(verify(token)).rejects.toThrow('The session of the token has ended')
    release()
    await before
  })

  test('calls at the same time share one question, each token its own', async () => {
    const { front, verify } = await createVerifier()
    await Promise.all(Array.from({ length: 20 }, () => verify(token)))
    expect(front.asked).toBe(1)
    const other = await logInAtScripted(portico, idp)
    await verify(((await other.response.json()) as { token: string }).token)
    expect(front.asked).toBe(2)
  })

  test('a token that does not verify is not asked about', async () => {
    const { front, verify } = await createVerifier()
    await expect(verify('abc')).rejects.toMatchObject({ status: 401, code: 'invalid_token' })
    expect(front.asked).toBe(0)
  })

  test.each<[string, express.RequestHandler]>([
    ['fails', (_req, res) => void res.status(503).end()],
    ['answers something else', (_req, res) => void res.json({ ok: true })],
    ['answers no JSON', (_req, res) => void res.send('yes')],
    ['sends elsewhere', (_req, res) => void res.redirect(307, '/elsewhere')],
    ['does not answer', () => {}],
  ])('while Portico %s, nobody passes and nobody is refused: 503', async (_name, answer) => {
    const { front, verify } = await createVerifier()
    front.answer = answer
    await expect(verify(token)).rejects.toMatchObject({ status: 503, code: 'temporarily_unavailable' })
    front.answer = undefined
    expect(await verify(token)).toMatchObject({ sub: '00u-grace' })
  })

  test('with wrong credentials nobody passes, and the middleware says 503', async () => {
    const front = await startFront()
    const api = await startTestServer()
    servers.push(api)
    const problems: unknown[] = []
    const app = express()
    app.use(
      requireToken({
        issuer: publicUrl,
        jwksUri: `${portico.url}/.well-known/jwks.json`,
        clock: portico.clock,
        introspection: {
          clientId: 'orders-api',
          clientSecret: 'wrong',
          endpoint: `${front.url}/api/introspect`,
        },
        onUnavailable: (error) => void problems.push(error),
      }),
    )
    app.get('/', (_req, res) => void res.json({}))
    api.serve(app)
    const call = () => fetch(api.origin, { headers: { authorization: `Bearer ${token}` } })
    expect((await call()).status).toBe(503)
    expect(String(problems[0])).toContain('does not know orders-api')
    expect(String(problems[0])).not.toContain('wrong')
  })

  test('a cache that is too long, or none, is refused at once', () => {
    const create = (cacheFor: number) => () =>
      createTokenVerifier({
        issuer: publicUrl,
        introspection: { clientId: 'a', clientSecret: 'b', cacheFor },
      })
    for (const cacheFor of [-1, 60_001, Number.NaN]) expect(create(cacheFor)).toThrow(TypeError)
    expect(create(60_000)).not.toThrow()
  })

  test.each([
    { clientId: '', clientSecret: 'b' },
    { clientId: 'a', clientSecret: '' },
    { clientId: 'a', clientSecret: undefined as unknown as string },
  ])('credentials that are not there are refused at once: %o', (introspection) => {
    expect(() => createTokenVerifier({ issuer: publicUrl, introspection })).toThrow(/INTROSPECTION_CLIENTS/)
  })

  async function createAsker() {
    const front = await startFront()
    const { createIntrospectionClient } = await import('../../../src/verify/introspection.ts')
    const isAlive = createIntrospectionClient(
      { clientId: 'orders-api', clientSecret: secret, cacheFor: 0 },
      { issuer: front.url, clock: portico.clock },
    )
    return { front, isAlive: () => isAlive(token, decodeJwt(token) as never) }
  }

  test('by default it asks where the metadata of the issuer says, which it reads until it is right', async () => {
    const { front, isAlive } = await createAsker()
    await expect(isAlive()).rejects.toThrow('names no introspection endpoint')
    front.metadata = { issuer: front.url, introspection_endpoint: `${front.url}/api/introspect` }
    expect(await isAlive()).toBe(true)
    front.metadata = {}
    expect(await isAlive()).toBe(true)
    expect(front.asked).toBe(2)
  })

  test.each<[string, (url: string) => object]>([
    ['elsewhere', (url) => ({ issuer: url, introspection_endpoint: 'https://evil.example/introspect' })],
    ['beside it', (url) => ({ issuer: url, introspection_endpoint: `${url}.evil.example/introspect` })],
    ['of another issuer', (url) => ({ issuer: `${url}/a`, introspection_endpoint: `${url}/api/introspect` })],
  ])('its secret goes to no endpoint %s', async (_where, toMetadata) => {
    const { front, isAlive } = await createAsker()
    front.metadata = toMetadata(front.url)
    await expect(isAlive()).rejects.toThrow('names no introspection endpoint')
    expect(front.asked).toBe(0)
  })
})

test('the stranger in a browser is no resource server', async () => {
  const response = await createTestBrowser().fetch(`${portico.url}/api/introspect`, {
    method: 'POST',
    headers: csrf,
    body: new URLSearchParams({ token }),
  })
  expect(await readRefusal(response)).toBe('401 invalid_client')
})
