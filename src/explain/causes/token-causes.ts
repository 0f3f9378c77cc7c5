import * as remedies from '../../advice/remedies.ts'
import type { KnownCause } from './cause.ts'

const compareIssuer = 'set OIDC_ISSUER to the issuer that the provider writes into its tokens'

/** Tokens and answers that did not verify. Nothing of them is used. */
export const tokenCauses: readonly KnownCause[] = [
  {
    code: 'invalid_authorization_response',
    says: /^it is not signed/,
    cause:
      'the answer is not signed, although OIDC_RESPONSE_MODE asks for that: the provider does not sign for this client, or someone took the signature away',
    remedy: remedies.letAnswersBeSigned,
  },
  {
    code: 'invalid_authorization_response',
    says: /^it is a JWT/,
    cause: 'the provider signs its answer, and OIDC_RESPONSE_MODE does not ask for that',
    remedy: 'set OIDC_RESPONSE_MODE=jwt, or let the provider answer this client unsigned',
  },
  {
    code: 'invalid_authorization_response',
    says: / (exp|nbf|iat)\b|^iat lies|ERR_JWT_EXPIRED/,
    cause: 'the signed answer is not valid now: it came late, or the clocks differ too much',
    remedy: `let the user sign in again; if it happens to all users, ${remedies.followNtp}, or ${remedies.raiseClockTolerance}`,
  },
  {
    code: 'invalid_authorization_response',
    says: / aud\b|^aud names/,
    cause: 'the signed answer was made for another client',
    remedy: 'set OIDC_CLIENT_ID to the client of the application at the provider',
  },
  {
    code: 'invalid_authorization_response',
    cause: 'the signature of the answer is not by a key that the provider publishes, or someone changed it',
    remedy: `${remedies.publishKeys}, and OIDC_ISSUER has to be the server that signs`,
  },
  {
    code: 'invalid_id_token',
    says: / (exp|nbf|iat)\b|^(iat|auth_time) lies|ERR_JWT_EXPIRED/,
    cause: 'the clocks of this machine and of the provider differ too much: the ID token is not valid now',
    remedy: `${remedies.followNtp}, or ${remedies.raiseClockTolerance}`,
  },
  {
    code: 'invalid_id_token',
    says: /NO_MATCHING_KEY|SIGNATURE_VERIFICATION_FAILED|key cannot be used|MULTIPLE_MATCHING/,
    cause: 'the ID token is not signed by a key that the provider publishes',
    remedy: `${remedies.publishKeys}, and OIDC_ISSUER has to be the server that signs (one host may have several); a token that someone changed looks the same`,
  },
  {
    code: 'invalid_id_token',
    says: /its alg is not/,
    cause: 'the ID token is signed with another algorithm than OIDC_ID_TOKEN_ALG',
    remedy: remedies.setIdTokenAlg,
  },
  {
    code: 'invalid_id_token',
    says: /its tenant is not one of/,
    cause: 'the user is of an organization that may not sign in',
    remedy:
      'add its tenant id to OIDC_ALLOWED_TENANTS if its users may; a user who has an account of an allowed one as well chooses it with OIDC_AUTHORIZATION_PARAMS=prompt=select_account',
  },
  {
    code: 'invalid_id_token',
    says: / iss\b/,
    cause: 'the ID token is of another issuer than OIDC_ISSUER',
    remedy: compareIssuer,
  },
  {
    code: 'invalid_id_token',
    says: /^aud names/,
    cause: 'the ID token names an audience beside this client',
    remedy: 'set OIDC_TRUSTED_AUDIENCES to that audience, if it is one of yours',
  },
  {
    code: 'invalid_id_token',
    says: / aud\b|^azp/,
    cause: 'the ID token was made for another client',
    remedy: 'set OIDC_CLIENT_ID to the client of the application at the provider',
  },
  {
    code: 'invalid_id_token',
    says: /^nonce/,
    cause: 'the ID token is not of this login (nonce): it was sent again, or the provider drops the nonce',
    remedy: 'let the user sign in again; if it happens to all users, the provider has to return the nonce',
  },
  {
    code: 'invalid_id_token',
    says: /^at_hash/,
    cause: 'the ID token belongs to another access token',
    remedy: remedies.readProviderLog,
  },
  {
    code: 'invalid_id_token',
    cause: 'the ID token does not verify',
    remedy: remedies.readProviderLog,
  },
  {
    code: 'invalid_access_token',
    cause: 'the access token does not verify as a JWT for OIDC_ACCESS_TOKEN_AUDIENCE',
    remedy: 'correct OIDC_ACCESS_TOKEN_AUDIENCE, or set OIDC_ACCESS_TOKEN=opaque',
  },
  {
    code: 'invalid_token_response',
    says: /no id_token/,
    cause: 'the provider sent no ID token',
    remedy: 'put openid into OIDC_SCOPES, and allow it for this client at the provider',
  },
  {
    code: 'invalid_token_response',
    says: /token_type is not DPoP/,
    cause: 'the provider does not bind its tokens to a key, although OIDC_DPOP=required',
    remedy: 'turn on DPoP for this client at the provider, or set OIDC_DPOP=auto',
  },
  {
    code: 'invalid_token_response',
    cause: 'the answer of the token endpoint is none that OAuth defines',
    remedy: 'check what is between this machine and the provider, and the address of its token endpoint',
  },
  {
    code: 'invalid_userinfo',
    says: /another (one|user)/,
    cause: 'userinfo is about another user than the ID token, so that it was not used',
    remedy: 'the provider has to fix it: a cache in front of userinfo must not answer for another user',
  },
  {
    code: 'invalid_userinfo',
    cause: 'the userinfo of the provider is malformed or does not verify',
    remedy: 'the provider has to fix it, or set OIDC_USERINFO=never',
  },
]
