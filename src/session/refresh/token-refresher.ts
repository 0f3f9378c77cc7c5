import { setTimeout as delay } from 'node:timers/promises'
import type { Clock } from '../../clock.ts'
import { AppError } from '../../errors.ts'
import type { RefusedRefresh } from '../../provider/grants/token-refresh.ts'
import { toRefreshFailure, UnverifiedRefresh } from '../../provider/grants/unverified-refresh.ts'
import type { Provider } from '../../provider/provider.ts'
import type { Providers } from '../../provider/providers.ts'
import type { Log } from '../../telemetry/logger.ts'
import type { NewSession, Session } from '../session.ts'
import type { SessionStore } from '../store.ts'
import type { SessionTermination } from '../termination/session-termination.ts'
import { refreshNotPossible, toAnswer } from './refresh-failure.ts'
import { toAge } from './token-age.ts'
import { createTokenLease, leaseDuration, type TokenLease } from './token-lease.ts'

/**
 * What became of the wish for fresh tokens: a session that has them; a session that is over, because the provider took
 * its word back or the session ended; or not known, which never counts as the end.
 */
export type RefreshResult =
  | { readonly outcome: 'ok'; readonly session: Session }
  | { readonly outcome: 'ended' }
  | { readonly outcome: 'unknown'; readonly error: AppError }

/** Keeps the provider's tokens fresh: one refresh for each expiry, whatever the number of requests and replicas. */
export interface TokenRefresher {
  /** Renews expired tokens first; those about to expire are renewed beside the request. Never rejects. */
  ensureFresh(session: Session): Promise<RefreshResult>
  /** Renews tokens that the provider refused before their time. Never rejects. */
  renew(session: Session): Promise<RefreshResult>
  /** Resolves once no refresh is under way: tokens that came must be written before the process ends. */
  settle(): Promise<void>
}

interface TokenRefresherOptions {
  store: SessionStore
  termination: Pick<SessionTermination, 'end' | 'discardLateTokens'>
  providers: Pick<Providers, 'findConfigured'>
  clock: Clock
  log: Log
  /** Longest deadline of one provider call in milliseconds. */
  timeout: number
}

/** Milliseconds during which nobody tries again after a refresh that failed; what the provider asks for goes first. */
const failurePause = 1_000
/** The same after an answer or a refusal that the next try will hardly change: each may cost a rotation. */
const refusalPause = 30_000
/** Milliseconds between two looks for a lock that somebody else holds. */
const pollInterval = 40
/** Milliseconds for which tokens that came are offered to a store that does not take them. */
const commitTimeout = 60_000

/**
 * What becomes of a session whose provider is not configured any more: nobody stands behind it. It is left to its timeout,
 * because another replica may still know the provider.
 */
const providerRemoved = { outcome: 'ended' } as const

/** Creates the keeper of fresh tokens for this process; replicas agree through the store. */
export function createTokenRefresher({
  store,
  termination,
  providers,
  clock,
  log,
  timeout,
}: TokenRefresherOptions): TokenRefresher {
  const inFlight = new Map<string, Promise<RefreshResult>>()

  /** Requests of this process share one attempt. */
  function renewOnce(session: Session, provider: Provider): Promise<RefreshResult> {
    const { handle } = session
    const running = inFlight.get(handle)
    if (running !== undefined) return running
    const started = renewWithLock(session, provider)
      .catch((error: unknown) => toUnknown(error))
      .finally(() => inFlight.delete(handle))
    inFlight.set(handle, started)
    return started
  }

  async function renewWithLock(session: Session, provider: Provider): Promise<RefreshResult> {
    provider.assertReachable()
    const lease = createTokenLease(store, session.handle)
    const waitUntil = performance.now() + leaseDuration + timeout
    while (performance.now() < waitUntil) {
      const lock = await lease.acquire()
      if (lock.state === 'ended') return { outcome: 'ended' }
      if (lock.state === 'paused') return toUnknown(refreshNotPossible('refresh is paused', lock.remaining))
      if (lock.state === 'held') await delay(pollInterval)
      else {
        try {
          const freshness = await renewUnder(lease, session, provider)
          if (freshness !== undefined) return freshness
        } finally {
          if (lease.isHeld()) await lease.release().catch(() => {})
          else lease.stop()
        }
      }
    }
    return toUnknown(refreshNotPossible('another refresh takes too long'))
  }

  /** Reads again, refreshes if that is still needed, and commits; undefined where the lock was lost before the call. */
  async function renewUnder(
    lease: TokenLease,
    seen: Session,
    provider: Provider,
  ): Promise<RefreshResult | undefined> {
    const session = await store.read(seen.handle)
    if (session === undefined) return { outcome: 'ended' }
    const isRenewed = session.tokensVersion !== seen.tokensVersion
    if (isRenewed && toAge(session.tokens, clock.now()) !== 'expired') return { outcome: 'ok', session }
    // This process may have slept since it took the lock. A second use of one refresh token ends the session at
    // providers that rotate them.
    if (!lease.isHeld()) return undefined
    const renewed = await callProvider(session, lease, provider)
    if (renewed instanceof UnverifiedRefresh) return keepRefreshToken(session, lease, renewed)
    if ('refused' in renewed) {
      // Somebody else may be renewing them right now, while this process slept: ask again under the lock.
      return lease.isHeld() ? endRefused(session, renewed) : undefined
    }
    log('tokens_refreshed', {
      session: session.handle,
      rotated: renewed.tokens.refreshToken !== session.tokens.refreshToken,
    })
    return commit(session, lease, renewed)
  }

  async function callProvider(
    session: Session,
    lease: TokenLease,
    provider: Provider,
  ): Promise<NewSession | UnverifiedRefresh | RefusedRefresh> {
    try {
      const answer = await provider.refresh(session)
      if ('refused' in answer) return answer
      return { tokens: answer.tokens, identity: { ...session.identity, ...answer.identity } }
    } catch (error) {
      if (error instanceof UnverifiedRefresh) return error
      await noteFailure(session, lease, toRefreshFailure(error))
      throw error
    }
  }

  async function noteFailure(
    session: Session,
    lease: TokenLease,
    { code, reason, retryAfter = 0 }: AppError,
  ): Promise<void> {
    // What the provider refuses for another reason than the person is for the operator to mend.
    const event = code === 'provider_error' ? 'token_refresh_rejected' : 'token_refresh_failed'
    log(event, { session: session.handle, provider: session.identity.providerName, code, reason })
    const pause = code === 'provider_unavailable' ? failurePause : refusalPause
    await lease.release(Math.max(pause, retryAfter * 1000)).catch(() => {})
  }

  /** Nothing of what came may be used, but the old refresh token is spent: the new one is kept for the next try. */
  async function keepRefreshToken(
    session: Session,
    lease: TokenLease,
    { refreshToken, refusal }: UnverifiedRefresh,
  ): Promise<RefreshResult> {
    const { identity, tokens } = session
    const kept = await commit(session, lease, { identity, tokens: { ...tokens, refreshToken } })
    if (kept.outcome !== 'ok') return kept
    if ((await lease.acquire()).state === 'locked') await noteFailure(session, lease, refusal)
    return toAge(kept.session.tokens, clock.now()) === 'expired' ? toUnknown(refusal) : kept
  }

  /** The provider no longer stands behind this session. */
  async function endRefused(session: Session, { refused: reason }: RefusedRefresh): Promise<RefreshResult> {
    const { wasAlive } = await termination.end(session.handle)
    if (wasAlive) log('session_ended_by_provider', { session: session.handle, reason })
    return { outcome: 'ended' }
  }

  /** Tokens that came are offered to the store until it takes them: with rotation, there are no others. */
  async function commit(session: Session, lease: TokenLease, renewed: NewSession): Promise<RefreshResult> {
    const { handle, tokensVersion: version } = session
    const giveUpAt = performance.now() + commitTimeout
    for (;;) {
      try {
        const result = await store.commitTokens(handle, { version, fence: lease.fence() }, renewed)
        if (result === 'committed') {
          lease.stop()
          return { outcome: 'ok', session: { ...session, ...renewed, tokensVersion: version + 1 } }
        }
        if (result === 'ended') {
          // A logout came first, and wins: what came too late must not live on at the provider.
          await termination.discardLateTokens(handle, renewed)
          return { outcome: 'ended' }
        }
        if (result === 'stale') {
          const current = await store.read(handle)
          return current === undefined ? { outcome: 'ended' } : { outcome: 'ok', session: current }
        }
        // Somebody took the lock over, and may be asking the provider now: these tokens count only if that fails.
        await lease.acquire()
        if (performance.now() > giveUpAt) throw refreshNotPossible('the lock stays with others')
      } catch (error) {
        const isStore = error instanceof AppError && error.code === 'store_unavailable'
        if (!isStore || performance.now() > giveUpAt) {
          log('refreshed_tokens_lost', { session: handle })
          throw error
        }
      }
      await delay(pollInterval)
    }
  }

  /** A request waits for one provider call and a lock's takeover; what it waited for goes on without it. */
  async function withTimeout(attempt: Promise<RefreshResult>): Promise<RefreshResult> {
    const patience = new AbortController()
    const late = delay(timeout + leaseDuration + 500, undefined, { signal: patience.signal }).then(
      () => toUnknown(refreshNotPossible('refresh takes too long')),
      () => toUnknown(refreshNotPossible('not waited for')),
    )
    const freshness = await Promise.race([attempt, late])
    patience.abort()
    return freshness
  }

  return {
    async ensureFresh(session) {
      const provider = providers.findConfigured(session.identity)
      if (provider === undefined) return providerRemoved
      const age = toAge(session.tokens, clock.now())
      if (age === 'expired') return withTimeout(renewOnce(session, provider))
      if (age === 'aging') void renewOnce(session, provider)
      return { outcome: 'ok', session }
    },
    async renew(session) {
      const provider = providers.findConfigured(session.identity)
      return provider === undefined ? providerRemoved : withTimeout(renewOnce(session, provider))
    },
    async settle() {
      await Promise.all(inFlight.values())
    },
  }
}

/** Whatever stopped a refresh, nobody is logged out by it: the caller may try again. */
const toUnknown = (error: unknown): RefreshResult => ({ outcome: 'unknown', error: toAnswer(error) })
