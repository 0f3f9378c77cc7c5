import { createHmac, createPublicKey } from 'node:crypto'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { describe, expect } from 'vitest'
import {
  createTokenVerifier,
  requireToken,
  TokenRefused,
  type TokenVerifierOptions,
} from '../../../src/verify/verify.ts'
import { minutes, seconds } from '../../support/clock.ts'
import { createDpopKey, type DpopKey } from '../../support/dpop.ts'
import { closeAfterTest, idp, portico, serverPerFile } from '../../support/fixtures.ts'
import { csrf, logInAtScripted } from '../../support/login.ts'
import { startTestServer } from '../../support/network/http-server.ts'
import { publicUrl, startPortico, type TestPortico } from '../../support/portico.ts'
import { createProviderKey, unsigned } from '../../support/providers/scripted-provider.ts'

/**
 * What an API refuses, and how: each request goes to `requireToken`, in front of a server of node:http, and to
 * `verifyToken`, as a Request of Fetch. Their answers must be the same.
 */

const test = serverPerFile()
const apiUrl = 'https://api.example.com/shop'
let key: DpopKey
test.beforeAll(async () => {
  key = await createDpopKey()
})

interface Answer {
  status: number
  challenge: string | null
  nonce: string | null
  /** What the application says, or the problem document. */
  body: unknown
}

type Options = Partial<TokenVerifierOptions>
type RequestHeaders = Record<string, string>

function readOptions(options: Options, { url, clock }: TestPortico): TokenVerifierOptions {
  return { issuer: publicUrl, jwksUri: `${url}/.well-known/jwks.json`, clock, ...options }
}

async function askMiddleware(options: TokenVerifierOptions, headers: RequestHeaders): Promise<Response> {
  const server = closeAfterTest(await startTestServer())
  const guard = requireToken(options)
  server.serve((req, res) => {
    const answer = () => res.end(JSON.stringify((req as { auth?: { sub: string } }).auth?.sub))
    return void guard(req, res, (error) => (error === undefined ? answer() : res.writeHead(500).end()))
  })
  return fetch(`${server.origin}/orders?page=2`, { headers })
}

async function askVerifier(options: TokenVerifierOptions, headers: RequestHeaders): Promise<Response> {
  try {
    const { sub } = await createTokenVerifier(options)(
      new Request('http://inside:8080/orders?page=2', { headers }),
    )
    return Response.json(sub)
  } catch (error) {
    if (error instanceof TokenRefused) return new Response(error.body, error)
    throw error
  }
}

async function readAnswer(response: Response): Promise<Answer> {
  const { status, headers } = response
  if (status !== 200) expect(headers.get('content-type')).toBe('application/problem+json')
  return {
    status,
    challenge: headers.get('www-authenticate'),
    nonce: headers.get('dpop-nonce'),
    body: await response.json(),
  }
}

/** Asks both; `present` makes the headers, once for each of them because a proof can be used once. */
async function ask(
  present: () => Promise<RequestHeaders>,
  options: Options = {},
  at: TestPortico = portico,
): Promise<Answer> {
  const all = readOptions(options, at)
  const answer = await readAnswer(await askMiddleware(all, await present()))
  const other = await readAnswer(await askVerifier(all, await present()))
  expect({ ...other, nonce: typeof other.nonce }).toEqual({ ...answer, nonce: typeof answer.nonce })
  return answer
}

const askWith = (token: string, options?: Options, at?: TestPortico) =>
  ask(async () => ({ authorization: `Bearer ${token}` }), options, at)

async function getToken(at: TestPortico = portico, headers: RequestHeaders = {}): Promise<string> {
  const { browser } = await logInAtScripted(at, idp)
  const response = await browser.fetch(`${at.url}/api/token`, {
    method: 'POST',
    headers: { ...csrf, ...headers },
  })
  return ((await response.json()) as { token: string }).token
}

interface Changes {
  typ?: string
  claims?: Record<string, unknown>
}

/** A good token with changes, signed by Portico's own key. */
async function forge({ typ = 'at+jwt', claims = {} }: Changes): Promise<string> {
  const good = decodeJwt(await getToken())
  return (await portico.components.keyRing.signingKey()).signJwt(typ, { ...good, ...claims })
}

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** A good token whose header says HS256, with the public key as the secret (RFC 8725 2.1). */
async function forgeHmac(toSecret: (jwk: object) => string): Promise<string> {
  const token = await getToken()
  const { publicJwk } = await portico.components.keyRing.signingKey()
  const input = `${encode({ ...decodeProtectedHeader(token), alg: 'HS256' })}.${token.split('.')[1]}`
  return `${input}.${createHmac('sha256', toSecret(publicJwk)).update(input).digest('base64url')}`
}

/** A token that the provider gave Portico at a login. */
async function getProviderToken(name: 'id_token' | 'access_token'): Promise<string> {
  let token = ''
  idp.script({
    tokenResponse(body) {
      token = String(body[name])
      return body
    },
  })
  await getToken()
  return token
}

const now = () => Math.floor(portico.clock.now() / 1000)
const eventClaim = { 'http://schemas.openid.net/event/backchannel-logout': {} }

const refusal = (status: number, code: string, title: string, challenge: string | null): Answer => ({
  status,
  challenge,
  nonce: null,
  body: { type: 'about:blank', title, status, code },
})
const invalid = (title: string) =>
  refusal(401, 'invalid_token', title, `Bearer error="invalid_token", error_description="${title}"`)

const good: Answer = { status: 200, challenge: null, nonce: null, body: '00u-grace' }
const notVerified = 'The token does not verify'
const notAccepted = (claim: string) => `The token's ${claim} is not accepted here`
const incomplete = 'The token does not have the claims of an app token'

test('R78: a good token passes', async () => {
  expect(await askWith(await getToken())).toEqual(good)
})

describe('R78, R79: an API refuses, with 401 invalid_token', () => {
  test.each<[string, string, () => Promise<string>]>([
    ['a text that is no token', notVerified, async () => 'junk'],
    ['the provider’s ID token', notVerified, () => getProviderToken('id_token')],
    ['the provider’s access token', notVerified, () => getProviderToken('access_token')],
    ['an ID token of its own issuer', notAccepted('typ'), () => forge({ typ: 'JWT' })],
    [
      'a logout token',
      notAccepted('typ'),
      () => forge({ typ: 'logout+jwt', claims: { events: eventClaim } }),
    ],
    ['a token without typ', notAccepted('typ'), () => forge({ typ: '' })],
    [
      'another issuer',
      `The token's iss is not ${publicUrl}`,
      () => forge({ claims: { iss: `${publicUrl}/` } }),
    ],
    ['another audience', notAccepted('aud'), () => forge({ claims: { aud: 'https://other.example' } })],
    ['no audience', notAccepted('aud'), () => forge({ claims: { aud: undefined } })],
    ['one that has expired', 'The token has expired', () => forge({ claims: { exp: now() - 5 } })],
    ['one that is not valid yet', notAccepted('nbf'), () => forge({ claims: { nbf: now() + 6 } })],
    ['one that never expires', incomplete, () => forge({ claims: { exp: undefined } })],
    ['one of no session', incomplete, () => forge({ claims: { sid: undefined } })],
    ['one without a signature', notVerified, async () => unsigned(await getToken())],
    [
      'alg none, with typ and kid',
      notVerified,
      async () => {
        const token = await getToken()
        return `${encode({ ...decodeProtectedHeader(token), alg: 'none' })}.${token.split('.')[1]}.`
      },
    ],
    ['HS256 by the public key as JWK', notVerified, () => forgeHmac(JSON.stringify)],
    [
      'HS256 by the public key as PEM',
      notVerified,
      () =>
        forgeHmac((jwk) =>
          String(createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' })),
        ),
    ],
    [
      'a key of someone else under the same kid',
      notVerified,
      async () => {
        const token = await getToken()
        const { kid = '', alg = '', typ } = decodeProtectedHeader(token)
        return idp.sign(await createProviderKey(kid, 'ES256'), { alg, kid, typ }, decodeJwt(token))
      },
    ],
    [
      'other claims in front of the signature',
      notVerified,
      async () => {
        const token = await getToken()
        const [header, , signature] = token.split('.')
        return `${header}.${encode({ ...decodeJwt(token), sub: 'root' })}.${signature}`
      },
    ],
  ])('%s', async (_name, title, make) => {
    expect(await askWith(await make())).toEqual(invalid(title))
  })

  test('a token for another of its audiences', async () => {
    const token = await getToken()
    expect(await askWith(token, { audience: 'https://api.example.com' })).toEqual(invalid(notAccepted('aud')))
  })
})

describe('algorithms', () => {
  test.each(['ES256', 'EdDSA', 'RS256'] as const)(
    '%s passes without an option, if Portico signs so',
    async (alg) => {
      const at = closeAfterTest(await startPortico({ issuer: idp.issuer, env: { APP_TOKEN_ALG: alg } }))
      const token = await getToken(at)
      expect(decodeProtectedHeader(token).alg).toBe(alg)
      expect(await askWith(token, {}, at)).toEqual(good)
      const others = (['ES256', 'EdDSA', 'RS256'] as const).filter((one) => one !== alg)
      expect(await askWith(token, { algorithms: others }, at)).toEqual(invalid(notVerified))
    },
  )

  test('a published key counts with its own algorithm only (RFC 8725 3.1)', async () => {
    const rsa = await createProviderKey('k1', 'RS256')
    const server = closeAfterTest(await startTestServer())
    const publish = (alg: string) => ({ keys: [{ ...rsa.publicJwk, alg }] })
    server.serve((req, res) => void res.end(JSON.stringify(publish((req.url ?? '').slice(1)))))
    const header = { alg: 'RS256', kid: 'k1', typ: 'at+jwt' }
    const token = await idp.sign(rsa, header, decodeJwt(await getToken()))
    expect(await askWith(token, { jwksUri: `${server.origin}/RS256` })).toEqual(good)
    expect(await askWith(token, { jwksUri: `${server.origin}/PS256` })).toEqual(invalid(notVerified))
  })

  test.each<[Options, string]>([
    [{ algorithms: [] }, 'algorithms must be some of'],
    [{ algorithms: ['HS256' as 'RS256'] }, 'algorithms must be some of'],
    [{ typ: 'at+jwt ' as 'JWT' }, 'typ must be one of'],
    [{ audience: '' }, 'audience must be a text'],
  ])('%j is a mistake, said at once', (options, message) => {
    expect(() => createTokenVerifier({ issuer: publicUrl, ...options })).toThrow(message)
  })
})

describe('typ: JWT, for APP_TOKEN_TYP=JWT', () => {
  const options = { typ: 'JWT' } as const

  test('accepts such app tokens, and no others', async () => {
    const env = { APP_TOKEN_TYP: 'JWT', APP_TOKEN_SCOPE_CLAIM: 'scp' }
    const at = closeAfterTest(await startPortico({ issuer: idp.issuer, env }))
    expect(await askWith(await getToken(at), { ...options, scope: 'orders:read' }, at)).toEqual(good)
    expect(await askWith(await getToken(), options)).toEqual(invalid(notAccepted('typ')))
  })

  test.each<[string, string, () => Promise<string>]>([
    ['the provider’s ID token', notVerified, () => getProviderToken('id_token')],
    [
      'an ID token of the same issuer: by its audience',
      notAccepted('aud'),
      () => forge({ ...options, claims: { aud: 'spa' } }),
    ],
    [
      'a logout token of the same issuer and audience: by what it lacks',
      incomplete,
      () => forge({ ...options, claims: { events: eventClaim, scope: undefined, client_id: undefined } }),
    ],
  ])('refuses %s', async (_name, title, make) => {
    expect(await askWith(await make(), options)).toEqual(invalid(title))
  })
})

describe('scopes', () => {
  test('are read from scp as well, and handlers find them in scope', async () => {
    const token = await forge({ claims: { scope: undefined, scp: ['openid', 'orders:read'] } })
    expect(await askWith(token, { scope: 'orders:read openid' })).toEqual(good)
    const verifyToken = createTokenVerifier(readOptions({}, portico))
    const headers = { authorization: `Bearer ${token}` }
    expect(await verifyToken({ headers })).toMatchObject({ scope: 'openid orders:read' })
  })

  test.each<[string, Record<string, unknown>]>([
    ['neither', { scope: undefined }],
    ['scp that is a text', { scope: undefined, scp: 'orders:read' }],
    ['scp with numbers', { scope: undefined, scp: ['orders:read', 1] }],
    ['scope that is a list', { scope: ['orders:read'] }],
  ])('a token with %s is refused', async (_name, claims) => {
    expect(await askWith(await forge({ claims }))).toEqual(invalid(incomplete))
  })

  test('scope counts where both are there', async () => {
    const token = await forge({ claims: { scope: 'openid', scp: ['admin'] } })
    expect((await askWith(token, { scope: 'admin' })).status).toBe(403)
  })
})

describe('what a token lacks', () => {
  test('a scope: 403 insufficient_scope, which names all that are required', async () => {
    const title = 'The token lacks a required scope: openid orders:delete'
    const challenge = `Bearer error="insufficient_scope", error_description="${title}", scope="openid orders:delete"`
    for (const scope of ['openid orders:delete', ['openid', 'orders:delete']]) {
      expect(await askWith(await getToken(), { scope })).toEqual(
        refusal(403, 'insufficient_scope', title, challenge),
      )
    }
    expect(await askWith(await getToken(), { scope: ['openid', 'profile'] })).toEqual(good)
  })

  test('a group: 403 without a challenge, as no other token would help', async () => {
    const title = 'Only for members of Admins or Army'
    expect(await askWith(await getToken(), { groups: ['Admins', 'Army'] })).toEqual(
      refusal(403, 'missing_group', title, null),
    )
    expect(await askWith(await getToken(), { groups: ['Admins', 'Navy', { idp: 'default' }] })).toEqual(good)
    expect((await askWith(await getToken(), { groups: ['Navy', { idp: 'okta' }] })).status).toBe(403)
  })

  test('a strong or recent sign-in: 401 insufficient_user_authentication, which says how', async () => {
    const title = 'A stronger sign-in is required'
    const challenge =
      `Bearer error="insufficient_user_authentication", error_description="${title}", ` +
      'acr_values="urn:mfa", max_age="60"'
    expect(await askWith(await getToken(), { acr: 'urn:mfa', maxAge: 60 })).toEqual(
      refusal(401, 'insufficient_user_authentication', title, challenge),
    )
    const token = await forge({ claims: { acr: 'urn:mfa', auth_time: now() } })
    expect(await askWith(token, { acr: 'urn:mfa', maxAge: 60 })).toEqual(good)
    portico.clock.advance(seconds(70))
    expect((await askWith(token, { maxAge: 60 })).status).toBe(401)
  })

  test('a scope is missed before a sign-in, which would not bring it', async () => {
    expect((await askWith(await getToken(), { scope: 'x', acr: 'urn:mfa' })).status).toBe(403)
  })

  test('what one call requires is added to what all do', async () => {
    const verifyToken = createTokenVerifier(readOptions({ scope: 'openid' }, portico))
    const call = { headers: { authorization: `Bearer ${await getToken()}` } }
    expect(await verifyToken(call, { scope: 'profile' })).toMatchObject({ sub: '00u-grace' })
    await expect(verifyToken(call, { scope: 'orders:delete' })).rejects.toMatchObject({ status: 403 })
    await expect(verifyToken(call, { scope: '' })).rejects.toThrow('scope must be a text')
  })

  test.each<[string, object]>([
    ['no scope', { scope: undefined }],
    ['an empty scope', { scope: '' }],
    ['no scopes', { scope: [] }],
    ['a scope with a quote', { scope: 'a"b' }],
    ['no group', { groups: undefined }],
    ['an empty group', { groups: ['Navy', ''] }],
    ['a provider without a group', { groups: [{ idp: 'okta' }] }],
    ['a provider that is unset', { groups: ['Navy', { idp: undefined }] }],
    ['no acr', { acr: undefined }],
    ['no age', { maxAge: undefined }],
    ['a negative age', { maxAge: -1 }],
  ])('a requirement of %s lets nothing through: a mistake, said at once', (_name, requirement) => {
    expect(() => createTokenVerifier({ issuer: publicUrl, ...requirement })).toThrow(TypeError)
  })
})

describe('no token', () => {
  test.each<[string, RequestHeaders]>([
    ['no header', {}],
    ['another scheme', { authorization: 'Basic dXNlcjpwYXNz' }],
    ['two tokens', { authorization: 'Bearer a, Bearer b' }],
  ])('%s: 401 with the schemes that are accepted, and no error', async (_name, headers) => {
    const title = 'An app token is required'
    expect(await ask(async () => headers)).toEqual(refusal(401, 'missing_token', title, 'Bearer'))
    expect((await ask(async () => headers, { publicUrl: apiUrl })).challenge).toMatch(
      /^Bearer, DPoP algs="ES256 [^"]+"$/,
    )
  })
})

test('a header with several values is none', async () => {
  const verifyToken = createTokenVerifier(readOptions({}, portico))
  const good = `Bearer ${await getToken()}`
  await expect(verifyToken({ headers: { authorization: [good, 'Bearer other'] } })).rejects.toMatchObject({
    code: 'missing_token',
  })
})

describe('R83: tokens that are bound to a key', () => {
  const getBoundToken = async () =>
    getToken(portico, {
      dpop: await key.prove({ url: `${publicUrl}/api/token` }, { claims: { iat: now() } }),
    })
  const prove = (accessToken: string, target = {}, claims = {}) =>
    key.prove(
      { method: 'GET', url: `${apiUrl}/orders`, accessToken, ...target },
      { claims: { iat: now(), ...claims } },
    )
  const options = { publicUrl: apiUrl }

  test('pass with a proof for the address of the API, which may have a path', async () => {
    const token = await getBoundToken()
    const present = async () => ({ authorization: `DPoP ${token}`, dpop: await prove(token) })
    expect(await ask(present, options)).toEqual(good)
  })

  test('pass with a proof for the method of the request', async () => {
    const token = await getBoundToken()
    const verifyToken = createTokenVerifier(readOptions(options, portico))
    const proof = await prove(token, { method: 'POST' })
    const headers = { authorization: `DPoP ${token}`, dpop: proof }
    expect(await verifyToken({ method: 'POST', url: '/orders', headers })).toMatchObject({ sub: '00u-grace' })
  })

  test('pass with a proof for a path that looks like a host', async () => {
    const token = await getBoundToken()
    const verifyToken = createTokenVerifier(readOptions(options, portico))
    const proof = await prove(token, { url: `${apiUrl}//orders` })
    const headers = { authorization: `DPoP ${token}`, dpop: proof }
    expect(await verifyToken({ method: 'GET', url: '//orders', headers })).toMatchObject({ sub: '00u-grace' })
  })

  const wrongProof = (title: string) =>
    expect.objectContaining({
      status: 401,
      body: { type: 'about:blank', title, status: 401, code: 'invalid_dpop_proof' },
      challenge: expect.stringMatching(/^DPoP error="invalid_dpop_proof", .+, algs="ES256 /),
    })

  test.each<[string, string, (token: string) => Promise<string>]>([
    ['no proof', 'The DPoP proof does not verify', async () => ''],
    ['another method', "The DPoP proof's htm is another method", (token) => prove(token, { method: 'POST' })],
    [
      'another address',
      "The DPoP proof's htu is another address",
      (token) => prove(token, { url: 'http://inside:8080/orders' }),
    ],
    [
      'the address without the path of the API',
      "The DPoP proof's htu is another address",
      (token) => prove(token, { url: 'https://api.example.com/orders' }),
    ],
    [
      'another token',
      "The DPoP proof's ath is not the hash of the token that comes with it",
      () => prove('other'),
    ],
  ])('%s: 401 invalid_dpop_proof', async (_name, title, makeProof) => {
    const token = await getBoundToken()
    const present = async () => ({ authorization: `DPoP ${token}`, dpop: await makeProof(token) })
    expect(await ask(present, options)).toEqual(wrongProof(title))
  })

  test('a proof by another key: 401 invalid_token', async () => {
    const token = await getBoundToken()
    const other = await createDpopKey()
    const target = { method: 'GET', url: `${apiUrl}/orders`, accessToken: token }
    const present = async () => ({
      authorization: `DPoP ${token}`,
      dpop: await other.prove(target, { claims: { iat: now() } }),
    })
    expect(await ask(present, options)).toMatchObject({
      status: 401,
      body: { title: 'The token is not bound to the key of the DPoP proof', code: 'invalid_token' },
    })
  })

  test('a proof that is too old: 401 use_dpop_nonce, with the nonce', async () => {
    const token = await getBoundToken()
    const present = async () => ({
      authorization: `DPoP ${token}`,
      dpop: await prove(token, {}, { iat: now() - 100 }),
    })
    expect(await ask(present, options)).toMatchObject({
      status: 401,
      nonce: expect.stringMatching(/^\d+\./),
      challenge: expect.stringMatching(/^DPoP error="use_dpop_nonce", /),
      body: { code: 'use_dpop_nonce' },
    })
  })

  test('as bearer tokens: 401, with or without a proof beside them', async () => {
    const token = await getBoundToken()
    const title = 'The token is bound to a key, but no DPoP proof came with it'
    const present = async () => ({ authorization: `Bearer ${token}`, dpop: await prove(token) })
    expect(await ask(present, options)).toEqual(invalid(title))
    expect(await askWith(token, options)).toEqual(invalid(title))
  })

  test('at an API without an address of its own: 401, with a scheme that it does accept', async () => {
    const token = await getBoundToken()
    const present = async () => ({ authorization: `DPoP ${token}`, dpop: await prove(token) })
    expect(await ask(present)).toEqual(invalid('This API does not accept DPoP-bound tokens'))
  })
})

describe('one verifier that sees a token again and again', () => {
  const createVerifier = (options: Options = {}) => {
    const verifyToken = createTokenVerifier(readOptions(options, portico))
    return (token: string) => verifyToken({ headers: { authorization: `Bearer ${token}` } })
  }

  test('refuses it once it has expired', async () => {
    const verify = createVerifier()
    const token = await getToken()
    expect(await verify(token)).toMatchObject({ sub: '00u-grace' })
    portico.clock.advance(minutes(5) + seconds(4))
    expect(await verify(token)).toMatchObject({ sub: '00u-grace' })
    portico.clock.advance(seconds(2))
    await expect(verify(token)).rejects.toMatchObject({ status: 401, message: 'The token has expired' })
  })

  test.each([
    ['is withdrawn', 'k2'],
    ['is replaced by another one under the same id', 'k1'],
  ])('refuses it once its key %s', async (_name, kid) => {
    const [first, next] = [await createProviderKey('k1', 'ES256'), await createProviderKey(kid, 'ES256')]
    let published = [first.publicJwk]
    const server = closeAfterTest(await startTestServer())
    server.serve((_req, res) => void res.end(JSON.stringify({ keys: published })))
    const verify = createVerifier({ jwksUri: server.origin })
    const header = { alg: 'ES256', kid: 'k1', typ: 'at+jwt' }
    const token = await idp.sign(first, header, { ...decodeJwt(await getToken()), exp: now() + 3_600 })
    expect(await verify(token)).toMatchObject({ sub: '00u-grace' })
    published = [next.publicJwk]
    portico.clock.advance(minutes(5) + 1)
    // The keys are read again in the background.
    const readStatus = () => verify(token).catch(({ status }: TokenRefused) => status)
    await expect.poll(readStatus, { interval: 5 }).toBe(401)
  })

  test('gives each request claims of its own', async () => {
    const verify = createVerifier()
    const token = await getToken()
    const claims = await verify(token)
    claims.groups?.push('Admins')
    expect((await verify(token)).groups).toEqual(['Navy'])
  })

  test('refuses what differs from it by a signature', async () => {
    const verify = createVerifier()
    const token = await getToken()
    await verify(token)
    const [header, payload, signature = ''] = token.split('.')
    for (const forged of [unsigned(token), `${header}.${payload}.${signature.slice(0, -8)}AAAAAAAA`]) {
      await expect(verify(forged)).rejects.toMatchObject({ status: 401 })
    }
  })
})

test('an issuer may have a path: its keys and its introspection are below it', async () => {
  const server = closeAfterTest(await startTestServer())
  const asked: string[] = []
  server.serve(async (req, res) => {
    asked.push(`${req.method} ${req.url}`)
    if (req.method === 'POST') return void res.end(JSON.stringify({ active: true }))
    if (req.url?.endsWith('/oauth-authorization-server')) {
      const metadata = { issuer, introspection_endpoint: `${issuer}/auth/introspect` }
      return void res.end(JSON.stringify(metadata))
    }
    return void res.end(await (await fetch(`${portico.url}/.well-known/jwks.json`)).text())
  })
  const issuer = `${server.origin}/shop`
  const introspection = { clientId: 'orders-api', clientSecret: 'secret' }
  const verifyToken = createTokenVerifier({ issuer, introspection, clock: portico.clock })
  const token = await forge({ claims: { iss: issuer, aud: issuer } })
  expect(await verifyToken({ headers: { authorization: `Bearer ${token}` } })).toMatchObject({ iss: issuer })
  expect(asked).toEqual([
    'GET /shop/.well-known/jwks.json',
    'GET /shop/.well-known/oauth-authorization-server',
    'POST /shop/auth/introspect',
  ])
})

test.each([
  undefined,
  '',
  'app.example.com',
  'https://app.example.com/',
  'https://app.example.com/shop/',
  'https://app.example.com/shop?a',
  'https://app.example.com?',
  'https://app.example.com/#',
  'https://App.example.com',
  'https://user@app.example.com',
  'https://app.example.com:443',
  'http://app.example.com',
  'ftp://localhost',
])('%j is no issuer, and no address of an API: a mistake, said at once', (wrong) => {
  expect(() => requireToken({ issuer: wrong as string })).toThrow('issuer must be a URL')
  if (wrong === undefined) return
  expect(() => requireToken({ issuer: publicUrl, publicUrl: wrong })).toThrow('publicUrl must be a URL')
})

test.each(['http://localhost:3000', 'http://127.0.0.1:3000/shop', 'https://app.example.com/a/b'])(
  '%s is one',
  (issuer) => {
    expect(() => requireToken({ issuer, publicUrl: issuer })).not.toThrow()
  },
)
