import * as client from 'openid-client'
import { AppError } from '../../errors.ts'
import { toLogText } from '../../telemetry/events.ts'
import { readStatus } from '../transport/errors.ts'
import { redactProviderMessage } from '../transport/redact.ts'
import { isResponse } from '../transport/response.ts'

/** How the provider refused a request that cannot succeed; its texts are made safe to print. */
export interface ProbeRefusal {
  /** An error code (RFC 6749 5.2), `none`, or `malformed` for a response that OAuth does not define. */
  error: string
  description: string
  /** The HTTP status, if the refusal came with one. */
  status?: number
  /** The target of a redirect, without its query. */
  leadsTo?: string
}

/** Whether an error of openid-client is about a response of the provider. */
export const isRefusal = (error: unknown): boolean =>
  error instanceof client.ResponseBodyError ||
  error instanceof client.WWWAuthenticateChallengeError ||
  error instanceof client.ClientError

/**
 * Translates an error of openid-client to the provider's refusal, without any of `secrets`.
 *
 * @throws every other error, and AppError `provider_unavailable` where there was no response
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

/** A response that OAuth does not define. */
function toMalformed(error: client.ClientError): ProbeRefusal {
  const { code = '', cause } = error
  const status = readStatus(error)
  if (status === undefined) return { error: 'malformed', description: code }
  const location = isResponse(cause) ? cause.headers.get('location') : null
  if (location === null) return { error: 'malformed', description: `${code} (status ${status})`, status }
  const leadsTo = toLogText(location.split(/[?#]/)[0] ?? '')
  return { error: 'malformed', description: `status ${status}, a redirect to ${leadsTo}`, status, leadsTo }
}
