import { connect } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { minutes } from '../../support/clock.ts'
import { handshake, parseRaw } from '../../support/network/raw-http.ts'
import { type Proxied, startProxied } from '../../support/upstreams/proxied.ts'
import { toResponse } from '../../support/upstreams/raw-upstream.ts'

/** Clients that misuse their connections: they must not end the process, nor hold up the calls of others. */

let proxied: Proxied
let cookie: string
beforeAll(async () => {
  proxied = await startProxied({
    routes: { orders: {}, live: { websocket: true } },
    env: { SESSION_IDLE_TIMEOUT: '3h' },
  })
  cookie = proxied.cookieOf(await proxied.signIn())
})
afterAll(() => proxied.close())
beforeEach(() => {
  proxied.upstream.requests.length = 0
  proxied.upstream.answer = toResponse('200 OK', [], 'good')
})

const toHead = (method: string, path: string, lines: string[]) =>
  [
    `${method} /api/proxy/${path} HTTP/1.1`,
    'Host: app.example.com',
    `Cookie: ${cookie}`,
    'X-CSRF: 1',
    ...lines,
    '\r\n',
  ].join('\r\n')

/** A kept connection; `text` is what has come back so far. */
function open(bytes: string) {
  const { hostname, port } = new URL(proxied.portico.url)
  const socket = connect(Number(port), hostname)
  socket.write(bytes)
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1')
  })
  socket.on('error', () => {})
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  return { socket, text: () => text, closed }
}

describe('F59: a streamed body', () => {
  test('to which the upstream answers before its end closes its connection, so that no call waits behind it', async () => {
    const { socket, text, closed } = open(
      `${toHead('POST', 'orders/x', ['Transfer-Encoding: chunked'])}5\r\nhello\r\n`,
    )
    // The recording upstream does not read chunks: it answers as soon as it has the head.
    await expect.poll(text).toMatch(/good$/)
    socket.write(toHead('GET', 'orders/next', []))
    await closed
    expect(parseRaw(text()).headers.get('connection')).toBe('close')
    expect(text().match(/HTTP\/1\.1 /g)).toHaveLength(1)
  })

  test('lengthens no other deadline: the head of the next request is late after ten seconds', async () => {
    const body = 'x'.repeat(100_000)
    const { socket, text, closed } = open(`${toHead('POST', 'orders/x', ['Content-Length: 100000'])}${body}`)
    await expect.poll(text).toMatch(/good$/)
    socket.write('GET / HTTP/1.1\r\nX: ')
    await closed
    expect(text()).toMatch(/goodHTTP\/1\.1 408 /)
  }, 30_000)
})

describe('F60: a handshake', () => {
  test.each([
    ['another method', 'POST', ['Content-Length: 0'], ''],
    ['a body', 'POST', ['Content-Length: 5'], 'hello'],
  ])('with %s is a call as any other, and needs X-CSRF', async (_what, method, lines, body) => {
    const own = [...handshake, 'Origin: https://app.example.com', ...lines]
    const without = open(toHead(method, 'live/x', own).replace('X-CSRF: 1\r\n', '') + body)
    await expect.poll(without.text).toMatch(/^HTTP\/1\.1 403 .*"csrf_check_failed"/s)
    without.socket.destroy()
    const { socket, text } = open(toHead(method, 'live/x', own) + body)
    await expect.poll(text).toMatch(/^HTTP\/1\.1 200 .*good$/s)
    socket.destroy()
    const [request, ...more] = proxied.upstream.requests
    expect(more).toEqual([])
    expect(request?.headers.filter((line) => /^(upgrade|sec-websocket)/.test(line))).toEqual([])
  })

  test.each([
    ['no answer', ''],
    ['an event stream', 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n'],
  ])('whose browser closes its connection after %s: so does that to the upstream', async (_what, bytes) => {
    proxied.upstream.answer = bytes
    const { socket } = open(toHead('GET', 'live/x', [...handshake, 'Origin: https://app.example.com']))
    await expect.poll(() => proxied.upstream.requests).toHaveLength(1)
    const upstream = proxied.upstream.requests[0]?.socket
    socket.end()
    await expect.poll(() => upstream?.destroyed).toBe(true)
  })

  test('of GET with a body is refused', async () => {
    const lines = [...handshake, 'Origin: https://app.example.com', 'Content-Length: 5']
    const { socket, text } = open(`${toHead('GET', 'live/x', lines)}hello`)
    await expect.poll(text).toMatch(/^HTTP\/1\.1 400 .*"invalid_request"/s)
    socket.destroy()
    expect(proxied.upstream.requests).toEqual([])
  })
})

test('F59: a browser that goes away while its session is read causes no call', async () => {
  const { store, logged } = proxied.portico
  const { touch } = store
  const asked = Promise.withResolvers<void>()
  const gone = Promise.withResolvers<void>()
  store.touch = async (handle) => {
    asked.resolve()
    await gone.promise
    return touch(handle)
  }
  const before = logged.length
  const { socket } = open(toHead('GET', 'orders/x', []))
  await asked.promise
  socket.resetAndDestroy()
  await expect.poll(() => logged.slice(before).map(({ event }) => event)).toContain('request_completed')
  store.touch = touch
  gone.resolve()
  // A later call of the same session is there: the first one would have been before it.
  const later = open(toHead('GET', 'orders/later', []))
  await expect.poll(later.text).toMatch(/good$/)
  later.socket.destroy()
  expect(proxied.upstream.requests.map(({ line }) => line)).toEqual(['GET /later HTTP/1.1'])
})

test.each([
  ['that is answered at once', '/livez'],
  ['that is held', '/api/proxy/orders/held'],
])(
  'F60: a handshake behind a request %s does not end the process, and needs no session to try',
  async (_what, path) => {
    const uncaught: Error[] = []
    const record = (error: Error) => uncaught.push(error)
    process.on('uncaughtExceptionMonitor', record)
    if (path !== '/livez') proxied.upstream.answer = ''
    const first =
      path === '/livez' ? `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n` : toHead('GET', 'orders/held', [])
    const second = [`GET /api/proxy/live/x HTTP/1.1`, 'Host: x', ...handshake, '\r\n'].join('\r\n')
    await open(first + second).closed
    process.off('uncaughtExceptionMonitor', record)
    expect(uncaught).toEqual([])
    expect(proxied.portico.logged.findLast(({ event }) => event === 'request_refused')).toMatchObject({
      status: 400,
      reason: 'upgrade behind a request',
    })
  },
)

// The last one: the provider counts as unavailable after it.
test('F59: a streamed body that breaks off while the token is renewed does not end the process', async () => {
  const uncaught: Error[] = []
  const record = (error: Error) => uncaught.push(error)
  process.on('uncaughtExceptionMonitor', record)
  const refresh = Promise.withResolvers<() => void>()
  proxied.idp.script({
    tokenEndpoint: (_req, res) => refresh.resolve(() => void res.status(503).end()),
  })
  proxied.portico.clock.advance(minutes(59.99))
  const before = proxied.portico.logged.length
  const { socket } = open(`${toHead('POST', 'orders/x', ['Content-Length: 200000'])}${'x'.repeat(100_000)}`)
  const answer = await refresh.promise
  socket.resetAndDestroy()
  await expect
    .poll(() => proxied.portico.logged.slice(before))
    .toContainEqual(expect.objectContaining({ event: 'request_completed', method: 'POST', status: 0 }))
  answer()
  proxied.idp.script({})
  process.off('uncaughtExceptionMonitor', record)
  expect(uncaught).toEqual([])
  expect(proxied.upstream.requests).toEqual([])
})
