import type { Problem } from '../config-error.ts'
import { isKeyOf } from './client-credentials.ts'
import { type ProviderValues, toAccessTokenAudience, toClientAuthMethod } from './provider-config.ts'

/** Settings of one provider that contradict each other, or miss one another. */
type Check = (values: ProviderValues, place: Place) => Problem | undefined

/** Where the provider is used. Without PUBLIC_URL there are no allowed origins, and none is judged. */
interface Place {
  name: string
  publicUrl: string | undefined
  allowedOrigins: readonly string[]
}

const hasAServer: Check = (values) => {
  const {
    OIDC_ISSUER: issuer,
    OAUTH_AUTHORIZATION_ENDPOINT: authorization,
    OAUTH_TOKEN_ENDPOINT: token,
  } = values
  const isStatic = authorization !== undefined || token !== undefined
  if (issuer !== undefined && isStatic) {
    return {
      variable: 'OIDC_ISSUER',
      problem:
        'is set beside OAUTH_AUTHORIZATION_ENDPOINT or OAUTH_TOKEN_ENDPOINT: drop it for a provider without discovery',
      isSurplus: true,
    }
  }
  if (issuer === undefined && !isStatic) {
    return {
      variable: 'OIDC_ISSUER',
      problem:
        'is required; for a provider without discovery OAUTH_AUTHORIZATION_ENDPOINT and OAUTH_TOKEN_ENDPOINT instead',
    }
  }
  if (!isStatic || (authorization !== undefined && token !== undefined)) return undefined
  return {
    variable: authorization === undefined ? 'OAUTH_AUTHORIZATION_ENDPOINT' : 'OAUTH_TOKEN_ENDPOINT',
    problem: 'is required beside the other one',
  }
}

const otherEndpoints = [
  'OAUTH_ISSUER',
  'OAUTH_JWKS_URI',
  'OAUTH_USERINFO_ENDPOINT',
  'OAUTH_REVOCATION_ENDPOINT',
  'OAUTH_END_SESSION_ENDPOINT',
] as const

const discoveryTellsTheRest: Check = (values) => {
  const variable = otherEndpoints.find((name) => values[name] !== undefined)
  if (values.OIDC_ISSUER === undefined || variable === undefined) return undefined
  return {
    variable,
    problem: 'is set beside OIDC_ISSUER, whose discovery document tells it: drop one of them',
    isSurplus: true,
  }
}

const keysHaveAnIssuer: Check = (values) =>
  values.OAUTH_JWKS_URI !== undefined && values.OAUTH_ISSUER === undefined && values.OIDC_ISSUER === undefined
    ? { variable: 'OAUTH_ISSUER', problem: 'is needed to verify tokens with the keys at OAUTH_JWKS_URI' }
    : undefined

const clientIsNamed: Check = ({ OIDC_CLIENT_ID: id }) =>
  id === undefined ? { variable: 'OIDC_CLIENT_ID', problem: 'is required' } : undefined

const credentials = {
  client_secret_basic: ['OIDC_CLIENT_SECRET'],
  client_secret_post: ['OIDC_CLIENT_SECRET'],
  private_key_jwt: ['OIDC_CLIENT_KEY'],
  tls_client_auth: ['OIDC_CLIENT_CERT', 'OIDC_CLIENT_CERT_KEY'],
  none: [],
} as const

const allCredentials = [
  'OIDC_CLIENT_SECRET',
  'OIDC_CLIENT_KEY',
  'OIDC_CLIENT_CERT',
  'OIDC_CLIENT_CERT_KEY',
] as const

const clientAuthHasItsCredentials: Check = (values) => {
  const method = toClientAuthMethod(values)
  const wanted: readonly string[] = credentials[method]
  const missing = allCredentials.find((name) => wanted.includes(name) && values[name] === undefined)
  return missing && { variable: missing, problem: `is needed for OIDC_CLIENT_AUTH=${method}` }
}

const credentialsAreUsed: Check = (values) => {
  const method = toClientAuthMethod(values)
  const wanted: readonly string[] = credentials[method]
  const surplus = allCredentials.find((name) => !wanted.includes(name) && values[name] !== undefined)
  if (surplus === undefined) return undefined
  const problem = `is ${method}${values.OIDC_CLIENT_AUTH === undefined ? ' by what is given' : ''}, but ${surplus} is set as well: drop one of them`
  return { variable: 'OIDC_CLIENT_AUTH', problem, isSurplus: true }
}

const certificateHasItsKey: Check = ({ OIDC_CLIENT_CERT: certificate, OIDC_CLIENT_CERT_KEY: key }) =>
  certificate !== undefined && key !== undefined && !isKeyOf(certificate, key)
    ? { variable: 'OIDC_CLIENT_CERT_KEY', problem: 'is not the key of OIDC_CLIENT_CERT' }
    : undefined

/** Without PKCE the state binds the answer to the browser, but nothing binds the code to us: only our credentials do. */
const pkceMayBeOff: Check = (values) =>
  values.OIDC_PKCE === 'off' && toClientAuthMethod(values) === 'none'
    ? {
        variable: 'OIDC_PKCE',
        problem: 'is off, which needs client authentication: set OIDC_CLIENT_SECRET, or leave PKCE on',
      }
    : undefined

const scopesHoldOpenid: Check = ({ OIDC_SCOPES: scopes, OIDC_ISSUER: issuer }) =>
  scopes === undefined || issuer === undefined || scopes.includes('openid')
    ? undefined
    : { variable: 'OIDC_SCOPES', problem: 'must hold openid' }

const jwtAccessTokenCanBeVerified: Check = (values) => {
  const isWanted = values.OIDC_ACCESS_TOKEN === 'jwt'
  if (isWanted && toAccessTokenAudience(values) === undefined) {
    return {
      variable: 'OIDC_ACCESS_TOKEN_AUDIENCE',
      problem: 'is needed to verify access tokens (OIDC_ACCESS_TOKEN=jwt)',
    }
  }
  const isVerified = values.OIDC_ACCESS_TOKEN !== 'opaque' && toAccessTokenAudience(values) !== undefined
  if (!isVerified || values.OIDC_ISSUER !== undefined || values.OAUTH_JWKS_URI !== undefined) return undefined
  return {
    variable: 'OAUTH_JWKS_URI',
    problem: 'is needed to verify access tokens (OIDC_ACCESS_TOKEN_AUDIENCE)',
  }
}

const redirectUriIsOurs: Check = ({ OIDC_REDIRECT_URI: redirectUri }, { allowedOrigins }) =>
  redirectUri === undefined ||
  allowedOrigins.length === 0 ||
  allowedOrigins.includes(new URL(redirectUri).origin)
    ? undefined
    : { variable: 'OIDC_REDIRECT_URI', problem: 'must lie on PUBLIC_URL or on one of SPA_ORIGINS' }

/** The paths below /api/ at which this server takes answers. */
const redirectUriIsACallback: Check = ({ OIDC_REDIRECT_URI: redirectUri }, { publicUrl, name }) => {
  const { origin, pathname } = new URL(redirectUri ?? 'https://none')
  const isCallback = pathname === '/api/callback' || pathname === `/api/callback/${name}`
  return origin !== publicUrl || !pathname.startsWith('/api/') || isCallback
    ? undefined
    : { variable: 'OIDC_REDIRECT_URI', problem: `must be /api/callback or /api/callback/${name} below /api/` }
}

const checks: readonly Check[] = [
  hasAServer,
  discoveryTellsTheRest,
  keysHaveAnIssuer,
  clientIsNamed,
  clientAuthHasItsCredentials,
  credentialsAreUsed,
  certificateHasItsKey,
  pkceMayBeOff,
  scopesHoldOpenid,
  jwtAccessTokenCanBeVerified,
  redirectUriIsOurs,
  redirectUriIsACallback,
]

/** What no variable of a provider shows alone. */
export function findProviderContradictions(values: ProviderValues, place: Place): Problem[] {
  return checks.flatMap((check) => check(values, place) ?? [])
}
