import { type AppError, sessionExpired } from '../../errors.ts'
import type { Session } from '../session.ts'
import { translateRefreshError } from './refresh-errors.ts'

/**
 * Result of a refresh. `ok`: the session, with fresh tokens. `ended`: the session or its grant at the
 * provider has ended. `unknown`: the store or the provider could not be reached, or failed; this must never
 * end a session.
 */
export type RefreshResult =
  | { readonly outcome: 'ok'; readonly session: Session }
  | { readonly outcome: 'ended' }
  | { readonly outcome: 'unknown'; readonly error: AppError }

/**
 * Result of one attempt, which can also lose the lock on the session's tokens. The caller has to try again
 * then.
 */
export type AttemptResult = RefreshResult | { readonly outcome: 'lock-lost' }

/** Makes the result of a refresh that an error stopped: the caller may try again, and stays signed in. */
export const unknownResult = (error: unknown): RefreshResult => ({
  outcome: 'unknown',
  error: translateRefreshError(error),
})

/**
 * The session with fresh tokens.
 *
 * @throws AppError `session_expired` where the session has ended; `provider_unavailable` or
 * `store_unavailable` where the tokens could not be refreshed, although the session may live on
 */
export function toFreshSession(result: RefreshResult): Session {
  if (result.outcome === 'ok') return result.session
  throw result.outcome === 'ended' ? sessionExpired() : result.error
}
