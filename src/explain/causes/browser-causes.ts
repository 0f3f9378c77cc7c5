import * as remedies from '../../advice/remedies.ts'
import type { KnownCause } from './cause.ts'

const startAgain = 'let the user sign in again'

/** Logins that ended between the browser and Portico. */
export const browserCauses: readonly KnownCause[] = [
  {
    code: 'login_transaction_missing',
    says: /no transaction cookie/,
    cause:
      'the browser came back without the cookie of this login: it blocks cookies, the user went on in another browser or app, the login was begun at another host than PUBLIC_URL, or the user went back to a login that had ended',
    remedy: `allow cookies for the host of PUBLIC_URL, let links and registered redirect URIs use that host only, and ${startAgain}`,
  },
  {
    code: 'login_transaction_missing',
    says: /does not open|another format/,
    cause:
      'the cookie of this login was sealed with a secret that this replica does not have, or was changed',
    remedy:
      'give all replicas the same BFF_SECRETS, and rotate it in the two steps of docs/operations.md; if it happens to one user only, let the user sign in again',
  },
  {
    code: 'login_transaction_missing',
    says: /state is another one/,
    cause:
      'the state in the answer is not that of the login in this browser: someone may have tried to slip a login of their own to this user (RFC 6749 10.12)',
    remedy: `${startAgain}; if it comes often, look where the links to the callback come from`,
  },
  {
    code: 'login_transaction_missing',
    cause: 'this login had been finished before: the page was loaded again, or the user went back to it',
    remedy: startAgain,
  },
  {
    code: 'login_transaction_expired',
    cause: 'the user came back later than ten minutes after the login was begun',
    remedy: `${startAgain}; if it comes often, the steps at the provider (a second factor, an e-mail) take too long`,
  },
  {
    code: 'issuer_mismatch',
    says: /no longer configured/,
    cause: 'the configuration of the provider changed while the user was there',
    remedy: `${startAgain}; give all replicas the same providers`,
  },
  {
    code: 'issuer_mismatch',
    cause:
      'the answer did not come from the provider with which the login was begun: providers were mixed up, by a mistake in a redirect URI or by an attack (RFC 9700 4.4)',
    remedy:
      'register at each provider only its own redirect URI, and check that the provider sends the iss that its metadata announces',
  },
  {
    code: 'unknown_issuer',
    cause:
      'the page that sent the user here, such as a tile of a dashboard, named another issuer than the configured providers have',
    remedy: (reason) =>
      `compare OIDC_ISSUER with the issuer that the page sends (${reason}); for an Okta org with a domain of its own, set OIDC_UNIVERSAL_LOGOUT_ISSUER to the org`,
  },
  {
    code: 'invalid_dpop_proof',
    cause: 'the call brought no valid DPoP proof of the key in the browser',
    remedy: 'let the app use the client of portico-bff, and compare the clock of the device',
  },
  {
    code: 'dpop_key_mismatch',
    cause:
      'the browser proved another key than the one that the login was begun with: it has lost its key, or a script tries to use its own',
    remedy: `${startAgain}; many of one user, without a login afterwards, are a reason to look at the page`,
  },
  {
    code: 'too_many_requests',
    cause: 'too many requests came from the IP address of the user',
    remedy:
      'set TRUST_PROXY if Portico is behind a proxy, so that users do not share its address; raise RATE_LIMIT_LOGIN or RATE_LIMIT_API if many users share one address',
  },
  {
    code: 'csrf_check_failed',
    cause: 'the request came from a page that may not call Portico, or without the header X-CSRF',
    remedy: 'add the origin of the app to SPA_ORIGINS, or correct PUBLIC_URL',
  },
  {
    code: 'signed_out',
    cause: 'a logout of the same browser or user came while the login was in progress, and wins',
    remedy: startAgain,
  },
  {
    code: 'sign_in_refused',
    cause: 'the app that Portico is embedded in refused the user (onSignIn)',
    remedy: 'the user has read why; the code of onSignIn in the app decides',
  },
  {
    code: 'session_expired',
    cause: 'the session had ended: by its timeouts, by a logout, or because the provider ended it',
    remedy: startAgain,
  },
  {
    code: 'session_required',
    cause: 'the browser brought no session: it was not signed in, or it blocks cookies',
    remedy: `${startAgain}, and allow cookies for the host of PUBLIC_URL`,
  },
  {
    code: 'invalid_request',
    cause: 'a parameter of the request is missing or malformed',
    remedy: 'correct the link or the call in the app; docs/http-api.md lists the parameters',
  },
  {
    code: 'store_unavailable',
    says: /signing keys/,
    cause: 'the signing keys in Redis cannot be opened with BFF_SECRETS',
    remedy: remedies.keepSecret,
  },
  {
    code: 'internal_error',
    cause: 'a defect in Portico; request_failed in the log has its place in the code',
    remedy: 'report it with the lines of this request',
  },
]
