import type { ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { expect } from 'vitest'
import { startTestServer } from '../network/http-server.ts'
import { readMessage } from './protobuf.ts'

/** A span as it was received. */
export interface ReceivedSpan {
  traceId: string
  spanId: string
  /** Empty for the first span of a trace. */
  parentSpanId: string
  name: string
  kind: 'internal' | 'server' | 'client'
  /** Milliseconds. */
  duration: number
  attributes: Record<string, string | number>
  links: { traceId: string; spanId: string }[]
  isError: boolean
  /** Of the process that sent it. */
  resource: Record<string, string | number>
}

/** A receiver of OTLP over HTTP, as a collector has it. */
export interface OtlpReceiver {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  endpoint: string
  spans: ReceivedSpan[]
  /** Every byte that was received, and the headers. */
  received: string[]
  /** How the next exports are answered; undefined: not at all. */
  status: number | undefined
  /** The spans of a name; fails where there is none. */
  named(name: string): ReceivedSpan[]
  /** The only span of a name. */
  only(name: string): ReceivedSpan
  childrenOf(span: ReceivedSpan): ReceivedSpan[]
  /** How many exports wait for an answer, and have not been given up. */
  waiting(): number
  /** Ends the connections, and with them the exports that wait for an answer. */
  breakConnections(): void
  close(): Promise<void>
}

const kinds = { 1: 'internal', 2: 'server', 3: 'client' } as const

export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const server = await startTestServer()
  const spans: ReceivedSpan[] = []
  const waiting = new Set<ServerResponse>()
  const receiver: OtlpReceiver = {
    endpoint: server.origin,
    spans,
    received: [],
    status: 200,
    named(name) {
      const found = spans.filter((span) => span.name === name)
      expect(found, `${name} is not among ${spans.map((span) => span.name).join(', ')}`).not.toEqual([])
      return found
    },
    only(name) {
      const [found, ...others] = receiver.named(name)
      if (found === undefined || others.length > 0) throw new Error(`${others.length + 1} spans ${name}`)
      return found
    },
    childrenOf: ({ spanId, traceId }) =>
      spans.filter((span) => span.parentSpanId === spanId && span.traceId === traceId),
    waiting: () => waiting.size,
    breakConnections: () => server.server.closeAllConnections(),
    close: server.close,
  }
  server.serve(async (req, res) => {
    waiting.add(res)
    res.once('close', () => waiting.delete(res))
    const body = await buffer(req)
    const { url, method, headers } = req
    receiver.received.push(`${method} ${url} ${JSON.stringify(headers)} ${body.toString('latin1')}`)
    if (receiver.status === undefined) return
    if (receiver.status === 200) spans.push(...readSpans(body))
    res.writeHead(receiver.status, { 'content-type': 'application/x-protobuf' }).end()
  })
  return receiver
}

/** Reads an ExportTraceServiceRequest (opentelemetry-proto, trace.proto). */
function readSpans(body: Buffer): ReceivedSpan[] {
  return messages(body, 1).flatMap((resourceSpans) => {
    const resource = readAttributes(messages(resourceSpans, 1)[0] ?? Buffer.alloc(0), 1)
    return messages(resourceSpans, 2)
      .flatMap((scopeSpans) => messages(scopeSpans, 2))
      .map((span) => readSpan(span, resource))
  })
}

function readSpan(bytes: Buffer, resource: ReceivedSpan['resource']): ReceivedSpan {
  const [status = Buffer.alloc(0)] = messages(bytes, 15)
  return {
    traceId: hex(bytes, 1),
    spanId: hex(bytes, 2),
    parentSpanId: hex(bytes, 4),
    name: messages(bytes, 5).toString(),
    kind: kinds[number(bytes, 6) as keyof typeof kinds],
    duration: (number(bytes, 8) - number(bytes, 7)) / 1e6,
    attributes: readAttributes(bytes, 9),
    links: messages(bytes, 13).map((link) => ({ traceId: hex(link, 1), spanId: hex(link, 2) })),
    isError: number(status, 3) === 2,
    resource,
  }
}

function readAttributes(bytes: Buffer, field: number): Record<string, string | number> {
  const entries = messages(bytes, field).map((entry) => {
    const [value = Buffer.alloc(0)] = messages(entry, 2)
    const text = messages(value, 1)[0]
    return [messages(entry, 1).toString(), text === undefined ? number(value, 3) : text.toString()] as const
  })
  return Object.fromEntries(entries)
}

const messages = (bytes: Buffer, field: number): Buffer[] =>
  (readMessage(bytes).get(field) ?? []).filter((value) => Buffer.isBuffer(value))
const number = (bytes: Buffer, field: number): number => Number(readMessage(bytes).get(field)?.[0] ?? 0)
const hex = (bytes: Buffer, field: number): string => messages(bytes, field)[0]?.toString('hex') ?? ''
