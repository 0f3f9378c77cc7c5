import { randomUUID } from 'node:crypto'
import {
  asksForOfflineAccess,
  backChannelMetadata,
  grace,
  logoutByIdToken,
  requiresIdTokenHint,
} from '../habits.ts'
import type { ProviderProfile } from './profile.ts'

export const oryHydra: ProviderProfile = {
  name: 'Ory Hydra',
  page: 'ory-hydra',
  placeholders: { slug: 'portico' },
  paths: {
    authorization: '/oauth2/auth',
    token: '/oauth2/token',
    keys: '/.well-known/jwks.json',
    userinfo: '/userinfo',
    revocation: '/oauth2/revoke',
    endSession: '/oauth2/sessions/logout',
  },
  habits: ({ origin }) => ({
    metadata: (document) => ({
      ...document,
      ...backChannelMetadata,
      frontchannel_logout_supported: true,
      frontchannel_logout_session_supported: true,
      code_challenge_methods_supported: ['plain', 'S256'],
    }),
    givesRefreshToken: asksForOfflineAccess,
    accessToken: () => `ory_at_${randomUUID()}`,
    tokenResponse: (body) => ({ ...body, token_type: 'bearer', expires_in: 3599 }),
    // Claims are those that the consent page granted; userinfo has no others.
    idTokenClaims: ({ groups: _, preferred_username: _name, ...claims }, { sid }) => ({
      ...claims,
      aud: ['portico-test'],
      rat: claims.iat,
      jti: randomUUID(),
      sid,
      username: 'grace',
      // A consent page may put anything there: here, what makes the token long.
      entitlements: Array.from({ length: 80 }, (_entry, number) => `entitlement ${number}`),
    }),
    userinfo: ({ groups: _, preferred_username: _name, ...claims }) => ({
      ...claims,
      aud: ['portico-test'],
      username: 'grace',
    }),
    endSessionEndpoint: requiresIdTokenHint((res) =>
      res.redirect(`${origin}/oauth2/fallbacks/error?error=invalid_request`),
    ),
    // No `exp`, no user, and the type of any JWT.
    logoutTokenHeader: (header) => ({ ...header, typ: 'JWT' }),
    logoutTokenClaims: ({ exp: _, sub: _sub, ...claims }) => ({ ...claims, aud: ['portico-test'] }),
  }),
  expected: {
    user: {
      ...grace,
      preferred_username: undefined,
      groups: undefined,
    },
    refresh: 'rotated',
    userinfo: true,
    revocation: true,
    logout: 'returns',
    logoutParameters: logoutByIdToken,
    endedBy: ['back channel'],
  },
}
