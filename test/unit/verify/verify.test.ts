import type { RequestListener } from 'node:http'
import express from 'express'
import { SignJWT } from 'jose'
import request from 'supertest'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  requireAuthentication,
  requireGroup,
  requireScope,
  requireToken,
} from '../../../src/verify/verify.ts'
import { createTestClock } from '../../support/clock.ts'
import { startTestServer, type TestServer } from '../../support/network/http-server.ts'
import { createProviderKey } from '../../support/providers/scripted-provider.ts'

const issuer = 'https://app.example.com'
const clock = createTestClock()
const key = await createProviderKey('k1', 'ES256')
const rsaKey = await createProviderKey('k2', 'RS256')
let keyServer: TestServer
let api: express.Express
let areKeysUp = true

beforeAll(async () => {
  keyServer = await startTestServer()
  keyServer.serve((_req, res) => {
    res.statusCode = areKeysUp ? 200 : 503
    res.setHeader('content-type', 'application/json')
    res.end(JSON.stringify({ keys: [key.publicJwk, rsaKey.publicJwk] }))
  })
  api = express()
  api.use(requireToken({ issuer, audience: 'https://api.example.com', jwksUri: keyServer.origin, clock }))
  api.get('/orders', requireScope('orders:read'), (req, res) => void res.json({ sub: req.auth?.sub }))
  api.get('/both', requireScope('orders:read', 'orders:write'), (_req, res) => void res.json({}))
  api.get('/audit', requireGroup('Admins'), (_req, res) => void res.json({}))
})
afterAll(() => keyServer.close())

interface Changes {
  claims?: Record<string, unknown>
  header?: Record<string, unknown>
  signWith?: typeof key
}

function sign({ claims = {}, header = {}, signWith = key }: Changes = {}): Promise<string> {
  const now = Math.floor(clock.now() / 1000)
  return new SignJWT({
    iss: issuer,
    sub: 'u1',
    aud: 'https://api.example.com',
    client_id: 'c',
    scope: 'openid orders:read',
    groups: ['Everyone'],
    sid: 's',
    jti: 'j',
    iat: now,
    exp: now + 300,
    ...claims,
  })
    .setProtectedHeader({ alg: signWith.alg, kid: signWith.kid, typ: 'at+jwt', ...header })
    .sign(signWith.privateKey)
}

const call = (path: string, token?: string) => {
  const get = request(api).get(path)
  return token === undefined ? get : get.set('authorization', `Bearer ${token}`)
}

test('a good token passes, and its claims are at hand', async () => {
  expect((await call('/orders', await sign())).body).toEqual({ sub: 'u1' })
})

test('without a token: 401 with a bare challenge (RFC 6750 3.1)', async () => {
  const answer = await call('/orders')
  expect([answer.status, answer.headers['www-authenticate']]).toEqual([401, 'Bearer'])
})

test.each(['Basic dXNlcjpwYXNz', 'Bearer', 'Bearer a b', 'Token x'])(
  '%s is no token',
  async (authorization) => {
    const answer = await request(api).get('/orders').set('authorization', authorization)
    expect(answer.status).toBe(401)
  },
)

describe('a token without a claim that every app token has is refused with 401 invalid_token (R78)', () => {
  test.each<[string, Changes]>([
    ['no sub', { claims: { sub: undefined } }],
    ['an empty sub', { claims: { sub: '' } }],
    ['no jti', { claims: { jti: undefined } }],
    ['no client_id', { claims: { client_id: undefined } }],
    ['no iat', { claims: { iat: undefined } }],
    ['no typ (R79)', { header: { typ: undefined } }],
  ])('%s', async (_name, changes) => {
    const answer = await call('/orders', await sign(changes))
    expect(answer.status).toBe(401)
    expect(answer.headers['www-authenticate']).toMatch(
      /^Bearer error="invalid_token", error_description="[^"\\]+"$/,
    )
  })
})

test('a missing scope: 403 insufficient_scope that names it', async () => {
  const answer = await call('/both', await sign())
  expect(answer.status).toBe(403)
  expect(answer.headers['www-authenticate']).toContain('error="insufficient_scope"')
  expect(answer.headers['www-authenticate']).toContain('scope="orders:read orders:write"')
})

test('a missing group: 403; with it: passes', async () => {
  expect((await call('/audit', await sign())).status).toBe(403)
  expect((await call('/audit', await sign({ claims: { groups: undefined } }))).status).toBe(403)
  expect((await call('/audit', await sign({ claims: { groups: ['Admins'] } }))).status).toBe(200)
})

describe('requireGroup with idp', () => {
  /** What a member of Admins gets by the word of `idp`, where `wanted` is demanded. */
  async function enter(wanted: Parameters<typeof requireGroup>, idp?: string, groups: unknown = ['Admins']) {
    const guarded = express()
    const jwksUri = keyServer.origin
    guarded.use(requireToken({ issuer, audience: 'https://api.example.com', jwksUri, clock }))
    guarded.get('/', requireGroup(...wanted), (_req, res) => void res.json({}))
    const token = await sign({ claims: { groups, idp } })
    const answer = await request(guarded).get('/').set('authorization', `Bearer ${token}`)
    return answer.status === 200 ? 200 : `${answer.status} ${(answer.body as { title: string }).title}`
  }

  test('lets members in by the word of that provider', async () => {
    expect(await enter(['Admins', { idp: 'okta' }], 'okta')).toBe(200)
    expect(await enter(['Ops', 'Admins', { idp: ['ad', 'okta'] }], 'okta')).toBe(200)
    expect(await enter(['Admins'], 'anyone')).toBe(200)
  })

  test('refuses members by the word of another, or of none: 403 that names whose counts', async () => {
    const refusal = '403 Only for members of Admins or Ops, as reported by okta or ad'
    for (const idp of ['toki', 'Okta', 'okta ', '', undefined]) {
      expect(await enter(['Admins', 'Ops', { idp: ['okta', 'ad'] }], idp)).toBe(refusal)
    }
  })

  test('refuses the people of that provider who are no members', async () => {
    expect(await enter(['Admins', { idp: 'okta' }], 'okta', ['Everyone'])).toMatch(/^403 /)
  })

  test.each([{ idp: undefined }, { idp: '' }, { idp: [] }, { idp: ['okta', ''] }, { ipd: 'okta' }, {}])(
    '%j names no provider: a mistake told at once',
    (source) => {
      expect(() => requireGroup('Admins', source as { idp: string })).toThrow('idp must be the name')
    },
  )
})

test('requireScope and requireGroup without requireToken before them let nobody in', async () => {
  const bare = express()
  bare.get('/a', requireScope('x'), (_req, res) => void res.json({}))
  bare.get('/b', requireGroup('x'), (_req, res) => void res.json({}))
  for (const path of ['/a', '/b']) expect((await request(bare).get(path)).status).toBe(401)
})

test('a req.auth of another library is none of ours', async () => {
  const other = express()
  other.use((req, _res, next) => {
    Object.assign(req, { auth: { payload: { scope: 'x' }, user: 'ada', scope: 'x' } })
    next()
  })
  other.get('/', requireScope('x'), (_req, res) => void res.json({}))
  expect((await request(other).get('/')).status).toBe(401)
})

test('what onUnavailable throws is an error of the API, not an answer about the token', async () => {
  const broken = express()
  const onUnavailable = () => {
    throw new Error('the log is full')
  }
  broken.use(requireToken({ issuer, jwksUri: 'http://127.0.0.1:1', clock, onUnavailable }))
  const seen: unknown[] = []
  broken.use(((error, _req, res, _next) => {
    seen.push(error)
    res.status(500).end()
  }) satisfies express.ErrorRequestHandler)
  expect(
    (
      await request(broken)
        .get('/')
        .set('authorization', `Bearer ${await sign()}`)
    ).status,
  ).toBe(500)
  expect(String(seen[0])).toBe('Error: the log is full')
})

test('keys that cannot be had are 503, not a refused token; keys known once go on', async () => {
  areKeysUp = false
  const fresh = express()
  fresh.use(requireToken({ issuer, jwksUri: keyServer.origin, clock }))
  const token = await sign()
  expect((await request(fresh).get('/').set('authorization', `Bearer ${token}`)).status).toBe(503)
  expect((await call('/orders', token)).status).toBe(200)
  areKeysUp = true
})

/** What a good token gets at an API whose issuer answers for its keys like this. */
async function askWithKeys(listener: RequestListener): Promise<number> {
  const server = await startTestServer()
  server.serve(listener)
  const other = express()
  other.use(requireToken({ issuer, audience: 'https://api.example.com', jwksUri: server.origin, clock }))
  const token = await sign()
  const answer = await request(other).get('/').set('authorization', `Bearer ${token}`)
  await server.close()
  return answer.status
}

test('an empty key set is a fault of the issuer, not of the token', async () => {
  expect(await askWithKeys((_req, res) => void res.end(JSON.stringify({ keys: [] })))).toBe(503)
})

test('keys that cannot be reached: 503, and the API learns which address does not answer', async () => {
  const { origin, close } = await startTestServer()
  await close()
  const reasons: unknown[] = []
  const other = express()
  const onUnavailable = (error: unknown) => void reasons.push(error)
  other.use(requireToken({ issuer, jwksUri: origin, clock, onUnavailable }))
  const answer = await request(other)
    .get('/')
    .set('authorization', `Bearer ${await sign()}`)
  expect(answer.status).toBe(503)
  expect(String(reasons[0])).toBe(`Error: ${origin} does not answer`)
})

test('keys that never come are waited for three seconds', async () => {
  const beganAt = performance.now()
  expect(await askWithKeys(() => {})).toBe(503)
  expect(performance.now() - beganAt).toBeGreaterThan(2_900)
})

test.each([
  ['no list', { keys: {} }],
  ['no keys at all', {}],
  ['a key that is a number', { keys: [1] }],
])('a key set with %s is a fault of the issuer, not of the token', async (_name, body) => {
  expect(await askWithKeys((_req, res) => void res.end(JSON.stringify(body)))).toBe(503)
})

test('keys are not followed to another address', async () => {
  expect(
    await askWithKeys((_req, res) => void res.writeHead(302, { location: keyServer.origin }).end()),
  ).toBe(503)
})

test('texts that are no tokens fetch no keys, and keys that cannot be had are not asked for at each call', async () => {
  let fetches = 0
  const server = await startTestServer()
  server.serve((_req, res) => {
    fetches += 1
    res.writeHead(500).end()
  })
  const cold = express()
  const causes: unknown[] = []
  const onUnavailable = (cause: unknown) => void causes.push(cause)
  cold.use(requireToken({ issuer, jwksUri: server.origin, clock, onUnavailable }))
  for (let index = 0; index < 10; index += 1) {
    expect((await request(cold).get('/').set('authorization', 'Bearer junk')).status).toBe(401)
  }
  expect(fetches).toBe(0)
  const token = await sign()
  for (let index = 0; index < 10; index += 1) {
    expect((await request(cold).get('/').set('authorization', `Bearer ${token}`)).status).toBe(503)
  }
  expect(fetches).toBe(1)
  expect(causes).toHaveLength(10)
  expect(String(causes[0])).toContain('500')
  await server.close()
})

describe('requireAuthentication asks for step-up (R84)', () => {
  const now = () => Math.floor(clock.now() / 1000)
  const strong = ['urn:mfa', 'urn:hardware']

  async function pay(claims: Record<string, unknown>, requirement: object) {
    const api = express()
    const audience = 'https://api.example.com'
    api.use(requireToken({ issuer, audience, jwksUri: keyServer.origin, clock }))
    api.post('/payments', requireAuthentication({ clock, ...requirement }), (_req, res) => void res.json({}))
    return request(api)
      .post('/payments')
      .set('authorization', `Bearer ${await sign({ claims })}`)
  }

  test.each<[string, Record<string, unknown>, object]>([
    ['one of the values', { acr: 'urn:hardware' }, { acr: strong }],
    ['as recent as needed', { auth_time: now() - 600 }, { maxAge: 600 }],
    ['seconds too old, by another clock', { auth_time: now() - 604 }, { maxAge: 600 }],
    ['both', { acr: 'urn:mfa', auth_time: now() }, { acr: strong, maxAge: 60 }],
  ])('a sign-in passes that is %s', async (_name, claims, requirement) => {
    expect((await pay(claims, requirement)).status).toBe(200)
  })

  const weak = 'A stronger sign-in is required'
  const old = 'A more recent sign-in is required'
  test.each<[string, Record<string, unknown>, object, string]>([
    ['another value', { acr: 'urn:pwd' }, { acr: strong }, weak],
    ['no value', {}, { acr: strong }, weak],
    ['too old', { auth_time: now() - 606 }, { maxAge: 600 }, old],
    ['no time', {}, { maxAge: 600 }, old],
    ['a time that is no number', { auth_time: String(now()) }, { maxAge: 600 }, old],
    ['strong, but too old', { acr: 'urn:mfa', auth_time: now() - 600 }, { acr: strong, maxAge: 60 }, old],
    ['recent, but weak', { acr: 'urn:pwd', auth_time: now() }, { acr: strong, maxAge: 60 }, weak],
  ])('a sign-in is refused that has %s', async (_name, claims, requirement, reason) => {
    const { acr = [], maxAge } = requirement as { acr?: string[]; maxAge?: number }
    const answer = await pay(claims, requirement)
    expect(answer.status).toBe(401)
    const parameters = [
      'error="insufficient_user_authentication"',
      `error_description="${reason}"`,
      ...(acr.length === 0 ? [] : ['acr_values="urn:mfa urn:hardware"']),
      ...(maxAge === undefined ? [] : [`max_age="${maxAge}"`]),
    ]
    expect(answer.headers['www-authenticate']).toBe(`Bearer ${parameters.join(', ')}`)
    expect(answer.body).toMatchObject({ status: 401, title: reason })
  })

  test('without requireToken before it, nothing passes', async () => {
    const api = express().use(requireAuthentication({ maxAge: 600 }))
    expect((await request(api).get('/')).status).toBe(401)
  })

  test.each<[string, object]>([
    ['nothing', {}],
    ['an unset variable', { acr: undefined, maxAge: undefined }],
    ['no value', { acr: [] }],
    ['an empty value', { acr: [''] }],
    ['a value with a quote', { acr: ['a"b'] }],
    ['a value that is no text', { acr: [undefined] }],
    ['an age that is no number', { maxAge: Number.NaN }],
    ['a negative age', { maxAge: -1 }],
  ])('a requirement of %s is a mistake, said at once', (_name, requirement) => {
    expect(() => requireAuthentication(requirement)).toThrow(TypeError)
  })
})
