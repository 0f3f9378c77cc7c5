import { createExtraParamsParser } from './extra-params.ts'

/**
 * Extra parameters of logout requests (OpenID Connect RP-Initiated Logout 1.0, 2), such as Amazon Cognito's
 * `logout_uri`.
 */
export const logoutParams = createExtraParamsParser({
  refused: [
    { names: 'client_id post_logout_redirect_uri state', why: 'has a value already' },
    { names: 'id_token_hint logout_hint', why: 'names the user, as OIDC_LOGOUT_HINT says' },
    {
      names: 'client_secret client_assertion access_token refresh_token id_token token username password',
      why: 'is a credential, which must not be in a URL',
    },
  ],
})
