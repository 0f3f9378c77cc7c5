import { AppError, type ErrorCode } from '../errors.ts'
import { type Log, toLogText } from '../telemetry/events.ts'

/**
 * Code and text for each error that a provider may answer with (RFC 6749 4.1.2.1, OpenID Connect Core
 * 3.1.2.6).
 */
const refusals: ReadonlyMap<string, [ErrorCode, string]> = new Map([
  ['access_denied', ['access_denied', 'The provider did not let you in, or you cancelled.']],
  // Apple's and LinkedIn's code for it.
  ['user_cancelled_authorize', ['access_denied', 'You cancelled at the provider.']],
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

/**
 * The provider's error response in this server's words. The provider's own text may be forged: it is only
 * logged.
 */
export function toRefusal(
  {
    error,
    errorDescription: description,
  }: { error?: string | undefined; errorDescription?: string | undefined },
  provider: string,
  log: Log,
): AppError {
  if (error === undefined) return new AppError('invalid_request', 'The answer holds neither code nor error.')
  log('login_refused_by_provider', {
    provider,
    error: toLogText(error),
    description: toLogText(description ?? ''),
  })
  const [code, detail] = refusals.get(error) ?? [
    'provider_error',
    'The provider could not finish this sign-in.',
  ]
  return new AppError(code, detail, { reason: toLogText(error) })
}
