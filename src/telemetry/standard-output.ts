import { pino } from 'pino'

/**
 * Bytes of lines that wait for each other, and milliseconds for which they wait, so that one write takes
 * many. What waits is written when the process exits; only one that is killed loses it.
 */
const buffered = 4_096
const flushAfter = 100

/** Characters of lines that wait for an output that takes none; those that follow are lost. */
const longestBacklog = 4_000_000

/** Where lines go; each ends with a line break. */
export interface LineWriter {
  write(line: string): void
}

/**
 * Standard output, in few writes: one write for each line would cost as much as a session check. Each has
 * whole lines and at most the bytes that a pipe takes at once, so that the lines of workers do not mix.
 * pino wants `minLength` to be less than `maxWrite`.
 */
export function createStandardOutput(): LineWriter {
  const destination = pino.destination({
    ...{ minLength: buffered - 1, maxWrite: buffered, maxLength: longestBacklog },
    sync: false,
  })
  // A disk that is full must neither end the process nor keep it from ending: lines wait until it takes some
  // again, and what still waits at the end is lost. Without this, sonic-boom would try for ever to write it.
  const flushAtExit = destination.flushSync
  destination.on('error', () => {
    destination.flushSync = () => {}
  })
  destination.on('drain', () => {
    destination.flushSync = flushAtExit
  })
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
