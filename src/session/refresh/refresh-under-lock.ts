import type { Clock } from '../../clock.ts'
import type { AppError } from '../../errors.ts'
import { toRefreshFailure, UnverifiedRefresh } from '../../provider/grants/unverified-refresh.ts'
import type { Provider } from '../../provider/provider.ts'
import type { Log } from '../../telemetry/events.ts'
import { type NewSession, type Session, toLogFields } from '../session.ts'
import type { SessionStore } from '../store.ts'
import type { SessionTermination } from '../termination/session-termination.ts'
import { createCommitTokens } from './commit-tokens.ts'
import { type AttemptResult, type RefreshResult, unknownResult } from './refresh-result.ts'
import { failurePause, refusalPause } from './refresh-timing.ts'
import { toTokenFreshness } from './token-freshness.ts'
import type { TokenLease } from './token-lease.ts'

/**
 * Refreshes the tokens of a session while this process holds their lock: reads the session again, calls the
 * provider if that is still needed, and commits the new tokens.
 */
export type RefreshUnderLock = (
  lease: TokenLease,
  seen: Session,
  provider: Provider,
) => Promise<AttemptResult>

interface RefreshUnderLockOptions {
  store: SessionStore
  termination: Pick<SessionTermination, 'end' | 'discardLateTokens'>
  clock: Clock
  log: Log
}

/** The provider's answer to a refresh. */
type ProviderAnswer =
  | { readonly outcome: 'refreshed'; readonly refreshed: NewSession }
  /** The tokens could not be verified; only the new refresh token may be kept. */
  | { readonly outcome: 'unverified'; readonly refreshToken: string; readonly refusal: AppError }
  /** The grant has ended; the reason is for the log. */
  | { readonly outcome: 'refused'; readonly reason: string }

/** Creates the refresh of one session under its lock. */
export function createRefreshUnderLock({
  store,
  termination,
  clock,
  log,
}: RefreshUnderLockOptions): RefreshUnderLock {
  const commit = createCommitTokens({ store, termination, log })

  return async (lease, seen, provider) => {
    const session = await store.read(seen.handle)
    if (session === undefined) return { outcome: 'ended' }
    const isChanged = session.tokensVersion !== seen.tokensVersion
    if (isChanged && !isExpired(session)) return { outcome: 'ok', session }
    // The process may have been paused since it took the lock. A provider that rotates refresh tokens ends
    // the session when it sees one of them twice.
    if (!lease.isHeld()) return { outcome: 'lock-lost' }
    const answer = await callProvider(session, lease, provider)
    switch (answer.outcome) {
      case 'refreshed':
        return commitRefreshed(session, lease, answer.refreshed)
      case 'unverified':
        return keepRefreshToken(session, lease, answer)
      case 'refused':
        // If the process was paused, another one may have refreshed the tokens meanwhile: check again under
        // the lock.
        return lease.isHeld() ? endRefused(session, answer.reason) : { outcome: 'lock-lost' }
    }
  }

  async function callProvider(
    session: Session,
    lease: TokenLease,
    provider: Provider,
  ): Promise<ProviderAnswer> {
    try {
      const answer = await provider.refresh(session)
      if ('refused' in answer) return { outcome: 'refused', reason: answer.refused }
      const identity = { ...session.identity, ...answer.identity }
      return { outcome: 'refreshed', refreshed: { identity, tokens: answer.tokens } }
    } catch (error) {
      if (error instanceof UnverifiedRefresh) {
        return { outcome: 'unverified', refreshToken: error.refreshToken, refusal: error.refusal }
      }
      await pauseAfterFailure(session, lease, toRefreshFailure(error))
      throw error
    }
  }

  function commitRefreshed(
    session: Session,
    lease: TokenLease,
    refreshed: NewSession,
  ): Promise<RefreshResult> {
    const rotated = refreshed.tokens.refreshToken !== session.tokens.refreshToken
    log('tokens_refreshed', { ...toLogFields(session), rotated })
    return commit(session, lease, refreshed)
  }

  /** Keeps only the new refresh token for the next try, because the old one can no longer be used. */
  async function keepRefreshToken(
    session: Session,
    lease: TokenLease,
    { refreshToken, refusal }: { refreshToken: string; refusal: AppError },
  ): Promise<RefreshResult> {
    const { identity, tokens } = session
    const kept = await commit(session, lease, { identity, tokens: { ...tokens, refreshToken } })
    if (kept.outcome !== 'ok') return kept
    if ((await lease.acquire()).state === 'locked') await pauseAfterFailure(session, lease, refusal)
    return isExpired(kept.session) ? unknownResult(refusal) : kept
  }

  /** Ends a session whose grant has ended at the provider. */
  async function endRefused(session: Session, reason: string): Promise<RefreshResult> {
    const { wasAlive } = await termination.end(session.handle, { reason: 'provider' })
    if (wasAlive) log('session_ended_by_provider', { ...toLogFields(session), reason })
    return { outcome: 'ended' }
  }

  /** Logs a failure, and releases the lock with a pause. */
  async function pauseAfterFailure(
    session: Session,
    lease: TokenLease,
    { code, reason, retryAfter = 0 }: AppError,
  ): Promise<void> {
    // If the provider refuses the request for another reason than the grant, the operator has to fix it.
    const event = code === 'provider_error' ? 'token_refresh_rejected' : 'token_refresh_failed'
    log(event, { ...toLogFields(session), code, reason })
    const pause = code === 'provider_unavailable' ? failurePause : refusalPause
    await lease.release(Math.max(pause, retryAfter * 1000)).catch(() => {})
  }

  function isExpired({ tokens }: Session): boolean {
    return toTokenFreshness(tokens, clock.now()) === 'expired'
  }
}
