import { AppError } from '../../errors.ts'

/**
 * A refresh whose answer is refused, or cannot be verified for want of the right key. Nothing of it may be used but the next
 * refresh token: with rotation there is no other one.
 */
export class UnverifiedRefresh extends Error {
  override readonly name = 'UnverifiedRefresh'
  readonly refreshToken: string
  readonly refusal: AppError

  constructor(refreshToken: string, refusal: AppError) {
    super(refusal.message, { cause: refusal })
    this.refreshToken = refreshToken
    this.refusal = refusal
  }
}

/** What stopped a refresh; what is no AppError is a defect. */
export function toRefreshFailure(error: unknown): AppError {
  if (error instanceof AppError) return error
  return new AppError('internal_error', 'The refresh failed.', { cause: error })
}
