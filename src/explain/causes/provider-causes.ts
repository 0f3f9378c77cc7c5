import { findAdvice, redisAdvice, redisFallback, transportAdvice } from '../../advice/advice.ts'
import * as remedies from '../../advice/remedies.ts'
import type { KnownCause } from './cause.ts'

/** What a provider refused, or could not do; and the store. */
export const providerCauses: readonly KnownCause[] = [
  {
    code: 'access_denied',
    cause: 'the user cancelled at the provider, or the provider does not let this user use the app',
    remedy: 'assign the user or a group of the user to the app at the provider, or let the user try again',
  },
  {
    code: 'login_required',
    cause: 'a login without interaction (prompt=none) found no session of the user at the provider',
    remedy: 'let the app begin a login without prompt=none',
  },
  {
    code: 'consent_required',
    cause: 'a login without interaction (prompt=none) needs the consent of the user',
    remedy: 'let the app begin a login without prompt=none, or let an administrator consent at the provider',
  },
  {
    code: 'interaction_required',
    cause: 'a login without interaction (prompt=none) needs a step that the user has to take at the provider',
    remedy: 'let the app begin a login without prompt=none',
  },
  {
    code: 'unmet_authentication_requirements',
    cause:
      'the provider signed the user in, but not as strongly or as freshly as the app demanded (acr_values, max_age, prompt=login)',
    remedy:
      'let the provider ask for what the app demands (its policies for this client), or let the app demand what the provider can do',
  },
  {
    code: 'provider_error',
    says: /invalid_client|unauthorized_client|incorrect_client_credentials|check OIDC_CLIENT_ID/,
    cause: 'the provider does not recognise this client: its credentials or its way to send them are wrong',
    remedy: `${remedies.copyCredentials}, and check OIDC_CLIENT_AUTH`,
  },
  {
    code: 'provider_error',
    says: /request[ _]object/i,
    cause: 'the provider does not accept our signed request, or demands one (RFC 9101)',
    remedy: `${remedies.signRequests}; ${remedies.registerRequestKey}`,
  },
  {
    code: 'provider_error',
    says: /response_mode/,
    cause: 'the provider does not answer in the way of OIDC_RESPONSE_MODE',
    remedy: remedies.chooseResponseMode,
  },
  {
    code: 'provider_error',
    says: /redirect_uri/,
    cause: 'the provider does not know our redirect URI',
    remedy: remedies.registerRedirectUri,
  },
  {
    code: 'provider_error',
    says: /code_verifier|code_challenge|PKCE/i,
    cause:
      'the provider refuses the proof of the code (PKCE): it wants one and got none, or does not accept it',
    remedy: `${remedies.turnOnPkce}, and allow S256 for this client at the provider`,
  },
  {
    code: 'provider_error',
    says: /scope/,
    cause: 'the provider does not grant a scope that was asked for',
    remedy: remedies.defineScope,
  },
  {
    code: 'provider_error',
    says: /invalid_target/,
    cause: 'the provider does not know the resource that was asked for',
    remedy: remedies.allowResource,
  },
  {
    code: 'provider_error',
    says: /dpop/i,
    cause: 'the provider does not accept our DPoP proof',
    remedy: remedies.compareDpopClocks,
  },
  {
    code: 'provider_error',
    says: /invalid_grant/,
    cause:
      'the provider no longer accepts the code: it was used before, by a proxy, a scanner or a second callback, or the user came back too late',
    remedy:
      'let the user sign in again; if it happens to all users, compare redirect URI and client with those at the provider',
  },
  {
    code: 'provider_error',
    says: /userinfo/,
    cause: 'the provider refuses to say who signed in: its userinfo does not take the access token',
    remedy: 'allow openid (or the scope of the profile) for this client, or set OIDC_USERINFO=never',
  },
  {
    code: 'provider_error',
    cause: 'the provider refused the login for a reason of its own',
    remedy: remedies.readProviderLog,
  },
  {
    code: 'provider_unavailable',
    says: /breaker is open/,
    cause: 'the calls of the provider before this one had failed, so that no other was made for a moment',
    remedy:
      'look why those failed: an earlier login_failed or provider_unavailable in the log says it; then let the user try again',
  },
  {
    code: 'provider_unavailable',
    says: /forward proxy: /,
    cause:
      'the forward proxy (HTTPS_PROXY or HTTP_PROXY) cannot be reached, or did not pass the call to the provider',
    remedy: (reason) => findAdvice(transportAdvice, reason, remedies.reachProvider),
  },
  {
    code: 'provider_unavailable',
    says: /JWKS/,
    cause: 'the keys of the provider cannot be fetched, so that its tokens cannot be verified',
    remedy: (reason) =>
      findAdvice(transportAdvice, reason, /empty/.test(reason) ? remedies.publishKeys : remedies.fixKeySet),
  },
  {
    code: 'provider_unavailable',
    says: /429/,
    cause: 'the provider answered that it got too many calls',
    remedy: (reason) => findAdvice(transportAdvice, reason, remedies.reachProvider),
  },
  {
    code: 'provider_unavailable',
    says: /deadline|TIMEOUT/i,
    cause: 'the provider did not answer in time',
    remedy: (reason) => findAdvice(transportAdvice, reason, remedies.reachProvider),
  },
  {
    code: 'provider_unavailable',
    cause: 'the provider cannot be reached, or gives no usable answer',
    remedy: (reason) => findAdvice(transportAdvice, reason, remedies.reachProvider),
  },
  {
    code: 'store_unavailable',
    cause: 'Redis does not answer, or takes no writes: no user can sign in',
    remedy: (reason) => findAdvice(redisAdvice, reason, redisFallback),
  },
]
