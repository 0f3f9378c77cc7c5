import { generateKeyPairSync, verify } from 'node:crypto'
import type express from 'express'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { readScopes, withoutKeptToken } from '../habits.ts'
import type { ProviderProfile } from './profile.ts'

const [keyId, teamId] = ['ABC123DEFG', 'A1B2C3D4E5']
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })

/** Six months, in seconds. */
const longestSecret = 15_777_000

/** Whether the client secret is a JWT as Apple wants it, signed by the key of the team. */
function isSecretOfTeam(req: express.Request): boolean {
  const { client_id: id, client_secret: secret = '' } = req.body as Record<string, string>
  const [header = '', payload = '', signature = ''] = secret.split('.')
  const isSigned = verify(
    'sha256',
    Buffer.from(`${header}.${payload}`),
    { key: publicKey, dsaEncoding: 'ieee-p1363' },
    Buffer.from(signature, 'base64url'),
  )
  if (!isSigned || req.get('authorization') !== undefined) return false
  const { alg, kid } = decodeProtectedHeader(secret)
  const { iss, sub, aud, iat = 0, exp = Number.NaN } = decodeJwt(secret)
  return (
    `${alg} ${kid}` === `ES256 ${keyId}` &&
    `${iss} ${sub} ${aud}` === `${teamId} portico-test https://appleid.apple.com` &&
    id === 'portico-test' &&
    exp - iat <= longestSecret
  )
}

const isScope = (scope: string) => ['openid', 'name', 'email'].includes(scope)

function findAuthorizationError(request: URLSearchParams): string | undefined {
  const scopes = readScopes(request)
  if (!scopes.every(isScope)) return 'invalid_scope'
  const asksForMore = scopes.includes('name') || scopes.includes('email')
  return asksForMore && request.get('response_mode') !== 'form_post' ? 'invalid_request' : undefined
}

export const apple: ProviderProfile = {
  name: 'Sign in with Apple',
  page: 'apple',
  placeholders: { 'path of the .p8 file': '', 'key id': keyId, 'team id': teamId },
  settings: {
    OIDC_CLIENT_KEY_FILE: undefined,
    OIDC_CLIENT_KEY: String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
  },
  issuerPath: '',
  paths: {
    authorization: '/auth/authorize',
    token: '/auth/token',
    keys: '/auth/keys',
    revocation: '/auth/revoke',
  },
  habits: () => ({
    metadata: ({ userinfo_endpoint: _, end_session_endpoint: _end, ...document }) => ({
      ...document,
      token_endpoint_auth_methods_supported: ['client_secret_post'],
      response_modes_supported: ['query', 'fragment', 'form_post'],
    }),
    authenticates: isSecretOfTeam,
    authorizationError: findAuthorizationError,
    // The name, which comes at the first login and is not signed.
    authorizationResponse: (parameters) => ({
      ...parameters,
      user: JSON.stringify({ name: { firstName: 'Mallory', lastName: 'X' }, email: 'mallory@example.com' }),
    }),
    keepsRefreshToken: true,
    // An hour, but Apple wants no more than one refresh a day, and Portico makes no more.
    accessTokenLifetime: 86_400,
    accessToken: (token) => `a0b1c2.0.${token.slice(-60)}`,
    idTokenClaims: (
      { name: _, preferred_username: _username, groups: _groups, auth_time: authTime, ...claims },
      { isRefresh },
    ) => ({
      ...claims,
      ...(isRefresh ? {} : { auth_time: authTime }),
      email_verified: 'true',
      is_private_email: 'true',
      nonce_supported: true,
    }),
    tokenResponse: ({ scope: _, ...answer }, occasion) => ({
      ...withoutKeptToken(answer, occasion),
      expires_in: 3600,
    }),
    invalidGrant: (res) =>
      void res.status(400).json({
        error: 'invalid_grant',
        error_description: 'The token has expired or has been revoked.',
      }),
  }),
  expected: {
    user: { sub: '00u-grace', email: 'grace@example.com', email_verified: true, name: undefined },
    refresh: 'kept',
    userinfo: false,
    revocation: false,
    logout: 'none',
    endedBy: [],
  },
}
