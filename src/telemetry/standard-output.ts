import { pino } from 'pino'

/**
 * Bytes of lines that wait for each other, and milliseconds for which they wait, so that one write takes
 * many. What waits is written when the process exits; only one that is killed loses it.
 */
const buffered = 4_096
const flushAfter = 100

/** Characters of lines that wait for an output that takes none; those that follow are lost. */
const longestBacklog = 4_000_000

/** Milliseconds that the exit waits for a reader that takes nothing. */
const flushAtExit = 1_000

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
  let isFailing = false
  let giveUpAt = Number.POSITIVE_INFINITY
  const destination = pino.destination({
    ...{ minLength: buffered - 1, maxWrite: buffered, maxLength: longestBacklog },
    sync: false,
    // A reader that is slow: the lines wait.
    retryEAGAIN: () => performance.now() < giveUpAt,
  })
  // A disk that is full must not end the process: lines wait until it takes some again.
  destination.on('error', () => {
    isFailing = true
  })
  destination.on('drain', () => {
    isFailing = false
  })
  // At the exit, sonic-boom would try for ever to write what is left, and the process would not end.
  const { flushSync } = destination
  destination.flushSync = () => {
    if (isFailing) return
    giveUpAt = performance.now() + flushAtExit
    try {
      flushSync.call(destination)
    } catch {
      // The reader takes nothing.
    }
  }
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
