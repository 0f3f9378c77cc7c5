import { publicUrl } from '../../portico.ts'
import { grace, readScopes, withoutKeptToken } from '../habits.ts'
import { createProviderKey } from '../scripted-provider.ts'
import type { ProviderProfile } from './profile.ts'

const region = 'eu-central-1'
const pool = `${region}_Xk3pQ7abc`

/** Access tokens have a key of their own. */
const accessTokenKey = await createProviderKey('access-1')

const isScope = (scope: string) => ['openid', 'email', 'profile'].includes(scope)

export const cognito: ProviderProfile = {
  name: 'Amazon Cognito',
  page: 'cognito',
  placeholders: { region, 'user pool id': pool, PUBLIC_URL: publicUrl },
  issuerPath: `/${pool}`,
  paths: {
    authorization: '/oauth2/authorize',
    token: '/oauth2/token',
    keys: `/${pool}/.well-known/jwks.json`,
    userinfo: '/oauth2/userInfo',
    revocation: '/oauth2/revoke',
    endSession: '/logout',
  },
  habits: () => ({
    metadata: (document) => ({
      ...document,
      token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
    }),
    jwks: (keys) => ({ keys: [...keys, accessTokenKey.publicJwk] }),
    authorizationError: (request) => (readScopes(request).every(isScope) ? undefined : 'invalid_request'),
    keepsRefreshToken: true,
    accessTokenKey,
    accessTokenClaims: ({ aud: _, cid: _cid, scp: _scp, uid: _uid, ver: _ver, ...claims }) => ({
      ...claims,
      client_id: 'portico-test',
      token_use: 'access',
      scope: 'openid profile email',
      username: 'grace',
      version: 2,
    }),
    idTokenClaims: ({ preferred_username: _, groups, ...claims }) => ({
      ...claims,
      'cognito:groups': groups,
      'cognito:username': 'grace',
      token_use: 'id',
      origin_jti: 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee',
    }),
    userinfo: ({ groups: _, ...claims }) => ({ ...claims, email_verified: 'true', username: 'grace' }),
    tokenResponse: ({ scope: _, ...answer }, occasion) => withoutKeptToken(answer, occasion),
    // It reads logout_uri, which has to be one of its list, and knows no state.
    endSessionEndpoint(req, res) {
      const { client_id: id, logout_uri: uri } = req.query
      if (id !== 'portico-test' || uri !== `${publicUrl}/api/logout/callback`) {
        return void res.status(400).send('Required parameters missing')
      }
      return res.redirect(uri)
    },
    invalidGrant: (res) => void res.status(400).json({ error: 'invalid_grant' }),
  }),
  expected: {
    user: {
      ...grace,
      groups: undefined,
    },
    refresh: 'kept',
    userinfo: true,
    revocation: true,
    logout: 'returns',
    logoutParameters: ['client_id', 'id_token_hint', 'logout_uri', 'post_logout_redirect_uri', 'state'],
    endedBy: [],
  },
}
