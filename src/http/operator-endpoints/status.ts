import cluster from 'node:cluster'
import { hostname } from 'node:os'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { RequestHandler } from 'express'
import type { KeyRing } from '../../app-token/key-ring.ts'
import type { Clock } from '../../clock.ts'
import type { Lifecycle } from '../../lifecycle.ts'
import type { Provider } from '../../provider/provider.ts'
import type { Providers } from '../../provider/providers.ts'
import type { OpenCalls } from '../../proxy/open-calls.ts'
import { createSessionCount } from '../../session/session-count.ts'
import type { Store } from '../../session/store.ts'
import { readVersion } from '../../telemetry/version.ts'
import { checkReadiness } from '../machine-endpoints/health.ts'
import { toKeyViews } from './keys.ts'

interface StatusOptions {
  lifecycle: Lifecycle
  providers: Providers
  store: Store
  keyRing: KeyRing
  proxy: { openCalls: OpenCalls }
  clock: Clock
}

/** Milliseconds for which a count of sessions is shown. */
const countFreshFor = 5_000

/** GET /operator/status: how this process is, and what replicas share; null where the store does not say. */
export function createStatusHandler(options: StatusOptions): RequestHandler {
  const { lifecycle, providers, store, keyRing, proxy, clock } = options
  const version = readVersion()
  const startedAt = clock.now()
  const readEventLoopDelay = watchEventLoop()
  const countSessions = createSessionCount(store, countFreshFor)

  return async (_req, res) => {
    const [{ isReady, parts }, sessions, pendingRevocations, keys] = await Promise.all([
      checkReadiness(options),
      orNull(countSessions()),
      orNull(store.countPendingRevocations()),
      orNull(keyRing.list()),
    ])
    res.json({
      version,
      node: process.versions.node,
      replica: hostname(),
      worker: cluster.worker?.id ?? null,
      started_at: new Date(startedAt).toISOString(),
      uptime: Math.floor((clock.now() - startedAt) / 1000),
      event_loop_delay_ms: readEventLoopDelay(),
      ready: isReady,
      draining: lifecycle.draining,
      parts,
      sessions,
      pending_revocations: pendingRevocations,
      open_streams: proxy.openCalls.streams(),
      providers: providers.all.map(describeProvider),
      keys: keys && toKeyViews(keys),
    })
  }
}

function describeProvider({ name, issuer, isReady, breakers }: Provider) {
  const states = Object.entries(breakers).map(([breaker, { isOpen }]) => [
    breaker,
    isOpen() ? 'open' : 'closed',
  ])
  return { name, issuer, discovered: isReady(), breakers: Object.fromEntries(states) as object }
}

/** Milliseconds by which the event loop was late since the last reading: in 99 of 100 looks, and at most. */
function watchEventLoop(): () => { p99: number; max: number } {
  const resolution = 20
  const histogram = monitorEventLoopDelay({ resolution })
  histogram.enable()
  // It measures the time between two looks.
  const toDelay = (nanoseconds: number) => Math.max(0, Math.round(nanoseconds / 1e6 - resolution))
  return () => {
    const delay = { p99: toDelay(histogram.percentile(99)), max: toDelay(histogram.max) }
    histogram.reset()
    return delay
  }
}

const orNull = <T>(value: Promise<T>): Promise<T | null> => value.catch(() => null)
