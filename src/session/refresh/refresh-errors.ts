import { AppError } from '../../errors.ts'
import { toRefreshFailure } from '../../provider/grants/unverified-refresh.ts'

/**
 * Makes the error of a refresh that could not be tried or finished; `remaining` is the time to wait in
 * milliseconds.
 */
export function refreshNotPossible(reason: string, remaining?: number): AppError {
  return new AppError(
    'provider_unavailable',
    'Your access has to be renewed by the identity provider, which is not possible right now. Try again in a moment.',
    { reason, retryAfter: remaining === undefined ? undefined : Math.ceil(remaining / 1000) },
  )
}

/** Translates the error that stopped a refresh to what the caller receives. */
export function translateRefreshError(error: unknown): AppError {
  const failure = toRefreshFailure(error)
  const { code, reason } = failure
  // The provider refuses this client, not this user.
  if (code === 'provider_error') {
    return new AppError(
      'provider_unavailable',
      'The provider refuses to renew your access. Only the people who run this app can fix that. You stay signed in.',
      { reason },
    )
  }
  return code === 'internal_error' ? refreshNotPossible(reason ?? code) : failure
}
