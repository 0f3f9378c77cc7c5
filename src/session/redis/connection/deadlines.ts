import { deadline } from './deployment.ts'

/** The deadlines of the commands in progress. */
export interface Deadlines {
  /** Waits for commands; once their deadline has passed, calls `onLate` and rejects with what it returns. */
  wait<T>(commands: Promise<T>, onLate: () => Error): Promise<T>
  stop(): void
}

/** Milliseconds between two looks at the commands in progress. */
const interval = 50

/** Commands in progress. */
interface Waiting {
  readonly startedAt: number
  isLate: boolean
  giveUp(): void
}

/**
 * Creates the deadlines. One timer looks at all commands, because a timer for each would be a cost of every
 * session check. A command that is found late gets one more look: if the process was stopped, the answers
 * that came meanwhile are read before.
 */
export function createDeadlines(): Deadlines {
  const waiting = new Set<Waiting>()
  const timer = setInterval(look, interval).unref()

  return {
    wait: (commands, onLate) =>
      new Promise((resolve, reject) => {
        const entry = { startedAt: performance.now(), isLate: false, giveUp: () => reject(onLate()) }
        waiting.add(entry)
        const finish = () => waiting.delete(entry)
        commands.then(finish, finish)
        commands.then(resolve, reject)
      }),
    stop: () => clearInterval(timer),
  }

  function look(): void {
    const lateSince = performance.now() - deadline
    for (const entry of waiting) {
      if (entry.startedAt > lateSince) continue
      if (entry.isLate) {
        waiting.delete(entry)
        entry.giveUp()
      }
      entry.isLate = true
    }
  }
}
