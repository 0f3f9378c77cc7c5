import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { readConfig } from '../../../src/config/config.ts'
import { findUnknownVariables } from '../../../src/config/names/unknown-variables.ts'
import type { ProxyRoute } from '../../../src/config/proxy/proxy-route.ts'
import { type RouteMember, routeMembers } from '../../../src/config/proxy/route-members.ts'
import { describeSettings, type Environment } from '../../../src/config/read-settings.ts'
import { findConfigError, problemsOf } from '../../support/config-problems.ts'
import { testSecret } from '../../support/portico.ts'

const folder = mkdtempSync(join(tmpdir(), 'portico-routes-'))
afterAll(() => rmSync(folder, { recursive: true }))

const minimal = {
  PUBLIC_URL: 'https://app.example.com',
  BFF_SECRETS: testSecret(),
  OIDC_ISSUER: 'https://idp.example.com',
  OIDC_CLIENT_ID: 'client',
}

const upstream = 'https://orders.internal'

let files = 0
/** The environment with a routes file of this content. */
function withFile(content: unknown, { ending = 'json', env = {} as Environment } = {}): Environment {
  files += 1
  const path = join(folder, `${files}.${ending}`)
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
  return { ...minimal, PROXY_ROUTES_FILE: path, ...env }
}
const withYaml = (text: string) => withFile(text, { ending: 'yaml' })

const routesOf = (env: Environment): readonly ProxyRoute[] => readConfig(env).proxyRoutes

const defaults: ProxyRoute = {
  name: 'orders',
  origin: upstream,
  basePath: '',
  methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
  paths: ['/'],
  access: { scopes: [], groups: [], providers: [] },
  token: { kind: 'provider', audience: undefined, scopes: undefined },
  timeout: 30_000,
  maxBody: 10_485_760,
  websocket: false,
  cache: 'no-store',
  requestHeaders: [],
  responseHeaders: [],
  cookies: [],
  forwarded: false,
}

test('providers that do not exist are found, once those that do are known', () => {
  const env = withFile({ orders: { upstream, providers: ['default', 'okta'] } })
  expect(problemsOf(env)).toEqual([
    'PROXY_ROUTES_FILE has a route orders whose member providers names one that does not exist',
  ])
  expect(problemsOf({ ...env, OIDC_ISSUER: 'x' })).not.toContainEqual(expect.stringMatching(/does not exist/))
  expect(problemsOf(withFile({ orders: { upstream, providers: ['Okta!'] } }))).toEqual([
    expect.stringMatching(/providers is wrong at value 1, which must be the name of a provider$/),
  ])
})

describe('routes', () => {
  test('none without a setting', () => {
    expect(routesOf(minimal)).toEqual([])
  })

  test('a file that says only where the upstream is', () => {
    expect(routesOf(withFile({ orders: { upstream } }))).toEqual([defaults])
  })

  test('the short form: a variable for each upstream', () => {
    const env = { ...minimal, PROXY_ORDERS: upstream, PROXY_ORDERS_API_2: `${upstream}/v2/`, PROXY_EMPTY: '' }
    expect(routesOf(env)).toEqual([defaults, { ...defaults, name: 'orders-api-2', basePath: '/v2' }])
  })

  test('file and variables together, the file first', () => {
    const env = withFile({ b: { upstream } }, { env: { PROXY_A: upstream } })
    expect(routesOf(env).map(({ name }) => name)).toEqual(['b', 'a'])
  })

  test('every member', () => {
    const members = {
      upstream: 'http://Orders.Internal:8080/v2/api/',
      allow_http: true,
      methods: ['GET', 'POST', 'POST'],
      paths: ['/orders', '/a/b.c~d_e-f'],
      scopes: ['orders.read', 'orders.write', 'orders.read'],
      groups: ['Admins', 'Größe, Team 1'],
      providers: ['default'],
      token: 'exchange',
      audience: 'https://orders.internal',
      token_scopes: ['orders.read'],
      timeout: '10m',
      max_body: '10gb',
      websocket: true,
      cache: 'private',
      request_headers: ['X-Currency'],
      response_headers: ['X-Total-Count', 'ETag'],
      cookies: ['region', '__Secure-x'],
      forwarded: true,
    }
    expect(Object.keys(members)).toEqual(Object.keys(routeMembers))
    expect(routesOf(withFile({ orders: members }))).toEqual([
      {
        name: 'orders',
        origin: 'http://orders.internal:8080',
        basePath: '/v2/api',
        methods: ['GET', 'POST', 'HEAD'],
        paths: ['/orders', '/a/b.c~d_e-f'],
        access: {
          scopes: ['orders.read', 'orders.write'],
          groups: ['Admins', 'Größe, Team 1'],
          providers: ['default'],
        },
        token: { kind: 'exchange', audience: 'https://orders.internal', scopes: ['orders.read'] },
        timeout: 600_000,
        maxBody: 10 * 1024 ** 3,
        websocket: true,
        cache: 'private',
        requestHeaders: ['x-currency'],
        responseHeaders: ['x-total-count', 'etag'],
        cookies: ['region', '__Secure-x'],
        forwarded: true,
      } satisfies ProxyRoute,
    ])
  })

  test.each([
    ['http on this machine', { upstream: 'http://127.0.0.1:8080' }, { origin: 'http://127.0.0.1:8080' }],
    ['no GET, and so no HEAD', { upstream, methods: ['POST'] }, { methods: ['POST'] }],
    ['the smallest limits', { upstream, timeout: '1s', max_body: '1kb' }, { timeout: 1_000, maxBody: 1_024 }],
  ])('%s', (_what, members, expected) => {
    expect(routesOf(withFile({ orders: members }))).toEqual([{ ...defaults, ...expected }])
  })

  test('every example and every default would be accepted', () => {
    for (const [name, { parse, example, fallback }] of Object.entries<RouteMember<unknown>>(routeMembers)) {
      expect([name, parse.safeParse(example).success]).toEqual([name, true])
      if (fallback !== undefined) expect([name, parse.safeParse(fallback).success]).toEqual([name, true])
    }
  })
})

/** Aliases of aliases: a thousand million texts, once they are resolved. */
const laughs = Array.from({ length: 9 }, (_, level) => {
  const items = level === 0 ? 'ha' : `*a${level - 1}`
  return `a${level}: &a${level} [${Array(10).fill(items).join(', ')}]`
}).join('\n')

describe('the file', () => {
  test('may be YAML, with comments and anchors', () => {
    const env = withYaml(`# upstreams
orders: { upstream: ${upstream}, scopes: &read [orders.read] }
reports:
  upstream: ${upstream}
  scopes: *read
`)
    expect(routesOf(env).map(({ access }) => access.scopes)).toEqual([['orders.read'], ['orders.read']])
    expect(routesOf(withFile(`orders:\n  upstream: ${upstream}`, { ending: 'yml' }))).toEqual([defaults])
  })

  test('may begin with a byte order mark', () => {
    expect(routesOf(withFile(`\ufeff${JSON.stringify({ orders: { upstream } })}`))).toEqual([defaults])
    expect(routesOf(withYaml(`\ufefforders:\n  upstream: ${upstream}`))).toEqual([defaults])
  })

  test.each([
    ['another ending', withFile('{}', { ending: 'toml' }), /must name a file that ends in \.json, \.yaml or/],
    ['no file', { ...minimal, PROXY_ROUTES_FILE: join(folder, 'none.json') }, /a file that cannot be read$/],
    ['no JSON', withFile('{"orders":'), /names a file that is not JSON$/],
    ['no YAML', withYaml('orders: {\nupstream: }}'), /names a file that is not YAML: see line \d$/],
    ['a tag', withYaml('orders: !secret x'), /names a file that is not YAML: see line 1$/],
    ['an alias of nothing', withYaml('orders: *canary'), /names a file that is not YAML(: see line 1)?$/],
    ['a billion laughs', withYaml(laughs), /names a file that is not YAML$/],
    ['two documents', withYaml('a: 1\n---\nb: 2'), /names a file that is not YAML: see line \d$/],
    ['a list', withFile([{ upstream }]), /is not of the form \{ "orders"/],
    ['a text', withYaml('orders'), /is not of the form \{ "orders"/],
    ['nothing', withYaml(''), /is not of the form \{ "orders"/],
    ['no route', withFile({}), /names a file without a route/],
    ['a YAML name twice', withYaml('a:\n  timeout: 1s\n  timeout: 2s'), /has one name twice: see line 3$/],
    ['a JSON member twice', withFile('{"a":{"scopes":["b"],"scopes":[]}}'), /has one name twice$/],
    [
      'a JSON route twice',
      withFile('{"a":{"upstream":{"b":1}},"\\u0061":{"c":[{"d":1}]}}'),
      /one name twice$/,
    ],
  ])('%s is refused', (_what, env, expected) => {
    expect(problemsOf(env)).toEqual([expect.stringMatching(expected)])
  })

  test.each(['a:b', 'a":b', '\\"a":"', 'a\\\\":', '{"a":[1]}'])(
    'the JSON text %s contains no name',
    (group) => {
      const env = withFile({ orders: { upstream, groups: [group] } })
      expect(routesOf(env)[0]?.access.groups).toEqual([group])
    },
  )

  test('that is YAML loads the library for it, and nothing else does', () => {
    const script = `
      import { createRequire } from 'node:module'
      import { readConfig } from './src/config/config.ts'
      for (const env of ${JSON.stringify([
        minimal,
        withFile({ orders: { upstream } }),
        withYaml(`orders: { upstream: ${upstream} }`),
      ])}) {
        readConfig(env)
        const loaded = Object.keys(createRequire(import.meta.url).cache)
        console.log(loaded.some((file) => file.includes('/node_modules/yaml/')))
      }`
    const output = execFileSync(process.execPath, ['--input-type=module', '--eval', script], {
      encoding: 'utf8',
    })
    expect(output).toBe('false\nfalse\ntrue\n')
  })

  test('of the documentation is good', () => {
    const routes = routesOf({ ...minimal, PROXY_ROUTES_FILE: 'docs/proxy-routes.example.yaml' })
    expect(new Set(routes.map(({ token }) => token.kind))).toEqual(
      new Set(['provider', 'app', 'exchange', 'optional', 'none']),
    )
  })
})

describe('a member that is wrong is refused, by route and name', () => {
  test.each<[string, unknown, string]>([
    ['upstream', undefined, 'is required'],
    ['upstream', null, 'must be a text in quotes'],
    ['upstream', 7, 'must be a text in quotes'],
    ['upstream', 'orders.internal', 'must begin with https://, or http:// on a loopback host'],
    ['upstream', 'ftp://orders.internal', 'must begin with https://, or http:// on a loopback host'],
    ['upstream', 'https:orders.internal', 'must begin with https://, or http:// on a loopback host'],
    ['upstream', 'http://orders.internal', 'must be https; http is accepted on a loopback host, or'],
    ['upstream', 'https://a:b@orders.internal', 'must not contain a user name or password'],
    ['upstream', 'https://orders.internal?', 'must not have a query'],
    ['upstream', 'https://orders.internal/#', 'must not have a fragment (#...)'],
    ['upstream', 'https://orders.internal//', 'must have a path of segments that are not empty'],
    ['upstream', 'https://orders.internal/a//b', 'must have a path of segments that are not empty'],
    ['upstream', 'https://orders.internal/a%2fb', 'must have a path of segments that are not empty'],
    ['allow_http', 'true', 'must be true or false'],
    ['methods', 'GET', 'must be a list: [...]'],
    ['methods', [], 'must name at least one'],
    ['methods', ['GET', 'get'], 'is wrong at value 2, which must be in capital letters, such as GET'],
    ['methods', ['GETS'], 'is wrong at value 1, which must be a method of HTTP, such as GET'],
    ['methods', ['CONNECT'], 'is wrong at value 1, which must not be CONNECT or TRACE'],
    ['methods', ['TRACE'], 'is wrong at value 1, which must not be CONNECT or TRACE'],
    ['methods', [['GET']], 'is wrong at value 1, which must be a text in quotes'],
    ['paths', [], 'must name at least one'],
    ['paths', ['orders'], 'is wrong at value 1, which must begin with a slash'],
    ['paths', ['/orders/'], 'is wrong at value 1, which must not end with a slash: /orders stands for'],
    ['paths', ['/', '//a'], 'is wrong at value 2, which must be a path of segments that are not empty'],
    ['paths', ['/..'], 'is wrong at value 1, which must be a path of segments that are not empty'],
    ['paths', ['/a/./b'], 'is wrong at value 1, which must be a path of segments that are not empty'],
    ['paths', ['/a/%2e%2e'], 'is wrong at value 1, which must be a path of segments that are not empty'],
    ['paths', ['/a\\b'], 'is wrong at value 1, which must be a path of segments that are not empty'],
    ['paths', ['/a?b'], 'is wrong at value 1, which must be a path of segments that are not empty'],
    ['paths', ['/a#b'], 'is wrong at value 1, which must be a path of segments that are not empty'],
    ['paths', ['/ä'], 'is wrong at value 1, which must be a path of segments that are not empty'],
    ['scopes', 'orders.read', 'must be a list: [...]'],
    ['scopes', null, 'must be a list: [...]'],
    ['scopes', ['a b'], 'is wrong at value 1, which must be one scope, without spaces and quotes'],
    ['groups', [''], 'is wrong at value 1, which must be the name of a group'],
    ['groups', ['a\tb'], 'is wrong at value 1, which must be the name of a group'],
    ['token', 'jwt', 'must be one of: provider, app, exchange, optional, none'],
    ['audience', null, 'must be a text in quotes'],
    ['audience', '', 'must be a text without spaces'],
    ['audience', 'a b', 'must be a text without spaces'],
    ['token_scopes', [], 'must name at least one'],
    ['timeout', 30, 'must be a text in quotes'],
    ['timeout', '30', 'must be a duration such as 30s'],
    ['timeout', '0s', 'must lie between 1s and 10m'],
    ['timeout', '11m', 'must lie between 1s and 10m'],
    ['max_body', 1024, 'must be a text in quotes'],
    ['max_body', '1024', 'must be a size such as 512kb, 10mb or 1gb'],
    ['max_body', '0kb', 'must be a size such as 512kb, 10mb or 1gb'],
    ['max_body', '11gb', 'must be at most 10gb'],
    ['websocket', 'yes', 'must be true or false'],
    ['cache', 'public', 'must be one of: no-store, private'],
    ['request_headers', ['x currency'], 'is wrong at value 1, which must be the name of a header'],
    ['request_headers', ['x-a: b'], 'is wrong at value 1, which must be the name of a header'],
    ['cookies', ['a=b'], 'is wrong at value 1, which must be the name of a cookie'],
    ['cookies', ['bff_session'], 'is wrong at value 1, which must not begin with bff_ or __Host-'],
    ['cookies', ['__Host-other'], 'is wrong at value 1, which must not begin with bff_ or __Host-'],
    ['cookies', ['__host-bff_session'], 'is wrong at value 1, which must not begin with bff_ or __Host-'],
    ['forwarded', 1, 'must be true or false'],
  ])('%s: %j', (member, value, expected) => {
    const members = { upstream, token: 'app', [member]: value }
    expect(problemsOf(withFile({ orders: members }))).toEqual([
      expect.stringContaining(`PROXY_ROUTES_FILE has a route orders whose member ${member} ${expected}`),
    ])
  })

  test.each(
    [
      'connection keep-alive te trailer transfer-encoding upgrade proxy-authenticate proxy-authorization',
      'content-length host expect authorization cookie set-cookie dpop forwarded via x-real-ip',
      'x-forwarded-for x-forwarded-proto x-forwarded-host x-auth-subject x-original-url origin referer',
      'sec-fetch-site sec-websocket-protocol x-csrf x-slide x-request-id x-forward-auth-secret',
      'cache-control expires age pragma vary access-control-allow-origin strict-transport-security',
      'content-security-policy clear-site-data x-http-method-override service-worker-allowed',
      'www-authenticate location dpop-nonce x-authenticated-user x-remote-user x-ssl-client-verify',
    ].flatMap((names) => names.split(' ')),
  )('the header %s may not pass, in neither direction', (header) => {
    const problem = 'is wrong at value 2, which must not be a header that Portico sets or removes itself'
    const headers = ['etag', header.toUpperCase()]
    const members = { upstream, request_headers: headers, response_headers: headers }
    expect(problemsOf(withFile({ orders: members }))).toEqual([
      `PROXY_ROUTES_FILE has a route orders whose member request_headers ${problem}`,
      `PROXY_ROUTES_FILE has a route orders whose member response_headers ${problem}`,
    ])
  })

  test.each<[object, string]>([
    [{ token: 'exchange' }, 'audience is needed for "token": "exchange"'],
    [{ audience: 'a' }, 'audience has no effect with "token": "provider": set "app" or "exchange", or'],
    [{ token: 'none', audience: 'a' }, 'audience has no effect with "token": "none"'],
    [{ token: 'optional', token_scopes: ['a'] }, 'token_scopes has no effect with "token": "optional"'],
    [{ websocket: true, methods: ['POST'] }, 'methods must include GET for "websocket": true'],
  ])('members that contradict each other: %j', (members, expected) => {
    expect(problemsOf(withFile({ orders: { upstream, ...members } }))).toEqual([
      expect.stringContaining(`PROXY_ROUTES_FILE has a route orders whose member ${expected}`),
    ])
  })

  test('one that is wrong by itself has one problem, not also that it is missing', () => {
    expect(problemsOf(withFile({ orders: { upstream, token: 'exchange', audience: '' } }))).toEqual([
      'PROXY_ROUTES_FILE has a route orders whose member audience must be a text without spaces',
    ])
  })

  test('one that no route has is named, with those that a route may have', () => {
    const env = withFile({ orders: { upstream, upstreams: [], 'time\nout': '1s' } })
    expect(problemsOf(env)).toEqual([
      expect.stringMatching(/"upstreams", "time.?out"; a route may have upstream, allow_http, .*forwarded$/),
    ])
  })

  test('every problem at once, each with what would be accepted', () => {
    const env = withFile({ a: { timeout: '1h' }, b: upstream, C: { upstream } }, { env: { PROXY_D: 'x' } })
    const { message = '' } = findConfigError(env) ?? {}
    expect(message.split('\n').filter((line) => line.startsWith('  '))).toEqual([
      '  PROXY_ROUTES_FILE has a route a whose member upstream is required',
      '      for example: "upstream": "https://orders.internal"',
      '  PROXY_ROUTES_FILE has a route a whose member timeout must lie between 1s and 10m',
      '      for example: "timeout": "30s"',
      '  PROXY_ROUTES_FILE has a route b that is not an object with an upstream',
      '      for example: {"orders":{"upstream":"https://orders.internal"}}',
      '  PROXY_ROUTES_FILE has a route "C": names are up to 32 characters of a-z, 0-9 and -, and begin with a letter',
      '      for example: {"orders":{"upstream":"https://orders.internal"}}',
      expect.stringMatching(
        /^ {2}PROXY_D makes a route d, .*: its upstream must begin with https:\/\/, or http:\/\/ on a loopback host$/,
      ),
      '      for example: PROXY_D=https://orders.internal',
      '  npm start -- keys    or    portico-bff keys',
    ])
  })

  test.each(['', '1', '-a', 'Orders', 'a_b', 'a/b', 'a'.repeat(33), '__proto__'])('the name "%s"', (name) => {
    const env = withFile(`{"${name}":{"upstream":"${upstream}"}}`)
    expect(problemsOf(env)).toEqual([expect.stringContaining(`has a route "${name}": names are up to 32`)])
  })

  test('no value is repeated: it may be a secret', () => {
    const canary = 'canary-canary-canary'
    const members = Object.fromEntries(Object.keys(routeMembers).map((name) => [name, { canary }]))
    const texts = Object.fromEntries(Object.keys(routeMembers).map((name) => [name, `"${canary}`]))
    const broken = [
      withFile({ a: members, b: texts, c: { upstream: `https://x:${canary}@y` } }),
      withFile(`{"a":"${canary}`),
      withYaml(`a: "${canary}`),
      withYaml(`a: !${canary} b`),
      { ...minimal, PROXY_PASSWORD: canary, PROXY_A: `https://:${canary}@b`, PROXY_B: `"${canary}"` },
    ]
    for (const env of broken) {
      const { message = '' } = findConfigError(env) ?? {}
      expect(message).toContain('PROXY_')
      expect(message).not.toContain(canary)
    }
  })
})

describe('a variable that is wrong is refused by name', () => {
  test.each([
    [
      'PROXY_ORDERS',
      'orders.internal',
      'makes a route orders, as every variable that begins with PROXY_ does: its',
    ],
    [
      'PROXY_ORDERS',
      'http://orders.internal',
      'http is accepted on a loopback host, or in a routes file with',
    ],
    ['PROXY_ORDERS', '"https://orders.internal"', 'is in quotes, which count as a part of it'],
    ['PROXY_ORDERS', 'https://orders.internal ', 'begins or ends with a space'],
    [
      'PROXY_1',
      upstream,
      'makes a route "1", as every variable that begins with PROXY_ does: names are up to',
    ],
    ['PROXY_', upstream, 'makes a route "", as every'],
  ])('%s=%s', (variable, value, expected) => {
    const problems = problemsOf({ ...minimal, [variable]: value })
    expect(problems).toEqual([expect.stringContaining(expected)])
    expect(problems[0]).toMatch(new RegExp(`^${variable} `))
  })

  test('the same name twice', () => {
    const problem = (where: string) => `makes a route orders-api, which is also ${where}: remove one of them`
    expect(problemsOf({ ...minimal, PROXY_ORDERS_API: upstream, PROXY_orders_api: upstream })).toEqual([
      `PROXY_orders_api ${problem('made by PROXY_ORDERS_API')}`,
    ])
    const file = withFile({ 'orders-api': { upstream } }, { env: { PROXY_ORDERS_API: upstream } })
    expect(problemsOf(file)).toEqual([`PROXY_ORDERS_API ${problem('in PROXY_ROUTES_FILE')}`])
  })

  test('but is no unknown variable, unless it looks like the setting misspelt', () => {
    expect(findUnknownVariables({ PROXY_ORDERS: upstream, PROXY_X: upstream })).toEqual([])
    expect(findUnknownVariables({ PROXY_ROUTE_FILE: upstream })).toEqual([
      { name: 'PROXY_ROUTE_FILE', meant: 'PROXY_ROUTES_FILE' },
    ])
  })
})

describe('FORWARD_AUTH_SECRET', () => {
  test('is a secret, optional, and may come from a file', () => {
    const secret = testSecret()
    const path = join(folder, 'secret')
    writeFileSync(path, `${secret}\n`)
    expect(readConfig(minimal).forwardAuthSecret).toBeUndefined()
    expect(readConfig({ ...minimal, FORWARD_AUTH_SECRET: secret }).forwardAuthSecret).toBe(secret)
    expect(readConfig({ ...minimal, FORWARD_AUTH_SECRET_FILE: path }).forwardAuthSecret).toBe(secret)
    expect(describeSettings({ FORWARD_AUTH_SECRET: secret }).FORWARD_AUTH_SECRET).toBe('[redacted]')
  })

  test.each(['short', 'ab'.repeat(20), 'with a space, but otherwise long enough'])(
    '%s is refused',
    (value) => {
      expect(problemsOf({ ...minimal, FORWARD_AUTH_SECRET: value })).toEqual([
        expect.stringMatching(/^FORWARD_AUTH_SECRET /),
      ])
    },
  )

  test('a name that looks like it is reported', () => {
    expect(findUnknownVariables({ FORWARD_AUTH_SECERT: 'x', FORWARD_AUTH: 'x' })).toEqual([
      { name: 'FORWARD_AUTH_SECERT', meant: 'FORWARD_AUTH_SECRET' },
      { name: 'FORWARD_AUTH', meant: undefined },
    ])
  })
})

test('a route may not name a cookie that is Portico’s by COOKIE_NAME', () => {
  const problems = (cookie: string, env: Environment) =>
    problemsOf(withFile({ orders: { upstream, token: 'app', cookies: ['region', cookie] } }, { env }))
  const expected = expect.stringContaining(
    'PROXY_ROUTES_FILE has a route orders whose member cookies names one that begins with shop_',
  )
  expect(problems('shop_session', { COOKIE_NAME: 'shop' })).toEqual([expected])
  expect(problems('SHOP_tx.1', { COOKIE_NAME: 'shop' })).toEqual([expected])
  expect(problems('shop_session', { COOKIE_NAME: 'Shop' })).toHaveLength(1)
  expect(problems('shop_session', {})).toEqual([])
  expect(problems('shopping', { COOKIE_NAME: 'shop' })).toEqual([])
})
