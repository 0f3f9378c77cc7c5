/** Watches that something moves: a byte, in either direction. */
export interface Deadline {
  /** Something has moved. */
  progress(): void
  /** From now on, something has to move. */
  watch(): void
  /** Nothing has to move until `watch` is called. */
  rest(): void
  stop(): void
}

/**
 * Creates a deadline, at rest, that calls `onLate` once nothing has moved for `timeout` milliseconds. It has
 * one timer, which starts again only when it fires: moving is much more frequent than being late.
 */
export function createDeadline(timeout: number, onLate: () => void): Deadline {
  let movedAt = performance.now()
  let isResting = true
  let timer = setTimeout(look, timeout)

  function look(): void {
    const left = isResting ? timeout : movedAt + timeout - performance.now()
    if (left > 0) timer = setTimeout(look, left)
    else onLate()
  }

  const progress = () => {
    movedAt = performance.now()
  }
  return {
    progress,
    rest() {
      isResting = true
    },
    watch() {
      isResting = false
      progress()
    },
    stop: () => clearTimeout(timer),
  }
}
