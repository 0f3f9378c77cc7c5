import { certificate, certificateKey, clientKeys } from './providers/client-credentials.ts'
import { providersFile } from './providers/providers-file.ts'
import { authorizationParams } from './values/authorization-params.ts'
import { introspectionClients, operatorSecret } from './values/caller-secrets.ts'
import { groupPatterns } from './values/group-patterns.ts'
import type { Parser } from './values/parsers.ts'
import * as read from './values/parsers.ts'
import { privateJwkSet } from './values/private-jwk-set.ts'
import { redisUrl } from './values/redis-url.ts'

/** One environment variable. `README.md` and `.env.example` list the same names and defaults; a test compares. */
export interface Setting<T> {
  parse: Parser<T>
  /** A value that would be accepted, shown beside a problem. */
  example: string
  /** The text that is parsed where the variable is absent or empty. */
  fallback?: string
  required?: true
  /** Never printed, and also accepted as a path to a mounted file in `X_FILE`. */
  secret?: true
}

const setting = <T, const S extends Omit<Setting<T>, 'parse'>>(
  parse: Parser<T>,
  rest: S,
): { parse: Parser<T> } & S => ({
  parse,
  ...rest,
})

/** What one provider needs; from the environment, or for several of them from PROVIDERS_FILE. */
export const providerSettings = {
  OIDC_ISSUER: setting(read.issuer, { example: 'https://example.okta.com/oauth2/default' }),
  OAUTH_AUTHORIZATION_ENDPOINT: setting(read.endpoint, {
    example: 'https://idp.example.com/oauth2/authorize',
  }),
  OAUTH_TOKEN_ENDPOINT: setting(read.endpoint, { example: 'https://idp.example.com/oauth2/token' }),
  OAUTH_ISSUER: setting(read.issuer, { example: 'https://idp.example.com' }),
  OAUTH_JWKS_URI: setting(read.endpoint, { example: 'https://idp.example.com/oauth2/keys' }),
  OAUTH_USERINFO_ENDPOINT: setting(read.userinfoEndpoint, {
    example: 'https://idp.example.com/oauth2/userinfo/{user_id}',
  }),
  OAUTH_USER_ID_FIELD: setting(read.text, { example: 'id', fallback: 'user_id' }),
  OAUTH_REVOCATION_ENDPOINT: setting(read.endpoint, { example: 'https://idp.example.com/oauth2/revoke' }),
  OAUTH_END_SESSION_ENDPOINT: setting(read.endpoint, { example: 'https://idp.example.com/oauth2/logout' }),
  OIDC_CLIENT_ID: setting(read.text, { example: '0oa1b2c3d4e5f6g7h8i9' }),
  OIDC_CLIENT_AUTH: setting(
    read.oneOf('none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt', 'tls_client_auth'),
    { example: 'client_secret_basic' },
  ),
  OIDC_CLIENT_SECRET: setting(read.text, { example: 'the client secret from the console', secret: true }),
  OIDC_CLIENT_KEY: setting(clientKeys, {
    example: '{"kty":"EC","crv":"P-256","kid":"...","x":"...","y":"...","d":"..."}',
    secret: true,
  }),
  OIDC_CLIENT_ASSERTION_AUDIENCE: setting(read.oneOf('issuer', 'endpoint', 'token_endpoint'), {
    example: 'endpoint',
    fallback: 'issuer',
  }),
  OIDC_CLIENT_CERT: setting(certificate, { example: '-----BEGIN CERTIFICATE-----\\n...', secret: true }),
  OIDC_CLIENT_CERT_KEY: setting(certificateKey, {
    example: '-----BEGIN PRIVATE KEY-----\\n...',
    secret: true,
  }),
  OIDC_REDIRECT_URI: setting(read.redirectUri, { example: 'https://app.example.com/callback' }),
  OIDC_SCOPES: setting(read.scopes, {
    example: 'openid profile email groups offline_access',
    fallback: 'openid profile email offline_access',
  }),
  OIDC_AUTHORIZATION_PARAMS: setting(authorizationParams, { example: 'access_type=offline&prompt=consent' }),
  OIDC_PKCE: setting(read.oneOf('on', 'off'), { example: 'on', fallback: 'on' }),
  OIDC_PAR: setting(read.oneOf('auto', 'off'), { example: 'off', fallback: 'auto' }),
  OIDC_DPOP: setting(read.oneOf('auto', 'required', 'off'), { example: 'required', fallback: 'auto' }),
  OIDC_ID_TOKEN_ALG: setting(
    read.oneOf('RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'),
    { example: 'ES256', fallback: 'RS256' },
  ),
  OIDC_ACCESS_TOKEN: setting(read.oneOf('auto', 'jwt', 'opaque'), { example: 'jwt', fallback: 'auto' }),
  OIDC_ACCESS_TOKEN_AUDIENCE: setting(read.text, { example: 'api://default' }),
  OIDC_ACCESS_TOKEN_LIFETIME: setting(read.duration('1m', '24h'), { example: '30m', fallback: '1h' }),
  OIDC_TRUSTED_AUDIENCES: setting(read.list, { example: '259242039378444290' }),
  OIDC_CLOCK_TOLERANCE: setting(read.duration('0s', '5m'), { example: '1m', fallback: '30s' }),
  OIDC_USERINFO: setting(read.oneOf('auto', 'never'), { example: 'never', fallback: 'auto' }),
  OIDC_LOGOUT_HINT: setting(read.oneOf('auto', 'id_token', 'client_id'), {
    example: 'id_token',
    fallback: 'auto',
  }),
  OIDC_LOGOUT_TOKEN_TYP: setting(read.oneOf('optional', 'required'), {
    example: 'required',
    fallback: 'optional',
  }),
  OIDC_UNIVERSAL_LOGOUT_ISSUER: setting(read.issuer, { example: 'https://example.okta.com' }),
  OIDC_TIMEOUT: setting(read.duration('1s', '30s'), { example: '5s', fallback: '3s' }),
} as const satisfies Record<string, Setting<unknown>>

/** What an entry of PROVIDERS_FILE may hold beside these, and the environment may not. */
export const entrySettings = {
  claims: setting(read.claimNames, { example: 'name,email,groups' }),
} as const satisfies Record<string, Setting<unknown>>

export const settings = {
  PUBLIC_URL: setting(read.origin, { example: 'https://app.example.com', required: true }),
  HOST: setting(read.text, { example: '127.0.0.1', fallback: '0.0.0.0' }),
  PORT: setting(read.port, { example: '3000', fallback: '3000' }),
  BFF_SECRETS: setting(read.secrets, {
    example: 'x8Zk…43 letters; the command `keys` prints a fresh one',
    required: true,
    secret: true,
  }),
  PROVIDERS_FILE: setting(providersFile, { example: 'docs/providers.example.json' }),
  ...providerSettings,
  SPA_ORIGINS: setting(read.origins, { example: 'https://app.example.com' }),
  LOGIN_DEFAULT_RETURN_TO: setting(read.returnTo, { example: '/home', fallback: '/' }),
  LOGOUT_RETURN_TO: setting(read.returnTo, { example: '/goodbye', fallback: '/' }),
  REDIS_URL: setting(redisUrl, { example: 'redis://localhost:6379', secret: true }),
  ALLOW_MEMORY_STORE: setting(read.flag, { example: 'true', fallback: 'false' }),
  SESSION_IDLE_TIMEOUT: setting(read.duration('1m', '30d'), { example: '30m', fallback: '30m' }),
  SESSION_ABSOLUTE_TIMEOUT: setting(read.duration('5m', '90d'), { example: '8h', fallback: '12h' }),
  SESSION_COOKIE_SAMESITE: setting(read.oneOf('strict', 'lax'), { example: 'lax', fallback: 'strict' }),
  APP_TOKEN_AUDIENCE: setting(read.list, { example: 'https://api.example.com' }),
  APP_TOKEN_TTL: setting(read.duration('30s', '15m'), { example: '5m', fallback: '5m' }),
  APP_TOKEN_ALG: setting(read.oneOf('ES256', 'EdDSA', 'RS256'), { example: 'RS256', fallback: 'ES256' }),
  APP_TOKEN_CLAIMS: setting(read.claimNames, {
    example: 'name,email,groups',
    fallback: 'name,email,email_verified,preferred_username,groups',
  }),
  APP_TOKEN_GROUPS: setting(groupPatterns, { example: 'Admins,portal-*' }),
  APP_TOKEN_ROTATION: setting(read.duration('1h', '365d'), { example: '30d', fallback: '30d' }),
  APP_TOKEN_KEYS: setting(privateJwkSet, {
    example: '{"keys":[{"kty":"EC","crv":"P-256","x":"...","y":"...","d":"..."}]}',
    secret: true,
  }),
  INTROSPECTION_CLIENTS: setting(introspectionClients, {
    example: 'orders-api:9f86d0…64 letters; the command `client orders-api` makes one',
    secret: true,
  }),
  RATE_LIMIT_LOGIN: setting(read.rateLimit, { example: '30/1m', fallback: '30/1m' }),
  RATE_LIMIT_API: setting(read.rateLimit, { example: '600/1m', fallback: '600/1m' }),
  TRUST_PROXY: setting(read.cidrs, { example: '10.0.0.0/8' }),
  SHUTDOWN_DRAIN: setting(read.duration('0s', '5m'), { example: '10s', fallback: '5s' }),
  OPERATOR_PORT: setting(read.port, { example: '9464', fallback: '9464' }),
  OPERATOR_SECRET: setting(operatorSecret, { example: 'at least 32 random characters', secret: true }),
  LOG_LEVEL: setting(read.oneOf('debug', 'info', 'warn', 'error', 'silent'), {
    example: 'debug',
    fallback: 'info',
  }),
} as const satisfies Record<string, Setting<unknown>>

type Settings = typeof settings & typeof entrySettings
export type SettingName = keyof Settings
type ProviderSettingName = keyof typeof providerSettings | keyof typeof entrySettings

type Output<S> = S extends { parse: Parser<infer T> } ? T : never
type IsAlwaysThere<S> = S extends { fallback: string } | { required: true } ? true : false

/** What every setting parsed to; those with neither a default nor `required` may be undefined. */
type SettingValues = {
  [K in SettingName]: IsAlwaysThere<Settings[K]> extends true
    ? Output<Settings[K]>
    : Output<Settings[K]> | undefined
}

/** The same of one provider's settings. */
export type ProviderSettingValues = Pick<SettingValues, ProviderSettingName>

/** The same of all others. */
export type ServerSettingValues = Omit<SettingValues, ProviderSettingName>
