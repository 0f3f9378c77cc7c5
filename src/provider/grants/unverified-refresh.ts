import { AppError } from '../../errors.ts'

/**
 * A refresh response that was refused, or whose signature could not be checked because the key was
 * unavailable. Only its new refresh token may be kept: with rotation, the old one is already spent.
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

/** What stopped a refresh; an error that is no AppError is a defect of this server. */
export function toRefreshFailure(error: unknown): AppError {
  if (error instanceof AppError) return error
  return new AppError('internal_error', 'The refresh failed.', { cause: error })
}
