import { randomUUID } from 'node:crypto'
import type { JWTPayload } from 'jose'
import { asksForOfflineAccess, backChannelMetadata, logoutByIdToken, withoutKeptToken } from '../habits.ts'
import type { ProviderPaths, ProviderScript } from '../scripted-provider.ts'
import type { ExpectedBehaviour, ProviderProfile } from './profile.ts'

const placeholders = { yourDomain: 'example.eu.auth0.com', 'API identifier': 'https://api.example.com' }

const paths: Partial<ProviderPaths> = {
  authorization: '/authorize',
  token: '/oauth/token',
  keys: '/.well-known/jwks.json',
  userinfo: '/userinfo',
  revocation: '/oauth/revoke',
  endSession: '/oidc/logout',
}

/** Its Action can set no claim `groups`, so the groups are in one with a namespace. */
const toCustomClaims = ({ groups, ...claims }: JWTPayload) => ({
  ...claims,
  'https://example.com/groups': groups,
})

const habits: ProviderScript = {
  metadata: (document) => ({
    ...document,
    ...backChannelMetadata,
  }),
  givesRefreshToken: asksForOfflineAccess,
  keepsRefreshToken: true,
  // The same refresh token stays valid, and the answer does not repeat it.
  tokenResponse: withoutKeptToken,
  accessTokenLifetime: 86_400,
  idTokenClaims: (claims, { sid }) => ({ ...toCustomClaims(claims), sid }),
  userinfo: (claims) => toCustomClaims(claims),
}

const expected: ExpectedBehaviour = {
  user: {
    sub: '00u-grace',
    email: 'grace@example.com',
    groups: undefined,
    'https://example.com/groups': ['Navy'],
  },
  refresh: 'kept',
  userinfo: true,
  revocation: true,
  logout: 'returns',
  logoutParameters: logoutByIdToken,
  endedBy: ['back channel'],
}

/** With opaque access tokens, and refresh tokens that do not rotate. */
export const auth0: ProviderProfile = {
  name: 'Auth0',
  page: 'auth0',
  placeholders,
  issuerPath: '/',
  paths,
  habits: () => ({ ...habits, accessToken: () => `opaque-${randomUUID()}` }),
  expected,
}

/** With an API: its access tokens are JWTs, which also userinfo accepts. */
export const auth0WithApi: ProviderProfile = {
  name: 'Auth0, with an API',
  page: 'auth0',
  block: 1,
  placeholders,
  issuerPath: '/',
  paths,
  habits: ({ origin }) => {
    const { keepsRefreshToken: _, tokenResponse: _same, ...rotating } = habits
    return {
      ...rotating,
      // A login for another audience, or for none, gets no token for the API.
      authorizationError: (request) =>
        request.get('audience') === 'https://api.example.com' ? undefined : 'access_denied',
      accessTokenClaims: ({ cid: _, scp, ...claims }) => ({
        ...claims,
        aud: ['https://api.example.com', `${origin}/userinfo`],
        azp: 'portico-test',
        scope: (scp as string[]).join(' '),
      }),
    }
  },
  expected: { ...expected, refresh: 'rotated', verifiesAccessTokens: true },
}
