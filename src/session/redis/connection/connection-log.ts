import type { RedisTarget } from '../../../config/values/redis-url.ts'
import type { Log } from '../../../telemetry/events.ts'
import { toAddress } from './deployment.ts'

/** Logs whether Redis answers, without a line for each command. */
export interface ConnectionLog {
  /** Redis answered: logs it if it did not answer before. */
  connected(): void
  /** Redis did not answer: logs it if it answered before, at most once a second. */
  unavailable(reason: string): void
  /** Redis refused a command (READONLY, OOM, NOPERM): logs each reason at most once a minute. */
  refused(reason: string): void
  /** The reason of the last `unavailable`. */
  lastReason(): string
  /** Logs no more changes. */
  stop(): void
}

/** Milliseconds between two log lines that Redis does not answer: in a cluster, a part of it may be down. */
const unavailablePause = 1_000
/** Milliseconds between two log lines that Redis refuses commands for the same reason. */
const refusalPause = 60_000

/** Creates the log of one connection. */
export function createConnectionLog(target: RedisTarget, log: Log): ConnectionLog {
  const redis = toAddress(target)
  const refusedAt = new Map<string, number>()
  let isUp: boolean | undefined
  let quietUntil = 0
  let lastReason = ''
  let isStopped = false

  return {
    connected() {
      if (isUp === true || isStopped) return
      isUp = true
      log('store_connected', { redis })
    },
    unavailable(reason) {
      lastReason = reason
      if (isUp === false || isStopped || performance.now() < quietUntil) return
      isUp = false
      quietUntil = performance.now() + unavailablePause
      log('store_unavailable', { redis, reason })
    },
    refused(reason) {
      const now = performance.now()
      if (now < (refusedAt.get(reason) ?? Number.NEGATIVE_INFINITY) + refusalPause) return
      refusedAt.set(reason, now)
      log('store_command_refused', { redis, reason })
    },
    lastReason: () => lastReason,
    stop() {
      isStopped = true
    },
  }
}
