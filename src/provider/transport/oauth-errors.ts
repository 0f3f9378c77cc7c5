/**
 * Error codes of a refresh that only a new login resolves (RFC 6749 5.2, OpenID Connect Core 3.1.2.6, RFC
 * 6750 3.1). `bad_refresh_token` is GitHub's code, `invalid_refresh_token` Slack's, `mfa_required` Auth0's.
 */
const newLoginRequired: ReadonlySet<string> = new Set([
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

/** Whether an OAuth error means that the provider no longer renews this user's tokens. */
export const requiresNewLogin = (error: string): boolean => newLoginRequired.has(error)

const invalidGrant: ReadonlySet<string> = new Set([
  'invalid_grant',
  'bad_refresh_token',
  'invalid_refresh_token',
])

/**
 * Whether an OAuth error is `invalid_grant` or a vendor's code for it. These speak of the refresh token only:
 * no gateway in between uses them for a problem of its own.
 */
export const isInvalidGrant = (error: string): boolean => invalidGrant.has(error)

/** Error codes of a token exchange that speak of the request or the client (RFC 8693 2.2.2, RFC 6749 5.2). */
const exchangeRefusals: ReadonlySet<string> = new Set([
  'invalid_target',
  'invalid_scope',
  'invalid_client',
  'unauthorized_client',
  'unsupported_grant_type',
])

/** Whether an OAuth error may mean that the provider no longer accepts the token that is exchanged. */
export const mayConcernSubjectToken = (error: string): boolean => !exchangeRefusals.has(error)

const temporary: ReadonlySet<string> = new Set(['temporarily_unavailable', 'server_error', 'slow_down'])

/** Whether an OAuth error goes away without a change (RFC 6749 4.1.2.1). */
export const isTemporary = (error: string): boolean => temporary.has(error)

/** `incorrect_client_credentials` is GitHub's code. */
const clientRejections: ReadonlySet<string> = new Set([
  'invalid_client',
  'unauthorized_client',
  'incorrect_client_credentials',
])

/** Whether an OAuth error may mean that the provider does not recognise this client (RFC 6749 5.2). */
export const isClientRejection = (error: string): boolean => clientRejections.has(error)
