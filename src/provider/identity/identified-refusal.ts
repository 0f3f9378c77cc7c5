import { AppError } from '../../errors.ts'

/** The refusal of a login whose user a verified ID token had named before. */
export class IdentifiedRefusal extends AppError {
  override readonly name = 'IdentifiedRefusal'
  readonly providerSub: string

  constructor({ code, detail, reason, retryAfter, headers, cause }: AppError, providerSub: string) {
    super(code, detail, { reason, retryAfter, headers, cause })
    this.providerSub = providerSub
  }
}

/** An error with the user whom it is about, where the user is known. */
export const identifyError = (error: unknown, providerSub: string | undefined): unknown =>
  error instanceof AppError && !(error instanceof IdentifiedRefusal) && providerSub !== undefined
    ? new IdentifiedRefusal(error, providerSub)
    : error
