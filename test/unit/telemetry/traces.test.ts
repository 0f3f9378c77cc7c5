import { expect, onTestFinished, test } from 'vitest'
import type { LogFields } from '../../../src/telemetry/events.ts'
import { createExportReport } from '../../../src/telemetry/tracing/export-report.ts'
import { createTracing } from '../../../src/telemetry/tracing/open-telemetry.ts'
import { createTestClock, seconds } from '../../support/clock.ts'
import { startOtlpReceiver } from '../../support/telemetry/otlp-receiver.ts'

test('lost spans are reported at most once a minute, with all that were lost since the last time', () => {
  const reported: (LogFields | undefined)[] = []
  const clock = createTestClock()
  const report = createExportReport((event, fields) => reported.push({ event, ...fields }), clock)
  report('ECONNREFUSED', 10)
  report('ECONNREFUSED', 512)
  clock.advance(seconds(59))
  report('timeout', 3)
  expect(reported).toEqual([{ event: 'traces_not_exported', reason: 'ECONNREFUSED', spans: 10 }])
  clock.advance(seconds(1))
  report('status 503', 5)
  expect(reported[1]).toEqual({ event: 'traces_not_exported', reason: 'status 503', spans: 520 })
})

async function startTracing() {
  const receiver = await startOtlpReceiver()
  onTestFinished(() => receiver.close())
  const log = () => {}
  const tracing = createTracing({ url: `${receiver.endpoint}/v1/traces`, log, clock: createTestClock() })
  return { receiver, tracing }
}

test('what has ended is recorded in the span in which it was, and never without one', async () => {
  const { receiver, tracing } = await startTracing()
  const now = performance.now()
  const ended = { startedAt: now - 250, endedAt: now - 50, outcome: 'ok' }
  tracing.record({ name: 'ping', ...ended })
  await tracing.inSpan({ name: 'request' }, async () => {
    tracing.record({ name: 'command', ...ended })
    tracing.record({ name: 'refused', ...ended, outcome: 'store_unavailable' })
  })
  await tracing.close()
  expect(receiver.spans.map(({ name }) => name).sort()).toEqual(['command', 'refused', 'request'])
  const { spanId } = receiver.only('request')
  expect(receiver.only('command')).toMatchObject({ parentSpanId: spanId, isError: false })
  expect(Math.round(receiver.only('command').duration)).toBe(200)
  expect(receiver.only('refused')).toMatchObject({
    isError: true,
    attributes: { 'error.type': 'store_unavailable' },
  })
})

test('what a request leaves behind, such as a timer, belongs to its trace for a minute', async () => {
  const { receiver, tracing } = await startTracing()
  const span = tracing.startSpan({ name: 'request' })
  span.end()
  const now = performance.now()
  span.run(() => {
    tracing.record({ name: 'soon', startedAt: now + 59_000, endedAt: now + 59_001, outcome: 'ok' })
    tracing.record({ name: 'late', startedAt: now + 61_000, endedAt: now + 61_001, outcome: 'ok' })
  })
  await tracing.close()
  expect(receiver.spans.map(({ name }) => name)).toEqual(['request', 'soon'])
})

test('an error is its code, and no message is in a span', async () => {
  const { receiver, tracing } = await startTracing()
  const fails = tracing.inSpan({ name: 'work' }, async () => {
    throw Object.assign(new Error('secret message'), { code: 'ECONNRESET' })
  })
  await expect(fails).rejects.toThrow('secret message')
  await tracing.close()
  expect(receiver.only('work')).toMatchObject({ isError: true, attributes: { 'error.type': 'ECONNRESET' } })
  expect(receiver.received.join()).not.toContain('secret')
})
