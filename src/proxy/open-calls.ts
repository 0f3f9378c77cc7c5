import { sessionExpired } from '../errors.ts'
import { inBatches } from '../session/batches.ts'
import type { Session } from '../session/session.ts'
import type { SessionStore } from '../session/store.ts'
import { CallEnded } from './exchange/upstream-failure.ts'

/** A call that is on its way. */
export interface OpenCall {
  /** The session that it belongs to; undefined where the user is not signed in. */
  readonly session: Pick<Session, 'handle'> | undefined
  /** Whether it can stay open for as long as the session: an event stream or a WebSocket connection. */
  isStream(): boolean
  /** Ends it at once, on both sides; with an AppError, it is answered as long as no response has begun. */
  end(reason: Error): void
}

/** The calls that are on their way in this process. */
export interface OpenCalls {
  add(call: OpenCall): void
  delete(call: OpenCall): void
  /** The number of streams that are open. */
  streams(): number
  /** Ends the streams, which would otherwise keep the process from ending. */
  endStreams(): void
  /** Stops watching for sessions that end. */
  stop(): void
}

/** Milliseconds between two looks at the sessions of open calls; each session then costs one read. */
const lookEvery = 2_000

/** Sessions that are read at the same time. */
const batchSize = 100

/**
 * Creates the watch over open calls: within two looks after a session has ended, by a logout on any replica
 * or by its timeouts, so have its calls. Where the store does not answer, it is asked again at the next
 * look.
 */
export function createOpenCalls(store: Pick<SessionStore, 'read'>): OpenCalls {
  const calls = new Set<OpenCall>()
  /** Those that were there at the last look: most calls do not last until the next one. */
  let seen = new Set<OpenCall>()
  let isLooking = false
  const timer = setInterval(() => {
    if (calls.size === 0 || isLooking) return
    isLooking = true
    void look().finally(() => {
      isLooking = false
    })
  }, lookEvery).unref()

  async function look(): Promise<void> {
    const lasting = [...calls].filter((call) => seen.has(call))
    seen = new Set(calls)
    const bySession = Map.groupBy(lasting, ({ session }) => session?.handle)
    bySession.delete(undefined)
    await inBatches([...bySession], batchSize, (batch) =>
      Promise.all(
        batch.map(async ([handle = '', ofSession]) => {
          if (!(await hasEnded(handle))) return
          for (const call of ofSession) call.end(sessionExpired())
        }),
      ),
    )
  }

  /** Whether the session has certainly ended. */
  const hasEnded = (handle: string): Promise<boolean> =>
    store.read(handle).then(
      (session) => session === undefined,
      () => false,
    )

  return {
    add: (call) => void calls.add(call),
    delete: (call) => void calls.delete(call),
    streams: () => [...calls].filter((call) => call.isStream()).length,
    endStreams() {
      for (const call of calls) if (call.isStream()) call.end(new CallEnded())
    },
    stop: () => clearInterval(timer),
  }
}
