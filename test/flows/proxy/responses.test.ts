import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { csrf } from '../../support/login.ts'
import { parseRaw, sendRaw } from '../../support/network/raw-http.ts'
import { type Proxied, startProxied } from '../../support/upstreams/proxied.ts'
import { toResponse } from '../../support/upstreams/raw-upstream.ts'

/** What of an upstream's response reaches the browser. */

let proxied: Proxied
let cookie: string
beforeAll(async () => {
  proxied = await startProxied({
    routes: {
      orders: {},
      kept: { cache: 'private' },
      based: { upstream: '{upstream}/v1' },
      named: { response_headers: ['x-total-count'], cookies: ['region'] },
    },
  })
  cookie = proxied.cookieOf(await proxied.signIn())
})
afterAll(() => proxied.close())

/** The response to a call, where the upstream answers with these bytes: its lines, but those of this server. */
async function relayed(answer: string, { route = 'orders', method = 'GET' } = {}) {
  proxied.upstream.answer = answer
  const head = [
    `${method} /api/proxy/${route}/items HTTP/1.1`,
    'Host: app.example.com',
    `Cookie: ${cookie}`,
    'X-CSRF: 1',
    'Connection: close',
  ]
  const text = await sendRaw(proxied.portico.url, `${head.join('\r\n')}\r\n\r\n`)
  const [, ...lines] = (text.split('\r\n\r\n')[0] ?? '').split('\r\n')
  const own =
    /^(content-security-policy|cross-origin-|origin-agent-|referrer-policy|strict-transport-|x-content-type-|x-dns-|x-download-|x-frame-|x-permitted-|x-xss-|x-request-id|vary: origin|date|connection)/i
  return { ...parseRaw(text), lines: lines.filter((line) => !own.test(line)).sort() }
}

const toRelayed = (headers: string[], options = {}) =>
  relayed(toResponse('200 OK', headers, 'x'), options).then(({ lines }) => lines)

const passing = [
  'Accept-Ranges: bytes',
  'Allow: GET',
  'Content-Disposition: attachment; filename="a.csv"',
  'Content-Encoding: identity',
  'Content-Language: de',
  'Content-Range: bytes 0-0/1',
  'Content-Type: text/csv',
  'Deprecation: @1735689600',
  'ETag: "abc"',
  'Last-Modified: Tue, 01 Jul 2025 00:00:00 GMT',
  'Link: </next>; rel="next"',
  'Link: </last>; rel="last"',
  'RateLimit: "all";r=1;t=9',
  'RateLimit-Policy: "all";q=9;w=9',
  'Retry-After: 7',
  'Sunset: Tue, 01 Jul 2098 00:00:00 GMT',
]

test('headers of content pass, those of the connection, of cookies and of the software stay here', async () => {
  const lines = await toRelayed([
    ...passing,
    'Server: nginx/1.0',
    'X-Powered-By: PHP',
    'Via: 1.1 inner',
    'Set-Cookie: bff_session=of-the-upstream; Path=/',
    'Set-Cookie: region=eu',
    'Connection: keep-alive, x-inner',
    'Keep-Alive: timeout=5',
    'X-Inner: host-7',
    'Proxy-Authenticate: Basic',
    'Upgrade: h2c',
    'Authorization: Bearer of-the-upstream',
    'DPoP-Nonce: n',
    'Access-Control-Allow-Origin: *',
    'Access-Control-Allow-Credentials: true',
    'Content-Security-Policy: default-src *',
    'Strict-Transport-Security: max-age=0',
    'X-Frame-Options: ALLOWALL',
    'Clear-Site-Data: "*"',
    'Refresh: 0;url=https://evil.example',
    'Service-Worker-Allowed: /',
    'Alt-Svc: h3=":443"',
    'NEL: {}',
    'Report-To: {}',
    'SourceMap: /x',
    'X-Accel-Redirect: /etc/passwd',
    'X-Sendfile: /etc/passwd',
    'X-Auth-Subject: admin',
    'Status: 404',
  ])
  expect(lines).toEqual([...passing, 'Cache-Control: no-store', 'Content-Length: 1'].sort())
})

test('an HTML page of an upstream gets the policy of this server, by which it runs no script', async () => {
  const { headers } = await relayed(toResponse('200 OK', ['Content-Type: text/html'], '<script>1</script>'))
  expect(headers.get('content-security-policy')).toMatch(/^default-src 'none';/)
  expect(headers.get('x-content-type-options')).toBe('nosniff')
})

describe('F63: caching', () => {
  test.each(['public, max-age=600', 'private, max-age=600', 'max-age=600, s-maxage=900'])(
    'not by default, with %s either',
    async (value) => {
      expect(
        await toRelayed([`Cache-Control: ${value}`, 'Expires: Tue, 01 Jul 2090 00:00:00 GMT', 'Age: 1']),
      ).toEqual(['Cache-Control: no-store', 'Content-Length: 1'])
    },
  )

  test('by the browser, of several lines too', async () => {
    const lines = await toRelayed(['Cache-Control: public, max-age=600', 'Cache-Control: no-transform'], {
      route: 'kept',
    })
    expect(lines[0]).toBe('Cache-Control: private, max-age=600, no-transform')
  })

  test.each([
    ['public, max-age=600, s-maxage=900', 'private, max-age=600'],
    ['max-age=600, must-revalidate', 'private, max-age=600, must-revalidate'],
    ['private="set-cookie", no-cache', 'private, no-cache'],
    ['no-store', 'private, no-store'],
    ['S-Maxage=9, proxy-revalidate, must-understand, max-age=1', 'private, max-age=1'],
    ['no-cache\r\nCache-Control: public', 'private, no-cache'],
    [undefined, 'no-store'],
  ])('by the browser alone where the route says so: %s', async (given, expected) => {
    const lines = await toRelayed(given === undefined ? [] : [`Cache-Control: ${given}`, 'Vary: Accept'], {
      route: 'kept',
    })
    expect(lines.filter((line) => /^(Cache-Control|Vary)/.test(line))).toEqual(
      given === undefined ? [`Cache-Control: ${expected}`] : [`Cache-Control: ${expected}`, 'Vary: Accept'],
    )
  })
})

test('Expires counts for the browser where the route says so, and the upstream does', async () => {
  const expires = 'Expires: Tue, 01 Jul 2090 00:00:00 GMT'
  expect(await toRelayed(['Cache-Control: public', expires], { route: 'kept' })).toContain(expires)
  // Without Cache-Control, a cache in between could keep it.
  expect(await toRelayed([expires], { route: 'kept' })).not.toContain(expires)
})

test('F63: a header whose value is the name of another one does not replace that', async () => {
  expect(await toRelayed(['Content-Language: Cache-Control'])).toContain('Cache-Control: no-store')
})

test('a cookie that the route names, for its addresses alone; never one of this server', async () => {
  const lines = await toRelayed(
    [
      'Set-Cookie: region=eu; Domain=example.com; Path=/; HttpOnly; SameSite=Lax; Max-Age=60; Partitioned',
      'Set-Cookie: __Host-bff_session=stolen; Path=/; Secure',
      'Set-Cookie: region2=x',
      'X-Total-Count: 7',
    ],
    { route: 'named' },
  )
  expect(lines).toEqual([
    'Cache-Control: no-store',
    'Content-Length: 1',
    'Set-Cookie: region=eu; Max-Age=60; Path=/api/proxy/named/; HttpOnly; Secure; SameSite=Lax',
    'x-total-count: 7',
  ])
})

test.each([
  ['region=eu', 'region=eu'],
  ['region=a+b/c==:%2F"x",y', 'region=a+b/c==:%2F"x",y'],
  ['region=a b{}', 'region=a b{}'],
  ['region=x; Max-Age=99999999999999999999', 'region=x; Max-Age=34560000'],
  ['region=; Max-Age=-5', 'region=; Max-Age=0'],
  ['region=; Expires=Mon, 01 Jan 1500 00:00:00 GMT', 'region=; Expires=Thu, 01 Jan 1970 00:00:00 GMT'],
  ['region=x; Expires=never; Path=/x; SameSite=odd', 'region=x'],
  ['region; Path=/', undefined],
])('the only cookie of a response passes with its very value: %s', async (given, expected) => {
  const { headers, status } = await relayed(toResponse('200 OK', [`Set-Cookie: ${given}`], 'x'), {
    route: 'named',
  })
  expect(status).toBe(200)
  const [pair, ...attributes] = headers.get('set-cookie')?.split('; ') ?? []
  const own = attributes.filter((one) => !/^(Path=\/api\/proxy\/named\/|Secure)$/.test(one))
  expect(pair === undefined ? undefined : [pair, ...own].join('; ')).toBe(expected)
})

describe('a redirect leads to the address that the target has here', () => {
  test.each([
    ['/items/5?x=1#y', '/api/proxy/orders/items/5?x=1#y'],
    ['{upstream}/items/5', '/api/proxy/orders/items/5'],
    ['5', '5'],
    ['../other', '../other'],
    ['https://elsewhere.example/x', 'https://elsewhere.example/x'],
    ['javascript:alert(1)', undefined],
    ['data:text/html,x', undefined],
    ['http://[', undefined],
    ['//elsewhere.example/x', 'http://elsewhere.example/x'],
    ['/a\r\nLocation: /b', undefined],
    ['ht\ttp://inner.example/x', undefined],
    ['java\tscript:alert(1)', undefined],
    ['\\\\evil.example/x', undefined],
  ])('%s', async (location, expected) => {
    const given = location.replace('{upstream}', proxied.upstream.origin)
    const { status, headers } = await relayed(toResponse('302 Found', [`Location: ${given}`]))
    expect(status).toBe(302)
    expect(headers.get('location')).toBe(expected)
  })
})

test.each([
  ['/v1/items/5', '/api/proxy/based/items/5'],
  ['{upstream}/v1?a=b', '/api/proxy/based?a=b'],
  ['/v1x/items', undefined],
  ['/admin', undefined],
  ['{upstream}/', undefined],
])('with a base path, a redirect leads below it or nowhere: %s', async (location, expected) => {
  const given = location.replace('{upstream}', proxied.upstream.origin)
  const answer = toResponse('302 Found', [`Location: ${given}`])
  expect((await relayed(answer, { route: 'based' })).headers.get('location')).toBe(expected)
})

test('two redirects in one response lead nowhere', async () => {
  const { headers } = await relayed(toResponse('302 Found', ['Location: 5', 'Location: http://inner/x']))
  expect(headers.get('location')).toBeUndefined()
})

describe('a challenge', () => {
  const stepUp = 'Bearer error="insufficient_user_authentication", acr_values="urn:mfa", max_age=5'
  test.each([
    ['401 Unauthorized', stepUp],
    [
      '401 Unauthorized',
      `${stepUp}, error_description="Sorry, \\"Basic x=1\\" is not enough", DPoP algs="ES256"`,
    ],
    ['403 Forbidden', 'Bearer error="insufficient_scope", scope="orders:write"'],
  ])('of a token reaches the browser with %s (RFC 9470)', async (status, challenge) => {
    const { headers, body } = await relayed(toResponse(status, [`WWW-Authenticate: ${challenge}`], 'no'))
    expect(headers.get('www-authenticate')).toBe(challenge)
    expect(body).toBe('no')
  })

  test.each([
    'Basic realm="x"',
    'Negotiate',
    'Bearer realm="x", Basic realm="y"',
    'Bearer realm="x",Negotiate',
    'Bearer, NTLM, DPoP',
  ])('for which the browser would ask for a password does not: %s', async (challenge) => {
    const { status, headers } = await relayed(
      toResponse('403 Forbidden', [`WWW-Authenticate: ${challenge}`], 'no'),
    )
    expect(status).toBe(403)
    expect(headers.get('www-authenticate')).toBeUndefined()
  })

  test('in a line beside one of them reaches it alone', async () => {
    const challenges = ['WWW-Authenticate: Basic realm="x"', `WWW-Authenticate: ${stepUp}`]
    const { lines } = await relayed(toResponse('401 Unauthorized', challenges, 'no'))
    expect(lines.filter((line) => line.startsWith('WWW-'))).toEqual(challenges.slice(1))
  })

  test('belongs to no other status', async () => {
    const { headers } = await relayed(toResponse('200 OK', [`WWW-Authenticate: ${stepUp}`]))
    expect(headers.get('www-authenticate')).toBeUndefined()
  })

  test('R59: the 401 of an upstream ends no session', async () => {
    proxied.idp.script({ tokenEndpoint: (_req, res) => void res.status(503).end() })
    const { status, body } = await relayed(
      toResponse('401 Unauthorized', ['WWW-Authenticate: Bearer error="invalid_token"'], 'no'),
    )
    proxied.idp.script({})
    expect([status, body]).toEqual([401, 'no'])
    expect((await relayed(toResponse('200 OK', [], 'x'))).status).toBe(200)
  })
})

describe('responses without a body', () => {
  test.each([
    ['204 No Content', 'GET', 'HTTP/1.1 204 No Content\r\n\r\n'],
    ['304 Not Modified', 'GET', 'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n'],
    ['200 of HEAD', 'HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n'],
  ])('%s', async (status, method, bytes) => {
    const response = await relayed(bytes, { method })
    expect(response.status).toBe(Number(status.slice(0, 3)))
    expect(response.body).toBe('')
    if (method === 'HEAD') expect(response.headers.get('content-length')).toBe('1234')
  })

  test('informational ones come first, and stay here', async () => {
    const response = await relayed(
      `HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n${toResponse('200 OK', [], 'x')}`,
    )
    expect([response.status, response.body]).toEqual([200, 'x'])
  })
})

test.each([
  ['of known length, in one piece', 256],
  ['of known length, too large to be sent together with its head', 16_640],
  ['of unknown length', undefined],
])('the bytes of a body %s pass as they came', async (_what, size) => {
  const every = Buffer.from(Array.from({ length: size ?? 256 }, (_, at) => at % 256))
  proxied.upstream.answer = ({ socket }) => {
    socket.write(`HTTP/1.1 200 OK\r\n${size === undefined ? '' : `Content-Length: ${size}\r\n`}\r\n`)
    if (size === undefined) socket.end(every)
    else socket.write(every)
  }
  const response = await fetch(`${proxied.portico.url}/api/proxy/orders/items`, {
    headers: { ...csrf, cookie },
  })
  expect(Buffer.from(await response.arrayBuffer()).equals(every)).toBe(true)
})

test('bytes of a header that are no ASCII pass as they came', async () => {
  const name = Buffer.from('attachment; filename="ä.csv"').toString('latin1')
  const { headers, status } = await relayed(
    Buffer.from(toResponse('200 OK', [`Content-Disposition: ${name}`], 'x'), 'latin1').toString('latin1'),
  )
  expect(status).toBe(200)
  expect(headers.get('content-disposition')).toBe('attachment; filename="ä.csv"')
})
