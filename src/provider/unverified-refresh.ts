import type { AppError } from '../errors.ts'

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

/** The same where openid-client has wrapped it. */
export const findUnverified = (error: unknown): UnverifiedRefresh | undefined =>
  [error, error instanceof Error ? error.cause : undefined].find((one) => one instanceof UnverifiedRefresh)
