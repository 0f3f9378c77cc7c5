import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { readConfig } from '../../../src/config/config.ts'
import { describeSettings } from '../../../src/config/read-settings.ts'
import { findConfigError } from '../../support/config-problems.ts'
import { testSecret } from '../../support/portico.ts'

const secret = testSecret()
const minimal = {
  PUBLIC_URL: 'https://app.example.com',
  BFF_SECRETS: secret,
  OIDC_ISSUER: 'https://example.okta.com/oauth2/default',
  OIDC_CLIENT_ID: 'client',
}

const problemsOf = (env: Record<string, string | undefined>): string[] =>
  findConfigError(env)?.problems.map(({ variable, problem }) => `${variable} ${problem}`) ?? []

const twice = testSecret()

describe('defaults', () => {
  test('a minimal configuration', () => {
    expect(readConfig(minimal)).toMatchObject({
      publicUrl: 'https://app.example.com',
      secureCookies: true,
      listen: { host: '0.0.0.0', port: 3000 },
      providers: [
        {
          clientAuth: { method: 'none' },
          redirectUri: 'https://app.example.com/api/callback',
          scopes: ['openid', 'profile', 'email', 'offline_access'],
          idTokenAlg: 'RS256',
          accessToken: { format: 'jwt', audience: 'api://default' },
          timeout: 3_000,
        },
      ],
      allowedOrigins: ['https://app.example.com'],
      session: { idleTimeout: 1_800_000, absoluteTimeout: 43_200_000, sameSite: 'strict' },
      appToken: {
        audiences: ['https://app.example.com'],
        ttl: 300_000,
        alg: 'ES256',
        rotation: 2_592_000_000,
      },
    })
  })

  test('is frozen', () => {
    expect(Object.isFrozen(readConfig(minimal))).toBe(true)
  })

  test.each([
    ['https://example.okta.com/oauth2/aus123', {}, { format: 'jwt', audience: 'api://default' }],
    ['https://example.okta.com', {}, { format: 'opaque' }],
    [
      'https://example.okta.com',
      { OIDC_ACCESS_TOKEN_AUDIENCE: 'api://x' },
      { format: 'jwt', audience: 'api://x' },
    ],
    ['https://idp.example/realms/a', {}, { format: 'opaque' }],
    ['https://example.okta.com/oauth2/default', { OIDC_ACCESS_TOKEN: 'opaque' }, { format: 'opaque' }],
  ])('access tokens of %s with %o', (issuer, env, expected) => {
    expect(readConfig({ ...minimal, OIDC_ISSUER: issuer, ...env }).providers[0].accessToken).toEqual(expected)
  })

  test.each([
    [{ OIDC_CLIENT_SECRET: 's' }, 'client_secret_basic'],
    [{ OIDC_CLIENT_SECRET: 's', OIDC_CLIENT_AUTH: 'client_secret_post' }, 'client_secret_post'],
    [{ OIDC_CLIENT_AUTH: 'none' }, 'none'],
  ])('client authentication by what is given: %o', (env, method) => {
    expect(readConfig({ ...minimal, ...env }).providers[0].clientAuth.method).toBe(method)
  })
})

test('several processes: a number or one for each processor, with Redis', () => {
  const withRedis = { ...minimal, REDIS_URL: 'redis://localhost:6379' }
  expect(readConfig(minimal).workers).toBe(1)
  expect(readConfig({ ...withRedis, WORKERS: '128' }).workers).toBe(128)
  expect(readConfig({ ...withRedis, WORKERS: 'auto' }).workers).toBe(availableParallelism())
  expect(problemsOf({ ...minimal, WORKERS: '1' })).toEqual([])
  expect(problemsOf({ ...minimal, WORKERS: '2' })).toEqual([
    'REDIS_URL is required when WORKERS is more than 1 (it is 2): in memory, each process would have its own sessions',
  ])
})

describe('programs that call', () => {
  test('resource servers, each with the hash of its secret', () => {
    const { introspectionClients } = readConfig({
      ...minimal,
      INTROSPECTION_CLIENTS: `orders-api:${'0a'.repeat(32)}, b.c~d_e:${'FF'.repeat(32)}`,
    })
    expect([...introspectionClients.keys()]).toEqual(['orders-api', 'b.c~d_e'])
    expect(introspectionClients.get('orders-api')).toEqual(Buffer.from('0a'.repeat(32), 'hex'))
    expect(readConfig(minimal).introspectionClients.size).toBe(0)
  })

  test('operators, who have a port of their own, and a secret for what they may do there', () => {
    const operator = { OPERATOR_SECRET: secret }
    expect(readConfig(minimal).operator).toBeUndefined()
    expect(readConfig({ ...minimal, OPERATOR_PORT: '9000' }).operator).toEqual({ port: 9000 })
    expect(readConfig({ ...minimal, ...operator }).operator).toEqual({ port: 9464, secret })
    expect(readConfig({ ...minimal, ...operator, PORT: '0', OPERATOR_PORT: '0' }).operator?.port).toBe(0)
    for (const env of [{ OPERATOR_PORT: '3000' }, { ...operator, PORT: '9464' }]) {
      const { PORT: port = '3000' } = env as { PORT?: string }
      expect(problemsOf({ ...minimal, ...env })).toEqual([
        `OPERATOR_PORT must not be PORT (${port}): browsers must reach neither the metrics nor the operator API`,
      ])
    }
  })

  test('their secrets and hashes are not in the start log', () => {
    const env = { OPERATOR_SECRET: secret, INTROSPECTION_CLIENTS: `a:${'0'.repeat(64)}` }
    const described = JSON.stringify(describeSettings(env))
    for (const value of Object.values(env)) expect(described).not.toContain(value)
  })

  test.each([
    [{}, 'https://example.okta.com'],
    [{ OIDC_ISSUER: 'https://example.okta.com' }, 'https://example.okta.com'],
    [{ OIDC_ISSUER: 'https://idp.example/realms/a' }, 'https://idp.example/realms/a'],
    [{ OIDC_UNIVERSAL_LOGOUT_ISSUER: 'https://x.okta.com' }, 'https://x.okta.com'],
    [
      {
        OIDC_ISSUER: undefined,
        OAUTH_AUTHORIZATION_ENDPOINT: 'https://idp.example/a',
        OAUTH_TOKEN_ENDPOINT: 'https://idp.example/t',
        OAUTH_ISSUER: 'https://idp.example',
        OIDC_SCOPES: 'profile',
      },
      undefined,
    ],
  ])('Universal Logout with %o: %s', (env, issuer) => {
    expect(readConfig({ ...minimal, ...env }).providers[0].universalLogoutIssuer).toBe(issuer)
  })
})

test('PUBLIC_URL may have a path, below which all addresses are', () => {
  const at = (url: string) => readConfig({ ...minimal, PUBLIC_URL: url })
  const shop = {
    publicUrl: 'https://app.example.com/shop',
    origin: 'https://app.example.com',
    basePath: '/shop',
  }
  for (const url of [shop.publicUrl, `${shop.publicUrl}/`]) expect(at(url)).toMatchObject(shop)
  expect(at(shop.publicUrl)).toMatchObject({
    allowedOrigins: [shop.origin],
    providers: [{ redirectUri: `${shop.publicUrl}/api/callback` }],
    appToken: { audiences: [shop.publicUrl] },
  })
  expect(at('https://app.example.com/')).toMatchObject({ publicUrl: shop.origin, basePath: '' })
  const problems = (env: object) => problemsOf({ ...minimal, PUBLIC_URL: shop.publicUrl, ...env })
  expect(problems({ LOGIN_DEFAULT_RETURN_TO: '/shop/api/login' })).toEqual([
    'LOGIN_DEFAULT_RETURN_TO must not be below /shop/api/',
  ])
  expect(problems({ LOGIN_DEFAULT_RETURN_TO: '/api/orders' })).toEqual([])
  expect(problems({ OIDC_REDIRECT_URI: `${shop.publicUrl}/api/elsewhere` })).toEqual([
    'OIDC_REDIRECT_URI must be /shop/api/callback or /shop/api/callback/default below /shop/api/',
  ])
  expect(problems({ OIDC_REDIRECT_URI: `${shop.publicUrl}/api/callback` })).toEqual([])
})

test('API_PREFIX takes the place of /api below PUBLIC_URL', () => {
  const at = { ...minimal, PUBLIC_URL: 'https://app.example.com/shop', API_PREFIX: '/bff/v1' }
  expect(readConfig(at)).toMatchObject({
    apiPrefix: '/bff/v1',
    apiPath: '/shop/bff/v1',
    apiUrl: 'https://app.example.com/shop/bff/v1',
    providers: [{ redirectUri: 'https://app.example.com/shop/bff/v1/callback' }],
  })
  const problems = (env: object) => problemsOf({ ...at, ...env })
  expect(problems({ LOGOUT_RETURN_TO: '/shop/bff/v1/logout' })).toEqual([
    'LOGOUT_RETURN_TO must not be below /shop/bff/v1/',
  ])
  expect(problems({ LOGIN_DEFAULT_RETURN_TO: 'https://app.example.com//shop/bff/v1/login' })).toEqual([
    'LOGIN_DEFAULT_RETURN_TO must not be below /shop/bff/v1/',
  ])
  expect(problems({ LOGIN_DEFAULT_RETURN_TO: '/shop/api/home' })).toEqual([])
  const spa = 'https://spa.example.com'
  const there = { SPA_ORIGINS: spa, LOGIN_DEFAULT_RETURN_TO: `${spa}/shop/bff/v1/home` }
  expect(problems({ ...there, OIDC_REDIRECT_URI: `${spa}/shop/bff/v1/signed-in` })).toEqual([])
  expect(problems({ OIDC_REDIRECT_URI: 'https://app.example.com/shop/bff/v1/elsewhere' })).toEqual([
    'OIDC_REDIRECT_URI must be /shop/bff/v1/callback or /shop/bff/v1/callback/default below /shop/bff/v1/',
  ])
  expect(problems({ OIDC_REDIRECT_URI: 'https://app.example.com/shop/api/elsewhere' })).toEqual([])
})

describe('problems (R11: no redirect URI, issuer or origin by plain http but on loopback)', () => {
  test('every missing variable at once, with an example and the way to the demo', () => {
    expect(problemsOf({})).toEqual([
      'PUBLIC_URL is required',
      'BFF_SECRETS is required',
      expect.stringContaining('OIDC_ISSUER is required'),
      'OIDC_CLIENT_ID is required',
    ])
    expect(() => readConfig({})).toThrow(/PUBLIC_URL=https:\/\/.*npm run demo/s)
  })

  test('wrong values and contradictions together', () => {
    const problems = problemsOf({ ...minimal, PORT: 'x', OIDC_CLIENT_AUTH: 'client_secret_basic' })
    expect(problems).toHaveLength(2)
  })

  test.each([
    ['PUBLIC_URL', 'ftp://app.example.com'],
    ['PUBLIC_URL', 'http://app.example.com'],
    ['PUBLIC_URL', 'https://app.example.com/shop?a'],
    ['PUBLIC_URL', 'https://app.example.com//shop'],
    ['PUBLIC_URL', 'https://app.example.com/.well-known'],
    ['PUBLIC_URL', 'https://app.example.com/a%20b'],
    ['PUBLIC_URL', 'https://user@app.example.com'],
    ['PUBLIC_URL', 'app.example.com'],
    ['PORT', '70000'],
    ['BFF_SECRETS', 'short'],
    ['BFF_SECRETS', 'not base64url!'.repeat(5)],
    ['BFF_SECRETS', 'A'.repeat(43)],
    ['BFF_SECRETS', `${twice},${twice}`],
    ['BFF_SECRETS', `${testSecret()},short`],
    ['OIDC_ISSUER', 'http://idp.example.com'],
    ['OIDC_ISSUER', 'https://idp.example.com/.well-known/openid-configuration'],
    ['OIDC_ISSUER', 'https://idp.example.com?a=b'],
    ['OIDC_ISSUER', 'https://idp.example.com#a'],
    ['OIDC_CLIENT_AUTH', 'magic'],
    ['OIDC_REDIRECT_URI', 'http://app.example.com/callback'],
    ['OIDC_REDIRECT_URI', 'https://app.example.com/callback?a=b'],
    ['OIDC_REDIRECT_URI', 'https://elsewhere.example/callback'],
    ['OIDC_SCOPES', 'profile email'],
    ['OIDC_SCOPES', 'openid "quoted"'],
    ['OIDC_ID_TOKEN_ALG', 'none'],
    ['OIDC_ID_TOKEN_ALG', 'HS256'],
    ['OIDC_LOGOUT_TOKEN_TYP', 'on'],
    ['OIDC_UNIVERSAL_LOGOUT_ISSUER', 'http://example.okta.com'],
    ['INTROSPECTION_CLIENTS', 'orders-api'],
    ['INTROSPECTION_CLIENTS', `:${'0'.repeat(64)}`],
    ['INTROSPECTION_CLIENTS', `orders api:${'0'.repeat(64)}`],
    ['INTROSPECTION_CLIENTS', `${'a'.repeat(101)}:${'0'.repeat(64)}`],
    ['INTROSPECTION_CLIENTS', `orders-api:${'0'.repeat(63)}`],
    ['INTROSPECTION_CLIENTS', `orders-api:${'g'.repeat(64)}`],
    ['INTROSPECTION_CLIENTS', `a:${'0'.repeat(64)},a:${'1'.repeat(64)}`],
    ['INTROSPECTION_CLIENTS', `a:${'0'.repeat(64)},`],
    ['OPERATOR_PORT', '-1'],
    ['OPERATOR_SECRET', 'short'],
    ['OPERATOR_SECRET', 'ab'.repeat(20)],
    ['OPERATOR_SECRET', 'with a space, but otherwise long enough'],
    ['OIDC_TIMEOUT', '3'],
    ['OIDC_TIMEOUT', '5m'],
    ['SPA_ORIGINS', 'https://spa.example.com/'.concat('path')],
    ['SPA_ORIGINS', 'https://another-site.example'],
    ['SPA_ORIGINS', 'http://spa.example.com'],
    ['SPA_ORIGINS', '*'],
    ['SPA_DIR', '/does/not/exist'],
    ['SPA_DIR', import.meta.filename],
    ['SPA_DIR', import.meta.dirname],
    ['SPA_CSP', 'none'],
    ['SPA_CSP', "script-src 'self'\nX-Evil: 1"],
    ['SPA_CSP', "script-src 'self' https://größe.example"],
    ['SPA_CSP', "default-src 'self'; {script-src: 'self'}"],
    ['SPA_DEV_URL', 'http://dev.example.com:5173'],
    ['SPA_DEV_URL', 'https://192.168.0.7:5173'],
    ['SPA_DEV_URL', 'http://localhost:5173/app'],
    ['SPA_DEV_URL', 'ws://localhost:5173'],
    ['LOGIN_DEFAULT_RETURN_TO', '//evil.example'],
    ['LOGIN_DEFAULT_RETURN_TO', 'https://evil.example/'],
    ['LOGOUT_RETURN_TO', 'javascript:alert(1)'],
    ['ALLOW_MEMORY_STORE', 'yes'],
    ['WORKERS', '0'],
    ['WORKERS', '129'],
    ['WORKERS', '2.5'],
    ['WORKERS', 'all'],
    ['SESSION_IDLE_TIMEOUT', '13h'],
    ['SESSION_COOKIE_SAMESITE', 'none'],
    ['SESSION_COOKIE_PERSISTENT', 'yes'],
    ['COOKIE_NAME', '2nd'],
    ['COOKIE_NAME', 'bff.tx'],
    ['COOKIE_NAME', '__Host-bff'],
    ['COOKIE_NAME', 'a b'],
    ['COOKIE_NAME', 'a'.repeat(33)],
    ['API_PREFIX', '/'],
    ['API_PREFIX', 'auth'],
    ['API_PREFIX', '/auth/'],
    ['API_PREFIX', '//auth'],
    ['API_PREFIX', '/auth//v1'],
    ['API_PREFIX', '/auth/../v1'],
    ['API_PREFIX', '/auth?a'],
    ['API_PREFIX', '/auth/:id'],
    ['API_PREFIX', '/%61uth'],
    ['API_PREFIX', '/.well-known'],
    ['API_PREFIX', '/livez'],
    ['API_PREFIX', '/Livez'],
    ['API_PREFIX', '/readyz/auth'],
    ['API_PREFIX', '/metrics'],
    ['API_PREFIX', '/operator/auth'],
    ['API_PREFIX', 'https://auth.example.com/auth'],
    ['APP_TOKEN_TTL', '16m'],
    ['APP_TOKEN_ALG', 'HS256'],
    ['APP_TOKEN_CLAIMS', 'name,sub'],
    ['APP_TOKEN_TYP', 'jwt'],
    ['APP_TOKEN_SCOPE_CLAIM', 'scopes'],
    ['APP_TOKEN_CLAIMS', 'name,idp'],
    ['APP_TOKEN_CLAIMS', 'name,scp'],
    ['APP_TOKEN_AUDIENCE', ','],
    ['APP_TOKEN_GROUPS', ','],
    ['APP_TOKEN_GROUPS', ' , '],
    ['APP_TOKEN_GROUPS', 'Admins,'],
    ['APP_TOKEN_GROUPS', ',Admins'],
    ['APP_TOKEN_GROUPS', 'Admins,,Auditors'],
    ['APP_TOKEN_GROUPS', 'Admins, ,Auditors'],
    ['APP_TOKEN_GROUPS', 'Ad\tmins'],
    ['APP_TOKEN_GROUPS', 'Admins,Aud\nitors'],
    ['APP_TOKEN_GROUPS', 'Admins,Aud\u0000itors'],
    ['APP_TOKEN_GROUPS', 'Admins\u0085*'],
    ['APP_TOKEN_GROUPS', 'Admins\u007f'],
    ['APP_TOKEN_GROUPS', 'Admins\n'],
    ['TRUST_PROXY', '10.0.0.0/99'],
    ['TRUST_PROXY', '0.0.0.0/0'],
    ['TRUST_PROXY', '10.0.0.0/0x8'],
    ['TRUST_PROXY', '10.0.0.0/8/8'],
    ['APP_TOKEN_CLAIMS', '__proto__'],
    ['LOGIN_DEFAULT_RETURN_TO', '/api/login'],
    ['LOGIN_DEFAULT_RETURN_TO', '/./api/login'],
    ['LOGIN_DEFAULT_RETURN_TO', 'https://app.example.com/api/login'],
    ['PUBLIC_URL', 'localhost:3000'],
    ['TRUST_PROXY', 'everyone'],
    ['LOG_LEVEL', 'loud'],
    ['REDIS_URL', 'localhost:6379'],
    ['REDIS_URL', 'https://redis.example.com'],
    ['REDIS_URL', 'redis://a,b'],
    ['REDIS_URL', 'redis://a:6379,b:6379'],
    ['REDIS_URL', 'redis://a:6379,'],
    ['REDIS_URL', 'redis://host/not-a-number'],
    ['REDIS_URL', 'redis://host?db=1'],
    ['REDIS_URL', 'redis://:pa%zz@host'],
    ['REDIS_URL', 'redis://a:6379,rediss://b:6379'],
    ['REDIS_URL', 'redis://:one@a:6379,redis://:other@b:6379'],
    ['REDIS_URL', 'redis://a:6379/1,redis://b:6379/1'],
    ['REDIS_URL', 'redis+sentinel://host:26379'],
    ['REDIS_URL', 'redis+sentinel://user:1?2@host/master'],
    ['REDIS_URL', 'redis+sentinel://:p%zz@host/master'],
    ['HTTPS_PROXY', 'socks5://proxy.example.com:1080'],
    ['HTTPS_PROXY', 'http://user:pa/ss@proxy.example.com:3128'],
    ['HTTPS_PROXY', 'http://user:pa#ss@proxy.example.com:3128'],
    ['HTTPS_PROXY', 'http://user:pa%zz@proxy.example.com:3128'],
    ['HTTP_PROXY', 'http://:password@proxy.example.com:3128'],
    ['HTTPS_PROXY', 'ftp://proxy.example.com'],
    ['HTTP_PROXY', 'http://proxy.example.com:3128/path'],
    ['HTTP_PROXY', 'http://proxy.example.com:3128?x'],
    ['HTTP_PROXY', 'http://proxy.example.com:3128/#'],
    ['NO_PROXY', 'https://idp.example.com'],
    ['NO_PROXY', 'idp.*.com'],
    ['RATE_LIMIT_LOGIN', '30'],
    ['RATE_LIMIT_LOGIN', '0/1m'],
    ['RATE_LIMIT_LOGIN', '30/1'],
    ['RATE_LIMIT_API', '600/1m/2'],
    ['RATE_LIMIT_API', '600/2d'],
  ])('%s=%s is refused by name', (variable, value) => {
    const problems = problemsOf({ ...minimal, [variable]: value })
    expect(problems).toHaveLength(1)
    expect(problems[0]).toMatch(new RegExp(`^${variable} `))
  })

  test.each([
    ['redis://host', { kind: 'standalone', url: 'redis://host', tls: false }],
    ['rediss://u:p%40s@host:1/3', { kind: 'standalone', url: 'rediss://u:p%40s@host:1/3', tls: true }],
    [
      'rediss://:p%40s@a:1, rediss://:p%40s@b:2',
      {
        kind: 'cluster',
        urls: ['rediss://:p%40s@a:1', 'rediss://:p%40s@b:2'],
        tls: true,
        credentials: { password: 'p@s' },
      },
    ],
    [
      'redis+sentinel://u:p%40s@a:1,[::1]/the-master/2',
      {
        kind: 'sentinel',
        master: 'the-master',
        nodes: [
          { host: 'a', port: 1 },
          { host: '::1', port: 26_379 },
        ],
        database: 2,
        tls: false,
        credentials: { username: 'u', password: 'p@s' },
      },
    ],
    // A comma of a password, and what a URL allows there.
    ['redis://:pa,ssw@rd:x@host', { kind: 'standalone', url: 'redis://:pa,ssw%40rd%3Ax@host', tls: false }],
    [
      'redis://:pa,ss@a:1,redis://:pa,ss@b:2',
      {
        kind: 'cluster',
        urls: ['redis://:pa,ss@a:1', 'redis://:pa,ss@b:2'],
        tls: false,
        credentials: { password: 'pa,ss' },
      },
    ],
    [
      'redis+sentinel://:pa,s@s%2Fw%23rd@a:1,b:2/the-master',
      {
        kind: 'sentinel',
        master: 'the-master',
        nodes: [
          { host: 'a', port: 1 },
          { host: 'b', port: 2 },
        ],
        database: 0,
        tls: false,
        credentials: { password: 'pa,s@s/w#rd' },
      },
    ],
  ])('REDIS_URL=%s is understood', (value, expected) => {
    expect(readConfig({ ...minimal, REDIS_URL: value }).redis).toEqual(expected)
  })

  test.each([
    ['one server', 'redis://:SECRET@host:6379'],
    ['a user', 'rediss://user:SECRET@host'],
    ['a cluster', 'redis://:SECRET@a:6379,redis://:SECRET@b:6379'],
    ['Sentinel', 'redis+sentinel://:SECRET@a:26379,b:26379/master'],
  ])('a raw "/", "#" or "?" in the password of %s: how to write it, without it', (_what, url) => {
    for (const password of ['pa,ss/w#rd', 'pass/word', '#password', '12?word', 'p@ss/word']) {
      expect(problemsOf({ ...minimal, REDIS_URL: url.replaceAll('SECRET', password) })).toEqual([
        'REDIS_URL has a raw "/", "?" or "#" in its user name or password: write them percent-encoded, as %2F, %3F and %23',
      ])
    }
  })

  test('the app comes from a directory, from a dev server, or from elsewhere', () => {
    const path = mkdtempSync(join(tmpdir(), 'portico-'))
    onTestFinished(() => rmSync(path, { recursive: true }))
    expect(problemsOf({ ...minimal, SPA_DIR: path })).toEqual([
      'SPA_DIR has no index.html: build the app first, and name the directory of the result',
    ])
    expect(problemsOf({ ...minimal, SPA_DIR: join(path, 'none') })).toEqual([
      'SPA_DIR must be a directory that exists: the build of the app',
    ])
    writeFileSync(join(path, 'index.html'), '')
    const SPA_DEV_URL = 'http://localhost:5173'
    const spaOf = (env: Record<string, string>) => readConfig({ ...minimal, ...env }).spa
    expect(spaOf({})).toBeUndefined()
    expect(spaOf({ SPA_DIR: path })).toEqual({ kind: 'directory', path, policy: undefined })
    expect(spaOf({ SPA_DIR: path, SPA_CSP: 'off' })).toEqual({ kind: 'directory', path, policy: 'off' })
    expect(spaOf({ SPA_DEV_URL })).toEqual({ kind: 'dev-server', url: SPA_DEV_URL })
    expect(spaOf({ SPA_DEV_URL: 'https://[::1]:5173/' })).toMatchObject({ url: 'https://[::1]:5173' })
    expect(problemsOf({ ...minimal, SPA_DIR: path, SPA_DEV_URL })).toEqual([
      'SPA_DEV_URL is given beside SPA_DIR: the app is served from one of them',
    ])
  })

  test('SPA_DEV_URL is for development, and another address than PUBLIC_URL', () => {
    const SPA_DEV_URL = 'http://localhost:5173'
    const production = { NODE_ENV: 'production', ALLOW_MEMORY_STORE: 'true' }
    expect(problemsOf({ ...minimal, ...production, SPA_DEV_URL })).toEqual([
      'SPA_DEV_URL is for development only, and NODE_ENV=production: serve a build by SPA_DIR',
    ])
    expect(problemsOf({ ...minimal, PUBLIC_URL: SPA_DEV_URL, SPA_DEV_URL })).toEqual([
      expect.stringMatching(/^SPA_DEV_URL must not be PUBLIC_URL/),
    ])
  })

  test('rates and "off" are understood', () => {
    const { rateLimits } = readConfig({ ...minimal, RATE_LIMIT_LOGIN: '5/10s', RATE_LIMIT_API: 'off' })
    expect(rateLimits).toEqual({ login: { limit: 5, window: 10_000 }, api: undefined })
  })

  test.each([
    ['Admins', ['Admins']],
    ['Admins, portal-*,Größe 管理', ['Admins', 'portal-*', 'Größe 管理']],
    ['*', ['*']],
    ['', undefined],
    [undefined, undefined],
  ])('APP_TOKEN_GROUPS=%s is understood', (value, expected) => {
    expect(readConfig({ ...minimal, APP_TOKEN_GROUPS: value }).appToken.groups).toEqual(expected)
  })

  test.each([
    ['Admins,,Auditors', 'must not have an empty entry: two commas in a row, or one at an end'],
    ['Ad\tmins', 'must not contain control characters, such as tabs and line breaks'],
  ])('APP_TOKEN_GROUPS=%j: the problem says what to change', (value, problem) => {
    expect(problemsOf({ ...minimal, APP_TOKEN_GROUPS: value })).toEqual([`APP_TOKEN_GROUPS ${problem}`])
  })

  test.each([
    [{ OIDC_CLIENT_AUTH: 'client_secret_post' }, 'OIDC_CLIENT_SECRET is needed'],
    [{ OIDC_CLIENT_AUTH: 'none', OIDC_CLIENT_SECRET: 's' }, 'OIDC_CLIENT_AUTH is none'],
    [
      { OIDC_ACCESS_TOKEN: 'jwt', OIDC_ISSUER: 'https://example.okta.com' },
      'OIDC_ACCESS_TOKEN_AUDIENCE is needed',
    ],
    [{ NODE_ENV: 'production' }, 'REDIS_URL is required'],
  ])('%o: %s', (env, expected) => {
    expect(problemsOf({ ...minimal, ...env })).toEqual([expect.stringContaining(expected)])
  })

  test.each(['https://spa.example.com', 'https://app.example.com:8443'])(
    'an SPA of the same site is fine: %s',
    (origin) => {
      expect(problemsOf({ ...minimal, SPA_ORIGINS: origin })).toEqual([])
    },
  )

  test.each(['co.uk', 'github.io'])('two tenants of the public suffix %s are two sites', (suffix) => {
    const env = { ...minimal, PUBLIC_URL: `https://a.${suffix}`, SPA_ORIGINS: `https://b.${suffix}` }
    expect(problemsOf(env)).toEqual([expect.stringContaining('another site')])
  })
})

describe('secrets', () => {
  test('can come from a mounted file', () => {
    const file = join(mkdtempSync(join(tmpdir(), 'portico-')), 'secret')
    writeFileSync(file, 'from-a-file\n')
    expect(readConfig({ ...minimal, OIDC_CLIENT_SECRET_FILE: file }).providers[0].clientAuth).toMatchObject({
      secret: 'from-a-file',
    })
  })

  test('given twice, or in a file that cannot be read, are problems that name the variable', () => {
    const file = { OIDC_CLIENT_SECRET_FILE: '/does/not/exist' }
    expect(problemsOf({ ...minimal, ...file })).toEqual([
      expect.stringContaining('OIDC_CLIENT_SECRET cannot be read'),
    ])
    expect(problemsOf({ ...minimal, ...file, OIDC_CLIENT_SECRET: 's' })).toEqual([
      expect.stringContaining('given twice'),
    ])
  })

  test('the password of a forward proxy is not printed, in capital or small letters', () => {
    const address = 'http://user:canary@proxy.example.com:3128'
    const {
      HTTPS_PROXY: https,
      http_proxy: small,
      HTTP_PROXY: http,
    } = describeSettings({
      HTTPS_PROXY: address,
      http_proxy: address,
    })
    expect([https, small, http]).toEqual(['[redacted]', undefined, '[redacted]'])
    expect(problemsOf({ ...minimal, https_proxy: `${address}/path` }).join()).not.toContain('canary')
  })

  test('are never printed, neither in problems nor in the start log', () => {
    const canary = 'canary-canary-canary'
    const env = { ...minimal, BFF_SECRETS: canary, OIDC_CLIENT_SECRET: canary }
    expect(() => readConfig(env)).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining(canary) }),
    )
    const described = describeSettings(env)
    expect(JSON.stringify(described)).not.toContain(canary)
    expect(described).toMatchObject({ BFF_SECRETS: '[redacted]', OIDC_CLIENT_ID: 'client', PORT: '3000' })
  })
})

describe('traces', () => {
  const endpoint = 'http://collector:4318'

  test.each<[string, Record<string, string>, string | undefined]>([
    ['no endpoint', { OTEL_SERVICE_NAME: 'x', OTEL_TRACES_EXPORTER: 'otlp' }, undefined],
    ['an empty one', { OTEL_EXPORTER_OTLP_ENDPOINT: '' }, undefined],
    ['a base', { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }, `${endpoint}/v1/traces`],
    [
      'a base with a path',
      { OTEL_EXPORTER_OTLP_ENDPOINT: `${endpoint}/otlp/` },
      `${endpoint}/otlp/v1/traces`,
    ],
    [
      'one for traces, which comes first',
      { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${endpoint}/spans`, OTEL_EXPORTER_OTLP_ENDPOINT: 'http://x' },
      `${endpoint}/spans`,
    ],
    ['a switch', { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_SDK_DISABLED: 'TRUE' }, undefined],
    ['no exporter', { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_TRACES_EXPORTER: 'none' }, undefined],
  ])('with %s', (_name, env, url) => {
    expect(readConfig({ ...minimal, ...env }).traces?.url).toBe(url)
  })

  test.each<[Record<string, string>, string]>([
    [
      { OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' },
      'OTEL_EXPORTER_OTLP_ENDPOINT must be an http or https URL',
    ],
    [
      { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'grpc://collector' },
      'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT must be an http or https URL',
    ],
    [
      { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' },
      'OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf: spans are sent in no other way',
    ],
    [
      { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_TRACES_EXPORTER: 'console' },
      'OTEL_TRACES_EXPORTER must be otlp or none: there is no other exporter',
    ],
    [
      { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_TRACES_SAMPLER: 'half' },
      'OTEL_TRACES_SAMPLER must be one of always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off, parentbased_traceidratio',
    ],
    [
      {
        OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
        OTEL_TRACES_SAMPLER: 'traceidratio',
        OTEL_TRACES_SAMPLER_ARG: '10',
      },
      'OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1: the part that is recorded',
    ],
  ])('%j is a problem, which shows an example', (env, problem) => {
    expect(problemsOf({ ...minimal, ...env })).toEqual([problem])
    expect(() => readConfig({ ...minimal, ...env })).toThrow(/for example: OTEL_/)
    // Where there are no traces, their settings do not matter.
    expect(problemsOf({ ...minimal, ...env, OTEL_SDK_DISABLED: 'true' })).toEqual([])
  })
})
