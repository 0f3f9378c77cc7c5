import { AppError } from '../../errors.ts'

/**
 * Why there is no answer: nothing came in time, or no connection came about; the connection was cut; 429 or 5xx came; what
 * came is of no use; or nobody asked, because it did not answer lately.
 */
export type Outage = 'no-answer' | 'connection-lost' | 'overloaded' | 'unusable-answer' | 'breaker-open'

const detail = 'The identity provider cannot be used right now. Try again in a moment.'

/** The provider gave no usable answer (`provider_unavailable`). */
export class ProviderUnavailable extends AppError {
  readonly outage: Outage

  constructor(outage: Outage, options: ConstructorParameters<typeof AppError>[2]) {
    super('provider_unavailable', detail, options)
    this.outage = outage
  }
}

/** The provider gave no usable answer; `reason` is for the log. */
export function providerUnavailable(
  reason: string,
  {
    outage = 'unusable-answer',
    retryAfter,
    cause,
  }: { outage?: Outage; retryAfter?: number; cause?: unknown } = {},
): ProviderUnavailable {
  return new ProviderUnavailable(outage, {
    reason,
    cause,
    ...(retryAfter === undefined ? {} : { retryAfter }),
  })
}

/** The same, its reason beginning with the call that came to nothing. */
export function prefixReason(error: ProviderUnavailable, call: string): ProviderUnavailable {
  const { outage, reason = 'unknown', retryAfter } = error
  const named = `${call}: ${reason}`
  return providerUnavailable(named, {
    outage,
    cause: error,
    ...(retryAfter === undefined ? {} : { retryAfter }),
  })
}

/** Something came that is no answer to the call, such as a page of a proxy. To a breaker, that is no outage. */
export const unanswered = ({ reason = 'unknown', cause }: AppError): AppError =>
  new AppError('provider_unavailable', detail, { reason, cause })
