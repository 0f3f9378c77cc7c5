import { asksForOfflineAccess, backChannelMetadata, logoutByIdToken, requiresIdTokenHint } from '../habits.ts'
import type { ProviderProfile } from './profile.ts'

/** A confidential client of a realm of Keycloak 26, with a mapper for groups that leaves the ID token short. */
export const keycloak: ProviderProfile = {
  name: 'Keycloak',
  page: 'keycloak',
  placeholders: { host: 'id.example.com', realm: 'example' },
  issuerPath: '/realms/example',
  paths: {
    authorization: '/realms/example/protocol/openid-connect/auth',
    token: '/realms/example/protocol/openid-connect/token',
    keys: '/realms/example/protocol/openid-connect/certs',
    userinfo: '/realms/example/protocol/openid-connect/userinfo',
    revocation: '/realms/example/protocol/openid-connect/revoke',
    endSession: '/realms/example/protocol/openid-connect/logout',
    pushedRequests: '/realms/example/protocol/openid-connect/ext/par/request',
  },
  habits: ({ issuer }) => ({
    metadata: (document) => ({
      ...document,
      pushed_authorization_request_endpoint: `${issuer}/protocol/openid-connect/ext/par/request`,
      dpop_signing_alg_values_supported: ['PS256', 'ES256', 'RS256'],
      authorization_response_iss_parameter_supported: true,
      ...backChannelMetadata,
    }),
    authorizationResponse: (parameters) => ({ ...parameters, session_state: 'a-session', iss: issuer }),
    // A user without the role of that name gets no offline session. Keycloak refuses the code, not the request.
    authorizationError: (request) => (asksForOfflineAccess(request) ? 'not_allowed' : undefined),
    // With a proof in the request, tokens are bound to its key, whether the client requires that or not.
    bindsTokens: true,
    accessTokenLifetime: 300,
    tokenResponse: (body, { sid }) => ({
      ...body,
      refresh_expires_in: 1800,
      'not-before-policy': 0,
      session_state: sid,
    }),
    idTokenClaims: ({ groups: _, ...claims }, { sid }) => ({
      ...claims,
      typ: 'ID',
      azp: 'portico-test',
      acr: '1',
      sid,
    }),
    // An access token of the realm has no audience, unless a scope adds one.
    accessTokenClaims: ({ aud: _, ...claims }) => ({ ...claims, typ: 'Bearer', azp: 'portico-test' }),
    logoutTokenClaims: (claims) => ({ ...claims, typ: 'Logout' }),
    // Without the ID token, a page asks the user to confirm.
    endSessionEndpoint: requiresIdTokenHint((res) => res.send('Do you want to log out?')),
  }),
  expected: {
    user: { sub: '00u-grace', preferred_username: 'grace@example.com', groups: ['Navy'] },
    refresh: 'rotated',
    userinfo: true,
    revocation: true,
    logout: 'returns',
    logoutParameters: logoutByIdToken,
    endedBy: ['back channel', 'front channel'],
    boundTokens: true,
  },
}
