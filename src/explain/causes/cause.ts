import type { ErrorCode } from '../../errors.ts'

/** Why a login or a request failed, and what to do about it. */
export interface Explanation {
  readonly cause: string
  readonly remedy: string
}

/** What is known of a failure. */
export interface Failure {
  readonly code: string
  /** The reason in the log, with what the provider said where it refused the login. */
  readonly reason: string
}

/** A cause, and the failures that it explains. */
export interface KnownCause {
  readonly code: ErrorCode
  /** A pattern of the reason; without one, the cause is that of every failure with this code. */
  readonly says?: RegExp
  readonly cause: string
  readonly remedy: string | ((reason: string) => string)
}
