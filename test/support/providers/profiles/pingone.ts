import { logoutByIdToken, requiresIdTokenHint } from '../habits.ts'
import type { ProviderProfile } from './profile.ts'

const base = '/11111111-2222-3333-4444-555555555555/as'

/** An environment of PingOne, whose groups come from userinfo. */
export const pingOne: ProviderProfile = {
  name: 'PingOne',
  page: 'pingone',
  placeholders: { region: 'eu', 'environment id': '11111111-2222-3333-4444-555555555555' },
  issuerPath: base,
  paths: {
    authorization: `${base}/authorize`,
    token: `${base}/token`,
    keys: `${base}/jwks`,
    userinfo: `${base}/userinfo`,
    revocation: `${base}/revoke`,
    endSession: `${base}/signoff`,
    pushedRequests: `${base}/par`,
  },
  habits: ({ origin }) => ({
    metadata: (document) => ({ ...document, pushed_authorization_request_endpoint: `${origin}${base}/par` }),
    idTokenClaims: ({ groups: _, ...claims }, { sid }) => ({ ...claims, sid, acr: 'Single_Factor' }),
    accessTokenClaims: ({ cid: _, scp, ...claims }) => ({
      ...claims,
      client_id: 'portico-test',
      scope: (scp as string[]).join(' '),
    }),
    // The ID token of another user, or for another address, is an error.
    endSessionEndpoint: requiresIdTokenHint((res) =>
      res.status(400).send('The request could not be completed'),
    ),
  }),
  expected: {
    user: { sub: '00u-grace', email: 'grace@example.com', groups: ['Navy'] },
    refresh: 'rotated',
    userinfo: true,
    revocation: true,
    logout: 'returns',
    logoutParameters: logoutByIdToken,
    endedBy: [],
  },
}
