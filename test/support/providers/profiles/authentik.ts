import {
  asksForOfflineAccess,
  backChannelMetadata,
  logoutByIdToken,
  requiresIdTokenHint,
  withoutKeptToken,
} from '../habits.ts'
import type { ProviderProfile } from './profile.ts'

/** So many that the ID token is too long for a logout that sends it only if its address stays short. */
const groups = Array.from({ length: 80 }, (_, number) => `authentik group ${number}`)

export const authentik: ProviderProfile = {
  name: 'authentik',
  page: 'authentik',
  // Access tokens are verified, as the page suggests.
  settings: { OIDC_ACCESS_TOKEN_AUDIENCE: 'portico-test' },
  placeholders: { 'authentik host': 'authentik.example.com', slug: 'portico' },
  paths: {
    authorization: '/application/o/authorize/',
    token: '/application/o/token/',
    keys: '/application/o/portico/jwks/',
    userinfo: '/application/o/userinfo/',
    revocation: '/application/o/revoke/',
    endSession: '/application/o/portico/end-session/',
  },
  habits: () => ({
    metadata: (document) => ({
      ...document,
      ...backChannelMetadata,
      dpop_signing_alg_values_supported: ['ES256', 'RS256'],
    }),
    // What becomes of a proof that no scope `bound_key` asked for is in no document: none may come.
    authorizationError: (request) => (request.has('dpop_jkt') ? 'invalid_request' : undefined),
    givesRefreshToken: asksForOfflineAccess,
    accessTokenLifetime: 300,
    accessTokenClaims: ({ cid: _, scp: _scp, ...claims }) => ({
      ...claims,
      aud: 'portico-test',
      azp: 'portico-test',
    }),
    // Below the threshold, a refresh brings no new refresh token. Its ID token has no at_hash.
    keepsRefreshToken: true,
    tokenResponse: withoutKeptToken,
    idTokenClaims: ({ at_hash: atHash, ...claims }, { isRefresh, sid }) => ({
      ...claims,
      ...(isRefresh ? {} : { at_hash: atHash }),
      acr: 'goauthentik.io/providers/oauth2/default',
      amr: ['pwd'],
      sid,
      email_verified: false,
      groups,
    }),
    userinfo: (claims) => ({ ...claims, email_verified: false, groups, nickname: 'grace' }),
    endSessionEndpoint: requiresIdTokenHint((res) => res.status(400).send('id_token_hint_missing')),
    logoutTokenHeader: (header) => ({ ...header, typ: 'logout+jwt' }),
  }),
  expected: {
    user: {
      sub: '00u-grace',
      name: 'Grace Hopper',
      email: 'grace@example.com',
      email_verified: false,
      preferred_username: 'grace@example.com',
      groups,
    },
    refresh: 'kept',
    userinfo: true,
    revocation: true,
    logout: 'returns',
    logoutParameters: logoutByIdToken,
    endedBy: ['back channel', 'front channel'],
  },
}
