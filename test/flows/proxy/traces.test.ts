import { expect, test } from 'vitest'
import { createTestBrowser } from '../../support/browser.ts'
import { closeAfterTest } from '../../support/fixtures.ts'
import { csrf } from '../../support/login.ts'
import { publicUrl } from '../../support/portico.ts'
import { startOtlpReceiver } from '../../support/telemetry/otlp-receiver.ts'
import { type Proxied, startProxied } from '../../support/upstreams/proxied.ts'
import { toResponse } from '../../support/upstreams/raw-upstream.ts'

const routes = {
  orders: { token: 'optional', websocket: true },
}
const ofBrowser = {
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  tracestate: 'vendor=browser',
  baggage: 'user=browser',
}

async function startTraced(env: Record<string, string> = {}) {
  const receiver = closeAfterTest(await startOtlpReceiver())
  const more = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint, ...env }
  const proxied = closeAfterTest(await startProxied({ routes, env: more }))
  return { receiver, proxied, flush: () => proxied.portico.components.tracing.close() }
}

/** The header lines of a trace that the upstream has received with its last request. */
const traceLinesOf = ({ upstream }: Proxied) =>
  upstream.requests.at(-1)?.headers.filter((line) => /^(traceparent|tracestate|baggage):/i.test(line))

const call = ({ portico }: Proxied, path: string, more: Record<string, string> = {}) =>
  createTestBrowser().fetch(`${portico.url}/api/proxy/orders${path}`, {
    headers: { ...csrf, ...ofBrowser, ...more },
  })

test('an upstream continues the trace of the call, and gets nothing of what the browser says of traces', async () => {
  const { receiver, proxied, flush } = await startTraced()
  expect((await call(proxied, '/users/ada?q=ada')).status).toBe(200)
  await flush()
  const request = receiver.only('GET /api/proxy/*')
  const span = receiver.only('GET orders')
  expect(span).toMatchObject({ kind: 'client', parentSpanId: request.spanId, traceId: request.traceId })
  expect(span.attributes).toEqual({
    'http.request.method': 'GET',
    'http.response.status_code': 200,
    'portico.proxy.route': 'orders',
    'server.address': '127.0.0.1',
    'server.port': Number(new URL(proxied.upstream.origin).port),
  })
  expect(traceLinesOf(proxied)).toEqual([`traceparent: 00-${span.traceId}-${span.spanId}-01`])
  expect(request.attributes).not.toHaveProperty('url.path')
  expect(receiver.received.join()).not.toContain('ada')
})

test('behind a trusted proxy that traces, the upstream continues its trace, with its tracestate', async () => {
  const { receiver, proxied, flush } = await startTraced({ TRUST_PROXY: '127.0.0.1' })
  await call(proxied, '/items')
  await flush()
  const { traceId, spanId } = receiver.only('GET orders')
  expect(traceId).toBe('0af7651916cd43dd8448eb211c80319c')
  expect(traceLinesOf(proxied)).toEqual([
    `traceparent: 00-${traceId}-${spanId}-01`,
    'tracestate: vendor=browser',
  ])
})

test('the handshake of a WebSocket connection carries the trace', async () => {
  const { receiver, proxied, flush } = await startTraced()
  proxied.upstream.answer = toResponse('403 Forbidden')
  const opened = new WebSocket(`${proxied.portico.url.replace('http', 'ws')}/api/proxy/orders/live`, {
    headers: { origin: publicUrl, ...ofBrowser },
  } as unknown as string[])
  await new Promise((resolve) => opened.addEventListener('error', resolve))
  await flush()
  const { traceId, spanId } = receiver.only('GET orders')
  expect(traceLinesOf(proxied)).toEqual([`traceparent: 00-${traceId}-${spanId}-01`])
})

test('a call that fails has the code of its failure', async () => {
  const { receiver, proxied, flush } = await startTraced()
  proxied.upstream.answer = ({ socket }) => void socket.destroy()
  expect((await call(proxied, '/items')).status).toBe(502)
  proxied.upstream.answer = toResponse('404 Not Found')
  expect((await call(proxied, '/items')).status).toBe(404)
  proxied.upstream.answer = ({ socket }) =>
    void socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nbegun')
  await call(proxied, '/items')
    .then((answer) => answer.text())
    .catch(() => {})
  await flush()
  const failures = receiver
    .named('GET orders')
    .map(({ isError, attributes }) => [isError, attributes['error.type']])
  expect(failures).toEqual([
    [true, 'upstream_unavailable'],
    [true, '404'],
    [true, 'upstream_unavailable'],
  ])
})

test('without traces, an upstream gets no trace at all', async () => {
  const proxied = closeAfterTest(await startProxied({ routes }))
  expect((await call(proxied, '/items')).status).toBe(200)
  expect(traceLinesOf(proxied)).toEqual([])
})

test.each(['traceparent', 'tracestate', 'baggage'])('a route cannot let %s pass', async (name) => {
  const started = startProxied({ routes: { orders: { request_headers: [name] } } })
  await expect(started).rejects.toThrow(/request_headers/)
})
