/**
 * What a provider says of a refresh that only the person can heal, by signing in again (RFC 6749 5.2, OpenID Connect Core
 * 3.1.2.6, RFC 6750 3.1; `bad_refresh_token` is GitHub's word, `invalid_refresh_token` Slack's, `mfa_required` Auth0's).
 */
const signInAgain: ReadonlySet<string> = new Set([
  'invalid_grant',
  'invalid_token',
  'bad_refresh_token',
  'invalid_refresh_token',
  'login_required',
  'interaction_required',
  'consent_required',
  'account_selection_required',
  'unmet_authentication_requirements',
  'mfa_required',
  'access_denied',
])

/** Whether an OAuth error means that the provider does not renew this person's tokens any more. */
export const requiresNewLogin = (error: string): boolean => signInAgain.has(error)

const spent: ReadonlySet<string> = new Set(['invalid_grant', 'bad_refresh_token', 'invalid_refresh_token'])

/** Whether an OAuth error is about a refresh token and nothing else: no gateway in between says so of its own trouble. */
export const isInvalidGrant = (error: string): boolean => spent.has(error)

const temporary: ReadonlySet<string> = new Set(['temporarily_unavailable', 'server_error', 'slow_down'])

/** Whether an OAuth error heals by itself (RFC 6749 4.1.2.1). */
export const isTemporary = (error: string): boolean => temporary.has(error)

/** `incorrect_client_credentials` is GitHub's word. */
const badCredentials: ReadonlySet<string> = new Set([
  'invalid_client',
  'unauthorized_client',
  'incorrect_client_credentials',
])

/** Whether an OAuth error may mean that the provider does not recognise this client (RFC 6749 5.2). */
export const isClientRejection = (error: string): boolean => badCredentials.has(error)
