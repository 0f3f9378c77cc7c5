import type { ProviderSettingValues } from '../settings.ts'
import type { AuthorizationParams } from '../values/authorization-params.ts'
import type { PrivateJwk } from '../values/private-jwk-set.ts'
import { toClaimNames } from './provider-claims.ts'

/** Whom assertions are made for: the issuer, the endpoint that is called, or always the token endpoint. */
export type AssertionAudience = 'issuer' | 'endpoint' | 'token_endpoint'

/** How the client proves itself to the provider (RFC 6749 2.3, OpenID Connect Core 9, RFC 8705). */
export type ClientAuth =
  | { method: 'none' }
  | { method: 'client_secret_basic' | 'client_secret_post'; secret: string }
  | { method: 'private_key_jwt'; keys: readonly PrivateJwk[]; audience: AssertionAudience }
  | { method: 'tls_client_auth'; certificate: string; key: string }

/** Whether the provider's access tokens are JWTs that we verify, or texts we never look into. */
export type AccessTokenFormat = { format: 'jwt'; audience: string } | { format: 'opaque' }

/** The endpoints of a plain OAuth 2.0 provider, which publishes no metadata. */
export interface StaticEndpoints {
  authorization: string
  token: string
  jwks: string | undefined
  /** May hold `{user_id}`. */
  userinfo: string | undefined
  revocation: string | undefined
  endSession: string | undefined
}

/** One provider. All durations are milliseconds. */
export interface ProviderConfig {
  /** What `/api/login?provider=` calls it. */
  name: string
  /** Its issuer; of a provider that names none, the address of its token endpoint. Users are keyed by it. */
  issuer: string
  /** Undefined where the provider tells them by discovery. */
  endpoints: StaticEndpoints | undefined
  /** False for a plain OAuth 2.0 provider without keys or without the scope openid: ID tokens are never looked into. */
  verifiesIdToken: boolean
  /** The field of the token response, or of userinfo, that names the user where no ID token does. */
  userIdField: string
  clientId: string
  clientAuth: ClientAuth
  redirectUri: string
  scopes: readonly string[]
  /** Sent with each authorization request, beside what a login asks for; a `resource` also with each token request. */
  authorizationParams: AuthorizationParams
  /** PKCE (RFC 7636). Off, the state is all that ties the answer to the browser. */
  pkce: boolean
  /** `auto`: where the provider offers it (RFC 9126). */
  par: 'auto' | 'off'
  /** `auto`: where the provider offers it, and binds tokens for it; `required`: nothing unbound is taken (RFC 9449). */
  dpop: 'auto' | 'required' | 'off'
  idTokenAlg: string
  accessToken: AccessTokenFormat
  /** How long an access token counts as good where neither the provider nor the token says. */
  accessTokenLifetime: number
  /** Audiences that an ID token may name beside this client. */
  trustedAudiences: readonly string[]
  /** How far the provider's clock and ours may differ. */
  clockTolerance: number
  /** `auto`: asked where the ID token lacks a claim. */
  userinfo: 'auto' | 'never'
  timeout: number
  /** What a logout tells the provider of who leaves; `auto`: the ID token, where the address stays short with it. */
  logoutHint: 'auto' | 'id_token' | 'client_id'
  /** Whether logout tokens must say `typ: logout+jwt` (ASVS 10.5.5), which older providers do not. */
  requiresLogoutTokenTyp: boolean
  /** Who may ask for a person's sessions to end (Okta Universal Logout): the org of an Okta server; undefined for nobody. */
  universalLogoutIssuer: string | undefined
  /** The user claims that it may put into sessions and app tokens. */
  claimNames: readonly string[]
  /** What stands before this provider's subjects in app tokens: its name and a colon where there are several. */
  subjectPrefix: string
}

/** The name of the only provider, configured in the environment. */
export const onlyProvider = 'default'

/** Settings of one provider that parsed; one with a problem of its own is absent. */
export type ProviderValues = Partial<ProviderSettingValues>

/** How the client authenticates; where OIDC_CLIENT_AUTH does not say, by what is given. */
export function toClientAuthMethod(values: ProviderValues): ClientAuth['method'] {
  if (values.OIDC_CLIENT_AUTH !== undefined) return values.OIDC_CLIENT_AUTH
  if (values.OIDC_CLIENT_KEY !== undefined) return 'private_key_jwt'
  if (values.OIDC_CLIENT_CERT !== undefined) return 'tls_client_auth'
  return values.OIDC_CLIENT_SECRET === undefined ? 'none' : 'client_secret_basic'
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
      return { method, keys: values.OIDC_CLIENT_KEY ?? [], audience: values.OIDC_CLIENT_ASSERTION_AUDIENCE }
    case 'tls_client_auth':
      return {
        method,
        certificate: values.OIDC_CLIENT_CERT ?? '',
        key: values.OIDC_CLIENT_CERT_KEY ?? '',
      }
  }
}

/** Okta's custom authorization servers are `https://{domain}/oauth2/{id}`. */
export const isOktaCustomServer = (issuer: string): boolean =>
  /^\/oauth2\/[^/]+$/.test(URL.parse(issuer)?.pathname ?? '')

/** Okta's own domains; an org may have one of its own, which does not tell. */
export const isOktaHost = (issuer: string): boolean =>
  /\.okta(preview|-emea|-gov)?\.com$/.test(URL.parse(issuer)?.hostname ?? '')

/** The audience that access tokens must have; Okta's custom servers have a known one. */
export function toAccessTokenAudience(values: ProviderValues): string | undefined {
  const isOkta = isOktaCustomServer(values.OIDC_ISSUER ?? '')
  return values.OIDC_ACCESS_TOKEN_AUDIENCE ?? (isOkta ? 'api://default' : undefined)
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

/** Where the provider sends the browser; with several providers each has an address of its own (BCP 4.4.2.2). */
function toRedirectUri(values: ProviderValues, publicUrl: string, name: string): string {
  const ours = `${publicUrl}/api/callback`
  return values.OIDC_REDIRECT_URI ?? (name === onlyProvider ? ours : `${ours}/${name}`)
}

/** Okta's custom servers are not asked to revoke: their org is, and it signs for itself. */
function toUniversalLogoutIssuer(
  values: ProviderSettingValues,
  verifiesIdToken: boolean,
): string | undefined {
  const { OIDC_UNIVERSAL_LOGOUT_ISSUER: given, OIDC_ISSUER: issuer = values.OAUTH_ISSUER } = values
  if (given !== undefined) return given
  if (issuer === undefined || !verifiesIdToken) return undefined
  return isOktaCustomServer(issuer) ? new URL(issuer).origin : issuer
}

/** The configuration of a provider whose settings have no problem. */
export function toProviderConfig(
  values: ProviderSettingValues,
  { name, publicUrl, appTokenClaims }: { name: string; publicUrl: string; appTokenClaims: readonly string[] },
): ProviderConfig {
  const endpoints = toEndpoints(values)
  const scopes = values.OIDC_SCOPES
  const verifiesIdToken =
    endpoints === undefined || (endpoints.jwks !== undefined && scopes.includes('openid'))
  return {
    name,
    issuer: values.OIDC_ISSUER ?? values.OAUTH_ISSUER ?? endpoints?.token ?? '',
    endpoints,
    verifiesIdToken,
    userIdField: values.OAUTH_USER_ID_FIELD,
    clientId: values.OIDC_CLIENT_ID ?? '',
    clientAuth: toClientAuth(values),
    redirectUri: toRedirectUri(values, publicUrl, name),
    scopes,
    authorizationParams: values.OIDC_AUTHORIZATION_PARAMS ?? [],
    pkce: values.OIDC_PKCE === 'on',
    par: values.OIDC_PAR,
    dpop: values.OIDC_DPOP,
    idTokenAlg: values.OIDC_ID_TOKEN_ALG,
    accessToken: toAccessTokenFormat(values),
    accessTokenLifetime: values.OIDC_ACCESS_TOKEN_LIFETIME,
    trustedAudiences: values.OIDC_TRUSTED_AUDIENCES ?? [],
    clockTolerance: values.OIDC_CLOCK_TOLERANCE,
    userinfo: values.OIDC_USERINFO,
    timeout: values.OIDC_TIMEOUT,
    logoutHint: values.OIDC_LOGOUT_HINT,
    requiresLogoutTokenTyp: values.OIDC_LOGOUT_TOKEN_TYP === 'required',
    universalLogoutIssuer: toUniversalLogoutIssuer(values, verifiesIdToken),
    claimNames: toClaimNames({
      named: values.claims,
      appTokenClaims,
      isOnly: name === onlyProvider,
      verifiesIdToken,
    }),
    subjectPrefix: name === onlyProvider ? '' : `${name}:`,
  }
}
