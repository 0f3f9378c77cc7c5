import { pino } from 'pino'
import { type Log, type LogLevel, levels } from './events.ts'

/**
 * Bytes of lines that wait for each other, and milliseconds for which they wait, so that one write takes
 * many. What waits is written when the process exits; only one that is killed loses it.
 */
const buffered = 4_096
const flushAfter = 100

interface LogOptions {
  /** Receives each line; standard output by default. */
  write?: ((line: string) => void) | undefined
  /** Which of several processes this is: a part of each line. */
  worker?: number | undefined
}

/** Creates the log. */
export function createLog(level: LogLevel, { write, worker }: LogOptions = {}): Log {
  const options = {
    level,
    base: worker === undefined ? null : { worker },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
  }
  const logger = pino(options, write === undefined ? createDestination() : { write })
  const log: Log = (event, fields) => logger[levels[event]]({ event, ...fields })
  log.isWritten = (event) => logger.isLevelEnabled(levels[event])
  return log
}

/**
 * Standard output, in few writes: one write for each line would cost as much as a session check. Each has
 * whole lines and at most the bytes that a pipe takes at once, so that the lines of workers do not mix.
 * pino wants `minLength` to be less than `maxWrite`.
 */
function createDestination(): { write(line: string): void } {
  const destination = pino.destination({ minLength: buffered - 1, maxWrite: buffered, sync: false })
  let isDue = false
  const flush = () => {
    isDue = false
    destination.flush()
  }
  return {
    write(line) {
      destination.write(line)
      if (!isDue) setTimeout(flush, flushAfter).unref()
      isDue = true
    },
  }
}
