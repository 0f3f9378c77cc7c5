import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { readConfig } from '../../../src/config/config.ts'
import { describeSettings } from '../../../src/config/read-settings.ts'
import { findConfigError, problemsOf } from '../../support/config-problems.ts'
import { createCertificate } from '../../support/network/certificate.ts'
import { testSecret } from '../../support/portico.ts'

const folder = mkdtempSync(join(tmpdir(), 'portico-config-'))
afterAll(() => rmSync(folder, { recursive: true }))
const write = (name: string, text: string | Buffer) => {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

const server = { PUBLIC_URL: 'https://app.example.com', BFF_SECRETS: testSecret() }
const oidc = { ...server, OIDC_ISSUER: 'https://idp.example.com', OIDC_CLIENT_ID: 'c' }
const plain = {
  ...server,
  OAUTH_AUTHORIZATION_ENDPOINT: 'https://idp.example.com/oauth2/authorize',
  OAUTH_TOKEN_ENDPOINT: 'https://idp.example.com/oauth2/token',
  OIDC_CLIENT_ID: 'c',
  OIDC_SCOPES: 'profile',
}

type Env = Record<string, string | undefined>
const first = (env: Env) => readConfig(env).providers[0]

describe('a plain OAuth 2.0 provider', () => {
  test('needs two endpoints and a client id', () => {
    expect(first(plain)).toMatchObject({
      name: 'default',
      issuer: plain.OAUTH_TOKEN_ENDPOINT,
      endpoints: { authorization: plain.OAUTH_AUTHORIZATION_ENDPOINT, token: plain.OAUTH_TOKEN_ENDPOINT },
      verifiesIdToken: false,
      userIdField: 'user_id',
      accessToken: { format: 'opaque' },
      pkce: true,
    })
  })

  test('verifies an ID token where openid is asked for and the keys are known', () => {
    const keys = { OAUTH_ISSUER: 'https://idp.example.com/x', OAUTH_JWKS_URI: 'https://idp.example.com/keys' }
    expect(first({ ...plain, ...keys }).verifiesIdToken).toBe(false)
    expect(first({ ...plain, ...keys, OIDC_SCOPES: 'openid' })).toMatchObject({
      verifiesIdToken: true,
      issuer: 'https://idp.example.com/x',
    })
    expect(first({ ...plain, OIDC_SCOPES: 'openid' }).verifiesIdToken).toBe(false)
  })

  test.each([
    [{ OAUTH_TOKEN_ENDPOINT: undefined }, 'OAUTH_TOKEN_ENDPOINT is required'],
    [{ OAUTH_AUTHORIZATION_ENDPOINT: undefined }, 'OAUTH_AUTHORIZATION_ENDPOINT is required'],
    [{ OIDC_ISSUER: 'https://idp.example.com', OIDC_SCOPES: 'openid' }, 'OIDC_ISSUER is set beside'],
    [{ OIDC_CLIENT_ID: undefined }, 'OIDC_CLIENT_ID is required'],
    [{ OAUTH_JWKS_URI: 'https://idp.example.com/keys' }, 'OAUTH_ISSUER is needed'],
    [{ OAUTH_TOKEN_ENDPOINT: 'http://idp.example.com/token' }, 'OAUTH_TOKEN_ENDPOINT must be https'],
    [{ OIDC_ACCESS_TOKEN_AUDIENCE: 'api' }, 'OAUTH_JWKS_URI is needed'],
    [{ OIDC_PKCE: 'off' }, 'OIDC_PKCE is off, which needs client authentication'],
    [{ OIDC_PKCE: 'off', OIDC_CLIENT_AUTH: 'none' }, 'OIDC_PKCE is off, which needs client authentication'],
    [{ OIDC_PKCE: 'maybe' }, 'OIDC_PKCE must be one of'],
    [{ OIDC_LOGOUT_HINT: 'on' }, 'OIDC_LOGOUT_HINT must be one of: auto, id_token, client_id'],
    [{ OIDC_LOGOUT_PARAMS: 'client_id=x' }, 'must not name client_id, which has a value already'],
    [{ OIDC_LOGOUT_PARAMS: 'post_logout_redirect_uri=x' }, 'must not name post_logout_redirect_uri'],
    [{ OIDC_LOGOUT_PARAMS: 'state=x' }, 'OIDC_LOGOUT_PARAMS must not name state, which has a value already'],
    [{ OIDC_LOGOUT_PARAMS: 'ID_Token_Hint=x' }, 'must not name ID_Token_Hint, which names the user'],
    [{ OIDC_LOGOUT_PARAMS: 'token=x' }, 'must not name token, which is a credential'],
    [{ OIDC_LOGOUT_PARAMS: 'resource=urn:a&resource=urn:b' }, 'names resource twice'],
    [{ OIDC_LOGOUT_PARAMS: 'logout_uri' }, 'is wrong at parameter 1, which has no value'],
    [{ OIDC_SCOPES: ' ' }, 'OIDC_SCOPES begins or ends with a space'],
    [{ OIDC_SCOPES: 'profile,email' }, 'OIDC_SCOPES must have spaces between the scopes, not commas'],
  ])('%o: %s', (env, expected) => {
    expect(problemsOf({ ...plain, ...env })).toEqual([expect.stringContaining(expected)])
  })

  test('OIDC_PKCE=off is fine with a secret', () => {
    expect(first({ ...plain, OIDC_PKCE: 'off', OIDC_CLIENT_SECRET: 's' }).pkce).toBe(false)
  })

  test.each([
    'https://h/users/{user_id}',
    'https://h/users/{user_id}/info?a=b',
    'https://h/info?id={user_id}',
    'https://h/me',
  ])('userinfo at %s is understood', (url) => {
    expect(problemsOf({ ...plain, OAUTH_USERINFO_ENDPOINT: url })).toEqual([])
  })

  test.each([
    'https://{user_id}.example.com/info',
    'https://h/users/u-{user_id}',
    'https://h/{user_id}/{user_id}',
    'https://h/info?id=x{user_id}',
    'https://h/info#{user_id}',
    'https://h/users/{id}',
    'https://h/users/{USER_ID}',
    'https://h/{user_id}/{x}',
    'https://{user_id}/info',
    'http://h/users/{user_id}',
    'h/{user_id}',
  ])('userinfo at %s is refused', (url) => {
    expect(problemsOf({ ...plain, OAUTH_USERINFO_ENDPOINT: url })).toEqual([
      expect.stringMatching(/^OAUTH_USERINFO_ENDPOINT /),
    ])
  })

  test.each([
    'OAUTH_ISSUER',
    'OAUTH_JWKS_URI',
    'OAUTH_USERINFO_ENDPOINT',
    'OAUTH_REVOCATION_ENDPOINT',
    'OAUTH_END_SESSION_ENDPOINT',
  ])('%s beside OIDC_ISSUER is refused: discovery provides it', (name) => {
    expect(problemsOf({ ...oidc, [name]: 'https://idp.example.com/x' })).toEqual([
      expect.stringContaining(`${name} is set beside OIDC_ISSUER`),
    ])
  })
})

const pem = (key: { export(options: { type: 'pkcs8'; format: 'pem' }): string | Buffer }) =>
  String(key.export({ type: 'pkcs8', format: 'pem' }))
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
const ed = generateKeyPairSync('ed25519').privateKey
const jwk = { ...ec.export({ format: 'jwk' }), kid: 'k' }
const apple = {
  OIDC_CLIENT_KEY: pem(ec),
  OIDC_CLIENT_KEY_ID: 'ABC123DEFG',
  OIDC_APPLE_TEAM_ID: 'A1B2C3D4E5',
  OIDC_RESPONSE_MODE: 'form_post',
}

test.each([
  ['OAUTH_AUTHORIZATION_ENDPOINT', {}],
  ['OAUTH_TOKEN_ENDPOINT', {}],
  ['OAUTH_ISSUER', {}],
  ['OAUTH_JWKS_URI', { OAUTH_ISSUER: 'https://idp.example.com' }],
  ['OAUTH_USERINFO_ENDPOINT', {}],
  ['OAUTH_REVOCATION_ENDPOINT', {}],
  ['OAUTH_END_SESSION_ENDPOINT', {}],
])('%s must be https, and is written as it will be called', (name, more) => {
  const problems = problemsOf({ ...plain, ...more, [name]: 'http://idp.example.com/x' })
  expect(problems).toEqual([expect.stringContaining(`${name} must be https`)])
  expect(problemsOf({ ...plain, ...more, [name]: 'HTTP://localhost/x' })).toEqual([])
})

test('every endpoint of a plain provider is kept', () => {
  const others = {
    OAUTH_ISSUER: 'https://idp.example.com',
    OAUTH_JWKS_URI: 'https://idp.example.com/jwks',
    OAUTH_USERINFO_ENDPOINT: 'https://idp.example.com/userinfo/{user_id}',
    OAUTH_REVOCATION_ENDPOINT: 'https://idp.example.com/revoke',
    OAUTH_END_SESSION_ENDPOINT: 'https://idp.example.com/logout',
  }
  expect(first({ ...plain, ...others, OAUTH_USER_ID_FIELD: 'id', OIDC_TIMEOUT: '7s' })).toMatchObject({
    userIdField: 'id',
    timeout: 7_000,
    endpoints: {
      authorization: plain.OAUTH_AUTHORIZATION_ENDPOINT,
      token: plain.OAUTH_TOKEN_ENDPOINT,
      jwks: others.OAUTH_JWKS_URI,
      userinfo: others.OAUTH_USERINFO_ENDPOINT,
      revocation: others.OAUTH_REVOCATION_ENDPOINT,
      endSession: others.OAUTH_END_SESSION_ENDPOINT,
    },
  })
})

test.each([
  [{ OIDC_ACCESS_TOKEN: 'opaque', OIDC_ACCESS_TOKEN_AUDIENCE: 'api' }, { format: 'opaque' }],
  [
    {
      OIDC_ACCESS_TOKEN_AUDIENCE: 'api',
      OAUTH_ISSUER: 'https://idp.example.com',
      OAUTH_JWKS_URI: 'https://idp.example.com/jwks',
    },
    { format: 'jwt', audience: 'api' },
  ],
])('access tokens of a plain provider with %o', (env, expected) => {
  expect(first({ ...plain, ...env }).accessToken).toEqual(expected)
})

test.each([
  'https://h.example/oauth2/default/extra',
  'https://h.example/x/oauth2/default',
  'https://h.example/oauth2/',
])('%s is no custom server of Okta', (issuer) => {
  expect(first({ ...oidc, OIDC_ISSUER: issuer }).accessToken).toEqual({ format: 'opaque' })
})

test('only secrets may come from a file', () => {
  expect(problemsOf({ ...oidc, OIDC_CLIENT_ID: undefined, OIDC_CLIENT_ID_FILE: write('id', 'c') })).toEqual([
    'OIDC_CLIENT_ID is required',
  ])
})

test('a missing PUBLIC_URL is the only problem reported', () => {
  expect(
    problemsOf({ ...oidc, PUBLIC_URL: undefined, OIDC_REDIRECT_URI: 'https://app.example.com/in' }),
  ).toEqual(['PUBLIC_URL is required'])
  const PROVIDERS_FILE = write(
    'one.json',
    JSON.stringify({ one: { OIDC_ISSUER: 'https://h', OIDC_CLIENT_ID: 'c' } }),
  )
  expect(problemsOf({ BFF_SECRETS: server.BFF_SECRETS, PROVIDERS_FILE })).toEqual(['PUBLIC_URL is required'])
})

test.each([
  ['OIDC_CLIENT_SECRET', '"secret"', /^OIDC_CLIENT_SECRET is in quotes/],
  ['OIDC_ISSUER', "'https://idp.example.com'", /^OIDC_ISSUER is in quotes/],
  ['OIDC_CLIENT_SECRET', 'secret ', /^OIDC_CLIENT_SECRET begins or ends with a space/],
  ['OIDC_CLIENT_ID', '\tc', /^OIDC_CLIENT_ID begins or ends with a space/],
])('%s=%s: quotes and spaces around a value are reported', (name, value, expected) => {
  expect(problemsOf({ ...oidc, [name]: value })).toEqual([expect.stringMatching(expected)])
})

test('JSON and PEM may have lines around them', () => {
  expect(problemsOf({ ...oidc, OIDC_CLIENT_KEY: `\n${JSON.stringify(jwk)}\n` })).toEqual([])
  expect(problemsOf({ ...oidc, OIDC_CLIENT_KEY: `\n${pem(ec)}\n` })).toEqual([])
})

test('where something is too much, no example is given', () => {
  const message = (env: Env) => findConfigError(env)?.message
  expect(message({ ...oidc, OAUTH_TOKEN_ENDPOINT: 'https://x' })).not.toContain('for example')
  expect(message({ ...oidc, OAUTH_JWKS_URI: 'https://x' })).not.toContain('for example')
  expect(message({ ...oidc, OIDC_CLIENT_KEY: JSON.stringify(jwk), OIDC_CLIENT_SECRET: 's' })).not.toContain(
    'for example',
  )
  expect(message({ ...oidc, OIDC_CLIENT_SECRET: 's', OIDC_CLIENT_SECRET_FILE: '/x' })).not.toContain(
    'for example',
  )
})

test('what did not parse is not reported a second time as missing', () => {
  const env = { NODE_ENV: 'production', REDIS_URL: 'x', OIDC_ISSUER: 'x' }
  expect(problemsOf({ ...oidc, ...env })).toEqual([
    expect.stringMatching(/^REDIS_URL must be redis/),
    expect.stringMatching(/^OIDC_ISSUER must/),
  ])
})

describe('the tenants of Entra ID', () => {
  const tenant = '8eaef023-2b34-4da1-9baa-8bc8c9d6a490'
  const organizations = 'https://login.microsoftonline.com/organizations/v2.0'
  const entra = { ...oidc, OIDC_ISSUER: organizations, OIDC_ALLOWED_TENANTS: tenant.toUpperCase() }

  test.each([organizations, organizations.replace('organizations', 'common')])(
    'each is an issuer of its own, with %s',
    (issuer) => {
      expect(first({ ...entra, OIDC_ISSUER: issuer })).toMatchObject({
        issuer,
        universalLogoutIssuer: undefined,
        tenants: {
          template: 'https://login.microsoftonline.com/{tenantid}/v2.0',
          byIssuer: new Map([[`https://login.microsoftonline.com/${tenant}/v2.0`, tenant]]),
        },
      })
    },
  )

  test('one that OIDC_ISSUER names needs no list', () => {
    const issuer = `https://login.microsoftonline.com/${tenant}/v2.0`
    expect(first({ ...oidc, OIDC_ISSUER: issuer })).toMatchObject({ issuer, tenants: undefined })
  })

  test.each([
    [{ OIDC_ALLOWED_TENANTS: undefined }, 'OIDC_ALLOWED_TENANTS is needed'],
    [{ OIDC_ALLOWED_TENANTS: 'contoso.onmicrosoft.com' }, 'OIDC_ALLOWED_TENANTS must be ids'],
    [{ OIDC_ISSUER: 'https://idp.example.com' }, 'OIDC_ALLOWED_TENANTS is only for'],
    [{ OIDC_UNIVERSAL_LOGOUT_ISSUER: organizations }, 'OIDC_UNIVERSAL_LOGOUT_ISSUER is set beside'],
  ])('%j is a problem', (change, problem) => {
    expect(problemsOf({ ...entra, ...change })).toEqual([expect.stringContaining(problem)])
  })
})

describe('redirect URIs', () => {
  test.each([
    'https://app.example.com:443/api/callback',
    'https://APP.example.com/api/callback',
    'https://app.example.com/x/../api/callback',
    'https://app.example.com/./in',
    'https://app.example.com',
    'https://app.example.com/api/logout',
    'https://app.example.com/api/callback/other',
    'https://app.example.com/api/',
  ])('%s is refused: it can be written in two ways, or no endpoint accepts responses there', (uri) => {
    expect(problemsOf({ ...oidc, OIDC_REDIRECT_URI: uri })).toEqual([
      expect.stringMatching(/^OIDC_REDIRECT_URI must be/),
    ])
  })

  test.each([
    'https://app.example.com/',
    'https://app.example.com/api/callback',
    'https://app.example.com/signed-in',
    'https://app.example.com/apis',
  ])('%s is fine', (uri) => {
    expect(problemsOf({ ...oidc, OIDC_REDIRECT_URI: uri })).toEqual([])
  })

  test('a page of the app is none for an answer that is posted', () => {
    const problems = (OIDC_REDIRECT_URI?: string) =>
      problemsOf({ ...oidc, OIDC_RESPONSE_MODE: 'form_post', OIDC_REDIRECT_URI })
    expect(problems()).toEqual([])
    expect(problems('https://app.example.com/api/callback')).toEqual([])
    expect(problems('https://app.example.com/signed-in')).toEqual([
      expect.stringMatching(/^OIDC_RESPONSE_MODE is form_post, but a page of the app \(OIDC_REDIRECT_URI\)/),
    ])
  })
})

describe('client authentication', () => {
  test.each([
    ['a P-256 key in PEM', pem(ec), 'ES256'],
    ['an RSA key in PEM', pem(rsa), 'RS256'],
    ['an Ed25519 key in PEM', pem(ed), 'EdDSA'],
    ['PEM with its lines written as \\n', pem(ec).replaceAll('\n', '\\n'), 'ES256'],
    ['a JWK', JSON.stringify(jwk), 'ES256'],
    ['a JWK Set', JSON.stringify({ keys: [{ ...ed.export({ format: 'jwk' }), kid: 'a' }, jwk] }), 'EdDSA'],
  ])('%s is a key for private_key_jwt, by what is given', (_what, key, alg) => {
    const { clientAuth } = first({ ...oidc, OIDC_CLIENT_KEY: key })
    expect(clientAuth).toMatchObject({ method: 'private_key_jwt', audience: 'issuer' })
    expect('keys' in clientAuth && clientAuth.keys[0]?.alg).toBe(alg)
  })

  test("with a Team ID it is Apple's key, which has its id from a setting or in a JWK", () => {
    const auth = { method: 'apple_client_secret', teamId: 'A1B2C3D4E5' }
    expect(first({ ...oidc, ...apple }).clientAuth).toMatchObject({ ...auth, key: { kid: 'ABC123DEFG' } })
    const byQuery = { ...apple, OIDC_RESPONSE_MODE: 'query', OIDC_SCOPES: 'openid' }
    expect(first({ ...oidc, ...byQuery }).responseMode).toBe('query')
    const asJwk = { ...apple, OIDC_CLIENT_KEY: JSON.stringify(jwk), OIDC_CLIENT_KEY_ID: undefined }
    expect(first({ ...oidc, ...asJwk }).clientAuth).toMatchObject({ ...auth, key: { kid: jwk.kid } })
  })

  test('a key in PEM has its id from a setting', () => {
    const { clientAuth } = first({ ...oidc, OIDC_CLIENT_KEY: pem(ec), OIDC_CLIENT_KEY_ID: 'first' })
    expect(clientAuth).toMatchObject({ method: 'private_key_jwt', keys: [{ kid: 'first' }] })
  })

  test('a key may come from a file', () => {
    const OIDC_CLIENT_KEY_FILE = write('key.pem', pem(ec))
    expect(first({ ...oidc, OIDC_CLIENT_KEY_FILE }).clientAuth.method).toBe('private_key_jwt')
  })

  test.each([
    [
      'the public PEM',
      String(generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' })),
      'not the public one',
    ],
    ['the public JWK', JSON.stringify({ ...jwk, d: undefined }), 'not the public one ("d" is missing)'],
    [
      'one with a password',
      String(ec.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' })),
      'without a password',
    ],
    ['another curve', pem(generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey), 'P-256 (ES256)'],
  ])('%s is refused with what is wrong', (_what, key, expected) => {
    expect(problemsOf({ ...oidc, OIDC_CLIENT_KEY: key })).toEqual([expect.stringContaining(expected)])
  })

  test.each([
    ['no key', 'hello'],
    ['a damaged PEM', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----'],
    [
      'an encrypted PEM',
      String(ec.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' })),
    ],
    ['a public JWK', JSON.stringify({ ...jwk, d: undefined })],
    ['a JWK of another algorithm', JSON.stringify({ ...jwk, alg: 'RS256' })],
    ['a P-384 key', pem(generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey)],
    ['a weak RSA key', pem(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey)],
    ['an empty set', '{"keys":[]}'],
    ['a key for encryption', JSON.stringify({ ...jwk, use: 'enc' })],
    ['a key with an empty kid', JSON.stringify({ ...jwk, kid: '' })],
    ['two keys of one kid', JSON.stringify({ keys: [jwk, jwk] })],
    ['null', 'null'],
  ])('%s is refused, and not printed', (_what, key) => {
    const problems = problemsOf({ ...oidc, OIDC_CLIENT_KEY: key })
    expect(problems).toEqual([expect.stringMatching(/^OIDC_CLIENT_KEY /)])
    if (key.length > 8) expect(problems.join()).not.toContain(key)
  })

  test('a certificate and its key are mutual TLS, by what is given', () => {
    const { certificate, key } = createCertificate(folder, 'client')
    expect(first({ ...oidc, OIDC_CLIENT_CERT: certificate, OIDC_CLIENT_CERT_KEY: key }).clientAuth).toEqual({
      method: 'tls_client_auth',
      certificate,
      key,
    })
  })

  test('the lines of a certificate and its key may be written as \\n', () => {
    const { certificate, key } = createCertificate(folder, 'lines')
    const toOneLine = (text: string) => text.replaceAll('\n', '\\n')
    const env = { OIDC_CLIENT_CERT: toOneLine(certificate), OIDC_CLIENT_CERT_KEY: toOneLine(key) }
    expect(first({ ...oidc, ...env }).clientAuth).toMatchObject({ certificate, key })
  })

  test('a certificate needs its own key', () => {
    const [one, other] = [createCertificate(folder, 'one'), createCertificate(folder, 'other')]
    const problems = (key: string | undefined) =>
      problemsOf({ ...oidc, OIDC_CLIENT_CERT: one.certificate, OIDC_CLIENT_CERT_KEY: key })
    expect(problems(other.key)).toEqual(['OIDC_CLIENT_CERT_KEY is not the key of OIDC_CLIENT_CERT'])
    expect(problems('hello')).toEqual(['OIDC_CLIENT_CERT_KEY must be an unencrypted private key in PEM'])
    expect(problems(undefined)).toEqual([
      'OIDC_CLIENT_CERT_KEY is needed for OIDC_CLIENT_AUTH=tls_client_auth',
    ])
    expect(problemsOf({ ...oidc, OIDC_CLIENT_CERT_KEY: one.key })).toEqual([
      expect.stringContaining('OIDC_CLIENT_CERT_KEY is set as well'),
    ])
  })

  test.each([
    [{ OIDC_CLIENT_AUTH: 'private_key_jwt' }, 'OIDC_CLIENT_KEY is needed'],
    [{ OIDC_CLIENT_AUTH: 'tls_client_auth' }, 'OIDC_CLIENT_CERT is needed'],
    [{ OIDC_CLIENT_CERT: 'hello' }, 'OIDC_CLIENT_CERT must be a certificate'],
    [
      { OIDC_CLIENT_SECRET: 's', OIDC_CLIENT_KEY: JSON.stringify(jwk) },
      'OIDC_CLIENT_AUTH is private_key_jwt by what is given, but OIDC_CLIENT_SECRET is set as well',
    ],
    [
      {
        OIDC_CLIENT_AUTH: 'client_secret_basic',
        OIDC_CLIENT_SECRET: 's',
        OIDC_CLIENT_KEY: JSON.stringify(jwk),
      },
      'OIDC_CLIENT_AUTH is client_secret_basic, but OIDC_CLIENT_KEY',
    ],
    [
      { OIDC_APPLE_TEAM_ID: 'A1B2C3D4E5', OIDC_RESPONSE_MODE: 'form_post' },
      'OIDC_CLIENT_KEY is needed for OIDC_CLIENT_AUTH=apple_client_secret',
    ],
    [{ ...apple, OIDC_APPLE_TEAM_ID: 'A1B2C3D4E5.com.example' }, 'OIDC_APPLE_TEAM_ID must be a Team ID'],
    [{ ...apple, OIDC_CLIENT_KEY_ID: undefined }, 'OIDC_CLIENT_KEY_ID is needed'],
    [{ ...apple, OIDC_CLIENT_KEY: pem(rsa) }, 'OIDC_CLIENT_KEY must be the .p8 file'],
    [
      { ...apple, OIDC_RESPONSE_MODE: undefined },
      'OIDC_RESPONSE_MODE must be form_post, on which Apple insists',
    ],
    [{ ...apple, OIDC_CLIENT_KEY: JSON.stringify(jwk) }, 'OIDC_CLIENT_KEY_ID is for one key without "kid"'],
    [
      {
        OIDC_CLIENT_KEY: JSON.stringify({ keys: [ec, ed].map((key) => key.export({ format: 'jwk' })) }),
        OIDC_CLIENT_KEY_ID: 'a',
      },
      'OIDC_CLIENT_KEY_ID is for one key without "kid"',
    ],
    [{ ...apple, OIDC_CLIENT_AUTH: 'private_key_jwt' }, 'OIDC_APPLE_TEAM_ID is set as well'],
    [{ OIDC_CLIENT_KEY_ID: 'ABC123DEFG' }, 'OIDC_CLIENT_KEY_ID is set without OIDC_CLIENT_KEY'],
    [{ OIDC_CLIENT_ASSERTION_AUDIENCE: 'token' }, 'OIDC_CLIENT_ASSERTION_AUDIENCE must be one of'],
  ])('%o: %s', (env, expected) => {
    expect(problemsOf({ ...oidc, ...env })).toEqual([expect.stringContaining(expected)])
  })

  test('credentials are never printed in the start log', () => {
    const { certificate, key } = createCertificate(folder, 'log')
    const env = {
      OIDC_CLIENT_KEY: JSON.stringify(jwk),
      OIDC_CLIENT_CERT: certificate,
      OIDC_CLIENT_CERT_KEY: key,
    }
    expect(describeSettings({ OIDC_CLIENT_KEY_FILE: '/run/key' }).OIDC_CLIENT_KEY).toBe('[redacted]')
    expect(Object.values(describeSettings(env))).toContain('[redacted]')
    for (const value of Object.values(env)) expect(Object.values(describeSettings(env))).not.toContain(value)
  })
})

describe('PROVIDERS_FILE', () => {
  const one = { OIDC_ISSUER: 'https://one.example.com', OIDC_CLIENT_ID: 'c1' }
  const two = { OIDC_ISSUER: 'https://two.example.com', OIDC_CLIENT_ID: 'c2' }
  const withFile = (content: unknown, more: Env = {}) => ({
    ...server,
    PROVIDERS_FILE: write('providers.json', typeof content === 'string' ? content : JSON.stringify(content)),
    ...more,
  })

  test('holds several, each with its name, redirect URI and prefix, in its order', () => {
    expect(readConfig(withFile({ one, two })).providers).toMatchObject([
      {
        name: 'one',
        clientId: 'c1',
        redirectUri: 'https://app.example.com/api/callback/one',
        subjectPrefix: 'one:',
      },
      {
        name: 'two',
        clientId: 'c2',
        redirectUri: 'https://app.example.com/api/callback/two',
        subjectPrefix: 'two:',
      },
    ])
  })

  test('of their deadlines, the longest counts for what waits for any of them', () => {
    const slow = { ...two, OIDC_TIMEOUT: '9s' }
    expect(readConfig(withFile({ one, slow })).longestTimeout).toBe(9_000)
  })

  test('a secret may come from a file there, too', () => {
    const OIDC_CLIENT_SECRET_FILE = write('secret', 'from-a-file\n')
    expect(first(withFile({ one: { ...one, OIDC_CLIENT_SECRET_FILE } })).clientAuth).toMatchObject({
      secret: 'from-a-file',
    })
  })

  describe('how each provider looks', () => {
    const svg = (more = '') => `<svg xmlns="http://www.w3.org/2000/svg">${more}</svg>`
    const png = Buffer.from('\x89PNG\r\n\x1a\n...', 'latin1')

    test('by default its name, with a capital, and no picture', () => {
      expect(first(withFile({ one }))).toMatchObject({ label: 'One', icon: undefined })
    })

    test.each([
      ['image/svg+xml', svg()],
      ['image/svg+xml', `\ufeff<?xml version="1.0"?><!-- x -->\n${svg('<title>A</title>')}`],
      ['image/png', png],
    ])('a picture is read from its file: %s', (type, content) => {
      const icon = write('icon', content)
      const data = `data:${type};base64,${Buffer.from(content).toString('base64')}`
      expect(first(withFile({ one: { ...one, label: 'Ünser <b>Haus</b>', icon } }))).toMatchObject({
        label: 'Ünser <b>Haus</b>',
        icon: data,
      })
    })

    test.each<[string, string | Buffer, string]>([
      ['a script', svg('<script>x()</script>'), 'a script'],
      ['an event handler', svg('<g onload ="x()"/>'), 'a script'],
      ['HTML', svg('<foreignObject/>'), 'a script'],
      ['a link that is a script', svg('<a href="javascript:x()"/>'), 'a script'],
      ['an entity', `<!DOCTYPE svg [<!ENTITY a "b">]>${svg()}`, 'a script'],
      ['no namespace', '<svg><path/></svg>', 'xmlns='],
      ['a web page', '<html></html>', 'neither SVG nor PNG'],
      ['a JPEG', Buffer.from([0xff, 0xd8, 0xff, 0xe0]), 'neither SVG nor PNG'],
      ['33 kB', svg(' '.repeat(33 * 1024)), 'more than 32 kB'],
    ])('a picture is refused: %s', (_what, content, problem) => {
      const icon = write('icon', content)
      expect(problemsOf(withFile({ one: { ...one, icon } }))).toEqual([
        expect.stringMatching(new RegExp(`^icon of provider one names .*${problem}`)),
      ])
    })

    test('a picture that is not there is refused', () => {
      expect(problemsOf(withFile({ one: { ...one, icon: '/no/such.svg' } }))).toEqual([
        'icon of provider one names a file that cannot be read',
      ])
    })

    test.each(['x'.repeat(61), 'a\nb', 'a\u0000b', 'a\u2028b'])('the label %j is refused', (label) => {
      expect(problemsOf(withFile({ one: { ...one, label } }))).toEqual([
        expect.stringMatching(/^label of provider one must have 60 characters at most/),
      ])
    })
  })

  describe('the claims of each provider', () => {
    const described = {
      OAUTH_AUTHORIZATION_ENDPOINT: plain.OAUTH_AUTHORIZATION_ENDPOINT,
      OAUTH_TOKEN_ENDPOINT: plain.OAUTH_TOKEN_ENDPOINT,
      OIDC_CLIENT_ID: 'c',
      OIDC_SCOPES: 'profile',
    }
    const verified = {
      ...described,
      OIDC_SCOPES: 'openid',
      OAUTH_ISSUER: 'https://idp.example.com',
      OAUTH_JWKS_URI: 'https://idp.example.com/keys',
    }
    const all = ['name', 'email', 'email_verified', 'preferred_username', 'groups']
    const claimsOf = (entry: Env, env: Env = {}) => first(withFile({ one: entry }, env)).claimNames

    test.each<[string, Env, string[]]>([
      ['with discovery: APP_TOKEN_CLAIMS', one, all],
      ['with verified ID tokens: APP_TOKEN_CLAIMS', verified, all],
      [
        'with keys, but without openid: what describes',
        { ...verified, OIDC_SCOPES: 'profile' },
        ['name', 'email', 'preferred_username'],
      ],
      ['plain: what describes', described, ['name', 'email', 'preferred_username']],
      ['that names its own: those', { ...described, claims: 'groups, roles' }, ['groups', 'roles']],
      ['with discovery that names its own: those', { ...one, claims: 'nickname' }, ['nickname']],
    ])('one %s', (_what, entry, expected) => {
      expect(claimsOf(entry)).toEqual(expected)
    })

    test('what describes is of the standard claims alone, whatever else looks alike', () => {
      const profile =
        'name given_name family_name middle_name nickname preferred_username profile picture website gender'
      const more = 'birthdate zoneinfo locale updated_at email phone_number address'
      const describing = `${profile} ${more}`.split(' ')
      const others = 'groups roles email_verified phone_number_verified Name entitlements constructor'
      const APP_TOKEN_CLAIMS = [...others.split(' '), ...describing].join(',')
      expect(claimsOf(described, { APP_TOKEN_CLAIMS })).toEqual(describing)
    })

    test('of the one in the environment: APP_TOKEN_CLAIMS, and a variable named claims says nothing', () => {
      expect(first({ ...plain, claims: 'name' }).claimNames).toEqual(all)
      expect(first({ ...oidc, claims: 'name' }).claimNames).toEqual(all)
    })

    test.each(['name,sub', 'idp', 'name,__proto__', ',', ''])('%j is refused by name', (claims) => {
      expect(problemsOf(withFile({ one, two: { ...two, claims } }))).toEqual([
        expect.stringMatching(/^claims of provider two must name (claims about the user|at least one)/),
      ])
    })

    test('an example of them is printed as the file wants it', () => {
      expect(() => readConfig(withFile({ one: { ...one, claims: 'iss' } }))).toThrow(
        '"claims": "name,email,groups"',
      )
    })

    test.each(['Claims', 'APP_TOKEN_CLAIMS'])('%s is not their name', (name) => {
      expect(problemsOf(withFile({ one: { ...one, [name]: 'name' } }))).toEqual([
        expect.stringMatching(`^PROVIDERS_FILE contains settings for provider one .*${name}`),
      ])
    })
  })

  test.each([
    ['no JSON', '{', /^PROVIDERS_FILE names a file that is not JSON/],
    ['a list', [one], /^PROVIDERS_FILE names a file that is not of the form/],
    ['no provider', {}, /^PROVIDERS_FILE names a file without a provider/],
    ['a name with capitals', { One: one }, /^PROVIDERS_FILE names a file with a provider "One": names are/],
    [
      'a name that begins with a digit',
      { '1a': one },
      /^PROVIDERS_FILE names a file with a provider "1a": names are/,
    ],
    [
      'a name of 33 letters',
      { ['a'.repeat(33)]: one },
      /^PROVIDERS_FILE names a file with a provider "a+": names are/,
    ],
    [
      'the reserved name',
      { default: one },
      /^PROVIDERS_FILE names a file with a provider "default": names are/,
    ],
    [
      'a value that is no text',
      { one: { ...one, OIDC_TIMEOUT: 3 } },
      /^PROVIDERS_FILE names a file whose one\.OIDC_TIMEOUT is not a string/,
    ],
    ['a provider that is a text', { one: 'x' }, /^PROVIDERS_FILE names a file whose provider "one" is not/],
    [
      'an unknown setting',
      { one: { ...one, OIDC_SCOPE: 'openid' } },
      /^PROVIDERS_FILE contains settings for provider one .*OIDC_SCOPE/,
    ],
    [
      'a setting of the server',
      { one: { ...one, PORT: '1' } },
      /^PROVIDERS_FILE contains settings for provider one .*PORT/,
    ],
    [
      'a wrong value',
      { one, two: { ...two, OIDC_TIMEOUT: '5m' } },
      /^OIDC_TIMEOUT of provider two must lie between/,
    ],
    [
      'a missing value',
      { one: { OIDC_ISSUER: one.OIDC_ISSUER } },
      /^OIDC_CLIENT_ID of provider one is required/,
    ],
    [
      'one redirect URI for two',
      {
        one: { ...one, OIDC_REDIRECT_URI: 'https://app.example.com/in' },
        two: { ...two, OIDC_REDIRECT_URI: 'https://app.example.com/in' },
      },
      /^OIDC_REDIRECT_URI of provider two is that of provider one/,
    ],
    [
      'a redirect URI that is not ours',
      { one: { ...one, OIDC_REDIRECT_URI: 'https://evil.example/' } },
      /^OIDC_REDIRECT_URI of provider one must lie on/,
    ],
  ])('with %s is refused', (_what, content, expected) => {
    expect(problemsOf(withFile(content))).toEqual([expect.stringMatching(expected)])
  })

  test('that is not there is refused, and the environment is not taken instead', () => {
    expect(problemsOf({ ...oidc, PROVIDERS_FILE: join(folder, 'nowhere.json') })).toEqual([
      'PROVIDERS_FILE names a file that cannot be read',
    ])
  })

  test('the settings of a provider beside it are refused by name, also those from a file', () => {
    const problems = problemsOf(withFile({ one }, { OIDC_SCOPES: 'openid', OIDC_CLIENT_SECRET_FILE: '/x' }))
    expect(problems).toEqual([
      expect.stringMatching(/^OIDC_CLIENT_SECRET is set beside PROVIDERS_FILE/),
      expect.stringMatching(/^OIDC_SCOPES is set beside PROVIDERS_FILE/),
    ])
  })

  test('an example is printed as the file wants it', () => {
    expect(() => readConfig(withFile({ one: { ...one, OIDC_PKCE: 'x' } }))).toThrow('"OIDC_PKCE": "on"')
  })

  test('what it holds is never printed', () => {
    const canary = 'canary-canary-canary'
    const broken = { one: { ...one, OIDC_CLIENT_SECRET: canary, OIDC_TIMEOUT: canary } }
    expect(problemsOf(withFile(broken)).join()).not.toContain(canary)
    expect(problemsOf(withFile(`{"one":"${canary}`)).join()).not.toContain(canary)
  })

  test('may begin with a byte order mark', () => {
    expect(problemsOf(withFile(`\ufeff${JSON.stringify({ one })}`))).toEqual([])
  })

  test('the defaults of one provider are not logged as in effect', () => {
    expect(describeSettings({ PROVIDERS_FILE: 'x' })).not.toHaveProperty('OIDC_SCOPES')
    expect(describeSettings({})).toHaveProperty('OIDC_SCOPES')
  })

  test('the example in docs/ is good, but for the key that is not there', () => {
    expect(problemsOf({ ...server, PROVIDERS_FILE: 'docs/providers.example.json' })).toEqual([
      'OIDC_CLIENT_KEY of provider okta cannot be read from the file that OIDC_CLIENT_KEY_FILE names (ENOENT)',
    ])
  })
})
