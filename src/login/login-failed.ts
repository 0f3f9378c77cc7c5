import { AppError } from '../errors.ts'
import type { Session } from '../session/session.ts'
import type { Transaction } from './transaction.ts'

/** A refusal of a login whose transaction was opened, so that the way back to the app is known. */
export class LoginFailed extends AppError {
  override readonly name = 'LoginFailed'
  readonly transaction: Transaction
  /**
   * The session that superseded this login: of another login that the same browser finished at the same time.
   */
  readonly successor: Session | undefined
  /** The `sub` of app tokens of the user, where it was known already. */
  readonly appSub: string | undefined

  constructor(
    refusal: AppError,
    transaction: Transaction,
    { successor, appSub }: { successor?: Session | undefined; appSub?: string | undefined } = {},
  ) {
    const { code, detail, reason, retryAfter, headers } = refusal
    super(code, detail, { reason, retryAfter, headers, cause: refusal })
    this.transaction = transaction
    this.successor = successor
    this.appSub = appSub
  }
}

/** An error of a login whose transaction is open, as what to throw: a refusal becomes LoginFailed, once. */
export const toLoginFailure = (error: unknown, transaction: Transaction, appSub?: string): unknown =>
  error instanceof AppError && !(error instanceof LoginFailed)
    ? new LoginFailed(error, transaction, { appSub })
    : error
