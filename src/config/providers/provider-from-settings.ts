import type { ProviderSettingValues } from '../settings.ts'
import type { PrivateJwk } from '../values/private-jwk-set.ts'
import { isOktaCustomServer, toOktaOrg } from './okta.ts'
import { toClaimNames } from './provider-claims.ts'
import {
  type AccessTokenFormat,
  type ClientAuth,
  defaultProviderName,
  type ProviderConfig,
  type StaticEndpoints,
} from './provider-config.ts'
import { isOfAllTenants, toTenants } from './tenants.ts'

/** Settings of one provider that parsed. One with a problem of its own is absent. */
export type ProviderValues = Partial<ProviderSettingValues>

/** What the configuration of a provider takes over from the server's. */
interface ProviderSurroundings extends Pick<ProviderConfig, 'name' | 'forwardProxies'> {
  apiUrl: string
  appTokenClaims: readonly string[]
}

/** The configuration of a provider whose settings have no problem. */
export function toProviderConfig(
  values: ProviderSettingValues,
  { name, apiUrl, appTokenClaims, forwardProxies }: ProviderSurroundings,
): ProviderConfig {
  const endpoints = toEndpoints(values)
  const scopes = values.OIDC_SCOPES
  const verifiesIdToken =
    endpoints === undefined || (endpoints.jwks !== undefined && scopes.includes('openid'))
  return {
    name,
    label: values.label ?? name.charAt(0).toUpperCase() + name.slice(1),
    icon: values.icon,
    issuer: values.OIDC_ISSUER ?? values.OAUTH_ISSUER ?? endpoints?.token ?? '',
    tenants: toTenants(values.OIDC_ISSUER, values.OIDC_ALLOWED_TENANTS),
    endpoints,
    verifiesIdToken,
    userIdField: values.OAUTH_USER_ID_FIELD,
    clientId: values.OIDC_CLIENT_ID ?? '',
    clientAuth: toClientAuth(values),
    redirectUri: toRedirectUri(values, apiUrl, name),
    scopes,
    authorizationParams: values.OIDC_AUTHORIZATION_PARAMS ?? [],
    pkce: values.OIDC_PKCE === 'on',
    responseMode: values.OIDC_RESPONSE_MODE,
    requestObjectKeys: values.OIDC_REQUEST_OBJECT === 'signed' ? toClientKeys(values) : [],
    par: values.OIDC_PAR,
    dpop: values.OIDC_DPOP,
    idTokenAlg: values.OIDC_ID_TOKEN_ALG,
    accessToken: toAccessTokenFormat(values),
    accessTokenLifetime: values.OIDC_ACCESS_TOKEN_LIFETIME,
    trustedAudiences: values.OIDC_TRUSTED_AUDIENCES ?? [],
    clockTolerance: values.OIDC_CLOCK_TOLERANCE,
    userinfo: values.OIDC_USERINFO,
    timeout: values.OIDC_TIMEOUT,
    revocation: toRevocation(values),
    forwardProxies,
    logoutHint: values.OIDC_LOGOUT_HINT,
    logoutParams: values.OIDC_LOGOUT_PARAMS ?? [],
    requiresLogoutTokenTyp: values.OIDC_LOGOUT_TOKEN_TYP === 'required',
    universalLogoutIssuer: toUniversalLogoutIssuer(values, verifiesIdToken),
    claimNames: toClaimNames({
      configured: values.claims,
      appTokenClaims,
      isOnlyProvider: name === defaultProviderName,
      verifiesIdToken,
    }),
    subjectPrefix: name === defaultProviderName ? '' : `${name}:`,
  }
}

/**
 * How the client authenticates; where OIDC_CLIENT_AUTH does not say, it depends on which credentials are set.
 */
export function toClientAuthMethod(values: ProviderValues): ClientAuth['method'] {
  if (values.OIDC_CLIENT_AUTH !== undefined) return values.OIDC_CLIENT_AUTH
  if (values.OIDC_APPLE_TEAM_ID !== undefined) return 'apple_client_secret'
  const hasOther = values.OIDC_CLIENT_CERT !== undefined || values.OIDC_CLIENT_SECRET !== undefined
  // Beside other credentials, a key that signs requests is for nothing else.
  const isForRequests = values.OIDC_REQUEST_OBJECT === 'signed' && hasOther
  if (values.OIDC_CLIENT_KEY !== undefined && !isForRequests) return 'private_key_jwt'
  if (values.OIDC_CLIENT_CERT !== undefined) return 'tls_client_auth'
  return values.OIDC_CLIENT_SECRET === undefined ? 'none' : 'client_secret_basic'
}

/**
 * The audience that access tokens must have. Okta's custom servers have a default one, so it is known there.
 */
export function toAccessTokenAudience(values: ProviderValues): string | undefined {
  const isOkta = isOktaCustomServer(values.OIDC_ISSUER ?? '')
  return values.OIDC_ACCESS_TOKEN_AUDIENCE ?? (isOkta ? 'api://default' : undefined)
}

function toClientAuth(values: ProviderSettingValues): ClientAuth {
  const method = toClientAuthMethod(values)
  switch (method) {
    case 'none':
      return { method }
    case 'client_secret_basic':
    case 'client_secret_post':
      return { method, secret: values.OIDC_CLIENT_SECRET ?? '' }
    case 'private_key_jwt':
      return { method, keys: toClientKeys(values), audience: values.OIDC_CLIENT_ASSERTION_AUDIENCE }
    case 'tls_client_auth':
      return {
        method,
        certificate: values.OIDC_CLIENT_CERT ?? '',
        key: values.OIDC_CLIENT_CERT_KEY ?? '',
      }
    case 'apple_client_secret':
      return toAppleClientAuth(values)
  }
}

/** At Apple, a revocation ends the user's authorization of the app: the next login would be a first one. */
const toRevocation = (values: ProviderSettingValues): ProviderConfig['revocation'] =>
  toClientAuthMethod(values) === 'apple_client_secret' ? 'never' : values.OIDC_REVOCATION

function toAppleClientAuth(values: ProviderSettingValues): ClientAuth {
  const [key] = toClientKeys(values)
  if (key === undefined) throw new TypeError('apple_client_secret needs a key')
  return { method: 'apple_client_secret', key, teamId: values.OIDC_APPLE_TEAM_ID ?? '' }
}

/** The keys of OIDC_CLIENT_KEY, the first of which signs; a key in PEM has its id from OIDC_CLIENT_KEY_ID. */
export function toClientKeys({
  OIDC_CLIENT_KEY: keys = [],
  OIDC_CLIENT_KEY_ID: kid,
}: ProviderValues): PrivateJwk[] {
  return kid === undefined ? keys : keys.map((key) => ({ ...key, kid }))
}

function toAccessTokenFormat(values: ProviderSettingValues): AccessTokenFormat {
  const audience = toAccessTokenAudience(values)
  if (values.OIDC_ACCESS_TOKEN === 'opaque' || audience === undefined) return { format: 'opaque' }
  return { format: 'jwt', audience }
}

function toEndpoints(values: ProviderSettingValues): StaticEndpoints | undefined {
  const { OAUTH_AUTHORIZATION_ENDPOINT: authorization, OAUTH_TOKEN_ENDPOINT: token } = values
  if (authorization === undefined || token === undefined) return undefined
  return {
    authorization,
    token,
    jwks: values.OAUTH_JWKS_URI,
    userinfo: values.OAUTH_USERINFO_ENDPOINT,
    revocation: values.OAUTH_REVOCATION_ENDPOINT,
    endSession: values.OAUTH_END_SESSION_ENDPOINT,
  }
}

/** Where the provider sends the browser; each of several providers has its own address (RFC 9700 4.4.2.2). */
function toRedirectUri(values: ProviderValues, apiUrl: string, name: string): string {
  const callback = `${apiUrl}/callback`
  return values.OIDC_REDIRECT_URI ?? (name === defaultProviderName ? callback : `${callback}/${name}`)
}

/** The issuer of Universal Logout tokens: for a custom server of Okta, its org signs them. */
function toUniversalLogoutIssuer(
  values: ProviderSettingValues,
  verifiesIdToken: boolean,
): string | undefined {
  const { OIDC_UNIVERSAL_LOGOUT_ISSUER: given, OIDC_ISSUER: issuer = values.OAUTH_ISSUER } = values
  if (given !== undefined) return given
  // Entra ID has no Universal Logout, and its issuer for all tenants signs nothing.
  if (issuer === undefined || !verifiesIdToken || isOfAllTenants(issuer)) return undefined
  return toOktaOrg(issuer)
}
