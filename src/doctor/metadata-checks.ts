import { isOktaCustomServer, isOktaHost, type ProviderConfig } from '../config/provider-config.ts'
import type { DiscoveredProvider } from '../provider/discovery.ts'
import { toLogText } from '../telemetry/logger.ts'
import { type Finding, fail, pass, unknown, warn } from './finding.ts'

type ServerMetadata = DiscoveredProvider['metadata']

/** Holds what a provider says of itself against what is configured. */
type Check = (metadata: ServerMetadata, provider: ProviderConfig) => Finding | undefined

/** A list of the metadata as texts, undefined where the provider does not tell. */
function readList(metadata: ServerMetadata, name: string): string[] | undefined {
  const list: unknown = Reflect.get(metadata, name)
  return Array.isArray(list) ? list.filter((item) => typeof item === 'string') : undefined
}

const tell = (list: readonly string[]) => toLogText(list.join(', ')) || 'none'

const responseType: Check = (metadata) => {
  const offered = readList(metadata, 'response_types_supported')
  if (offered === undefined) return undefined
  if (offered.includes('code')) return pass('response type', 'code')
  return fail(
    'response type',
    `the provider offers ${tell(offered)}, not code`,
    'let the provider allow the authorization code flow',
  )
}

const grantTypes: Check = (metadata, { scopes }) => {
  const offered = readList(metadata, 'grant_types_supported')
  if (offered === undefined) return undefined
  if (!offered.includes('authorization_code')) {
    return fail(
      'grant types',
      `the provider offers ${tell(offered)}`,
      'let the provider allow authorization_code',
    )
  }
  if (scopes.includes('offline_access') && !offered.includes('refresh_token')) {
    return warn(
      'grant types',
      'offline_access is asked for, but the provider has no refresh tokens',
      'allow refresh_token at the provider, or drop offline_access from OIDC_SCOPES',
    )
  }
  return pass('grant types', 'authorization_code and all else that is needed')
}

const pkce: Check = (metadata, provider) => {
  const offered = readList(metadata, 'code_challenge_methods_supported')
  if (!provider.pkce) {
    return offered?.includes('S256')
      ? fail('PKCE', 'it is off, although the provider offers S256', 'set OIDC_PKCE=on')
      : warn(
          'PKCE',
          'it is off: the state is the only defence against foreign codes',
          'let the provider offer PKCE, and set OIDC_PKCE=on',
        )
  }
  if (offered?.includes('S256')) return pass('PKCE', 'S256')
  if (offered === undefined) {
    return unknown(
      'PKCE',
      'the provider does not say whether it takes S256',
      'log in once; a provider without PKCE ignores it, mostly',
    )
  }
  return fail(
    'PKCE',
    `the provider offers ${tell(offered)}, not S256`,
    'let the provider offer S256, or set OIDC_PKCE=off beside a client secret',
  )
}

const clientAuthMethod: Check = (metadata, { clientAuth: { method } }) => {
  // Basic is what a provider offers that does not tell (OpenID Connect Discovery 1.0, 3).
  const offered = readList(metadata, 'token_endpoint_auth_methods_supported')
  if (offered === undefined || offered.includes(method)) return undefined
  return fail(
    'client authentication',
    `the provider offers ${tell(offered)}, not ${method}`,
    `set OIDC_CLIENT_AUTH to one of these, with its credentials`,
  )
}

const assertionAlg: Check = (metadata, { clientAuth }) => {
  const offered = readList(metadata, 'token_endpoint_auth_signing_alg_values_supported')
  if (clientAuth.method !== 'private_key_jwt' || offered === undefined) return undefined
  const alg = clientAuth.keys[0]?.alg ?? ''
  if (offered.includes(alg)) return undefined
  return fail(
    'client authentication',
    `the provider verifies assertions by ${tell(offered)}, not ${alg}`,
    'put a key of one of these algorithms into OIDC_CLIENT_KEY',
  )
}

const oktaAssertionAudience: Check = (_metadata, { clientAuth, issuer }) => {
  const isOkta = isOktaCustomServer(issuer) || isOktaHost(issuer)
  if (clientAuth.method !== 'private_key_jwt' || clientAuth.audience === 'endpoint' || !isOkta)
    return undefined
  return warn(
    'client authentication',
    'this looks like Okta, which wants the address of the endpoint as audience of assertions',
    'set OIDC_CLIENT_ASSERTION_AUDIENCE=endpoint',
  )
}

const scopes: Check = (metadata, provider) => {
  const offered = readList(metadata, 'scopes_supported')
  if (offered === undefined) return undefined
  const missing = provider.scopes.filter((scope) => !offered.includes(scope))
  if (missing.length === 0) return pass('scopes', provider.scopes.join(' '))
  // Okta's custom servers do not list scopes that are kept out of the metadata.
  return warn(
    'scopes',
    `the provider does not list ${missing.join(', ')}`,
    'define them at the provider (Okta: Security > API > Scopes), or drop them from OIDC_SCOPES',
  )
}

const par: Check = (metadata, provider) => {
  const isOffered = metadata.pushed_authorization_request_endpoint !== undefined
  const isRequired = metadata.require_pushed_authorization_requests === true
  if (isRequired && provider.par === 'off') {
    return fail('PAR', 'the provider requires pushed requests, but OIDC_PAR=off', 'set OIDC_PAR=auto')
  }
  if (!isOffered) return undefined
  return pass('PAR', provider.par === 'off' ? 'offered, and off by OIDC_PAR' : 'logins are pushed')
}

const dpop: Check = (metadata, provider) => {
  const offered = readList(metadata, 'dpop_signing_alg_values_supported')
  if (offered === undefined || offered.length === 0) return undefined
  if (provider.dpop === 'off') {
    return unknown(
      'DPoP',
      'offered, and off by OIDC_DPOP; whether this client must use it is known to the provider alone',
      'set OIDC_DPOP=auto where it must',
    )
  }
  if (offered.includes('ES256'))
    return pass('DPoP', 'offered (ES256): tokens are bound to a key of this server')
  return warn(
    'DPoP',
    `the provider takes proofs by ${tell(offered)}, and ours are ES256: tokens are not bound`,
    'let the provider take ES256',
  )
}

const idTokenAlg: Check = (metadata, provider) => {
  const offered = readList(metadata, 'id_token_signing_alg_values_supported')
  if (!provider.verifiesIdToken || offered === undefined) return undefined
  if (offered.includes(provider.idTokenAlg)) return pass('ID token', `signed by ${provider.idTokenAlg}`)
  const [other = 'another one'] = offered.filter((alg) => /^(RS|PS|ES)\d|^EdDSA$/.test(alg))
  return fail(
    'ID token',
    `the provider signs by ${tell(offered)}, not ${provider.idTokenAlg}`,
    `set OIDC_ID_TOKEN_ALG=${toLogText(other)}`,
  )
}

const unverifiedIdToken: Check = (_metadata, { verifiesIdToken, scopes }) => {
  if (verifiesIdToken) return undefined
  if (!scopes.includes('openid')) {
    return pass('ID token', 'none is asked for: who signed in is what the provider answers over TLS')
  }
  return warn(
    'ID token',
    'openid is asked for, but without OAUTH_JWKS_URI an ID token cannot be verified and is not looked into',
    'set OAUTH_ISSUER and OAUTH_JWKS_URI, or drop openid from OIDC_SCOPES',
  )
}

const accessToken: Check = (_metadata, { accessToken: { format }, issuer, endpoints }) => {
  const isOrg = endpoints === undefined && isOktaHost(issuer) && new URL(issuer).pathname === '/'
  if (format === 'jwt' && isOrg) {
    return fail(
      'access token',
      "those of Okta's org server are for Okta alone, and must not be looked into",
      'drop OIDC_ACCESS_TOKEN and OIDC_ACCESS_TOKEN_AUDIENCE, or use a custom authorization server',
    )
  }
  return pass('access token', format === 'jwt' ? 'verified as a JWT' : 'opaque: never looked into')
}

/** Nothing is found where a check returns nothing: it does not apply. */
const checks: readonly Check[] = [
  responseType,
  grantTypes,
  pkce,
  clientAuthMethod,
  assertionAlg,
  oktaAssertionAudience,
  scopes,
  par,
  dpop,
  idTokenAlg,
  unverifiedIdToken,
  accessToken,
]

/** All of these checks; of a plain OAuth 2.0 provider, the metadata is its configuration. */
export function checkMetadata(metadata: ServerMetadata, provider: ProviderConfig): Finding[] {
  return checks.flatMap((check) => check(metadata, provider) ?? [])
}
