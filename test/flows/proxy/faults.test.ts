import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, connect, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer } from 'node:tls'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createCertificate } from '../../support/network/certificate.ts'
import { parseRaw } from '../../support/network/raw-http.ts'
import { type Proxied, startProxied } from '../../support/upstreams/proxied.ts'
import { toResponse } from '../../support/upstreams/raw-upstream.ts'

/** Upstreams that fail, and browsers that go away. */

let proxied: Proxied
let cookie: string
/** An upstream with a certificate of its own making, and where that lies. */
let untrusted: Server
let folder: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'portico-upstream-'))
  const { key, certificate } = createCertificate(folder, 'upstream')
  untrusted = createServer({ key, cert: certificate })
  await new Promise<void>((resolve) => untrusted.listen(0, '127.0.0.1', resolve))
  const { port } = untrusted.address() as AddressInfo
  proxied = await startProxied({
    routes: {
      orders: { timeout: '1s', max_body: '100kb' },
      'slow-uploads': { timeout: '1s', max_body: '1gb' },
      uploads: { max_body: '1gb' },
      // A port that a test had and gave back may soon be that of another server.
      nothing: { upstream: 'http://127.0.0.1:1' },
      tls: { upstream: `https://127.0.0.1:${port}` },
    },
  })
  cookie = proxied.cookieOf(await proxied.signIn())
})
afterAll(async () => {
  await proxied.close()
  untrusted.close()
  rmSync(folder, { recursive: true })
})
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
    ['sends what is no HTTP', 'connection_terminated', 'hello\r\n\r\n'],
    [
      'sends a head that is too large',
      'http_response_header_section_size',
      `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
    ],
    [
      'sends two lengths',
      'http_response_incomplete',
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx',
    ],
    [
      'names an upgrade that was not asked for',
      'connection_terminated',
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n',
    ],
  ])('that %s: 502', async (_what, error, bytes) => {
    proxied.upstream.answer = bytes
    expect(await refusalOf(call('GET', 'orders/x'))).toEqual([
      502,
      'upstream_unavailable',
      `portico; error=${error}`,
    ])
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
    // A part has reached the browser: another response could not take its place.
    expect(proxied.upstream.requests).toHaveLength(1)
  })

  test('that stalls in the middle of a body: the response breaks off', async () => {
    proxied.upstream.answer = 'HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf'
    expect(await call('GET', 'orders/x').closed).toMatch(/half$/)
    await expect
      .poll(() => proxied.portico.logged.findLast(({ event }) => event === 'request_completed'))
      .toMatchObject({ status: 200, code: 'upstream_timeout' })
  })

  describe.each([
    ['resets', (socket: Socket) => void socket.resetAndDestroy()],
    ['closes', (socket: Socket) => void socket.end()],
  ])('that %s an idle connection as the call comes', (_what, lose) => {
    test.each([
      ['a GET is sent once more', 'GET', 1, 200, 2],
      ['a HEAD is sent once more', 'HEAD', 1, 200, 2],
      ['no call is sent a third time', 'GET', 9, 502, 2],
      ['a POST is not sent again', 'POST', 1, 502, 1],
      ['a DELETE is not sent again', 'DELETE', 1, 502, 1],
    ])('%s', async (_rule, method, losses, status, arrived) => {
      let left = losses
      proxied.upstream.answer = ({ socket }) => {
        if (left > 0) lose(socket)
        else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
        left -= 1
      }
      expect(parseRaw(await call(method, 'orders/x').closed).status).toBe(status)
      expect(proxied.upstream.requests).toHaveLength(arrived)
    })
  })

  test('whose certificate is not trusted: 502', async () => {
    expect(await refusalOf(call('GET', 'tls/x'))).toEqual([
      502,
      'upstream_unavailable',
      'portico; error=tls_certificate_error',
    ])
  })

  test('that takes no more of a body: 504, and not that the browser does not send', async () => {
    proxied.upstream.answer = ''
    const size = 100_000_000
    const upload = call('POST', 'slow-uploads/x', [`Content-Length: ${size}`])
    await expect.poll(() => proxied.upstream.sockets.size).toBe(1)
    for (const socket of proxied.upstream.sockets) socket.pause()
    upload.socket.write(Buffer.alloc(size))
    expect((await refusalOf(upload)).slice(0, 2)).toEqual([504, 'upstream_timeout'])
    for (const socket of proxied.upstream.sockets) socket.destroy()
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

  test('with a body of the very size that is allowed passes', async () => {
    const body = 'x'.repeat(102_400)
    const known = call('POST', 'orders/x', ['Content-Length: 102400'], body)
    expect(parseRaw(await known.closed).status).toBe(200)
    expect(proxied.upstream.requests[0]?.body).toBe(body)
    proxied.upstream.answer = ({ line, socket }) => {
      // It reads the chunks as a request of their own: all of them have arrived.
      if (!line.startsWith('POST')) socket.end(toResponse('200 OK'))
    }
    const chunks = `19000\r\n${body}\r\n0\r\n\r\n`
    const streamed = call('POST', 'orders/x', ['Transfer-Encoding: chunked'], chunks)
    expect(parseRaw(await streamed.closed).status).toBe(200)
    expect(proxied.upstream.requests[1]?.headers).toContain('transfer-encoding: chunked')
  })

  test('that does not read its response: it breaks off, and no upstream is blamed', async () => {
    proxied.upstream.answer = ({ socket }) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      socket.write(Buffer.alloc(50_000_000))
    }
    const { socket } = call('GET', 'orders/unread')
    socket.pause()
    await expect
      .poll(() => proxied.portico.logged.findLast(({ event }) => event === 'request_completed'))
      .toMatchObject({ path: '/api/proxy/orders/unread', status: 200, code: 'request_timeout' })
    await expect.poll(() => proxied.upstream.sockets.size).toBe(0)
    socket.destroy()
  })

  test('that stops sending its body: 408', async () => {
    const streamed = call('POST', 'orders/x', ['Content-Length: 90000'], 'x'.repeat(80_000))
    expect(await refusalOf(streamed)).toEqual([408, 'request_timeout', undefined])
  })
})
