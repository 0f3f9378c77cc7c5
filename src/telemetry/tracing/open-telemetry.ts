import { AsyncLocalStorage } from 'node:async_hooks'
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import {
  type Context,
  type Span as OpenTelemetrySpan,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources'
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node'
import { ATTR_ERROR_TYPE, ATTR_SERVICE_NAME } from '@opentelemetry/semantic-conventions'
import type { Clock } from '../../clock.ts'
import { AppError, toErrorCode } from '../../errors.ts'
import type { Log } from '../events.ts'
import { createExportReport, reportDiagnostics, withReport } from './export-report.ts'
import { readTraceContext, writeTraceContext } from './trace-context.ts'
import type { Span, SpanStart, Tracing } from './tracing.ts'

/** Milliseconds for which the last spans may hold up the end of the process. */
const closeWithin = 2_000

/**
 * Milliseconds after the end of a span for which what it has started belongs to it. A request may start a
 * timer, such as that of the next attempt to reach a provider, which lives on without it.
 */
const lingering = 60_000

/** A span, and what is needed to make others its children. */
interface Scope {
  readonly span: Span
  readonly context: Context
  /** A reading of `performance.now()`. */
  endedAt: number | undefined
}

const kinds = { server: SpanKind.SERVER, client: SpanKind.CLIENT, internal: SpanKind.INTERNAL }

interface TracingOptions {
  /** Where spans are sent, by OTLP over HTTP. */
  url: string
  log: Log
  clock: Clock
}

/**
 * Creates the tracing over the OpenTelemetry SDK, which reads its other settings (`OTEL_*`) from the
 * environment itself: sampler, limits, headers, batches. Spans wait in a bounded queue and are sent in the
 * background; a receiver that does not take them costs spans, and nothing else.
 *
 * Nothing but the reader of the SDK's own warnings is global: no library records spans by itself.
 */
export function createTracing({ url, log, clock }: TracingOptions): Tracing {
  const report = createExportReport(log, clock)
  reportDiagnostics(report)
  const processor = new BatchSpanProcessor(withReport(new OTLPTraceExporter({ url }), report))
  const provider = new NodeTracerProvider({ resource: describeProcess(), spanProcessors: [processor] })
  const tracer = provider.getTracer('portico')
  const scopes = new AsyncLocalStorage<Scope>()

  function startSpan({ name, kind = 'internal', attributes = {}, parent, link }: SpanStart): Span {
    const remote = parent && readTraceContext(parent)
    const context =
      remote === undefined
        ? (scopes.getStore()?.context ?? ROOT_CONTEXT)
        : trace.setSpanContext(ROOT_CONTEXT, remote)
    const linked = link && readTraceContext(link)
    const links = linked === undefined ? [] : [{ context: linked }]
    const started = tracer.startSpan(name, { kind: kinds[kind], attributes, links }, context)
    return toSpan(started, context)
  }

  function toSpan(started: OpenTelemetrySpan, parent: Context): Span {
    const span: Span = {
      traceId: started.spanContext().traceId,
      run: (work) => scopes.run(scope, work),
      set: (attributes) => void started.setAttributes(attributes),
      rename: (name) => void started.updateName(name),
      fail: (code) => void fail(started, code),
      end() {
        started.end()
        scope.endedAt = performance.now()
      },
      toContext: () => writeTraceContext(started.spanContext()),
    }
    const scope: Scope = { span, context: trace.setSpan(parent, started), endedAt: undefined }
    return span
  }

  return {
    isOn: true,
    startSpan,
    async inSpan(start, run) {
      const span = startSpan(start)
      try {
        return await span.run(() => run(span))
      } catch (error) {
        span.fail(toOutcome(error))
        throw error
      } finally {
        span.end()
      }
    },
    record({ name, kind = 'internal', attributes = {}, startedAt, endedAt, outcome }) {
      const scope = scopes.getStore()
      if (scope === undefined || startedAt - (scope.endedAt ?? startedAt) > lingering) return
      // The clock of the process may have been set since it started: only differences count.
      const offset = Date.now() - performance.now()
      const toTime = (reading: number) => reading + offset
      const options = { kind: kinds[kind], attributes, startTime: toTime(startedAt) }
      const span = tracer.startSpan(name, options, scope.context)
      if (outcome !== 'ok') fail(span, outcome)
      span.end(toTime(endedAt))
    },
    current: () => scopes.getStore()?.span,
    async close() {
      const flushed = provider.shutdown().catch(() => {})
      await Promise.race([flushed, delay(closeWithin, undefined, { ref: false })])
    },
  }
}

/** This process; `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` say more, or something else. */
function describeProcess() {
  const own = { [ATTR_SERVICE_NAME]: 'portico', 'service.instance.id': randomUUID() }
  return resourceFromAttributes(own).merge(detectResources({ detectors: [envDetector] }))
}

function fail(span: OpenTelemetrySpan, code: string): void {
  span.setStatus({ code: SpanStatusCode.ERROR }).setAttribute(ATTR_ERROR_TYPE, code)
}

/** The code of an error; its message may contain secrets. */
function toOutcome(error: unknown): string {
  if (error instanceof AppError) return error.code
  return error instanceof Error ? toErrorCode(error) : 'unknown'
}
