import { createHash } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { TestBrowser } from '../../support/browser.ts'
import { timerTime } from '../../support/latencies.ts'
import { csrf, readRefusal } from '../../support/login.ts'
import { handshake, openConnection, sendRaw } from '../../support/network/raw-http.ts'
import { type Proxied, startProxied } from '../../support/upstreams/proxied.ts'
import { toResponse } from '../../support/upstreams/raw-upstream.ts'

/** Event streams and WebSocket connections. */

let proxied: Proxied
let browser: TestBrowser
let cookie: string
beforeAll(async () => {
  proxied = await startProxied({ routes: { orders: { timeout: '1s', websocket: true }, plain: {} } })
})
afterAll(() => proxied.close())
beforeEach(async () => {
  proxied.upstream.requests.length = 0
  browser = await proxied.signIn()
  cookie = proxied.cookieOf(browser)
})

const fromPage = ['Origin: https://app.example.com', 'Sec-Fetch-Site: same-origin']

const open = (path: string, lines: string[], more = '') =>
  openConnection(proxied.portico.url, `/api/proxy/${path}`, lines, more)

/** Accepts WebSocket connections, and returns each byte in capital letters. */
function acceptAll(): void {
  proxied.upstream.answer = ({ headers, socket }) => {
    const key = headers.find((line) => line.startsWith('sec-websocket-key'))?.split(': ')[1] ?? ''
    const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
    socket.removeAllListeners('data')
    socket.on('data', (chunk) => socket.write(chunk.toString().toUpperCase()))
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: x-any\r\nSet-Cookie: a=b\r\nX-Inner: y\r\n\r\n`,
    )
  }
}

const logOut = () => browser.fetch(`${proxied.portico.url}/api/logout`, { method: 'POST', headers: csrf })

describe('a WebSocket connection', () => {
  beforeEach(acceptAll)

  test('passes the guards of any call, and carries the token', async () => {
    const { socket, text, closed } = open(
      'orders/live?x=1',
      [`Cookie: ${cookie}`, ...fromPage, ...handshake],
      'early ',
    )
    await expect.poll(text).toMatch(/EARLY $/)
    expect(text()).toMatch(/^HTTP\/1\.1 101 Switching Protocols\r\n/)
    expect(text()).toMatch(/\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n/)
    expect(text()).toMatch(/\r\nSec-WebSocket-Protocol: chat\r\n/)
    expect(text()).toMatch(/\r\nSec-WebSocket-Extensions: x-any\r\n/)
    expect(text()).not.toMatch(/set-cookie|x-inner/i)
    const [request] = proxied.upstream.requests
    expect(request?.line).toBe('GET /live?x=1 HTTP/1.1')
    expect(request?.headers.join('\n')).toMatch(/^authorization: Bearer /m)
    expect(request?.headers.join('\n')).not.toMatch(/^(cookie|origin|sec-fetch)/im)
    socket.write('hello')
    await expect.poll(text).toMatch(/HELLO$/)
    socket.end()
    await closed
    await expect.poll(() => proxied.upstream.sockets.size).toBe(0)
    await expect
      .poll(() => proxied.portico.logged.findLast(({ event }) => event === 'request_completed'))
      .toMatchObject({ path: '/api/proxy/orders/live', status: 101 })
  })

  test.each([
    ['F60: of another origin', 403, ['Origin: https://evil.example']],
    ['of a sandboxed page', 403, ['Origin: null']],
    ['without Origin', 403, []],
    ['without Origin, whatever Fetch Metadata says of another site', 403, ['Sec-Fetch-Site: same-site']],
  ])('%s is refused', async (_what, status, lines) => {
    const { text, closed } = open('orders/live', [`Cookie: ${cookie}`, ...lines, ...handshake])
    await closed
    expect(text()).toMatch(new RegExp(`^HTTP/1.1 ${status} .*csrf_check_failed`, 's'))
    expect(proxied.upstream.requests).toEqual([])
  })

  test('without a session is refused, and so is one that the route does not take', async () => {
    const anonymous = open('orders/live', [...fromPage, ...handshake])
    await anonymous.closed
    expect(anonymous.text()).toMatch(/^HTTP\/1.1 401 .*session_required/s)
    const plain = open('plain/live', [`Cookie: ${cookie}`, ...fromPage, ...handshake])
    await plain.closed
    expect(plain.text()).toMatch(/^HTTP\/1.1 400 .*takes no WebSocket connections/s)
    expect(proxied.upstream.requests).toEqual([])
    // A browser shows the page nothing of it: the log is where to look.
    const isLive = ({ path }: Record<string, unknown>) => String(path).endsWith('/live')
    await expect
      .poll(() => proxied.portico.logged.filter(isLive).slice(-2))
      .toMatchObject([
        { event: 'request_completed', status: 401, code: 'session_required' },
        {
          event: 'request_completed',
          status: 400,
          code: 'invalid_request',
          reason: 'route without websocket',
        },
      ])
  })

  test('that the upstream refuses: its answer reaches the browser', async () => {
    proxied.upstream.answer = toResponse('404 Not Found', ['Content-Type: text/plain'], 'none here')
    const { text, closed } = open('orders/live', [`Cookie: ${cookie}`, ...fromPage, ...handshake])
    await closed
    expect(text()).toMatch(/^HTTP\/1\.1 404 Not Found\r\n.*none here$/s)
  })

  test('other protocols than WebSocket, and other addresses, stay plain HTTP', async () => {
    const h2c = open('orders/live', [
      `Cookie: ${cookie}`,
      'X-CSRF: 1',
      'Connection: Upgrade, close',
      'Upgrade: h2c',
    ])
    proxied.upstream.answer = toResponse('200 OK', [], 'plain')
    await h2c.closed
    expect(h2c.text()).toMatch(/^HTTP\/1\.1 200 OK\r\n.*plain$/s)
    expect(proxied.upstream.requests[0]?.headers.join()).not.toMatch(/upgrade/i)
    const other = openConnection(proxied.portico.url, '/livez', handshake)
    await expect.poll(other.text).toMatch(/^HTTP\/1\.1 200/)
    other.socket.write('GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    await other.closed
    expect(other.text().match(/HTTP\/1\.1 200/g)).toHaveLength(2)
  })

  test('F60: ends within 5 s of the logout of its session', async () => {
    const { text, closed } = open('orders/live', [`Cookie: ${cookie}`, ...fromPage, ...handshake])
    await expect.poll(text).toMatch(/101/)
    const before = performance.now()
    expect((await logOut()).status).toBe(200)
    await closed
    process.stdout.write(
      `F60: a WebSocket ended ${Math.round(performance.now() - before)} ms after the logout\n`,
    )
    await expect.poll(() => proxied.upstream.sockets.size).toBe(0)
  })

  test('is watched as long as it is open, and no longer', async () => {
    const { openCalls } = proxied.portico.components.proxy
    const [added, deleted] = [vi.spyOn(openCalls, 'add'), vi.spyOn(openCalls, 'delete')]
    onTestFinished(() => void vi.restoreAllMocks())
    const { socket, text, closed } = open('orders/live', [`Cookie: ${cookie}`, ...fromPage, ...handshake])
    await expect.poll(text).toMatch(/101/)
    expect(deleted).not.toHaveBeenCalled()
    socket.destroy()
    await closed
    await expect.poll(() => deleted.mock.calls).toEqual(added.mock.calls)
  })

  test.each([
    ['the upstream closes', 'upstream', 'end'],
    ['the upstream resets', 'upstream', 'resetAndDestroy'],
    ['the browser closes', 'browser', 'end'],
    ['the browser resets', 'browser', 'resetAndDestroy'],
  ] as const)('ends on both sides where %s it', async (_what, side, how) => {
    const { socket, text, closed } = open('orders/live', [`Cookie: ${cookie}`, ...fromPage, ...handshake])
    await expect.poll(text).toMatch(/101/)
    for (const one of side === 'browser' ? [socket] : proxied.upstream.sockets) one[how]()
    await closed
    await expect.poll(() => proxied.upstream.sockets.size).toBe(0)
  })
})

describe('an event stream', () => {
  beforeEach(() => {
    proxied.upstream.answer = ({ socket }) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n')
    }
  })
  const eventSource = ['Accept: text/event-stream', 'Sec-Fetch-Site: same-origin', 'Sec-Fetch-Mode: cors']

  test('of EventSource, which can send no header, begins at once, and each event passes as it comes', async () => {
    const { socket, text, closed } = open('orders/events', [`Cookie: ${cookie}`, ...eventSource])
    await expect.poll(text).toMatch(/^HTTP\/1\.1 200 OK\r\n.*Content-Type: text\/event-stream.*\r\n\r\n/s)
    expect(text()).toMatch(/\r\nX-Accel-Buffering: no\r\n/)
    const [upstream] = proxied.upstream.sockets
    upstream?.write('data: 1\n\n')
    await expect.poll(text).toMatch(/data: 1\n\n/)
    upstream?.write('data: 2\n\n')
    await expect.poll(text).toMatch(/data: 2\n\n/)
    socket.destroy()
    await closed
    await expect.poll(() => proxied.upstream.sockets.size).toBe(0)
  })

  test.each([
    ['of another site', ['Accept: text/event-stream', 'Sec-Fetch-Site: cross-site']],
    ['of another origin', ['Accept: text/event-stream', 'Origin: https://evil.example']],
    ['of which the browser says nothing', ['Accept: text/event-stream']],
    ['that a page navigates to', ['Accept: text/html', 'Sec-Fetch-Site: same-origin']],
  ])('%s is refused without X-CSRF', async (_what, lines) => {
    const { text, closed } = open('orders/events', [`Cookie: ${cookie}`, 'Connection: close', ...lines])
    await closed
    expect(text()).toMatch(/^HTTP\/1.1 403 .*csrf_check_failed/s)
    expect(proxied.upstream.requests).toEqual([])
  })

  test('that is read with fetch, which sends X-CSRF, is a call like any other', async () => {
    const lines = [`Cookie: ${cookie}`, 'Accept: text/event-stream']
    const { socket, text, closed } = open('orders/events', [...lines, 'X-CSRF: 1'])
    await expect.poll(text).toMatch(/^HTTP\/1\.1 200 OK/)
    socket.destroy()
    await closed
  })

  test('is read with GET: another method needs X-CSRF, whatever it accepts', async () => {
    const response = await browser.fetch(`${proxied.portico.url}/api/proxy/orders/events`, {
      method: 'POST',
      headers: { accept: 'text/event-stream', 'sec-fetch-site': 'same-origin' },
    })
    expect(await readRefusal(response)).toBe('403 csrf_check_failed')
    expect(proxied.upstream.requests).toEqual([])
  })

  test('F60: ends within 5 s of the logout of its session; that of another session goes on', async () => {
    const other = open('orders/events', [
      `Cookie: ${proxied.cookieOf(await proxied.signIn())}`,
      ...eventSource,
    ])
    const { text, closed } = open('orders/events', [`Cookie: ${cookie}`, ...eventSource])
    await expect.poll(text).toMatch(/event-stream/)
    await expect.poll(other.text).toMatch(/event-stream/)
    const before = performance.now()
    expect((await logOut()).status).toBe(200)
    await closed
    process.stdout.write(
      `F60: an event stream ended ${Math.round(performance.now() - before)} ms after the logout\n`,
    )
    expect(other.socket.destroyed).toBe(false)
    other.socket.destroy()
  })
})

test('connections to upstreams do not outlive the server', async () => {
  const another = await startProxied()
  another.upstream.answer = toResponse('200 OK', ['Keep-Alive: timeout=600'])
  await (await another.signIn()).fetch(`${another.portico.url}/api/proxy/orders/x`, { headers: csrf })
  expect(another.upstream.sockets.size).toBe(1)
  await another.portico.close()
  await expect.poll(() => another.upstream.sockets.size).toBe(0)
  await Promise.all([another.idp.close(), another.upstream.close()])
})

test('streams end when the server does: their clients connect again, elsewhere', async () => {
  acceptAll()
  const another = await startProxied({ routes: { orders: { websocket: true } } })
  another.upstream.answer = proxied.upstream.answer
  const anotherCookie = another.cookieOf(await another.signIn())
  const { socket, closed } = openConnection(another.portico.url, '/api/proxy/orders/live', [
    `Cookie: ${anotherCookie}`,
    ...fromPage,
    ...handshake,
  ])
  await new Promise((resolve) => socket.once('data', resolve))
  await Promise.all([closed, another.close()])
})

test.each([
  [
    'a WebSocket connection that opens',
    handshake,
    'HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade',
  ],
  ['a WebSocket connection that the upstream neither opens nor refuses', handshake, undefined],
  [
    'an event stream that opens',
    ['Accept: text/event-stream'],
    'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream',
  ],
])('%s while the server ends does not keep it from ending', async (_what, lines, answer) => {
  const another = await startProxied({ routes: { orders: { websocket: true } } })
  another.upstream.answer = ''
  const { closed, text } = openConnection(another.portico.url, '/api/proxy/orders/live', [
    `Cookie: ${another.cookieOf(await another.signIn())}`,
    ...fromPage,
    ...lines,
  ])
  await expect.poll(() => another.upstream.requests.length).toBe(1)
  const before = timerTime()
  const ended = another.close()
  const isListening = () =>
    sendRaw(another.portico.url, 'x').then(
      () => true,
      () => false,
    )
  await expect.poll(isListening).toBe(false)
  if (answer !== undefined) another.upstream.requests[0]?.socket.write(`${answer}\r\n\r\n`)
  await Promise.all([closed, ended])
  // Sooner than calls that have an end, which get ten seconds.
  expect(timerTime() - before).toBeLessThan(5_000)
  expect(text()).not.toContain('session_expired')
})
