import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import request from 'supertest'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { scrape } from '../../support/metrics.ts'
import { parseRaw, sendRaw } from '../../support/network/raw-http.ts'
import { startPortico, type TestPortico } from '../../support/portico.ts'

/** A build of an app, served by SPA_DIR. */

const page = '<!doctype html><title>The app</title>'
const outside = mkdtempSync(join(tmpdir(), 'portico-spa-'))
const directory = join(outside, 'dist')
const files = {
  'index.html': page,
  'robots.txt': '0123456789',
  'assets/index-BxY12abc.js': 'export {}',
  'assets/logo.svg': '<svg xmlns="http://www.w3.org/2000/svg"/>',
  'docs/index.html': '<!doctype html><title>Docs</title>',
  'api/data.json': '{}',
  '.env': 'A=1',
  '.git/config': 'A=1',
  '.well-known/security.txt': 'Contact: mailto:security@example.com',
  '.well-known/jwks.json': '{"keys":[]}',
  '.well-known/.env': 'A=1',
  '../secret.txt': 'A=1',
}

/** No provider is there: the app is served nevertheless. */
const issuer = 'http://127.0.0.1:1'
const start = (env: Record<string, string>) =>
  startPortico({ issuer, env: { SPA_DIR: directory, OPERATOR_PORT: '0', ...env } })

let portico: TestPortico
beforeAll(async () => {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(directory, name, '..'), { recursive: true })
    writeFileSync(join(directory, name), text)
  }
  portico = await start({})
})
afterAll(async () => {
  await portico.close()
  rmSync(outside, { recursive: true })
})

const get = (path: string, headers = {}) => request(portico.url).get(path).set(headers)
const navigation = { accept: 'text/html,*/*;q=0.8', 'sec-fetch-mode': 'navigate' }
const script = { accept: '*/*', 'sec-fetch-mode': 'no-cors' }
/** The status and the body, as a text; a body that is no file is named by its error code. */
const read = async (path: string, headers = {}) => {
  const { status, text, body } = await get(path, headers).buffer(true)
  return [status, body.code ?? text]
}

describe('a navigation outside of the addresses of Portico gets the app', () => {
  test.each([
    '/',
    '/orders/5?x=1',
    '/apix',
    '/api.html',
    '/livez.html',
    '/users/ada@example.com',
    '/docs',
    '/assets/',
  ])('%s', async (path) => {
    expect(await read(path, navigation)).toEqual([200, page])
  })

  test('also of a browser without Fetch Metadata', async () => {
    expect(await read('/orders/5', { accept: 'text/html' })).toEqual([200, page])
  })

  test('HEAD has the headers alone', async () => {
    const { status, headers, text } = await request(portico.url).head('/orders/5').set(navigation)
    expect([status, headers['content-length'], text]).toEqual([200, String(page.length), undefined])
  })

  test('a page that is in the build comes first', async () => {
    expect(await read('/docs/', navigation)).toEqual([200, files['docs/index.html']])
  })

  test('caches know by what the answer was chosen', async () => {
    const { headers } = await get('/orders/5', navigation)
    expect(headers.vary).toBe('Accept, Sec-Fetch-Mode')
  })
})

describe('what is missing is not found, and never index.html', () => {
  test.each([
    ['/assets/index-Old12abc.js', script],
    ['/assets/missing.png', script],
    ['/orders/5', script],
    ['/orders/5', { accept: 'application/json' }],
    ['/assets/index-Old12abc.js', navigation],
    ['/assets/index-Old12abc.css', navigation],
    ['/assets', script],
  ])('%s %o', async (path, headers) => {
    expect((await get(path, headers)).status).toBe(404)
  })

  test('an address of Portico stays its own: problem details, or its page', async () => {
    for (const path of ['/api', '/api/', '/api/unknown', '/api/data.json', '/.well-known/unknown']) {
      expect(await read(path)).toEqual([404, 'not_found'])
      const { status, text } = await get(path, navigation)
      expect([status, text]).toEqual([404, expect.stringContaining('not_found')])
    }
    expect((await get('/livez')).body).toEqual({ status: 'ok' })
  })

  test('Portico comes first, and documents of the app beside its own', async () => {
    expect((await get('/.well-known/jwks.json')).body.keys).not.toEqual([])
    expect(await read('/.well-known/security.txt')).toEqual([200, files['.well-known/security.txt']])
  })
})

describe('nothing outside of the directory, and no hidden file', () => {
  test.each([
    '/.env',
    '/%2eenv',
    '/.git/config',
    '/assets/../.env',
    '/.well-known/.env',
    '/.well-known/../.env',
    '/../secret.txt',
    '/..%2fsecret.txt',
    '/%2e%2e/secret.txt',
    '/%2e%2e%2fsecret.txt',
    '/assets/..%2f..%2f..%2fsecret.txt',
    '/.well-known/..%2f..%2fsecret.txt',
    '/..%5csecret.txt',
    '//../secret.txt',
    '/..;/secret.txt',
  ])('%s', async (path) => {
    for (const accept of ['*/*', 'text/html']) {
      const answer = await sendRaw(
        portico.url,
        `GET ${path} HTTP/1.1\r\nHost: a\r\nAccept: ${accept}\r\nConnection: close\r\n\r\n`,
      )
      expect(parseRaw(answer).status).toBe(404)
    }
  })

  test.each(['/%00', '/index.html%00.png', '/%', '/%c0%ae%c0%ae/secret.txt'])(
    '%s is malformed',
    async (path) => {
      expect(await read(path)).toEqual([400, 'invalid_request'])
      expect((await get(path, navigation)).status).toBe(400)
    },
  )

  test.each(['post', 'put', 'delete', 'options', 'patch'] as const)('%s is not allowed', async (method) => {
    const { status, headers, body } = await request(portico.url)[method]('/robots.txt')
    expect([status, headers.allow, body.code]).toEqual([405, 'GET, HEAD', 'method_not_allowed'])
  })
})

describe('caching', () => {
  test('a file with a hash in its name for good, all others until they change', async () => {
    const control = async (path: string) => (await get(path, navigation)).headers['cache-control']
    expect(await control('/assets/index-BxY12abc.js')).toBe('public, max-age=31536000, immutable')
    for (const path of ['/', '/orders/5', '/robots.txt', '/assets/logo.svg']) {
      expect(await control(path)).toBe('no-cache')
    }
    expect(await control('/assets/index-Old12abc.js')).toBe('no-store')
  })

  test.each(['/assets/index-BxY12abc.js', '/orders/5', '/robots.txt'])(
    '%s is not sent twice',
    async (path) => {
      const { headers } = await get(path, navigation)
      const again = await get(path, { ...navigation, 'if-none-match': headers.etag })
      expect([again.status, again.text]).toEqual([304, ''])
      expect(again.headers).toMatchObject({ etag: headers.etag, 'cache-control': headers['cache-control'] })
      const since = { 'if-modified-since': headers['last-modified'] }
      expect((await get(path, { ...navigation, ...since })).status).toBe(304)
    },
  )

  test('another index.html of the same size and time is another one: builds may set the time', async () => {
    const path = join(directory, 'index.html')
    utimesSync(path, 1_700_000_000, 1_700_000_000)
    const { headers } = await get('/', navigation)
    writeFileSync(path, page.replace('The', 'Our'))
    utimesSync(path, 1_700_000_000, 1_700_000_000)
    const { status, text } = await get('/', { ...navigation, 'if-none-match': headers.etag })
    expect([status, text]).toEqual([200, page.replace('The', 'Our')])
    writeFileSync(path, page)
  })

  test('parts of a file, and what has none', async () => {
    const part = await get('/robots.txt', { range: 'bytes=2-4' })
    expect([part.status, part.text, part.headers['content-range']]).toEqual([206, '234', 'bytes 2-4/10'])
    for (const path of ['/robots.txt', '/.well-known/security.txt']) {
      const { status, headers } = await get(path, { range: 'bytes=99-' })
      expect([status, headers['content-range'], headers.etag]).toEqual([
        416,
        expect.stringMatching(/^bytes \*\/\d+$/),
        undefined,
      ])
    }
    const changed = await get('/robots.txt', { 'if-match': '"another"' })
    expect([changed.status, changed.headers['cache-control']]).toEqual([412, 'no-store'])
  })
})

describe('headers', () => {
  const policyAt = async (env: Record<string, string>) => {
    const other = await start(env)
    const { headers } = await request(other.url).get('/').set(navigation)
    await other.close()
    return headers['content-security-policy']
  }

  test('of the app: a policy under which it runs, and what protects its pages', async () => {
    for (const path of ['/', '/orders/5', '/assets/index-BxY12abc.js']) {
      const { headers } = await get(path, navigation)
      expect(headers).toMatchObject({
        'content-security-policy':
          "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob: https:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self' http://127.0.0.1:1; frame-ancestors 'none'",
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'strict-transport-security': 'max-age=31536000; includeSubDomains',
        'referrer-policy': 'strict-origin-when-cross-origin',
        'cross-origin-opener-policy': 'same-origin-allow-popups',
        'cross-origin-resource-policy': 'same-site',
      })
      expect(headers['x-request-id']).toMatch(/^[\da-f-]{36}$/)
    }
  })

  test('of what is refused: those of Portico', async () => {
    const { headers } = await get('/assets/index-Old12abc.js', navigation)
    expect(headers['content-security-policy']).toContain("default-src 'none'")
    expect(headers).not.toHaveProperty('etag')
  })

  test('the app may call the audiences of its tokens that are addresses', async () => {
    const APP_TOKEN_AUDIENCE =
      'https://api.example.com/v1,api://orders,https://api.example.com,https://app.example.com'
    expect(await policyAt({ APP_TOKEN_AUDIENCE })).toContain("; connect-src 'self' https://api.example.com; ")
  })

  test('SPA_CSP replaces the policy, or takes it away', async () => {
    expect(await policyAt({ SPA_CSP: "script-src 'self'" })).toBe("script-src 'self'")
    expect(await policyAt({ SPA_CSP: 'off' })).toBeUndefined()
  })
})

test('the log has files at debug level, metrics one label for all of the app', async () => {
  const events = (path: string) =>
    portico.logged.filter((line) => line.path === path).map(({ event, level }) => [level, event])
  await get('/quiet', navigation)
  await get('/missing.png', script)
  await expect.poll(() => events('/quiet')).toEqual([['debug', 'app_request_completed']])
  await expect.poll(() => events('/missing.png')).toEqual([['info', 'request_completed']])
  const { text: metrics } = await scrape(`http://127.0.0.1:${portico.operatorPort}`)
  expect(metrics).toContain('route="(app)",method="GET",status="200"')
  expect(metrics).toContain('route="(none)",method="GET",status="404"')
  expect(metrics).not.toMatch(/quiet|missing/)
})
