import { asksForOfflineAccess, logoutByIdToken, requiresIdTokenHint } from '../habits.ts'
import type { ProviderScript } from '../scripted-provider.ts'
import type { ExpectedBehaviour, ProviderProfile } from './profile.ts'

const placeholders = { yourOktaDomain: 'example.okta.com' }

const habits: ProviderScript = {
  givesRefreshToken: asksForOfflineAccess,
  idTokenClaims: ({ email_verified: _, ...claims }) => ({ ...claims, ver: 1, idp: '00o1', amr: ['pwd'] }),
  // Without the ID token there is an error page.
  endSessionEndpoint: requiresIdTokenHint((res) => res.status(400).send('id_token_hint is required')),
}

const expected: ExpectedBehaviour = {
  user: {
    sub: '00u-grace',
    name: 'Grace Hopper',
    email: 'grace@example.com',
    preferred_username: 'grace@example.com',
    groups: ['Navy'],
  },
  refresh: 'kept',
  userinfo: true,
  revocation: true,
  logout: 'returns',
  logoutParameters: logoutByIdToken,
  endedBy: ['universal logout'],
}

/** So many that the address of a logout with the ID token is longer than `OIDC_LOGOUT_HINT=auto` allows. */
const manyGroups = ['Navy', ...Array.from({ length: 60 }, (_, index) => `department-${index}`)]

/** With refresh tokens as a new web app has them: persistent. Groups come from userinfo. */
export const oktaCustom: ProviderProfile = {
  name: 'Okta, custom authorization server',
  page: 'okta',
  placeholders,
  issuerPath: '/oauth2/default',
  paths: {},
  habits: () => ({
    ...habits,
    keepsRefreshToken: true,
    idTokenClaims: ({ groups: _, ...claims }, occasion) => habits.idTokenClaims?.(claims, occasion) ?? claims,
  }),
  expected: { ...expected, verifiesAccessTokens: true },
}

/** With **Rotate token after every use**, and access tokens that are for Okta alone. */
export const oktaOrg: ProviderProfile = {
  name: 'Okta, org authorization server',
  page: 'okta',
  block: 1,
  placeholders,
  issuerPath: '',
  paths: {
    authorization: '/oauth2/v1/authorize',
    token: '/oauth2/v1/token',
    keys: '/oauth2/v1/keys',
    userinfo: '/oauth2/v1/userinfo',
    revocation: '/oauth2/v1/revoke',
    endSession: '/oauth2/v1/logout',
  },
  habits: ({ origin }) => ({
    ...habits,
    idTokenClaims: (claims, occasion) => ({
      ...habits.idTokenClaims?.(claims, occasion),
      groups: manyGroups,
    }),
    accessTokenClaims: (claims) => ({ ...claims, aud: origin }),
  }),
  expected: {
    ...expected,
    user: { ...expected.user, groups: manyGroups },
    refresh: 'rotated',
  },
}
