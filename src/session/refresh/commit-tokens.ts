import { setTimeout as delay } from 'node:timers/promises'
import { AppError } from '../../errors.ts'
import type { Log } from '../../telemetry/events.ts'
import { type NewSession, type Session, toLogFields } from '../session.ts'
import type { SessionStore } from '../store.ts'
import type { SessionTermination } from '../termination/session-termination.ts'
import { refreshNotPossible } from './refresh-errors.ts'
import type { AttemptResult, RefreshResult } from './refresh-result.ts'
import { commitTimeout, pollInterval } from './refresh-timing.ts'
import type { TokenLease } from './token-lease.ts'

/** Writes refreshed tokens to the store. */
export type CommitTokens = (
  session: Session,
  lease: TokenLease,
  refreshed: NewSession,
) => Promise<RefreshResult>

interface CommitTokensOptions {
  store: SessionStore
  termination: Pick<SessionTermination, 'discardLateTokens'>
  log: Log
}

/**
 * Creates the commit. It is repeated until the store accepts the tokens: with refresh token rotation, the old
 * ones can no longer be used.
 */
export function createCommitTokens({ store, termination, log }: CommitTokensOptions): CommitTokens {
  return async (session, lease, refreshed) => {
    const giveUpAt = performance.now() + commitTimeout
    for (;;) {
      try {
        const result = await tryOnce(session, lease, refreshed)
        if (result.outcome !== 'lock-lost') return result
        // Another process took the lock, and may be calling the provider. These tokens count only if that
        // call fails.
        await lease.acquire()
        if (performance.now() > giveUpAt) throw refreshNotPossible('the lock stays with others')
      } catch (error) {
        const isStore = error instanceof AppError && error.code === 'store_unavailable'
        if (!isStore || performance.now() > giveUpAt) {
          log('refreshed_tokens_lost', toLogFields(session))
          throw error
        }
      }
      await delay(pollInterval)
    }
  }

  async function tryOnce(session: Session, lease: TokenLease, refreshed: NewSession): Promise<AttemptResult> {
    const { handle, tokensVersion: version } = session
    const result = await store.commitTokens(
      handle,
      { version, fence: lease.fence(), identity: session.identity },
      refreshed,
    )
    switch (result) {
      case 'committed':
        lease.stop()
        return { outcome: 'ok', session: { ...session, ...refreshed, tokensVersion: version + 1 } }
      case 'stale': {
        const current = await store.read(handle)
        return current === undefined ? { outcome: 'ended' } : { outcome: 'ok', session: current }
      }
      case 'ended':
        // A logout came first, and wins: these tokens must not stay valid at the provider.
        await termination.discardLateTokens(handle, refreshed)
        return { outcome: 'ended' }
      case 'lock-lost':
        return { outcome: 'lock-lost' }
    }
  }
}
