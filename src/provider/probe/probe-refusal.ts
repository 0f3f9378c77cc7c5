import * as client from 'openid-client'
import { AppError } from '../../errors.ts'
import { toLogText } from '../../telemetry/logger.ts'
import { readStatus } from '../transport/errors.ts'
import { redactProviderMessage } from '../transport/redact.ts'

/** What the provider said to a request that cannot succeed; its words are made safe to print. */
export interface ProbeRefusal {
  /** An error code (RFC 6749 5.2), `none`, or `malformed` for what is no OAuth answer. */
  error: string
  description: string
  /** The HTTP status, where the provider answered. */
  status?: number
  /** Where an answer that is a redirect leads, without its query. */
  leadsTo?: string
}

/** Whether openid-client says so of an answer of the provider. */
export const isRefusal = (error: unknown): boolean =>
  error instanceof client.ResponseBodyError ||
  error instanceof client.WWWAuthenticateChallengeError ||
  error instanceof client.ClientError

/**
 * The provider's refusal, without any of `secrets`.
 *
 * @throws what is none: AppError `provider_unavailable` where the provider gave no answer
 */
export function toRefusal(error: unknown, secrets: readonly string[]): ProbeRefusal {
  if (error instanceof client.ResponseBodyError) {
    return {
      error: redactProviderMessage(error.error, '', secrets),
      description: redactProviderMessage('', error.error_description, secrets),
      status: error.status,
    }
  }
  if (error instanceof client.WWWAuthenticateChallengeError) {
    const { status } = error
    return { error: 'invalid_client', description: `status ${status} with a challenge`, status }
  }
  if (error instanceof Error && error.cause instanceof AppError) throw error.cause
  if (error instanceof client.ClientError) return toMalformed(error)
  throw error
}

/** An answer that no endpoint of OAuth gives. */
function toMalformed(error: client.ClientError): ProbeRefusal {
  const { code = '', cause } = error
  const status = readStatus(error)
  if (status === undefined) return { error: 'malformed', description: code }
  const location = cause instanceof Response ? cause.headers.get('location') : null
  if (location === null) return { error: 'malformed', description: `${code} (status ${status})`, status }
  const leadsTo = toLogText(location.split(/[?#]/)[0] ?? '')
  return { error: 'malformed', description: `status ${status}, a redirect to ${leadsTo}`, status, leadsTo }
}
