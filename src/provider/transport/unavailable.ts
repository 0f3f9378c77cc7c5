import { AppError } from '../../errors.ts'

/**
 * Why a call got no usable response:
 * - `no-answer`: no connection, or no response before the deadline
 * - `connection-lost`: the connection ended before the response
 * - `overloaded`: the provider asked to try again later (429, 5xx, or an OAuth error that says so)
 * - `unusable-answer`: the response cannot be used
 * - `breaker-open`: no call was made, because recent ones failed
 */
export type Outage = 'no-answer' | 'connection-lost' | 'overloaded' | 'unusable-answer' | 'breaker-open'

const detail = 'The identity provider cannot be used right now. Try again in a moment.'

/** The provider gave no usable response (`provider_unavailable`). */
export class ProviderUnavailable extends AppError {
  readonly outage: Outage

  constructor(outage: Outage, options: ConstructorParameters<typeof AppError>[2]) {
    super('provider_unavailable', detail, options)
    this.outage = outage
  }
}

interface ProviderUnavailableOptions {
  outage?: Outage | undefined
  /** Seconds to wait, where the provider said so. */
  retryAfter?: number | undefined
  cause?: unknown
}

/** The provider gave no usable response; `reason` is for the log. */
export const providerUnavailable = (
  reason: string,
  { outage = 'unusable-answer', retryAfter, cause }: ProviderUnavailableOptions = {},
): ProviderUnavailable => new ProviderUnavailable(outage, { reason, retryAfter, cause })

/** The same error, with the name of the failed call in front of its reason. */
export function prefixReason(error: ProviderUnavailable, call: string): ProviderUnavailable {
  const { outage, reason = 'unknown', retryAfter } = error
  return providerUnavailable(`${call}: ${reason}`, { outage, retryAfter, cause: error })
}

/**
 * The response is none that OAuth defines, such as the page of a proxy. It does not open a circuit breaker,
 * and unlike ProviderUnavailable closes an open one: something answered.
 */
export const notAnOAuthResponse = ({ reason = 'unknown', cause }: AppError): AppError =>
  new AppError('provider_unavailable', detail, { reason, cause })
