import { appTokenTypes, signingAlgs } from '../crypto/app-token-header.ts'
import { icon, label } from './providers/appearance.ts'
import { appleTeamId, certificate, certificateKey, clientKeys } from './providers/client-credentials.ts'
import { providersFile } from './providers/providers-file.ts'
import { tenantIds } from './providers/tenants.ts'
import { routesFile } from './proxy/routes-file.ts'
import { type Setting, setting } from './setting.ts'
import { callerSecret, introspectionClients } from './values/caller-secrets.ts'
import { duration, rateLimit } from './values/duration-parsers.ts'
import { forwardProxy, hosts } from './values/forward-proxy.ts'
import { groupPatterns } from './values/group-patterns.ts'
import { authorizationParams } from './values/params/authorization-params.ts'
import { logoutParams } from './values/params/logout-params.ts'
import {
  addressBlocks,
  auditTarget,
  claimNames,
  cookieName,
  flag,
  list,
  masterSecrets,
  oneOf,
  type Parser,
  port,
  scopes,
  text,
  workerCount,
} from './values/parsers.ts'
import { privateJwkSet } from './values/private-jwk-set.ts'
import { redisUrl } from './values/redis-url.ts'
import { contentSecurityPolicy, devServer, spaDirectory } from './values/spa.ts'
import {
  apiPrefix,
  endpoint,
  issuer,
  origins,
  publicUrl,
  redirectUri,
  returnTo,
  userinfoEndpoint,
} from './values/url-parsers.ts'

/** The settings of one provider: from the environment or, for several providers, from PROVIDERS_FILE. */
export const providerSettings = {
  OIDC_ISSUER: setting(issuer, { example: 'https://example.okta.com/oauth2/default' }),
  OIDC_ALLOWED_TENANTS: setting(tenantIds, { example: '8eaef023-2b34-4da1-9baa-8bc8c9d6a490' }),
  OAUTH_AUTHORIZATION_ENDPOINT: setting(endpoint, {
    example: 'https://idp.example.com/oauth2/authorize',
  }),
  OAUTH_TOKEN_ENDPOINT: setting(endpoint, { example: 'https://idp.example.com/oauth2/token' }),
  OAUTH_ISSUER: setting(issuer, { example: 'https://idp.example.com' }),
  OAUTH_JWKS_URI: setting(endpoint, { example: 'https://idp.example.com/oauth2/keys' }),
  OAUTH_USERINFO_ENDPOINT: setting(userinfoEndpoint, {
    example: 'https://idp.example.com/oauth2/userinfo/{user_id}',
    isTemplate: true,
  }),
  OAUTH_USER_ID_FIELD: setting(text, { example: 'id', fallback: 'user_id' }),
  OAUTH_REVOCATION_ENDPOINT: setting(endpoint, { example: 'https://idp.example.com/oauth2/revoke' }),
  OAUTH_END_SESSION_ENDPOINT: setting(endpoint, { example: 'https://idp.example.com/oauth2/logout' }),
  OIDC_CLIENT_ID: setting(text, { example: '0oa1b2c3d4e5f6g7h8i9' }),
  OIDC_CLIENT_AUTH: setting(
    oneOf(
      'none',
      'client_secret_basic',
      'client_secret_post',
      'private_key_jwt',
      'tls_client_auth',
      'apple_client_secret',
    ),
    { example: 'client_secret_basic' },
  ),
  OIDC_CLIENT_SECRET: setting(text, { example: 'the client secret from the console', secret: true }),
  OIDC_CLIENT_KEY: setting(clientKeys, {
    example: '{"kty":"EC","crv":"P-256","kid":"...","x":"...","y":"...","d":"..."}',
    secret: true,
  }),
  OIDC_CLIENT_KEY_ID: setting(text, { example: 'ABC123DEFG' }),
  OIDC_APPLE_TEAM_ID: setting(appleTeamId, { example: 'A1B2C3D4E5' }),
  OIDC_CLIENT_ASSERTION_AUDIENCE: setting(oneOf('issuer', 'endpoint', 'token_endpoint'), {
    example: 'endpoint',
    fallback: 'issuer',
  }),
  OIDC_CLIENT_CERT: setting(certificate, { example: '-----BEGIN CERTIFICATE-----\\n...', secret: true }),
  OIDC_CLIENT_CERT_KEY: setting(certificateKey, {
    example: '-----BEGIN PRIVATE KEY-----\\n...',
    secret: true,
  }),
  OIDC_REDIRECT_URI: setting(redirectUri, { example: 'https://app.example.com/callback' }),
  OIDC_SCOPES: setting(scopes, {
    example: 'openid profile email groups offline_access',
    fallback: 'openid profile email offline_access',
  }),
  OIDC_AUTHORIZATION_PARAMS: setting(authorizationParams, { example: 'access_type=offline&prompt=consent' }),
  OIDC_PKCE: setting(oneOf('on', 'off'), { example: 'on', fallback: 'on' }),
  OIDC_RESPONSE_MODE: setting(oneOf('query', 'form_post', 'jwt', 'query.jwt', 'form_post.jwt'), {
    example: 'form_post',
    fallback: 'query',
  }),
  OIDC_REQUEST_OBJECT: setting(oneOf('off', 'signed'), { example: 'signed', fallback: 'off' }),
  OIDC_PAR: setting(oneOf('auto', 'off'), { example: 'off', fallback: 'auto' }),
  OIDC_DPOP: setting(oneOf('auto', 'required', 'off'), { example: 'required', fallback: 'auto' }),
  OIDC_ID_TOKEN_ALG: setting(
    oneOf('RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'),
    { example: 'ES256', fallback: 'RS256' },
  ),
  OIDC_ACCESS_TOKEN: setting(oneOf('auto', 'jwt', 'opaque'), { example: 'jwt', fallback: 'auto' }),
  OIDC_ACCESS_TOKEN_AUDIENCE: setting(text, { example: 'api://default' }),
  OIDC_ACCESS_TOKEN_LIFETIME: setting(duration('1m', '24h'), { example: '30m', fallback: '1h' }),
  OIDC_TRUSTED_AUDIENCES: setting(list, { example: '259242039378444290' }),
  OIDC_CLOCK_TOLERANCE: setting(duration('0s', '5m'), { example: '1m', fallback: '30s' }),
  OIDC_USERINFO: setting(oneOf('auto', 'never'), { example: 'never', fallback: 'auto' }),
  OIDC_REVOCATION: setting(oneOf('auto', 'never'), { example: 'never', fallback: 'auto' }),
  OIDC_LOGOUT_HINT: setting(oneOf('auto', 'id_token', 'client_id'), {
    example: 'id_token',
    fallback: 'auto',
  }),
  OIDC_LOGOUT_PARAMS: setting(logoutParams, {
    example: 'logout_uri=https://app.example.com/api/logout/callback',
  }),
  OIDC_LOGOUT_TOKEN_TYP: setting(oneOf('optional', 'required'), {
    example: 'required',
    fallback: 'optional',
  }),
  OIDC_UNIVERSAL_LOGOUT_ISSUER: setting(issuer, { example: 'https://example.okta.com' }),
  OIDC_TIMEOUT: setting(duration('1s', '30s'), { example: '5s', fallback: '3s' }),
} as const satisfies Record<string, Setting<unknown>>

/** The settings that an entry of PROVIDERS_FILE may have in addition, and the environment may not. */
export const entryOnlySettings = {
  claims: setting(claimNames, { example: 'name,email,groups' }),
  label: setting(label, { example: 'Staff of Example Ltd', isTemplate: true }),
  icon: setting(icon, { example: '/etc/portico/staff.svg' }),
} as const satisfies Record<string, Setting<unknown>>

/** Every setting of the environment. */
export const settings = {
  PUBLIC_URL: setting(publicUrl, { example: 'https://app.example.com', required: true }),
  API_PREFIX: setting(apiPrefix, { example: '/auth', fallback: '/api' }),
  HOST: setting(text, { example: '127.0.0.1', fallback: '0.0.0.0' }),
  PORT: setting(port, { example: '3000', fallback: '3000' }),
  BFF_SECRETS: setting(masterSecrets, {
    example: 'x8Zk…43 letters; the command `keys` prints a new one',
    required: true,
    secret: true,
  }),
  PROVIDERS_FILE: setting(providersFile, { example: 'docs/providers.example.json' }),
  ...providerSettings,
  HTTPS_PROXY: setting(forwardProxy, {
    example: 'http://proxy.example.com:3128',
    secret: true,
    alsoInSmallLetters: true,
  }),
  HTTP_PROXY: setting(forwardProxy, {
    example: 'http://proxy.example.com:3128',
    secret: true,
    alsoInSmallLetters: true,
  }),
  NO_PROXY: setting(hosts, { example: 'localhost,.example.com', alsoInSmallLetters: true }),
  SPA_ORIGINS: setting(origins, { example: 'https://app.example.com' }),
  SPA_DIR: setting(spaDirectory, { example: '/srv/app' }),
  SPA_CSP: setting(contentSecurityPolicy, { example: "default-src 'self'; frame-ancestors 'none'" }),
  SPA_DEV_URL: setting(devServer, { example: 'http://localhost:5173' }),
  LOGIN_DEFAULT_RETURN_TO: setting(returnTo, { example: '/home', fallback: '/' }),
  LOGOUT_RETURN_TO: setting(returnTo, { example: '/goodbye', fallback: '/' }),
  REDIS_URL: setting(redisUrl, { example: 'redis://localhost:6379', secret: true }),
  ALLOW_MEMORY_STORE: setting(flag, { example: 'true', fallback: 'false' }),
  SESSION_IDLE_TIMEOUT: setting(duration('1m', '30d'), { example: '30m', fallback: '30m' }),
  SESSION_ABSOLUTE_TIMEOUT: setting(duration('5m', '90d'), { example: '8h', fallback: '12h' }),
  COOKIE_NAME: setting(cookieName, { example: 'shop', fallback: 'bff' }),
  SESSION_COOKIE_PERSISTENT: setting(flag, { example: 'true', fallback: 'false' }),
  SESSION_COOKIE_SAMESITE: setting(oneOf('strict', 'lax'), { example: 'lax', fallback: 'strict' }),
  APP_TOKEN_AUDIENCE: setting(list, { example: 'https://api.example.com' }),
  APP_TOKEN_TTL: setting(duration('30s', '15m'), { example: '5m', fallback: '5m' }),
  APP_TOKEN_ALG: setting(oneOf(...signingAlgs), { example: 'RS256', fallback: 'ES256' }),
  APP_TOKEN_TYP: setting(oneOf(...appTokenTypes), { example: 'JWT', fallback: 'at+jwt' }),
  APP_TOKEN_SCOPE_CLAIM: setting(oneOf('scope', 'scp'), { example: 'scp', fallback: 'scope' }),
  APP_TOKEN_CLAIMS: setting(claimNames, {
    example: 'name,email,groups',
    fallback: 'name,email,email_verified,preferred_username,groups',
  }),
  APP_TOKEN_GROUPS: setting(groupPatterns, { example: 'Admins,portal-*' }),
  APP_TOKEN_BINDING: setting(oneOf('none', 'optional', 'required'), {
    example: 'required',
    fallback: 'optional',
  }),
  APP_TOKEN_DPOP_NONCE: setting(oneOf('auto', 'required'), { example: 'required', fallback: 'auto' }),
  APP_TOKEN_ROTATION: setting(duration('1h', '365d'), { example: '30d', fallback: '30d' }),
  APP_TOKEN_KEYS: setting(privateJwkSet, {
    example: '{"keys":[{"kty":"EC","crv":"P-256","x":"...","y":"...","d":"..."}]}',
    secret: true,
  }),
  INTROSPECTION_CLIENTS: setting(introspectionClients, {
    example: 'orders-api:9f86d0…64 letters; the command `client orders-api` makes one',
    secret: true,
  }),
  PROXY_ROUTES_FILE: setting(routesFile, { example: 'docs/proxy-routes.example.yaml' }),
  FORWARD_AUTH_SECRET: setting(callerSecret, { example: 'at least 32 random characters', secret: true }),
  RATE_LIMIT_LOGIN: setting(rateLimit, { example: '30/1m', fallback: '30/1m' }),
  RATE_LIMIT_API: setting(rateLimit, { example: '600/1m', fallback: '600/1m' }),
  TRUST_PROXY: setting(addressBlocks, { example: '10.0.0.0/8' }),
  WORKERS: setting(workerCount, { example: 'auto', fallback: '1' }),
  SHUTDOWN_DRAIN: setting(duration('0s', '5m'), { example: '10s' }),
  OPERATOR_PORT: setting(port, { example: '9464' }),
  OPERATOR_SECRET: setting(callerSecret, { example: 'at least 32 random characters', secret: true }),
  LOG_LEVEL: setting(oneOf('debug', 'info', 'warn', 'error', 'silent'), {
    example: 'debug',
    fallback: 'info',
  }),
  LOG_FORMAT: setting(oneOf('json', 'pretty'), { example: 'json' }),
  LOG_SUBJECT: setting(oneOf('hash', 'plain', 'none'), { example: 'hash', fallback: 'hash' }),
  AUDIT_LOG: setting(auditTarget, { example: '/var/log/portico/audit.log' }),
} as const satisfies Record<string, Setting<unknown>>

type Settings = typeof settings & typeof entryOnlySettings
/** The name of any setting, also of those that only PROVIDERS_FILE has. */
export type SettingName = keyof Settings
type ProviderSettingName = keyof typeof providerSettings | keyof typeof entryOnlySettings

type Output<S> = S extends { parse: Parser<infer T> } ? T : never
type IsAlwaysThere<S> = S extends { fallback: string } | { required: true } ? true : false

/** The value of every setting; one with neither a default nor `required` may be undefined. */
type SettingValues = {
  [K in SettingName]: IsAlwaysThere<Settings[K]> extends true
    ? Output<Settings[K]>
    : Output<Settings[K]> | undefined
}

/** The values of one provider's settings. */
export type ProviderSettingValues = Pick<SettingValues, ProviderSettingName>

/** The values of all other settings. */
export type ServerSettingValues = Omit<SettingValues, ProviderSettingName>
