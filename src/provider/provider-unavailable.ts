import { AppError } from '../errors.ts'

/**
 * Why there is no answer: nothing came in time, or no connection came about; the connection was cut; 429 or 5xx came; what
 * came is of no use; or nobody asked, because it did not answer lately.
 */
export type Outage = 'silent' | 'cut' | 'busy' | 'useless' | 'unasked'

/** The provider gave no usable answer (`provider_unavailable`). */
export class ProviderUnavailable extends AppError {
  readonly outage: Outage

  constructor(outage: Outage, options: ConstructorParameters<typeof AppError>[2]) {
    super(
      'provider_unavailable',
      'The identity provider cannot be used right now. Try again in a moment.',
      options,
    )
    this.outage = outage
  }
}

/** The provider gave no usable answer; `reason` is for the log. */
export function createUnavailable(
  reason: string,
  { outage = 'useless', retryAfter, cause }: { outage?: Outage; retryAfter?: number; cause?: unknown } = {},
): ProviderUnavailable {
  return new ProviderUnavailable(outage, {
    reason,
    cause,
    ...(retryAfter === undefined ? {} : { retryAfter }),
  })
}

/** The same, its reason beginning with the call that came to nothing. */
export function nameCall(error: ProviderUnavailable, call: string): ProviderUnavailable {
  const { outage, reason = 'unknown', retryAfter } = error
  const named = `${call}: ${reason}`
  return createUnavailable(named, {
    outage,
    cause: error,
    ...(retryAfter === undefined ? {} : { retryAfter }),
  })
}
