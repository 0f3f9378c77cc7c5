/** Runs work in spans of a trace (OpenTelemetry), and carries a trace to other processes. */
export interface Tracing {
  /**
   * Runs work in a span, which ends with it: when the promise that it returns is settled. `parent` continues
   * the trace of another process (`traceparent`, W3C Trace Context 3.2); by default the span is a child of
   * the one in which it begins.
   */
  inSpan<T>(span: SpanStart, run: () => T): T
  /** The current span as `traceparent`; undefined where no trace is recorded. */
  traceparent(): string | undefined
  /** Sends what is still here. */
  close(): Promise<void>
}

/** How a span begins. */
export interface SpanStart {
  name: string
  kind?: 'server' | 'client' | 'internal'
  /** No token, code, address of a person or text from outside is in them. */
  attributes?: Readonly<Record<string, string | number | boolean>>
  parent?: string | undefined
}

/** Records no trace. */
export const noTracing: Tracing = {
  inSpan: (_span, run) => run(),
  traceparent: () => undefined,
  async close() {},
}
