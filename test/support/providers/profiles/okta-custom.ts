import type { ProviderProfile } from './profile.ts'

export const oktaCustom: ProviderProfile = {
  name: 'Okta, custom authorization server',
  page: 'okta',
  placeholders: { yourOktaDomain: 'example.okta.com' },
  paths: {},
  habits: ({ issuer }) => ({
    metadata: (document) => ({
      ...document,
      pushed_authorization_request_endpoint: `${issuer}/v1/par`,
      dpop_signing_alg_values_supported: ['RS256', 'ES256'],
    }),
    givesRefreshToken: (request) => (request.get('scope') ?? '').split(' ').includes('offline_access'),
    // The ID token that comes beside an access token is thin: the rest is at userinfo.
    idTokenClaims: ({ groups: _, email: _email, email_verified: _verified, ...claims }) => ({
      ...claims,
      ver: 1,
      idp: '00o1',
      amr: ['pwd'],
    }),
    // Without id_token_hint, and with an address that is not registered, Okta shows an error.
    endSessionEndpoint(req, res) {
      const { id_token_hint: hint, post_logout_redirect_uri: uri, state } = req.query
      if (hint === undefined) return void res.status(400).send('The id_token_hint is missing')
      return res.redirect(`${uri}?state=${state}`)
    },
  }),
  expected: {
    user: { sub: '00u-grace', name: 'Grace Hopper', email: 'grace@example.com' },
    refresh: 'rotated',
    userinfo: true,
    revocation: true,
    logout: 'returns',
    logoutParameters: ['client_id', 'id_token_hint', 'post_logout_redirect_uri', 'state'],
    endedBy: ['universal logout'],
  },
}
