import { AppError, type ErrorCode } from '../errors.ts'
import { type Log, toLogText } from '../telemetry/logger.ts'

/** The provider's refusals (RFC 6749 4.1.2.1, OpenID Connect Core 3.1.2.6) by our codes. */
const refusals: ReadonlyMap<string, [ErrorCode, string]> = new Map([
  ['access_denied', ['access_denied', 'The provider did not let you in, or you cancelled.']],
  ['login_required', ['login_required', 'You are not signed in at the provider.']],
  ['consent_required', ['consent_required', 'The provider needs your consent first.']],
  ['interaction_required', ['interaction_required', 'The provider needs you to interact with it first.']],
  [
    'account_selection_required',
    ['interaction_required', 'The provider needs you to choose an account first.'],
  ],
  [
    'unmet_authentication_requirements',
    ['unmet_authentication_requirements', 'The provider cannot sign you in as this app demands.'],
  ],
  ['temporarily_unavailable', ['provider_unavailable', 'The provider is busy. Try again in a moment.']],
])

/** A refusal in words of this server; the provider's own text goes to the log alone, and may be forged. */
export function toRefusal(
  {
    error,
    errorDescription: description,
  }: { error?: string | undefined; errorDescription?: string | undefined },
  log: Log,
): AppError {
  if (error === undefined) return new AppError('invalid_request', 'The answer holds neither code nor error.')
  log('provider_refused_login', { error: toLogText(error), description: toLogText(description ?? '') })
  const [code, detail] = refusals.get(error) ?? [
    'provider_error',
    'The provider could not finish this sign-in.',
  ]
  return new AppError(code, detail, { reason: toLogText(error) })
}
