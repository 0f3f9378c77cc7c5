import { createTraceState, type SpanContext } from '@opentelemetry/api'
import type { TraceContext } from './tracing.ts'

/** Version, trace id, parent id, flags; later versions may have more behind them (W3C Trace Context 3.2). */
const form = /^([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(-|$)/

/** Reads the context of another process; undefined where it is none. The SDK ignores ids of zeros. */
export function readTraceContext({ traceparent, tracestate }: TraceContext): SpanContext | undefined {
  const [, version, traceId = '', spanId = '', flags = '', rest] = form.exec(traceparent) ?? []
  if (version === undefined || version === 'ff' || (version === '00' && rest !== '')) return undefined
  const traceFlags = Number.parseInt(flags, 16) & sampled
  const state = tracestate === undefined ? {} : { traceState: createTraceState(tracestate) }
  return { traceId, spanId, traceFlags, isRemote: true, ...state }
}

/** Writes the context of a span for another process. */
export function writeTraceContext({ traceId, spanId, traceFlags, traceState }: SpanContext): TraceContext {
  const flags = (traceFlags & sampled).toString(16).padStart(2, '0')
  return { traceparent: `00-${traceId}-${spanId}-${flags}`, tracestate: traceState?.serialize() || undefined }
}

/** The flag by which a trace is recorded by all of its processes, or by none. */
const sampled = 1
