import { randomBytes } from 'node:crypto'
import type { Configuration, KoaContextWithOIDC } from 'oidc-provider'
import type { Facts } from '../spa/types.ts'
import { errors } from './oidc-provider.ts'
import { findUser } from './users.ts'

/** Scopes of the sample API, as an administrator defines them at the authorization server. */
const apiScopes = ['orders:read', 'orders:write'] as const

/** Every scope that a client may ask for. */
export const scopes = ['openid', 'profile', 'email', 'groups', 'offline_access', ...apiScopes]

export type VariantName =
  | 'okta'
  | 'okta-org'
  | 'oauth2-public'
  | 'oauth2-confidential'
  | 'fapi2'
  | 'message-signing'

/** What a caller may switch on in a variant. */
export interface VariantOptions {
  /** Pushed authorization requests (RFC 9126), in a variant that does not always have them. */
  par?: boolean
  /** DPoP with a nonce (RFC 9449 8), in a variant that does not always have it. */
  dpop?: boolean
}

/** One kind of provider: what the embedded provider does, and what Portico has to know of it. */
export interface ProviderVariant {
  /** What the demo's page calls it. */
  title: string
  facts: Facts
  /** The path of the issuer. */
  path: string
  signingAlg: 'RS256' | 'ES256'
  /** The audience of JWT access tokens; undefined where they are opaque. */
  audience: string | undefined
  hasDiscovery: boolean
  configure(options: VariantOptions): Configuration
  /** Returns the settings of Portico for this variant at an origin, except those of the client. */
  toSettings(origin: string): Record<string, string>
}

const endpoints = (prefix: string) => ({
  authorization: `${prefix}/authorize`,
  token: `${prefix}/token`,
  jwks: `${prefix}/keys`,
  userinfo: `${prefix}/userinfo`,
  revocation: `${prefix}/revoke`,
  introspection: `${prefix}/introspect`,
  end_session: `${prefix}/logout`,
  pushed_authorization_request: `${prefix}/par`,
})

const nonceSecret = randomBytes(32)
const toFeatures = ({ par = false, dpop = false }: VariantOptions) => ({
  pushedAuthorizationRequests: { enabled: par },
  dPoP: { enabled: dpop, requireNonce: () => true, nonceSecret },
})

const toScopeSetting = () => ({ OIDC_SCOPES: scopes.join(' ') })

/** Okta accepts an assertion only if its audience is the endpoint that it is sent to. */
function takeEndpointAsAudience(ctx: KoaContextWithOIDC, { aud }: Record<string, unknown>): void {
  if (aud !== ctx.oidc.urlFor(ctx.oidc.route)) throw new errors.InvalidClientAuth('aud is not this endpoint')
}

/** FAPI 2.0 accepts an assertion only if its audience is the issuer, as a string. */
function takeIssuerAsAudience(ctx: KoaContextWithOIDC, { aud }: Record<string, unknown>): void {
  if (aud !== ctx.oidc.issuer) throw new errors.InvalidClientAuth('aud is not the issuer')
}

/** Claims of the JWT access token of an Okta custom authorization server. */
function toOktaAccessToken(payload: Record<string, unknown>, granted: Iterable<string>) {
  const { jti, iss, aud, iat, exp, sub, client_id: cid, cnf } = payload
  const login = findUser(String(sub))?.login
  return { ver: 1, jti: `AT.${jti}`, iss, aud, iat, exp, cid, uid: sub, scp: [...granted], sub: login, cnf }
}

const usual: Facts = {
  pkce: true,
  pushed: false,
  signed: false,
  idToken: true,
  jwtAccessToken: true,
  bound: false,
  clientAuth: 'the client secret',
  logout: true,
}

const okta: ProviderVariant = {
  title: 'an Okta custom authorization server',
  facts: usual,
  path: '/oauth2/default',
  signingAlg: 'RS256',
  audience: 'api://default',
  hasDiscovery: true,
  configure: (options) => ({
    routes: endpoints('/v1'),
    pkce: { required: () => true },
    features: toFeatures(options),
    clientDefaults: { require_auth_time: true },
    assertJwtClientAuthClaimsAndHeader: takeEndpointAsAudience,
    formats: {
      customizers: {
        jwt(_ctx, token, parts) {
          parts.header = { ...parts.header, typ: 'JWT' }
          parts.payload = toOktaAccessToken(parts.payload, token.scopes)
        },
      },
    },
  }),
  toSettings: (origin) => ({ OIDC_ISSUER: `${origin}/oauth2/default`, ...toScopeSetting() }),
}

const oktaOrg: ProviderVariant = {
  title: 'an Okta org authorization server',
  facts: { ...usual, jwtAccessToken: false },
  path: '',
  signingAlg: 'RS256',
  audience: undefined,
  hasDiscovery: true,
  configure: (options) => ({
    routes: endpoints('/oauth2/v1'),
    pkce: { required: () => true },
    features: toFeatures(options),
    clientDefaults: { require_auth_time: true },
    assertJwtClientAuthClaimsAndHeader: takeEndpointAsAudience,
  }),
  toSettings: (origin) => ({ OIDC_ISSUER: origin, ...toScopeSetting() }),
}

const oauth2Public: ProviderVariant = {
  title: 'a plain OAuth 2.0 provider: no discovery, PKCE, no client secret',
  facts: {
    ...usual,
    idToken: false,
    jwtAccessToken: false,
    clientAuth: 'the client id alone',
    logout: false,
  },
  path: '',
  signingAlg: 'RS256',
  audience: undefined,
  hasDiscovery: false,
  configure: () => ({
    routes: endpoints('/oauth2'),
    pkce: { required: () => true },
    // userinfo.ts adds an endpoint whose address names the user.
    features: { ...toFeatures({}), userinfo: { enabled: false } },
  }),
  toSettings: (origin) => ({
    OAUTH_AUTHORIZATION_ENDPOINT: `${origin}/oauth2/authorize`,
    OAUTH_TOKEN_ENDPOINT: `${origin}/oauth2/token`,
    OAUTH_USERINFO_ENDPOINT: `${origin}/oauth2/userinfo/{user_id}`,
    OAUTH_REVOCATION_ENDPOINT: `${origin}/oauth2/revoke`,
    OIDC_SCOPES: scopes.filter((scope) => scope !== 'openid').join(' '),
  }),
}

const oauth2Confidential: ProviderVariant = {
  ...oauth2Public,
  title: 'a plain OAuth 2.0 provider: no discovery, a client secret, no PKCE',
  facts: { ...oauth2Public.facts, pkce: false, clientAuth: usual.clientAuth },
  configure: (options) => ({ ...oauth2Public.configure(options), pkce: { required: () => false } }),
  toSettings: (origin) => ({ ...oauth2Public.toSettings(origin), OIDC_PKCE: 'off' }),
}

const fapi2: ProviderVariant = {
  title: 'a strict (FAPI 2.0) provider: pushed requests, private_key_jwt, DPoP',
  facts: { ...usual, pushed: true, bound: true, clientAuth: 'a signed assertion (private_key_jwt)' },
  path: '/fapi2',
  signingAlg: 'ES256',
  audience: 'https://api.example.com',
  hasDiscovery: true,
  configure: () => ({
    routes: endpoints(''),
    pkce: { required: () => true },
    assertJwtClientAuthClaimsAndHeader: takeIssuerAsAudience,
    features: {
      ...toFeatures({ dpop: true }),
      pushedAuthorizationRequests: { enabled: true, requirePushedAuthorizationRequests: true },
    },
    clientDefaults: {
      require_auth_time: true,
      dpop_bound_access_tokens: true,
      id_token_signed_response_alg: 'ES256',
    },
  }),
  toSettings: (origin) => ({
    OIDC_ISSUER: `${origin}/fapi2`,
    OIDC_ID_TOKEN_ALG: 'ES256',
    OIDC_ACCESS_TOKEN_AUDIENCE: 'https://api.example.com',
    ...toScopeSetting(),
  }),
}

/** FAPI 2.0 Message Signing: a request object for at most an hour, which asks for a signed answer. */
function demandSignedAnswer(
  _ctx: KoaContextWithOIDC,
  { nbf, exp, response_mode: mode }: Record<string, unknown>,
  { typ }: Record<string, unknown>,
): void {
  if (typ !== 'oauth-authz-req+jwt') throw new errors.InvalidRequestObject('typ is not oauth-authz-req+jwt')
  const lifetime = Number(exp) - Number(nbf)
  if (!(lifetime <= 3600)) throw new errors.InvalidRequestObject('nbf or exp is missing, or an hour apart')
  if (!String(mode).endsWith('jwt')) throw new errors.InvalidRequest('response_mode must be a signed one')
}

/** What the provider of a client needs that signs its requests and wants signed answers, with any variant. */
export const messageSigning = {
  requestObjects: {
    enabled: true,
    requireSignedRequestObject: true,
    assertJwtClaimsAndHeader: demandSignedAnswer,
  },
  jwtResponseModes: { enabled: true },
} satisfies Configuration['features']

const fapi2MessageSigning: ProviderVariant = {
  ...fapi2,
  title: 'a provider with signed requests and answers (FAPI 2.0 Message Signing)',
  facts: { ...fapi2.facts, signed: true },
  path: '/message-signing',
  configure(options) {
    const { features, clientDefaults, ...rest } = fapi2.configure(options)
    return {
      ...rest,
      features: { ...features, ...messageSigning },
      clientDefaults: { ...clientDefaults, authorization_signed_response_alg: 'ES256' },
    }
  },
  toSettings: (origin) => ({
    ...fapi2.toSettings(origin),
    OIDC_ISSUER: `${origin}/message-signing`,
    OIDC_REQUEST_OBJECT: 'signed',
    OIDC_RESPONSE_MODE: 'jwt',
  }),
}

/** Every kind of provider that the demo can run. */
export const variants: Record<VariantName, ProviderVariant> = {
  okta,
  'okta-org': oktaOrg,
  'oauth2-public': oauth2Public,
  'oauth2-confidential': oauth2Confidential,
  fapi2,
  'message-signing': fapi2MessageSigning,
}
