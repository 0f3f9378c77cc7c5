import { pino } from 'pino'
import { type Log, type LogLevel, levels } from './events.ts'
import { createStandardOutput, type LineWriter } from './standard-output.ts'

/** How lines look: for programs, or for a human at a terminal. */
export type LogFormat = 'json' | 'pretty'

interface LogOptions {
  /** Receives each line; standard output by default. */
  write?: LineWriter['write'] | undefined
  /** Which of several processes this is: a part of each line. */
  worker?: number | undefined
}

interface OpenLogOptions extends LogOptions {
  level: LogLevel
  /** By default, pretty if standard output is a terminal. */
  format: LogFormat | undefined
}

/** Creates the log, in the format that fits its reader. */
export async function openLog({ level, format, ...options }: OpenLogOptions): Promise<Log> {
  const isPretty = format === undefined ? process.stdout.isTTY : format === 'pretty'
  if (!isPretty || level === 'silent') return createLog(level, options)
  // Loaded only where a human reads: production has no use for it.
  const { toPrettyWriter } = await import('./pretty.ts')
  return createLog(level, { ...options, write: toPrettyWriter() })
}

/** Creates the log, as JSON lines. */
export function createLog(
  level: LogLevel,
  { write = createStandardOutput().write, worker }: LogOptions = {},
): Log {
  const options = {
    level,
    base: worker === undefined ? null : { worker },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
  }
  const logger = pino(options, { write })
  const log: Log = (event, fields) => logger[levels[event]]({ event, ...fields })
  log.isWritten = (event) => logger.isLevelEnabled(levels[event])
  return log
}
