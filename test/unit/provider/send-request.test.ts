import type { RequestListener, ServerResponse } from 'node:http'
import { Agent } from 'undici'
import { afterEach, expect, test, vi } from 'vitest'
import { type OutgoingRequest, sendRequest } from '../../../src/provider/transport/send-request.ts'
import { startTestServer } from '../../support/network/http-server.ts'

const closers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  vi.useRealTimers()
  for (const close of closers.splice(0)) await close()
})

/** A provider, and the function that asks it over one connection. */
async function start(answer: RequestListener) {
  const server = await startTestServer()
  server.serve(answer)
  const agent = new Agent({ connections: 1 })
  closers.push(() => agent.destroy(), server.close)
  const send = (changes: Partial<OutgoingRequest> = {}) =>
    sendRequest(agent, {
      url: `${server.origin}/token?a=b`,
      method: 'POST',
      headers: {},
      body: 'grant_type=x',
      timeout: 60_000,
      maxBytes: () => 100,
      ...changes,
    })
  return send
}

const deadlinePassed = { outage: 'no-answer', reason: 'deadline passed' }

test('the response arrives as a whole, after one that only informs', async () => {
  const send = await start((req, res) => {
    res.writeEarlyHints({ link: '</style.css>; rel=preload' })
    res.writeHead(201, { 'X-Path': `${req.method} ${req.url}` })
    res.write('first ')
    setImmediate(() => res.end('second'))
  })
  const { status, headers, body } = await send()
  expect([status, headers['x-path'], String(body)]).toEqual([201, 'POST /token?a=b', 'first second'])
})

test('a body that never ends is given up at the deadline, and its status is known', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const send = await start((_req, res) => {
    res.writeHead(500)
    res.write('dripping')
  })
  const started = Promise.withResolvers<void>()
  const maxBytes = () => {
    started.resolve()
    return 100
  }
  const response = send({ timeout: 1_000, maxBytes })
  await started.promise
  vi.advanceTimersByTime(1_000)
  const { status, body, bodyError } = await response
  expect([status, body]).toEqual([500, undefined])
  expect(bodyError).toMatchObject(deadlinePassed)
})

test('a body that is too large is given up by its status, and its connection is not used again', async () => {
  const connections = new Set<unknown>()
  const send = await start((req, res) => {
    connections.add(req.socket)
    res.end('x'.repeat(101))
  })
  const { status, body, bodyError } = await send({ maxBytes: (code) => (code === 200 ? 100 : 1_000) })
  expect([status, body]).toEqual([200, undefined])
  expect(bodyError).toMatchObject({ reason: 'response larger than 100 bytes' })
  expect((await send({ maxBytes: () => 101 })).body).toHaveLength(101)
  expect(connections.size).toBe(2)
})

test('a request that waits for a connection until its deadline is not sent afterwards', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const held: ServerResponse[] = []
  const arrived: (string | undefined)[] = []
  const send = await start((req, res) => {
    arrived.push(req.headers['x-name'] as string)
    held.push(res)
  })
  const first = send({ headers: { 'x-name': 'first' } })
  await expect.poll(() => arrived).toEqual(['first'])
  const late = send({ headers: { 'x-name': 'late' }, timeout: 1_000 })
  vi.advanceTimersByTime(1_000)
  await expect(late).rejects.toMatchObject({
    ...deadlinePassed,
    reason: 'deadline passed without a connection',
  })
  held[0]?.end('done')
  expect(String((await first).body)).toBe('done')
  const last = send({ headers: { 'x-name': 'last' } })
  await expect.poll(() => arrived.at(-1)).toBe('last')
  held.at(-1)?.end()
  await last
  expect(arrived).toEqual(['first', 'last'])
})

test('an error of the connection reaches the caller', async () => {
  const send = await start((req) => req.socket.destroy())
  await expect(send()).rejects.toMatchObject({ code: 'UND_ERR_SOCKET' })
})
