import { AppError } from '../../errors.ts'
import { toRefreshFailure } from '../../provider/grants/unverified-refresh.ts'

/** A refresh that could not be tried or finished; `remaining` is the time to wait in milliseconds. */
export function refreshNotPossible(reason: string, remaining?: number): AppError {
  return new AppError(
    'provider_unavailable',
    'Your access has to be renewed by the identity provider, which is not possible right now. Try again in a moment.',
    { reason, ...(remaining === undefined ? {} : { retryAfter: Math.ceil(remaining / 1000) }) },
  )
}

/** What a caller is told of a refresh that was stopped. */
export function toAnswer(error: unknown): AppError {
  const failure = toRefreshFailure(error)
  const { code, reason } = failure
  // The provider refuses this client, and not the person.
  if (code === 'provider_error') {
    return new AppError(
      'provider_unavailable',
      'The identity provider refuses to renew your access for a reason that only the people who run this app can mend. You stay signed in.',
      reason === undefined ? {} : { reason },
    )
  }
  return code === 'internal_error' ? refreshNotPossible(reason ?? code) : failure
}
