import { asksForOfflineAccess } from '../habits.ts'
import type { ProviderPaths, ProviderScript } from '../scripted-provider.ts'
import type { ExpectedBehaviour, ProviderProfile } from './profile.ts'

const tenant = '8eaef023-2b34-4da1-9baa-8bc8c9d6a490'
const anotherTenant = '5b0a1f0c-77f1-4f43-9e0b-0c6f4c8f3a11'
const placeholders = { 'tenant id': tenant, 'another tenant id': anotherTenant }
const group = '1f6cb7f8-3a7b-4b0f-a2a4-6f9f6d1f2a55'

/** Of one tenant, or of `organizations`. */
const toPaths = (authority: string): Partial<ProviderPaths> => ({
  authorization: `/${authority}/oauth2/v2.0/authorize`,
  token: `/${authority}/oauth2/v2.0/token`,
  keys: `/${authority}/discovery/v2.0/keys`,
  endSession: `/${authority}/oauth2/v2.0/logout`,
  userinfo: '/oidc/userinfo',
})

/** A tenant, whose tokens have `iss`; keys and metadata name `published`, which may be for all tenants. */
function toHabits({ tid, iss, published }: { tid: string; iss: string; published: string }): ProviderScript {
  const hint = `O.${tid}.grace`
  return {
    metadata: ({ revocation_endpoint: _, ...document }) => ({
      ...document,
      issuer: published,
      token_endpoint_auth_methods_supported: ['client_secret_post', 'private_key_jwt', 'client_secret_basic'],
      response_modes_supported: ['query', 'fragment', 'form_post'],
      http_logout_supported: true,
      frontchannel_logout_supported: true,
    }),
    jwks: (keys) => ({ keys: keys.map((key) => ({ ...key, issuer: published })) }),
    givesRefreshToken: asksForOfflineAccess,
    accessTokenLifetime: 4500,
    // For Microsoft Graph, which alone can verify it.
    accessTokenClaims: (claims) => ({
      ...claims,
      iss: `https://sts.windows.net/${tid}/`,
      aud: '00000003-0000-0000-c000-000000000000',
      tid,
    }),
    accessToken: (token) => `${token.slice(0, -8)}AAAAAAAA`,
    // The optional claims of the page are configured: sid, login_hint. There is no auth_time, and no at_hash.
    idTokenClaims: (
      { auth_time: _, at_hash: _hash, email_verified: _verified, ...claims },
      { sid, isRefresh },
    ) => ({
      ...claims,
      iss,
      iat: (claims.iat ?? 0) - 300,
      nbf: (claims.iat ?? 0) - 300,
      aio: isRefresh ? 'AWQAm/8ZAAAA2' : 'AWQAm/8ZAAAA1',
      groups: [group],
      login_hint: hint,
      oid: '00000000-0000-0000-66f3-3332eca7ea81',
      rh: '0.AXoA',
      sid,
      tid,
      uti: 'fqiBqXLPj0eQa82S-IYFAA',
      ver: '2.0',
    }),
    tokenResponse: ({ scope, ...answer }) => ({
      ...answer,
      scope: String(scope).replace(' offline_access', ''),
      ext_expires_in: 4500,
    }),
    // Without a hint it asks which account signs out.
    endSessionEndpoint(req, res) {
      const { logout_hint: named, post_logout_redirect_uri: uri } = req.query
      if (named !== hint) return void res.send('Pick an account')
      return res.redirect(String(uri))
    },
    invalidGrant: (res) =>
      void res.status(400).json({
        error: 'invalid_grant',
        error_description: 'AADSTS50173: The provided grant has expired due to it being revoked.',
        error_codes: [50173],
        timestamp: '2026-11-26 10:00:00Z',
        trace_id: '255d1aef-8c98-452f-ac51-23d051240864',
        correlation_id: 'fb3d2015-bc17-4bb9-bb85-30c5cf1aaaa7',
      }),
  }
}

const expected: ExpectedBehaviour = {
  user: {
    sub: '00u-grace',
    name: 'Grace Hopper',
    email: 'grace@example.com',
    email_verified: undefined,
    preferred_username: 'grace@example.com',
    groups: [group],
  },
  refresh: 'rotated',
  userinfo: false,
  revocation: false,
  logout: 'returns',
  logoutParameters: ['client_id', 'logout_hint', 'post_logout_redirect_uri', 'state'],
  endedBy: ['front channel, sid alone'],
}

export const entra: ProviderProfile = {
  name: 'Microsoft Entra ID, one tenant',
  page: 'entra',
  placeholders,
  issuerPath: `/${tenant}/v2.0`,
  paths: toPaths(tenant),
  habits: ({ issuer }) => toHabits({ tid: tenant, iss: issuer, published: issuer }),
  expected,
}

export const entraTenants: ProviderProfile = {
  name: 'Microsoft Entra ID, several tenants',
  page: 'entra',
  block: 1,
  placeholders,
  issuerPath: '/organizations/v2.0',
  paths: toPaths('organizations'),
  habits: ({ origin }) =>
    toHabits({
      tid: anotherTenant,
      iss: `${origin}/${anotherTenant}/v2.0`,
      published: `${origin}/{tenantid}/v2.0`,
    }),
  // Two tenants may have the same `sub`.
  expected: { ...expected, user: { ...expected.user, sub: `${anotherTenant}:00u-grace` } },
}
