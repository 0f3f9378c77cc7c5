import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { createHttpServer } from '../../../src/http/wire/http-server.ts'
import { createApp } from '../../../src/routes.ts'
import { minutes } from '../../support/clock.ts'
import { handshake, openConnection, parseRaw, sendRaw } from '../../support/network/raw-http.ts'
import { type Proxied, startProxied } from '../../support/upstreams/proxied.ts'
import { toResponse } from '../../support/upstreams/raw-upstream.ts'

/** What may take longer than the timeout of a route, because it is not the turn of the upstream. */

let proxied: Proxied
let cookie: string
beforeAll(async () => {
  proxied = await startProxied({
    routes: {
      orders: { timeout: '1s', websocket: true },
      uploads: {},
      bare: { timeout: '1s', token: 'none' },
    },
    env: { SESSION_IDLE_TIMEOUT: '3h' },
  })
  cookie = proxied.cookieOf(await proxied.signIn())
})
afterAll(() => proxied.close())
afterEach(() => proxied.idp.reset())
beforeEach(() => {
  proxied.upstream.requests.length = 0
  proxied.upstream.answer = ''
})

const form = 'Content-Type: application/x-www-form-urlencoded'
const headers = () => [`Cookie: ${cookie}`, 'X-CSRF: 1', 'Connection: close']
const fromPage = ['Origin: https://app.example.com']

/** Resolves once the timeout of a route has passed, as another call shows. */
async function outlastTimeout(): Promise<void> {
  const head = ['GET /api/proxy/bare/x HTTP/1.1', 'Host: x', ...headers()]
  expect(parseRaw(await sendRaw(proxied.portico.url, `${head.join('\r\n')}\r\n\r\n`)).status).toBe(504)
}

/** Holds the answer to the next refreshes back. */
function holdRefresh() {
  const [asked, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  proxied.idp.script({
    onRefresh() {
      asked.resolve()
      return released.promise
    },
  })
  return { asked: asked.promise, release: released.resolve }
}

/** Sends a POST whose body has this length, and the beginning of the body. */
function post(path: string, length: number, beginning: string, url = proxied.portico.url) {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  const head = [`POST ${path} HTTP/1.1`, 'Host: x', ...headers(), form, `Content-Length: ${length}`]
  socket.write(`${[...head, 'Expect: 100-continue'].join('\r\n')}\r\n\r\n${beginning}`)
  socket.on('error', () => {})
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk.toString()
  })
  const goesOn = 'HTTP/1.1 100 Continue\r\n\r\n'
  return {
    socket,
    /** Resolves once the server has begun to read the body. */
    begun: () => expect.poll(() => text).toContain(goesOn),
    answer: once(socket, 'close').then(() => parseRaw(text.replace(goesOn, ''))),
  }
}

test('a small body, and the token', async () => {
  const small = post('/api/proxy/orders/x', 2, 'a')
  await small.begun()
  await outlastTimeout()
  const refresh = holdRefresh()
  proxied.portico.clock.advance(minutes(60))
  small.socket.write('b')
  await refresh.asked
  await outlastTimeout()
  proxied.upstream.answer = toResponse('200 OK')
  refresh.release()
  expect((await small.answer).status).toBe(200)
})

test('another token', async () => {
  const refresh = holdRefresh()
  proxied.portico.clock.advance(minutes(2))
  proxied.upstream.answer = toResponse('401 Unauthorized', ['WWW-Authenticate: Bearer'])
  const call = post('/api/proxy/orders/x', 1, 'a')
  await refresh.asked
  proxied.upstream.answer = ''
  await outlastTimeout()
  proxied.upstream.answer = toResponse('200 OK')
  refresh.release()
  expect((await call.answer).status).toBe(200)
})

test('but not the answer to a call with another token: 504', async () => {
  proxied.portico.clock.advance(minutes(2))
  proxied.upstream.answer = ({ socket }) => {
    if (proxied.upstream.requests.length === 1) socket.write(toResponse('401 Unauthorized'))
  }
  expect((await post('/api/proxy/orders/x', 1, 'a').answer).status).toBe(504)
  expect(proxied.upstream.requests).toHaveLength(2)
})

const open = (lines: string[]) =>
  openConnection(proxied.portico.url, '/api/proxy/orders/live', [`Cookie: ${cookie}`, ...fromPage, ...lines])

test('the silence of a WebSocket connection', async () => {
  proxied.upstream.answer = ({ line, socket }) => {
    if (!line.includes('/live')) return
    socket.removeAllListeners('data')
    socket.on('data', (chunk) => socket.write(chunk))
    socket.write('HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n')
  }
  const { socket, text, closed } = open(handshake)
  await expect.poll(text).toMatch(/101/)
  await outlastTimeout()
  socket.write('hello')
  await expect.poll(text).toMatch(/hello$/)
  socket.destroy()
  await closed
})

const events = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n'

test('the silence of an event stream, also after the browser has read more slowly than it came', async () => {
  const size = 30_000_000
  proxied.upstream.answer = ({ line, socket }) => {
    if (line.includes('/live')) socket.write(events)
  }
  const { socket, text, closed } = open(['Accept: text/event-stream'])
  await expect.poll(text).toMatch(/event-stream/)
  await outlastTimeout()
  let received = 0
  socket.on('data', (chunk) => {
    received += chunk.length
  })
  socket.pause()
  const [request] = proxied.upstream.requests
  request?.socket.write(Buffer.alloc(size, 'x'))
  await expect.poll(() => request?.socket.writableLength).toBeGreaterThan(0)
  socket.resume()
  await expect.poll(() => received).toBeGreaterThan(size)
  await outlastTimeout()
  request?.socket.write('data: last\n\n')
  await expect.poll(() => text().includes('data: last\n\n')).toBe(true)
  socket.destroy()
  await closed
})

test('but not an event stream that the browser does not read: it ends', async () => {
  proxied.upstream.answer = events
  const { socket, text } = open(['Accept: text/event-stream'])
  await expect.poll(text).toMatch(/event-stream/)
  socket.pause()
  proxied.upstream.requests[0]?.socket.write(Buffer.alloc(50_000_000))
  await expect
    .poll(() => proxied.portico.logged.findLast(({ event }) => event === 'request_completed'))
    .toMatchObject({ path: '/api/proxy/orders/live', status: 200, code: 'request_timeout' })
  socket.destroy()
})

test("a large body takes longer than the server's own deadline, and no other request does", async () => {
  const { components } = proxied.portico
  const server = createHttpServer(createApp(components), components)
  server.headersTimeout = server.requestTimeout = 1_000
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  proxied.upstream.answer = toResponse('200 OK')
  const large = post('/api/proxy/uploads/x', 70_000, 'x'.repeat(69_999), url)
  await large.begun()
  for (const path of ['/api/proxy/uploads/x', '/api/backchannel-logout']) {
    expect((await post(path, 2, 'a', url).answer).status).toBe(408)
  }
  large.socket.write('x')
  expect((await large.answer).status).toBe(200)
  expect(proxied.upstream.requests.map(({ body }) => body.length)).toEqual([70_000])
  server.close()
})
