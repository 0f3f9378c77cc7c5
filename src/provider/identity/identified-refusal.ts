import type { JWTPayload } from 'jose'
import { AppError } from '../../errors.ts'
import { type SubjectConfig, toAppSub, toProviderSubject } from './app-sub.ts'

/** The refusal of a login whose user a verified ID token had named before. */
export class IdentifiedRefusal extends AppError {
  override readonly name = 'IdentifiedRefusal'
  readonly appSub: string

  constructor({ code, detail, reason, retryAfter, headers, cause }: AppError, appSub: string) {
    super(code, detail, { reason, retryAfter, headers, cause })
    this.appSub = appSub
  }
}

/** An error with the user whom it is about, where the claims of an ID token say who that is. */
export function identifyError(error: unknown, config: SubjectConfig, { iss, sub }: JWTPayload = {}): unknown {
  const isNew = error instanceof AppError && !(error instanceof IdentifiedRefusal)
  return isNew && sub !== undefined
    ? new IdentifiedRefusal(error, toAppSub(config, toProviderSubject(config, { iss, sub })))
    : error
}
