import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { freePort } from '../../support/network/http-server.ts'
import { parseRaw } from '../../support/network/raw-http.ts'
import { type Proxied, startProxied } from '../../support/upstreams/proxied.ts'
import { toResponse } from '../../support/upstreams/raw-upstream.ts'

/** Upstreams that fail, and browsers that go away. */

let proxied: Proxied
let cookie: string
beforeAll(async () => {
  const nothing = `http://127.0.0.1:${await freePort()}`
  proxied = await startProxied({
    routes: {
      orders: { timeout: '1s', max_body: '100kb' },
      uploads: { max_body: '1gb' },
      nothing: { upstream: nothing },
      tls: { upstream: nothing.replace('http:', 'https:').replace(/\d+$/, new URL(nothing).port) },
    },
  })
  cookie = proxied.cookieOf(await proxied.signIn())
})
afterAll(() => proxied.close())
beforeEach(() => {
  proxied.upstream.requests.length = 0
  proxied.upstream.answer = toResponse('200 OK', [], '{"ok":true}')
})

/** A call whose connection the test holds; `text` is what has come back so far. */
interface RawCall {
  socket: Socket
  text(): string
  /** Resolves with everything that came, once the server has closed the connection. */
  closed: Promise<string>
}

function call(method: string, path: string, lines: string[] = [], body = ''): RawCall {
  const { hostname, port } = new URL(proxied.portico.url)
  const socket = connect(Number(port), hostname)
  const head = [
    `${method} /api/proxy/${path} HTTP/1.1`,
    'Host: app.example.com',
    `Cookie: ${cookie}`,
    'X-CSRF: 1',
    'Connection: close',
    ...lines,
  ]
  socket.write(`${head.join('\r\n')}\r\n\r\n${body}`)
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1')
  })
  socket.on('error', () => {})
  return {
    socket,
    text: () => text,
    closed: new Promise((resolve) => socket.once('close', () => resolve(text))),
  }
}

const refusalOf = async (raw: RawCall) => {
  const { status, headers, body } = parseRaw(await raw.closed)
  const [, code] = /"code":"(\w+)"/.exec(body) ?? []
  return [status, code, headers.get('proxy-status')]
}

describe('F58: an upstream', () => {
  test('that is not there', async () => {
    expect(await refusalOf(call('GET', 'nothing/x'))).toEqual([
      502,
      'upstream_unavailable',
      'portico; error=connection_refused',
    ])
    const { refusal: _refusal, ...line } = proxied.portico.logged.findLast(
      ({ event }) => event === 'request_completed',
    ) as Record<string, unknown>
    expect(line).toMatchObject({ status: 502, code: 'upstream_unavailable', reason: 'nothing: ECONNREFUSED' })
  })

  test.each([
    ['never answers', ''],
    ['sends half of a head', 'HTTP/1.1 200 OK\r\nContent-'],
    ['sends a head and no body', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n'],
    ['sends informational responses only', 'HTTP/1.1 103 Early Hints\r\n\r\n'],
  ])('that %s: 504', async (_what, bytes) => {
    proxied.upstream.answer = bytes
    expect(await refusalOf(call('GET', 'orders/x'))).toEqual([
      504,
      'upstream_timeout',
      'portico; error=http_response_timeout',
    ])
    // The connection is of no more use.
    await expect.poll(() => proxied.upstream.sockets.size).toBe(0)
  })

  test.each([
    ['sends what is no HTTP', 'hello\r\n\r\n'],
    ['sends a head that is too large', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`],
    ['sends two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx'],
    [
      'names an upgrade that was not asked for',
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n',
    ],
  ])('that %s: 502', async (_what, bytes) => {
    proxied.upstream.answer = bytes
    const [status, code] = await refusalOf(call('GET', 'orders/x'))
    expect([status, code]).toEqual([502, 'upstream_unavailable'])
  })

  test.each([
    ['a body of known length', 'HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf'],
    ['chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n'],
  ])('that breaks off %s: so does the response', async (_what, bytes) => {
    proxied.upstream.answer = ({ socket }) => void socket.write(bytes, () => socket.destroySoon())
    const text = await call('GET', 'orders/x').closed
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(text).toMatch(/half/)
    // Neither is complete for the browser.
    expect(text).not.toMatch(/\r\n0\r\n\r\n$/)
    await expect
      .poll(() => proxied.portico.logged.findLast(({ event }) => event === 'request_completed'))
      .toMatchObject({ status: 200, code: 'upstream_unavailable' })
  })

  test('that stalls in the middle of a body: the response breaks off', async () => {
    proxied.upstream.answer = 'HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf'
    expect(await call('GET', 'orders/x').closed).toMatch(/half$/)
    await expect
      .poll(() => proxied.portico.logged.findLast(({ event }) => event === 'request_completed'))
      .toMatchObject({ status: 200, code: 'upstream_timeout' })
  })

  test('that resets an idle connection as the call comes: a GET is sent once more, a POST never', async () => {
    let resets = 1
    proxied.upstream.answer = ({ socket }) => {
      if (resets > 0) socket.resetAndDestroy()
      else socket.write(toResponse('200 OK', [], 'x'))
      resets -= 1
    }
    expect(parseRaw(await call('GET', 'orders/x').closed).status).toBe(200)
    expect(proxied.upstream.requests).toHaveLength(2)
    resets = 1
    expect((await refusalOf(call('POST', 'orders/x', ['Content-Length: 1'], 'x')))[0]).toBe(502)
    resets = 9
    expect((await refusalOf(call('GET', 'orders/x')))[0]).toBe(502)
    expect(proxied.upstream.requests).toHaveLength(5)
  })
})

describe('F59: a browser', () => {
  test('that goes away: the upstream sees it within 100 ms, before an answer and in the middle of one', async () => {
    for (const bytes of ['', 'HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf']) {
      const arrived = Promise.withResolvers<Socket>()
      proxied.upstream.answer = ({ socket }) => {
        if (bytes !== '') socket.write(bytes)
        arrived.resolve(socket)
      }
      const { socket, text } = call('GET', 'orders/x')
      const upstream = await arrived.promise
      if (bytes !== '') await expect.poll(text).toMatch(/half/)
      const closed = new Promise((resolve) => upstream.once('close', resolve))
      const left = performance.now()
      socket.destroy()
      await closed
      const took = performance.now() - left
      process.stdout.write(`F59: the upstream saw that the browser has gone after ${took.toFixed(1)} ms\n`)
    }
  })

  test('that goes away in the middle of its body: the upstream does not take it for the whole', async () => {
    // The recording upstream counts a request only with its whole body: watch the connection instead.
    const { socket } = call('POST', 'uploads/x', ['Content-Length: 200000'], 'x'.repeat(100_000))
    const findUploads = () => [...proxied.upstream.sockets].filter(({ bytesRead }) => bytesRead > 50_000)
    await expect.poll(findUploads).toHaveLength(1)
    socket.destroy()
    await expect.poll(findUploads).toEqual([])
    expect(proxied.upstream.requests).toEqual([])
  })

  test('that reads slowly holds up the upstream, and no memory', async () => {
    const size = 200_000_000
    let sent = 0
    proxied.upstream.answer = ({ socket }) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`)
      const chunk = Buffer.alloc(100_000)
      const more = () => {
        while (sent < size && socket.write(chunk)) sent += chunk.length
      }
      socket.on('drain', more)
      more()
    }
    const { socket } = call('GET', 'uploads/x')
    socket.pause()
    await expect.poll(() => sent).toBeGreaterThan(0)
    // It stops: the buffers of the system are full, and this server takes no more.
    let before = -1
    await expect
      .poll(
        () => {
          const stopped = sent === before
          before = sent
          return stopped
        },
        { interval: 300 },
      )
      .toBe(true)
    expect(sent).toBeLessThan(30_000_000)
    socket.destroy()
  })

  test('that goes away in the middle of a small body: no upstream is blamed, nor called', async () => {
    const { socket, text } = call('POST', 'orders/x', ['Content-Length: 100', 'Expect: 100-continue'])
    // The server has begun to read.
    await expect.poll(text).toMatch(/100 Continue/)
    socket.resetAndDestroy()
    await expect
      .poll(() => proxied.portico.logged.findLast(({ event }) => event === 'request_completed'))
      .toMatchObject({ method: 'POST', status: 0 })
    expect(proxied.portico.logged.findLast(({ event }) => event === 'request_completed')).not.toHaveProperty(
      'code',
    )
    expect(proxied.upstream.requests).toEqual([])
  })

  test('with a body that is too large: 413, by its length at once, or as soon as it is', async () => {
    const known = call('POST', 'orders/x', ['Content-Length: 200000'])
    expect(await refusalOf(known)).toEqual([413, 'payload_too_large', undefined])
    expect(proxied.upstream.requests).toEqual([])
    proxied.upstream.answer = ''
    const chunk = `${(50_000).toString(16)}\r\n${'x'.repeat(50_000)}\r\n`
    const streamed = call('POST', 'orders/x', ['Transfer-Encoding: chunked'], chunk)
    await expect.poll(() => proxied.upstream.sockets.size).toBe(1)
    streamed.socket.write(chunk + chunk)
    expect(await refusalOf(streamed)).toEqual([413, 'payload_too_large', undefined])
    await expect.poll(() => proxied.upstream.sockets.size).toBe(0)
  })

  test('that stops sending its body: 408', async () => {
    const streamed = call('POST', 'orders/x', ['Content-Length: 90000'], 'x'.repeat(80_000))
    expect(await refusalOf(streamed)).toEqual([408, 'request_timeout', undefined])
  })
})
