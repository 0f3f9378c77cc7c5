import type { ExtraParams } from '../values/params/extra-params.ts'
import type { PrivateJwk } from '../values/private-jwk-set.ts'

/** The `aud` of client assertions: the issuer, the endpoint that is called, or always the token endpoint. */
export type AssertionAudience = 'issuer' | 'endpoint' | 'token_endpoint'

/** How the client authenticates at the provider (RFC 6749 2.3, OpenID Connect Core 9, RFC 8705). */
export type ClientAuth =
  | { method: 'none' }
  | { method: 'client_secret_basic' | 'client_secret_post'; secret: string }
  | { method: 'private_key_jwt'; keys: readonly PrivateJwk[]; audience: AssertionAudience }
  | { method: 'tls_client_auth'; certificate: string; key: string }
  /** client_secret_post, with a secret that the client signs itself (Sign in with Apple). */
  | { method: 'apple_client_secret'; key: PrivateJwk; teamId: string }

/** Whether the provider's access tokens are JWTs that are verified, or opaque texts that are never parsed. */
export type AccessTokenFormat = { format: 'jwt'; audience: string } | { format: 'opaque' }

/** The endpoints of a plain OAuth 2.0 provider, which publishes no metadata. */
export interface StaticEndpoints {
  authorization: string
  token: string
  jwks: string | undefined
  /** May contain `{user_id}`. */
  userinfo: string | undefined
  revocation: string | undefined
  endSession: string | undefined
}

/** The proxies through which providers are called, by the protocol of the call; each may have credentials. */
export interface ForwardProxies {
  https: string | undefined
  http: string | undefined
  /** Hosts that are called directly, with commas between them. */
  except: string
}

/** The tenants of Entra ID whose users may sign in, for its issuers `common` and `organizations`. */
export interface Tenants {
  /** The issuer in the discovery document, and of keys that may sign for each tenant: with `{tenantid}`. */
  template: string
  /** The ids of the allowed tenants by their issuers, which are the ones in tokens. */
  byIssuer: ReadonlyMap<string, string>
}

/**
 * How the provider's answer reaches this server (OAuth 2.0 Multiple Response Types 2.1), and whether as a JWT
 * that the provider signs (JARM 2.3); `jwt` is `query.jwt`.
 */
export type ResponseMode = 'query' | 'form_post' | 'jwt' | 'query.jwt' | 'form_post.jwt'

/** Whether the page of the provider posts its answers. */
export const isPostedMode = (mode: ResponseMode): boolean => mode.startsWith('form_post')

/** Whether the provider signs its answers (JARM 2.3). */
export const isSignedMode = (mode: ResponseMode): boolean => mode.endsWith('jwt')

/** One provider. All durations are milliseconds. */
export interface ProviderConfig {
  /** Its name in the configuration, as in `?provider=` of a login. */
  name: string
  /** Its name as users read it. */
  label: string
  /** A picture of it, as a `data:` URL. */
  icon: string | undefined
  /**
   * Its issuer; of a provider without one, the address of its token endpoint. A part of the key of each user.
   */
  issuer: string
  /** Undefined where `issuer` is the one in tokens. */
  tenants: Tenants | undefined
  /** Undefined where discovery provides them. */
  endpoints: StaticEndpoints | undefined
  /** False for a plain OAuth 2.0 provider without keys or without the scope openid: ID tokens are ignored. */
  verifiesIdToken: boolean
  /**
   * The member of the token response, or of userinfo, that identifies the user where there is no ID token.
   */
  userIdField: string
  clientId: string
  clientAuth: ClientAuth
  redirectUri: string
  scopes: readonly string[]
  /** Sent with every authorization request; a `resource` also with every token request. */
  authorizationParams: ExtraParams
  /** PKCE (RFC 7636). Without it, only the state binds the response to the browser. */
  pkce: boolean
  responseMode: ResponseMode
  /** The client's keys, whose first one signs authorization requests (RFC 9101); empty: none is signed. */
  requestObjectKeys: readonly PrivateJwk[]
  /** `auto`: where the provider offers it (RFC 9126). */
  par: 'auto' | 'off'
  /**
   * `auto`: where the provider offers it and binds tokens; `required`: unbound tokens are refused (RFC 9449).
   */
  dpop: 'auto' | 'required' | 'off'
  idTokenAlg: string
  accessToken: AccessTokenFormat
  /** The lifetime of an access token where neither the provider nor the token states one. */
  accessTokenLifetime: number
  /** Audiences that an ID token may name besides this client. */
  trustedAudiences: readonly string[]
  /** By how much the clocks of the provider and of this machine may differ. */
  clockTolerance: number
  /** `auto`: userinfo is called where the ID token lacks a claim. */
  userinfo: 'auto' | 'never'
  /** The deadline for one call of the provider. */
  timeout: number
  /** `auto`: refresh tokens of ended sessions are revoked where the provider offers it (RFC 7009). */
  revocation: 'auto' | 'never'
  /** Undefined: this server connects to the provider itself. */
  forwardProxies: ForwardProxies | undefined
  /**
   * How a logout identifies the user to the provider; `auto`: by the ID token, unless the URL gets too long.
   */
  logoutHint: 'auto' | 'id_token' | 'client_id'
  /** Sent with every logout request. */
  logoutParams: ExtraParams
  /** Whether logout tokens must have `typ: logout+jwt` (OWASP ASVS 5.0, 10.5.5); older providers omit it. */
  requiresLogoutTokenTyp: boolean
  /** The issuer whose tokens may end a user's sessions (Okta Universal Logout); undefined: it is off. */
  universalLogoutIssuer: string | undefined
  /** The user claims that it may put into sessions and app tokens. */
  claimNames: readonly string[]
  /** Prefix of the provider's subjects in app tokens: with several providers, the name and a colon. */
  subjectPrefix: string
}

/** The name of the provider that the environment configures; in PROVIDERS_FILE it is not allowed. */
export const defaultProviderName = 'default'
