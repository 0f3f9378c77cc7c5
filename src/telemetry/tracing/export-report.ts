import { type DiagLogger, DiagLogLevel, diag } from '@opentelemetry/api'
import type { SpanExporter } from '@opentelemetry/sdk-trace-node'
import type { Clock } from '../../clock.ts'
import { toErrorCode } from '../../errors.ts'
import type { Log } from '../events.ts'

/** Milliseconds between two events: a receiver that is down fails every few seconds. */
const reportEvery = 60_000

/** Reports that spans were lost: how many, and why. */
type Report = (reason: string, spans: number) => void

/** Creates the report, which says at most once a minute how many spans were lost since the last time. */
export function createExportReport(log: Log, clock: Clock): Report {
  let lost = 0
  let reportedAt = Number.NEGATIVE_INFINITY
  return (reason, spans) => {
    lost += spans
    if (clock.now() - reportedAt < reportEvery) return
    reportedAt = clock.now()
    log('traces_not_exported', { reason, spans: lost })
    lost = 0
  }
}

/** The exporter, which also reports the batches that it could not send. */
export function withReport(exporter: SpanExporter, report: Report): SpanExporter {
  return {
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        if (result.error !== undefined) report(toReason(result.error), spans.length)
        done(result)
      }),
    shutdown: () => exporter.shutdown(),
    forceFlush: async () => exporter.forceFlush?.(),
  }
}

/** Why a batch was not sent: a status or an error code, never a message, which may repeat a header. */
function toReason(error: Error): string {
  if (error.message === 'Request timed out') return 'timeout'
  if (error.name !== 'OTLPExporterError') return toErrorCode(error)
  return 'code' in error && typeof error.code === 'number' ? `status ${error.code}` : 'status 429 or 5xx'
}

/**
 * Reports what the SDK says only to its own log: spans that found the queue full, and those that a receiver
 * refused. Nothing of its log is printed, because it repeats answers of the receiver.
 */
export function reportDiagnostics(report: Report): void {
  const warn = (message: string) => {
    const dropped = /^Dropped (\d+) spans/.exec(message)?.[1]
    if (dropped !== undefined) report('queue full', Number(dropped))
    else if (message.startsWith('Received Partial Success')) report('refused by the receiver', 0)
  }
  const ignore = () => {}
  const logger: DiagLogger = { error: ignore, warn, info: ignore, debug: ignore, verbose: ignore }
  diag.setLogger(logger, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true })
}
