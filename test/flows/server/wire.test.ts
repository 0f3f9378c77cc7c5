import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseRaw, sendRaw } from '../../support/network/raw-http.ts'
import { startPortico, type TestPortico, testSecret, toOperatorUrl } from '../../support/portico.ts'

const secret = testSecret()
let portico: TestPortico
let urls: { public: string; operator: string }
beforeAll(async () => {
  portico = await startPortico({
    issuer: 'https://idp.invalid',
    env: { OPERATOR_SECRET: secret, OPERATOR_PORT: '0', TRUST_PROXY: '127.0.0.1' },
  })
  urls = { public: portico.url, operator: toOperatorUrl(portico) }
})
afterAll(() => portico.close())

const toRequest = (...lines: string[]) => `${lines.join('\r\n')}\r\nConnection: close\r\n\r\n`

/** Sends a request, and finds its one line by the request id of its answer. */
async function send(bytes: string, url = portico.url) {
  const { status, headers, body } = parseRaw(await sendRaw(url, bytes))
  const requestId = headers.get('x-request-id')
  expect(requestId).toMatch(/^[\da-f-]{36}$/)
  const linesOf = () =>
    portico.logged.filter(({ request_id, status }) => request_id === requestId && status !== undefined)
  await expect.poll(linesOf).toHaveLength(1)
  return { status, headers, body, line: linesOf()[0], requestId }
}

const expectProblem = async (answer: Awaited<ReturnType<typeof send>>, status: number, code: string) => {
  expect(answer.headers.get('content-type')).toBe('application/problem+json; charset=utf-8')
  expect(JSON.parse(answer.body)).toMatchObject({ status, code, request_id: answer.requestId })
  expect(answer.status).toBe(status)
  expect(answer.line).toMatchObject({ status, code, address: '127.0.0.1' })
}

const authorization = `Authorization: Bearer ${secret}`

describe.each(['public', 'operator'] as const)('on the %s port every request leaves a line', (port) => {
  test.each([
    ['GET http://[/ HTTP/1.1', 400, 'invalid_request', '*'],
    ['GET http://user:canary@[/?canary HTTP/1.1', 400, 'invalid_request', '*'],
    ['GET //canary@[#x HTTP/1.1', 400, 'invalid_request', '*'],
    ['GET /nothing#canary HTTP/1.1', 400, 'invalid_request', '*'],
    ['GET ftp://canary/nothing HTTP/1.1', 400, 'invalid_request', '*'],
    ['GET * HTTP/1.1', 400, 'invalid_request', '*'],
    ['OPTIONS * HTTP/1.1', 404, 'not_found', '*'],
    ['GET // HTTP/1.1', 404, 'not_found', '//'],
    ['GET /% HTTP/1.1', 404, 'not_found', '/%'],
    ['GET /%E0%A4%A?canary HTTP/1.1', 404, 'not_found', '/%E0%A4%A'],
    ['GET http://canary HTTP/1.1', 404, 'not_found', '/'],
    ['GET http://canary?canary HTTP/1.1', 404, 'not_found', '/'],
    ['GET http://user:canary@canary/nothing?canary HTTP/1.1', 404, 'not_found', '/nothing'],
    ['GET HTTPS://canary//nothing HTTP/1.1', 404, 'not_found', '//nothing'],
    ['GET /nothing HTTP/1.0', 404, 'not_found', '/nothing'],
  ])('%s', async (requestLine, status, code, path) => {
    const answer = await send(toRequest(requestLine, 'Host: canary', authorization), urls[port])
    await expectProblem(answer, status, code)
    expect(answer.line).toMatchObject({ event: 'request_completed', path })
    expect(JSON.stringify(answer.line)).not.toContain('canary')
  })

  test.each([
    ['no HTTP', 'canary\r\n\r\n', 400, 'invalid_request', 'HPE_INVALID_METHOD'],
    ['TLS', '\x16\x03\x01\x02canary\r\n\r\n', 400, 'invalid_request', 'HPE_INVALID_METHOD'],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400, 'invalid_request', expect.stringMatching(/^HPE_/)],
    [
      'a target of other characters',
      toRequest('GET /canary\xa0 HTTP/1.1', 'Host: x'),
      400,
      'invalid_request',
      'HPE_INVALID_URL',
    ],
    [
      'headers beyond measure',
      toRequest('GET / HTTP/1.1', `Cookie: ${'canary'.repeat(4_000)}`),
      431,
      'headers_too_large',
      'HPE_HEADER_OVERFLOW',
    ],
    [
      'two lengths',
      toRequest('POST / HTTP/1.1', 'Host: x', 'Content-Length: 3', 'Transfer-Encoding: chunked'),
      400,
      'invalid_request',
      expect.stringMatching(/^HPE_/),
    ],
    ['a tunnel', 'CONNECT canary:443 HTTP/1.1\r\nHost: canary\r\n\r\n', 405, 'method_not_allowed', 'CONNECT'],
  ])('%s: and no byte of it', async (_name, bytes, status, code, reason) => {
    const answer = await send(bytes, urls[port])
    await expectProblem(answer, status, code)
    expect(answer.line).toMatchObject({ event: 'request_refused', level: 'info', reason })
    expect(answer.headers.get('connection')).toBe('close')
    expect(JSON.stringify(portico.logged)).not.toContain('canary')
  })

  test('no Host (RFC 9112 3.2)', async () => {
    const answer = await send(toRequest('GET /nothing HTTP/1.1', authorization), urls[port])
    await expectProblem(answer, 400, 'invalid_request')
    expect(answer.line).toMatchObject({ event: 'request_completed', path: '/nothing' })
  })

  test.each([
    ['an Upgrade', ['Upgrade: websocket', 'Sec-WebSocket-Version: 13']],
    ['an expectation', ['Expect: canary']],
  ])('%s is served as if it did not ask', async (_name, headers) => {
    const lines = ['GET /nothing HTTP/1.1', 'Host: x', authorization, ...headers]
    const answer = await send(`${lines.join('\r\n')}\r\nConnection: Upgrade, close\r\n\r\n`, urls[port])
    await expectProblem(answer, 404, 'not_found')
  })
})

test('an absolute target is served like its path (RFC 9112 3.2.2)', async () => {
  const answer = await send(toRequest('GET http://canary/livez?canary HTTP/1.1', 'Host: canary'))
  expect([answer.status, answer.body]).toEqual([200, '{"status":"ok"}'])
  expect(answer.line).toMatchObject({ event: 'probe_completed', path: '/livez' })
})

test('a body that breaks off into something else: one answer, one line', async () => {
  const head = 'POST /api/callback HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n'
  const answer = await send(`${head}Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\ncanary\r\n`)
  await expectProblem(answer, 400, 'invalid_request')
  expect(answer.line).toMatchObject({ event: 'request_completed', path: '/api/callback', method: 'POST' })
  expect(answer.body).not.toContain('canary')
})

test('a body that breaks off behind its answer: no second answer, no second line', async () => {
  const head = 'POST /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n'
  const before = portico.logged.length
  const answer = await sendRaw(portico.url, `${head}canary\r\n`)
  expect(answer.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 405'])
  const lines = portico.logged.slice(before)
  expect(lines.map(({ event, status }) => [event, status])).toEqual([['request_completed', 405]])
})

test('a body that breaks off while its handler goes on is no defect', async () => {
  const waiting = await startPortico({ issuer: 'https://idp.invalid' })
  const released: (() => void)[] = []
  waiting.store.ping = () => new Promise<void>((resolve) => released.push(resolve))
  const head = 'GET /readyz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n'
  expect(parseRaw(await sendRaw(waiting.url, `${head}Z\r\n`)).status).toBe(400)
  for (const release of released) release()
  await waiting.close()
  const events = waiting.logged.map(({ event }) => event)
  expect([events.includes('request_completed'), events.includes('request_failed')]).toEqual([true, false])
})

test('a person whose form breaks off sees a page', async () => {
  const head = 'POST /api/callback HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n'
  const body = 'Sec-Fetch-Mode: navigate\r\nTransfer-Encoding: chunked\r\n\r\n2\r\na=\r\ncanary\r\n'
  const { status, headers } = await send(head + body)
  expect([status, headers.get('content-type')]).toEqual([400, 'text/html; charset=utf-8'])
})

test.each([
  ['garbage', 'canary', 400],
  ['a tunnel', 'CONNECT x:1 HTTP/1.1\r\nHost: x', 405],
])(
  '%s behind a request whose answer is not out yet is not answered in its place',
  async (_what, more, status) => {
    const waiting = await startPortico({ issuer: 'https://idp.invalid' })
    let release = () => {}
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    waiting.store.ping = () => released
    const answer = sendRaw(waiting.url, `GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n${more}\r\n\r\n`)
    expect(await answer).toBe('')
    release()
    expect(waiting.logged.find(({ event }) => event === 'request_refused')).toMatchObject({ status })
    await waiting.close()
  },
)

test('a tunnel whose asker is gone at once harms nothing', async () => {
  const { hostname, port } = new URL(portico.url)
  for (let count = 0; count < 20; count += 1) {
    await new Promise<void>((resolve) => {
      const socket = connect(Number(port), hostname, () => {
        socket.write('CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n', () => socket.resetAndDestroy())
      })
      socket.on('close', () => resolve())
    })
  }
  expect((await send(toRequest('GET /livez HTTP/1.1', 'Host: x'))).status).toBe(200)
})
