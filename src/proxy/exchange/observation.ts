import type { Observer } from '../../telemetry/observer.ts'

/** Observes one call: the time until the upstream answered, and whether the answer was complete. */
export interface CallObservation {
  /** The head of the response has come. */
  answered(status: number): void
  /** The call is over, or may stay open for hours; only the first time counts. */
  end(failure?: string): void
}

/** Begins the observation of a call by a route. */
export function observeCall(route: string, observer: Pick<Observer, 'proxiedCall'>): CallObservation {
  const startedAt = performance.now()
  let answer: { at: number; outcome: string } | undefined
  let isOver = false

  return {
    answered(status) {
      answer = { at: performance.now(), outcome: status >= 500 ? 'server_error' : 'ok' }
    },
    end(failure) {
      if (isOver) return
      isOver = true
      const { at = performance.now(), outcome = 'ok' } = answer ?? {}
      observer.proxiedCall({ route, startedAt, endedAt: at, outcome: failure ?? outcome })
    },
  }
}
