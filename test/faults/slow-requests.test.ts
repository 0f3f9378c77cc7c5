import { connect } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { seconds } from '../support/clock.ts'
import { parseRaw } from '../support/network/raw-http.ts'
import { startPortico, type TestPortico, testSecret, toOperatorUrl } from '../support/portico.ts'

let portico: TestPortico
let operatorUrl: string
beforeAll(async () => {
  portico = await startPortico({
    issuer: 'https://idp.invalid',
    env: { OPERATOR_SECRET: testSecret(), OPERATOR_PORT: '0' },
  })
  operatorUrl = toOperatorUrl(portico)
})
afterAll(() => portico.close())

/** Sends a part, then one byte a second for ever; says what came back, and when the connection was over. */
function dawdle(url: string, part: string, byte = ''): Promise<{ answer: string; took: number }> {
  const { hostname, port } = new URL(url)
  const since = performance.now()
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname, () => socket.write(part))
    const drip = setInterval(() => byte !== '' && socket.write(byte), 1_000)
    let answer = ''
    socket.on('data', (chunk) => {
      answer += chunk.toString()
    })
    // A byte that meets a connection which the server has ended resets it.
    socket.on('error', () => {})
    socket.on('close', () => {
      clearInterval(drip)
      resolve({ answer, took: performance.now() - since })
    })
  })
}

const lineOf = (answer: string) => {
  const requestId = parseRaw(answer).headers.get('x-request-id')
  return portico.logged.find(({ request_id, status }) => request_id === requestId && status !== undefined)
}

const head = 'POST /api/callback HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n'
const json = 'Content-Type: application/json\r\n\r\n{'
const form = 'Content-Type: application/x-www-form-urlencoded\r\nSec-Fetch-Mode: navigate\r\n\r\na='

test('headers may take 10 seconds, a request 30, on both ports; then it is refused, and leaves a line', async () => {
  const halfHeaders = 'GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: a'
  const answered = 'GET /livez HTTP/1.1\r\nHost: x\r\n\r\n'
  const [slowHeaders, operator, silent, second, slowBody, page, early, unused] = await Promise.all([
    dawdle(portico.url, halfHeaders, 'a'),
    dawdle(operatorUrl, halfHeaders, 'a'),
    dawdle(portico.url, 'GET /'),
    dawdle(portico.url, answered + halfHeaders, 'a'),
    dawdle(portico.url, head + json, ' '),
    dawdle(portico.url, head + form, 'a'),
    dawdle(portico.url, 'POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n', 'a'),
    dawdle(portico.url, ''),
  ])

  for (const { answer, took } of [slowHeaders, operator, silent]) {
    const { status, headers, body } = parseRaw(answer)
    expect([status, headers.get('content-type')]).toEqual([408, 'application/problem+json; charset=utf-8'])
    expect(JSON.parse(body)).toMatchObject({ status: 408, code: 'request_timeout' })
    expect(lineOf(answer)).toMatchObject({
      event: 'request_refused',
      status: 408,
      code: 'request_timeout',
      address: '127.0.0.1',
    })
    expect(took).toBeGreaterThan(seconds(9.9))
    expect(took).toBeLessThan(seconds(20))
  }
  expect(second.answer).toMatch(/^HTTP\/1\.1 200 .*HTTP\/1\.1 408 .*"request_timeout"/s)
  expect(second.took).toBeLessThan(seconds(20))

  for (const { answer, took } of [slowBody, page]) {
    expect(parseRaw(answer).status).toBe(408)
    expect(lineOf(answer)).toMatchObject({
      event: 'request_completed',
      path: '/api/callback',
      status: 408,
      code: 'request_timeout',
    })
    expect(took).toBeGreaterThan(seconds(29.9))
    expect(took).toBeLessThan(seconds(45))
  }
  expect(JSON.parse(parseRaw(slowBody.answer).body)).toMatchObject({ status: 408, code: 'request_timeout' })
  expect(parseRaw(page.answer).headers.get('content-type')).toBe('text/html; charset=utf-8')

  // Answered before its body was there: nothing is answered twice.
  expect(early.answer.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 405'])
  expect(early.took).toBeLessThan(seconds(45))

  // Browsers open connections in advance: that is no request.
  expect(unused.answer).toBe('')
  expect(unused.took).toBeLessThan(seconds(20))
  expect(portico.logged.filter(({ code }) => code === 'request_timeout')).toHaveLength(6)
})
