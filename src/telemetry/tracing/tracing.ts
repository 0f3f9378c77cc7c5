/** Records spans of traces (OpenTelemetry), and carries traces to other processes and from them. */
export interface Tracing {
  /** Whether anything is recorded: where it is not, callers need no span. */
  readonly isOn: boolean
  /** Begins a span, by default as a child of the current one. Its caller ends it. */
  startSpan(start: SpanStart): Span
  /** Runs work in a span, which ends with it: an error that it throws is that of the span. */
  inSpan<T>(start: SpanStart, run: (span: Span) => Promise<T>): Promise<T>
  /** Records what has ended already, as a child of the current span; without one, it records nothing. */
  record(ended: EndedSpan): void
  /** The span in which the caller runs. */
  current(): Span | undefined
  /** Sends what is still here, as far as that takes no longer than a moment. */
  close(): Promise<void>
}

/** How a span begins. */
export interface SpanStart {
  name: string
  kind?: 'server' | 'client' | 'internal'
  attributes?: SpanAttributes
  /** Continues the trace of another process, or of an earlier request. */
  parent?: TraceContext | undefined
  /** A span of another trace that belongs to it. */
  link?: TraceContext | undefined
}

/** What a span says. No token, code, name of a user or text from outside is in it. */
export type SpanAttributes = Readonly<Record<string, string | number | undefined>>

/** What has ended, by readings of `performance.now()`; `outcome` is `ok` or an error code. */
export interface EndedSpan extends Pick<SpanStart, 'name' | 'kind' | 'attributes'> {
  startedAt: number
  endedAt: number
  outcome: string
}

/** A span that has begun. */
export interface Span {
  readonly traceId: string
  /** Runs work in it: spans that begin meanwhile are its children. */
  run<T>(work: () => T): T
  set(attributes: SpanAttributes): void
  rename(name: string): void
  /** Marks it as failed; `code` is an error code, never a message. */
  fail(code: string): void
  end(): void
  /** What another process needs to continue its trace. */
  toContext(): TraceContext
}

/** The place of a span in its trace, as it goes from process to process (W3C Trace Context 3). */
export interface TraceContext {
  traceparent: string
  tracestate?: string | undefined
}

const noSpan: Span = {
  traceId: '',
  run: (work) => work(),
  set() {},
  rename() {},
  fail() {},
  end() {},
  toContext: () => ({ traceparent: '' }),
}

/** Records nothing. */
export const noTracing: Tracing = {
  isOn: false,
  startSpan: () => noSpan,
  inSpan: (_start, run) => run(noSpan),
  record() {},
  current: () => undefined,
  async close() {},
}
