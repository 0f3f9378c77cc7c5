import type { PorticoHooks } from './hooks.ts'

/**
 * The settings of docs/configuration.md under camelCase names, for an app that does not configure Portico by
 * its environment. Durations are texts such as `30s`, `10m`, `8h`. A list may be a text, too, as in the
 * environment.
 */
export interface PorticoSettings {
  /** The address at which browsers reach Portico: an origin, or one with the path of the router. */
  readonly publicUrl: string
  /** Below `publicUrl`, where Portico's addresses begin; `/api` by default. */
  readonly apiPrefix?: string | undefined
  /** Master secrets, the newest first, each at least 32 random bytes (base64url). */
  readonly bffSecrets: string | readonly string[]
  /** The path of a JSON file of several providers, which replaces all settings of a provider here. */
  readonly providersFile?: string | undefined
  /** The provider's issuer, exactly as it writes itself. */
  readonly oidcIssuer?: string | undefined
  /** The ids of the tenants whose users may sign in, with an issuer of Entra ID for many tenants. */
  readonly oidcAllowedTenants?: string | readonly string[] | undefined
  /** The authorization endpoint of a provider without discovery. */
  readonly oauthAuthorizationEndpoint?: string | undefined
  /** The token endpoint of a provider without discovery. */
  readonly oauthTokenEndpoint?: string | undefined
  /** The issuer of a provider without discovery, if it has one. */
  readonly oauthIssuer?: string | undefined
  /** Where a provider without discovery publishes its keys. */
  readonly oauthJwksUri?: string | undefined
  /** The userinfo endpoint of a provider without discovery; it may contain `{user_id}`. */
  readonly oauthUserinfoEndpoint?: string | undefined
  /** The member of the token response or of userinfo that names the user where there is no ID token. */
  readonly oauthUserIdField?: string | undefined
  /** Where a provider without discovery revokes refresh tokens (RFC 7009). */
  readonly oauthRevocationEndpoint?: string | undefined
  /** Where the browser signs out at a provider without discovery. */
  readonly oauthEndSessionEndpoint?: string | undefined
  /** The id of the client at the provider. */
  readonly oidcClientId?: string | undefined
  /** How the client authenticates; by default what fits the credentials that are given. */
  readonly oidcClientAuth?:
    | 'none'
    | 'client_secret_basic'
    | 'client_secret_post'
    | 'private_key_jwt'
    | 'tls_client_auth'
    | 'apple_client_secret'
    | undefined
  /** The client secret. */
  readonly oidcClientSecret?: string | undefined
  /** The private key for private_key_jwt, signed requests and Sign in with Apple: a JWK, a JWK Set or PEM. */
  readonly oidcClientKey?: string | undefined
  /** The id (`kid`) of a key in PEM. */
  readonly oidcClientKeyId?: string | undefined
  /** The Team ID of the Apple developer account, for Sign in with Apple. */
  readonly oidcAppleTeamId?: string | undefined
  /** The audience of client assertions. */
  readonly oidcClientAssertionAudience?: 'issuer' | 'endpoint' | 'token_endpoint' | undefined
  /** The certificate for mutual TLS, in PEM. */
  readonly oidcClientCert?: string | undefined
  /** The private key of that certificate, in PEM. */
  readonly oidcClientCertKey?: string | undefined
  /** The redirect URI; `publicUrl` with `apiPrefix` and `/callback` by default. */
  readonly oidcRedirectUri?: string | undefined
  /** The scopes that a login asks for, as a list or with spaces between them. */
  readonly oidcScopes?: string | readonly string[] | undefined
  /** More parameters of each authorization request, as a query. */
  readonly oidcAuthorizationParams?: string | undefined
  /** Whether logins use PKCE; off only for a provider without it, and with client authentication. */
  readonly oidcPkce?: 'on' | 'off' | undefined
  /** How the provider's answer comes back: in the address, or posted by its page; `jwt`: signed (JARM). */
  readonly oidcResponseMode?: 'query' | 'form_post' | 'jwt' | 'query.jwt' | 'form_post.jwt' | undefined
  /** Whether authorization requests are signed by the first key of `oidcClientKey` (RFC 9101). */
  readonly oidcRequestObject?: 'off' | 'signed' | undefined
  /** Whether authorization requests are pushed where the provider offers it (RFC 9126). */
  readonly oidcPar?: 'auto' | 'off' | undefined
  /** Whether the provider's tokens are bound to a key of this server (RFC 9449). */
  readonly oidcDpop?: 'auto' | 'required' | 'off' | undefined
  /** The only signature algorithm that ID tokens may have. */
  readonly oidcIdTokenAlg?:
    | 'RS256'
    | 'RS384'
    | 'RS512'
    | 'PS256'
    | 'PS384'
    | 'PS512'
    | 'ES256'
    | 'ES384'
    | 'ES512'
    | 'EdDSA'
    | undefined
  /** Whether access tokens are verified as JWTs. */
  readonly oidcAccessToken?: 'auto' | 'jwt' | 'opaque' | undefined
  /** The audience of JWT access tokens. */
  readonly oidcAccessTokenAudience?: string | undefined
  /** How long an access token counts as valid if neither the provider nor the token says. */
  readonly oidcAccessTokenLifetime?: string | undefined
  /** Audiences that an ID token may name beside the client. */
  readonly oidcTrustedAudiences?: string | readonly string[] | undefined
  /** How far the clocks of the provider and of this machine may differ. */
  readonly oidcClockTolerance?: string | undefined
  /** Whether userinfo is called where the ID token lacks a claim. */
  readonly oidcUserinfo?: 'auto' | 'never' | undefined
  /** Whether the refresh tokens of sessions that ended are revoked where the provider offers it. */
  readonly oidcRevocation?: 'auto' | 'never' | undefined
  /** How a logout names the user to the provider. */
  readonly oidcLogoutHint?: 'auto' | 'id_token' | 'client_id' | undefined
  /** More parameters of each logout request, as a query. */
  readonly oidcLogoutParams?: string | undefined
  /** Whether logout tokens must have `typ: logout+jwt`. */
  readonly oidcLogoutTokenTyp?: 'optional' | 'required' | undefined
  /** The issuer that may call for Universal Logout. */
  readonly oidcUniversalLogoutIssuer?: string | undefined
  /** The deadline of one call to the provider. */
  readonly oidcTimeout?: string | undefined
  /** The proxy through which https providers are called; no variable of the process takes its place. */
  readonly httpsProxy?: string | undefined
  /** The same for http providers, and without `httpsProxy` for all. */
  readonly httpProxy?: string | undefined
  /** Hosts that are called without a proxy. */
  readonly noProxy?: string | readonly string[] | undefined
  /** Other origins of the same site that may call with credentials. */
  readonly spaOrigins?: string | readonly string[] | undefined
  /** Where a login without `return_to` ends. */
  readonly loginDefaultReturnTo?: string | undefined
  /** Where a logout without `return_to` ends. */
  readonly logoutReturnTo?: string | undefined
  /** Where sessions are kept; in the memory of this process without it. */
  readonly redisUrl?: string | undefined
  /** Accepts sessions in memory also in production. */
  readonly allowMemoryStore?: boolean | undefined
  /** A session ends after this time without use. */
  readonly sessionIdleTimeout?: string | undefined
  /** A session ends this long after the login in any case. */
  readonly sessionAbsoluteTimeout?: string | undefined
  /** What the names of Portico's cookies begin with; `bff` by default. */
  readonly cookieName?: string | undefined
  /** Whether the session cookie lives as long as the session may; by default, it ends with the browser. */
  readonly sessionCookiePersistent?: boolean | undefined
  /** The attribute SameSite of the session cookie. */
  readonly sessionCookieSamesite?: 'strict' | 'lax' | undefined
  /** The audiences of app tokens, the default first; `publicUrl` without it. */
  readonly appTokenAudience?: string | readonly string[] | undefined
  /** The lifetime of app tokens. */
  readonly appTokenTtl?: string | undefined
  /** The signature algorithm of app tokens. */
  readonly appTokenAlg?: 'ES256' | 'EdDSA' | 'RS256' | undefined
  /** The `typ` of app tokens; `JWT` for APIs whose libraries know no other. */
  readonly appTokenTyp?: 'at+jwt' | 'JWT' | undefined
  /** The claim of app tokens that has the scopes. */
  readonly appTokenScopeClaim?: 'scope' | 'scp' | undefined
  /** The claims of the user that app tokens and the session's view have. */
  readonly appTokenClaims?: string | readonly string[] | undefined
  /** Names and patterns of the groups that may go into app tokens. */
  readonly appTokenGroups?: string | readonly string[] | undefined
  /** Whether app tokens are bound to a key of the browser (DPoP). */
  readonly appTokenBinding?: 'none' | 'optional' | 'required' | undefined
  /** Whether each DPoP proof needs a nonce of this server. */
  readonly appTokenDpopNonce?: 'auto' | 'required' | undefined
  /** How often the signing key changes. */
  readonly appTokenRotation?: string | undefined
  /** Signing keys of your own, as a private JWK Set. */
  readonly appTokenKeys?: string | undefined
  /** Resource servers that may ask for introspection, each with the hash of its secret. */
  readonly introspectionClients?: string | readonly string[] | undefined
  /** The path of a file of APIs behind the session. */
  readonly proxyRoutesFile?: string | undefined
  /** What a reverse proxy proves itself with to get tokens by forward auth. */
  readonly forwardAuthSecret?: string | undefined
  /** How many logins a client address may begin, such as `30/1m`, or `off`. */
  readonly rateLimitLogin?: string | undefined
  /** How many calls a client address may make, such as `600/1m`, or `off`. */
  readonly rateLimitApi?: string | undefined
  /** The reverse proxies whose `X-Forwarded-For` counts, as addresses or networks. */
  readonly trustProxy?: string | readonly string[] | undefined
  /** The secret of operators; with it, there is `portico.operator`. */
  readonly operatorSecret?: string | undefined
  /** The lowest level of log lines on standard output. */
  readonly logLevel?: 'debug' | 'info' | 'warn' | 'error' | 'silent' | undefined
  /** The form of log lines. */
  readonly logFormat?: 'json' | 'pretty' | undefined
  /** How users are named in the log. */
  readonly logSubject?: 'hash' | 'plain' | 'none' | undefined
  /** Where the audit stream goes: `stdout`, or the path of a file. */
  readonly auditLog?: string | undefined
}

/** Settings from an environment, by the names of docs/configuration.md. */
export interface PorticoEnvironment {
  /** By default, the environment of the process and, outside production, a `.env` file. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
}

/** How Portico is created: from an environment or from settings, with hooks of the app. */
export type PorticoOptions = (PorticoEnvironment | (PorticoSettings & { readonly env?: undefined })) &
  PorticoHooks
