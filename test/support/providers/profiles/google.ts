import { grace, readScopes, withoutKeptToken } from '../habits.ts'
import type { ProviderProfile } from './profile.ts'

/** Google's own names of scopes that it grants. */
const grantedNames: Record<string, string> = {
  email: 'https://www.googleapis.com/auth/userinfo.email',
  profile: 'https://www.googleapis.com/auth/userinfo.profile',
}

const isScope = (scope: string) =>
  ['openid', 'email', 'profile'].includes(scope) || scope.startsWith('https://www.googleapis.com/auth/')

export const google: ProviderProfile = {
  name: 'Google',
  page: 'google',
  issuerPath: '',
  paths: {
    authorization: '/o/oauth2/v2/auth',
    token: '/token',
    keys: '/oauth2/v3/certs',
    userinfo: '/v1/userinfo',
    revocation: '/revoke',
  },
  habits: ({ issuer }) => ({
    metadata: ({ end_session_endpoint: _, ...document }) => ({
      ...document,
      token_endpoint_auth_methods_supported: ['client_secret_post', 'client_secret_basic'],
      code_challenge_methods_supported: ['plain', 'S256'],
    }),
    authorizationError: (request) => (readScopes(request).every(isScope) ? undefined : 'invalid_scope'),
    authorizationResponse: (parameters) => ({
      ...parameters,
      iss: issuer,
      scope: `email profile ${Object.values(grantedNames).join(' ')} openid`,
      authuser: '0',
      hd: 'example.com',
      prompt: 'consent',
    }),
    // Also to a user who has consented before, as most have.
    givesRefreshToken: (request) =>
      request.get('access_type') === 'offline' && request.get('prompt') === 'consent',
    keepsRefreshToken: true,
    accessToken: (token) => `ya29.${token.slice(-100)}`,
    idTokenClaims: ({ auth_time: _, preferred_username: _name, groups: _groups, ...claims }) => ({
      ...claims,
      azp: 'portico-test',
      email_verified: 'true',
      given_name: 'Grace',
      family_name: 'Hopper',
      hd: 'example.com',
      picture: 'https://lh3.googleusercontent.com/a/grace',
    }),
    userinfo: ({ preferred_username: _, groups: _groups, ...claims }) => ({ ...claims, hd: 'example.com' }),
    tokenResponse: ({ scope, ...answer }, occasion) => ({
      ...withoutKeptToken(answer, occasion),
      scope: String(scope)
        .split(' ')
        .map((each) => grantedNames[each] ?? each)
        .join(' '),
    }),
    invalidGrant: (res) =>
      void res.status(400).json({
        error: 'invalid_grant',
        error_description: 'Token has been expired or revoked.',
      }),
  }),
  expected: {
    user: {
      ...grace,
      groups: undefined,
    },
    refresh: 'kept',
    userinfo: true,
    revocation: false,
    logout: 'none',
    endedBy: [],
  },
}
