import { setTimeout as delay } from 'node:timers/promises'
import type { Clock } from '../../clock.ts'
import type { Provider } from '../../provider/provider.ts'
import type { Providers } from '../../provider/providers.ts'
import type { Log } from '../../telemetry/events.ts'
import { noObserver, type Observer } from '../../telemetry/observer.ts'
import type { Tracing } from '../../telemetry/tracing/tracing.ts'
import type { Session } from '../session.ts'
import type { SessionStore } from '../store.ts'
import type { SessionTermination } from '../termination/session-termination.ts'
import { refreshNotPossible } from './refresh-errors.ts'
import { type AttemptResult, type RefreshResult, unknownResult } from './refresh-result.ts'
import { leaseDuration, pollInterval, waitReserve } from './refresh-timing.ts'
import { createRefreshUnderLock } from './refresh-under-lock.ts'
import { toTokenFreshness } from './token-freshness.ts'
import { createTokenLease, type TokenLease } from './token-lease.ts'

/** Keeps the provider's tokens fresh: one refresh for each expiry, for all requests and replicas. */
export interface TokenRefresher {
  /** Refreshes expired tokens first; those that expire soon, in the background. Never rejects. */
  ensureFresh(session: Session): Promise<RefreshResult>
  /** Refreshes tokens that the provider refused before their expiry. Never rejects. */
  forceRefresh(session: Session): Promise<RefreshResult>
  /** Resolves once no refresh is in progress: refreshed tokens must be written before the process ends. */
  drain(): Promise<void>
}

interface TokenRefresherOptions {
  store: SessionStore
  termination: Pick<SessionTermination, 'end' | 'discardLateTokens'>
  providers: Pick<Providers, 'findConfigured'>
  clock: Clock
  log: Log
  observer?: Pick<Observer, 'tokenLock'>
  tracing: Pick<Tracing, 'inSpan'>
  /** Longest deadline of one provider call in milliseconds. */
  timeout: number
}

/**
 * The session's provider is no longer configured. The session counts as ended, but is left to its timeout,
 * because another replica may still have that provider.
 */
const providerRemoved = { outcome: 'ended' } as const

/** Creates the token refresher of this process; the replicas coordinate through the store. */
export function createTokenRefresher({
  store,
  termination,
  providers,
  clock,
  log,
  observer = noObserver,
  tracing,
  timeout,
}: TokenRefresherOptions): TokenRefresher {
  const refreshUnderLock = createRefreshUnderLock({ store, termination, clock, log })
  const inFlight = new Map<string, Promise<RefreshResult>>()

  return {
    async ensureFresh(session) {
      const provider = providers.findConfigured(session.identity)
      if (provider === undefined) return providerRemoved
      const freshness = toTokenFreshness(session.tokens, clock.now())
      if (freshness === 'expired') return withTimeout(refreshOnce(session, provider))
      if (freshness === 'expiring') void refreshOnce(session, provider)
      return { outcome: 'ok', session }
    },
    async forceRefresh(session) {
      const provider = providers.findConfigured(session.identity)
      return provider === undefined ? providerRemoved : withTimeout(refreshOnce(session, provider))
    },
    async drain() {
      await Promise.all(inFlight.values())
    },
  }

  /** Starts a refresh, or joins the one in progress: the requests of this process share it. */
  function refreshOnce(session: Session, provider: Provider): Promise<RefreshResult> {
    const { handle } = session
    const running = inFlight.get(handle)
    if (running !== undefined) return running
    const started = inRefreshSpan(tracing, provider, () => refreshWithLock(session, provider)).finally(() =>
      inFlight.delete(handle),
    )
    inFlight.set(handle, started)
    return started
  }

  /** Tries until an attempt has a result; waits while another process holds the lock. */
  async function refreshWithLock(session: Session, provider: Provider): Promise<RefreshResult> {
    provider.assertReachable()
    const lease = createTokenLease(store, session.handle)
    const startedAt = performance.now()
    const waitUntil = startedAt + leaseDuration + timeout
    let waited = false
    const observe = (outcome: string) => {
      if (waited) observer.tokenLock({ startedAt, endedAt: performance.now(), outcome })
    }
    while (performance.now() < waitUntil) {
      const result = await tryOnce(lease, session, provider)
      if (result.outcome === 'lock-held') {
        waited = true
        await delay(pollInterval)
      } else if (result.outcome !== 'lock-lost') {
        observe(result.outcome)
        return result
      }
    }
    observe('late')
    return unknownResult(refreshNotPossible('another refresh takes too long'))
  }

  async function tryOnce(
    lease: TokenLease,
    session: Session,
    provider: Provider,
  ): Promise<AttemptResult | { readonly outcome: 'lock-held' }> {
    const lock = await lease.acquire()
    if (lock.state === 'ended') return { outcome: 'ended' }
    if (lock.state === 'held') return { outcome: 'lock-held' }
    if (lock.state === 'paused') return unknownResult(refreshNotPossible('refresh is paused', lock.remaining))
    try {
      return await refreshUnderLock(lease, session, provider)
    } finally {
      if (lease.isHeld()) await lease.release().catch(() => {})
      else lease.stop()
    }
  }

  /**
   * Stops waiting after one provider call plus one lock takeover. The refresh itself continues in the
   * background.
   */
  function withTimeout(refresh: Promise<RefreshResult>): Promise<RefreshResult> {
    const { promise: late, resolve } = Promise.withResolvers<RefreshResult>()
    const giveUp = () => resolve(unknownResult(refreshNotPossible('refresh takes too long')))
    const timer = setTimeout(giveUp, timeout + leaseDuration + waitReserve)
    return Promise.race([refresh, late]).finally(() => clearTimeout(timer))
  }
}

/** Runs a refresh in the trace of the request that starts it, not in those of others that wait for it. */
function inRefreshSpan(
  tracing: TokenRefresherOptions['tracing'],
  provider: Provider,
  refresh: () => Promise<RefreshResult>,
): Promise<RefreshResult> {
  const start = { name: 'token refresh', attributes: { 'portico.provider': provider.name } }
  return tracing.inSpan(start, async (span) => {
    const result = await refresh().catch(unknownResult)
    span.set({ 'portico.outcome': result.outcome })
    if (result.outcome === 'unknown') span.fail(result.error.code)
    return result
  })
}
