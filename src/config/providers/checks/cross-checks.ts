import type { Problem } from '../../config-error.ts'
import { isPostedMode, isSignedMode } from '../provider-config.ts'
import { type ProviderValues, toAccessTokenAudience, toClientAuthMethod } from '../provider-from-settings.ts'
import { isOfAllTenants } from '../tenants.ts'
import {
  appleKeySigns,
  certificateHasItsKey,
  clientAuthHasItsCredentials,
  keyIdNamesOneKey,
  noOtherCredentialsAreSet,
  requestObjectCanBeSigned,
} from './client-auth-checks.ts'
import type { CrossCheck, ProviderContext } from './cross-check-types.ts'
import {
  postedAnswerReachesThisServer,
  redirectUriIsACallback,
  redirectUriIsAllowed,
} from './redirect-uri-checks.ts'

/** The problems that no setting of a provider shows alone. */
export function crossCheckProvider(values: ProviderValues, context: ProviderContext): Problem[] {
  return crossChecks.flatMap((check) => check(values, context) ?? [])
}

const crossChecks: readonly CrossCheck[] = [
  issuerOrEndpointsAreSet,
  endpointsAreNotSetWithDiscovery,
  tenantsAreNamedWhereThereAreMany,
  keysHaveAnIssuer,
  clientIdIsSet,
  clientAuthHasItsCredentials,
  requestObjectCanBeSigned,
  noOtherCredentialsAreSet,
  certificateHasItsKey,
  keyIdNamesOneKey,
  appleKeySigns,
  pkceIsOnWithoutClientAuth,
  scopesIncludeOpenid,
  jwtAccessTokenCanBeVerified,
  signedResponseCanBeVerified,
  redirectUriIsAllowed,
  redirectUriIsACallback,
  postedAnswerReachesThisServer,
  appleAnswerIsPosted,
]

function issuerOrEndpointsAreSet(values: ProviderValues): Problem | undefined {
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
        'is set beside OAUTH_AUTHORIZATION_ENDPOINT or OAUTH_TOKEN_ENDPOINT: remove it for a provider without discovery',
      isSurplus: true,
    }
  }
  if (issuer === undefined && !isStatic) {
    return {
      variable: 'OIDC_ISSUER',
      problem:
        'is required; for a provider without discovery, set OAUTH_AUTHORIZATION_ENDPOINT and OAUTH_TOKEN_ENDPOINT instead',
    }
  }
  if (!isStatic || (authorization !== undefined && token !== undefined)) return undefined
  return {
    variable: authorization === undefined ? 'OAUTH_AUTHORIZATION_ENDPOINT' : 'OAUTH_TOKEN_ENDPOINT',
    problem: 'is required when the other of the two endpoints is set',
  }
}

const discoverableEndpoints = [
  'OAUTH_ISSUER',
  'OAUTH_JWKS_URI',
  'OAUTH_USERINFO_ENDPOINT',
  'OAUTH_REVOCATION_ENDPOINT',
  'OAUTH_END_SESSION_ENDPOINT',
] as const

function endpointsAreNotSetWithDiscovery(values: ProviderValues): Problem | undefined {
  const variable = discoverableEndpoints.find((name) => values[name] !== undefined)
  if (values.OIDC_ISSUER === undefined || variable === undefined) return undefined
  return {
    variable,
    problem: 'is set beside OIDC_ISSUER, whose discovery document contains it: remove one of them',
    isSurplus: true,
  }
}

function tenantsAreNamedWhereThereAreMany(values: ProviderValues): Problem | undefined {
  const {
    OIDC_ISSUER: issuer = '',
    OIDC_ALLOWED_TENANTS: tenants,
    OIDC_UNIVERSAL_LOGOUT_ISSUER: caller,
  } = values
  const isNeeded = isOfAllTenants(issuer)
  if (isNeeded && tenants === undefined) {
    return {
      variable: 'OIDC_ALLOWED_TENANTS',
      problem:
        'is needed with this OIDC_ISSUER, by which anyone with a Microsoft account could sign in: name the tenants, or make OIDC_ISSUER that of one',
    }
  }
  if (!isNeeded && tenants !== undefined) {
    return {
      variable: 'OIDC_ALLOWED_TENANTS',
      problem: 'is only for an OIDC_ISSUER of all tenants: .../organizations/v2.0 or .../common/v2.0',
      isSurplus: true,
    }
  }
  return isNeeded && caller !== undefined
    ? {
        variable: 'OIDC_UNIVERSAL_LOGOUT_ISSUER',
        problem: 'is set beside OIDC_ALLOWED_TENANTS: there is no Universal Logout for several tenants',
        isSurplus: true,
      }
    : undefined
}

function keysHaveAnIssuer(values: ProviderValues): Problem | undefined {
  const { OAUTH_JWKS_URI: jwksUri, OAUTH_ISSUER: oauthIssuer, OIDC_ISSUER: oidcIssuer } = values
  return jwksUri !== undefined && oauthIssuer === undefined && oidcIssuer === undefined
    ? { variable: 'OAUTH_ISSUER', problem: 'is needed to verify tokens with the keys at OAUTH_JWKS_URI' }
    : undefined
}

function clientIdIsSet({ OIDC_CLIENT_ID: id }: ProviderValues): Problem | undefined {
  return id === undefined ? { variable: 'OIDC_CLIENT_ID', problem: 'is required' } : undefined
}

/**
 * Without PKCE, the state still binds the response to the browser, but only client authentication keeps
 * others from redeeming the code.
 */
function pkceIsOnWithoutClientAuth(values: ProviderValues): Problem | undefined {
  return values.OIDC_PKCE === 'off' && toClientAuthMethod(values) === 'none'
    ? {
        variable: 'OIDC_PKCE',
        problem: 'is off, which needs client authentication: set OIDC_CLIENT_SECRET, or leave PKCE on',
      }
    : undefined
}

function scopesIncludeOpenid({
  OIDC_SCOPES: scopes,
  OIDC_ISSUER: issuer,
}: ProviderValues): Problem | undefined {
  return scopes === undefined || issuer === undefined || scopes.includes('openid')
    ? undefined
    : { variable: 'OIDC_SCOPES', problem: 'must include openid' }
}

function jwtAccessTokenCanBeVerified(values: ProviderValues): Problem | undefined {
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

function signedResponseCanBeVerified(values: ProviderValues): Problem | undefined {
  const { OIDC_RESPONSE_MODE: mode, OIDC_ISSUER: issuer, OAUTH_JWKS_URI: jwksUri } = values
  return mode !== undefined && isSignedMode(mode) && issuer === undefined && jwksUri === undefined
    ? { variable: 'OAUTH_JWKS_URI', problem: `is needed to verify answers (OIDC_RESPONSE_MODE=${mode})` }
    : undefined
}

/** A request for a name or an address ends at an error page of Apple, unless it may post the answer. */
function appleAnswerIsPosted(values: ProviderValues): Problem | undefined {
  const { OIDC_RESPONSE_MODE: mode, OIDC_SCOPES: scopes } = values
  if (toClientAuthMethod(values) !== 'apple_client_secret' || mode === undefined) return undefined
  if (isPostedMode(mode) || !scopes?.some((scope) => scope === 'name' || scope === 'email')) return undefined
  return {
    variable: 'OIDC_RESPONSE_MODE',
    problem: 'must be form_post, on which Apple insists with the scopes name and email',
  }
}
