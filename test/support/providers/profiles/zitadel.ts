import { randomUUID } from 'node:crypto'
import { asksForOfflineAccess, backChannelMetadata, grace, logoutByIdToken } from '../habits.ts'
import type { ProviderProfile } from './profile.ts'

const projectId = '273245680218898433'

export const zitadel: ProviderProfile = {
  name: 'Zitadel',
  page: 'zitadel',
  placeholders: { 'your domain': 'example.zitadel.cloud', 'project id': projectId },
  paths: {
    authorization: '/oauth/v2/authorize',
    token: '/oauth/v2/token',
    keys: '/oauth/v2/keys',
    userinfo: '/oidc/v1/userinfo',
    revocation: '/oauth/v2/revoke',
    endSession: '/oidc/v1/end_session',
  },
  habits: () => ({
    metadata: (document) => ({
      ...document,
      ...backChannelMetadata,
      code_challenge_methods_supported: ['S256'],
    }),
    givesRefreshToken: asksForOfflineAccess,
    accessTokenLifetime: 12 * 60 * 60,
    accessToken: () => randomUUID(),
    // The project is an audience beside the client. What the scopes profile and email bring is at userinfo.
    idTokenClaims: (
      { name: _, email: _email, email_verified: _verified, groups: _groups, ...claims },
      { sid },
    ) => ({
      ...claims,
      aud: ['portico-test', projectId],
      azp: 'portico-test',
      client_id: 'portico-test',
      amr: ['pwd'],
      sid,
    }),
    // Roles are an object, and there are no groups.
    userinfo: ({ groups: _, ...claims }) => ({
      ...claims,
      [`urn:zitadel:iam:org:project:${projectId}:roles`]: { admin: { '2732': 'example.com' } },
    }),
    endSessionEndpoint(req, res) {
      const { id_token_hint: hint, client_id: client, post_logout_redirect_uri: uri, state } = req.query
      // Without either, nothing says whose address it is, and it is ignored.
      if (hint === undefined && client === undefined) return void res.send('You are signed out.')
      return res.redirect(`${uri}?state=${state}`)
    },
    logoutTokenHeader: (header) => ({ ...header, typ: 'JWT' }),
    logoutTokenClaims: (claims) => ({ ...claims, aud: ['portico-test'], exp: Number(claims.iat) + 15 * 60 }),
  }),
  expected: {
    user: {
      ...grace,
      preferred_username: 'grace@example.com',
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
