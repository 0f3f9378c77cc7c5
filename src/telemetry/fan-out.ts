import type { Log, LogEvent, LogFields } from './events.ts'
import { noObserver, type Observer } from './observer.ts'

/** Receives every event, whether its line is written or not. */
export type EventSink = (event: LogEvent, fields?: LogFields) => void

/**
 * Returns a log whose events also go to sinks. What is written stays a matter of the log alone: a caller that
 * asks `isWritten` may leave out an event of every request, and so no sink can rely on those.
 */
export function withSinks(log: Log, sinks: readonly EventSink[]): Log {
  if (sinks.length === 0) return log
  const all: Log = (event, fields) => {
    log(event, fields)
    for (const sink of sinks) sink(event, fields)
  }
  all.isWritten = (event) => log.isWritten?.(event) !== false
  return all
}

/** Returns one observer for several; with none, the one that observes nothing. */
export function toOneObserver(observers: readonly Observer[]): Observer {
  const [first = noObserver, ...others] = observers
  if (others.length === 0) return first
  return {
    httpRequest: (request) => each((observer) => observer.httpRequest(request)),
    providerCall: (call) => each((observer) => observer.providerCall(call)),
    storeCommand: (command) => each((observer) => observer.storeCommand(command)),
    tokenLock: (wait) => each((observer) => observer.tokenLock(wait)),
    loginStep: (step) => each((observer) => observer.loginStep(step)),
    proxiedCall: (call) => each((observer) => observer.proxiedCall(call)),
    forwardAuth: (decision) => each((observer) => observer.forwardAuth(decision)),
  }

  function each(pass: (observer: Observer) => void): void {
    for (const observer of observers) pass(observer)
  }
}
