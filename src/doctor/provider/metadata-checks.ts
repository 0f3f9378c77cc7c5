import { isOktaCustomServer, isOktaHost } from '../../config/providers/okta.ts'
import type { ProviderConfig } from '../../config/providers/provider-config.ts'
import { requiresPar } from '../../provider/metadata/capabilities.ts'
import { toLogText } from '../../telemetry/logger.ts'
import { isZitadel } from '../advice/known-providers.ts'
import { type Finding, fail, pass, unknown, warn } from '../finding.ts'
import { readList, type ServerMetadata, tellList as tell } from './metadata-lists.ts'
import { checkScopes } from './scope-checks.ts'

/** Holds what a provider says of itself against what is configured. */
type Check = (metadata: ServerMetadata, provider: ProviderConfig) => Finding | Finding[] | undefined

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

const par: Check = (metadata, provider) => {
  const isOffered = metadata.pushed_authorization_request_endpoint !== undefined
  const isRequired = requiresPar({ metadata })
  if (isRequired && provider.par === 'off') {
    return fail('PAR', 'the provider requires pushed requests, but OIDC_PAR=off', 'set OIDC_PAR=auto')
  }
  // Whether the provider takes them is seen where the request is tried.
  return isOffered && provider.par === 'off' ? pass('PAR', 'offered, and off by OIDC_PAR') : undefined
}

const dpop: Check = (metadata, provider) => {
  const offered = readList(metadata, 'dpop_signing_alg_values_supported')
  if (offered === undefined || offered.length === 0) return undefined
  if (provider.dpop === 'off') {
    return unknown(
      'DPoP',
      'offered, and off by OIDC_DPOP: a client that must use it is refused',
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

const idTokenAlg: Check = (metadata, { verifiesIdToken, idTokenAlg: ours }) => {
  const offered = readList(metadata, 'id_token_signing_alg_values_supported')
  if (!verifiesIdToken || offered === undefined) return undefined
  const others = offered.filter((alg) => alg !== ours && alg !== 'none')
  if (offered.includes(ours)) {
    if (others.length === 0) return pass('ID token', `signed by ${ours}`)
    return unknown(
      'ID token',
      `the provider can sign by ${ours}, and by ${tell(others)}: which it uses for this client is seen in a login only`,
      'log in once; where login_failed says "its alg is not OIDC_ID_TOKEN_ALG", set that to the one of this client there',
    )
  }
  const [other = 'another one'] = others.filter((alg) => /^(RS|PS|ES)\d|^EdDSA$/.test(alg))
  return fail(
    'ID token',
    `the provider signs by ${tell(offered)}, not ${ours}`,
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

const audiences: Check = (metadata, { trustedAudiences, verifiesIdToken }) => {
  if (!verifiesIdToken) return undefined
  if (trustedAudiences.length > 0) {
    return pass('audiences', `ID tokens may name ${tell(trustedAudiences)} beside the client`)
  }
  if (!isZitadel(metadata)) return undefined
  return warn(
    'audiences',
    'this looks like Zitadel, whose ID tokens name the project beside the client: they will be refused',
    "set OIDC_TRUSTED_AUDIENCES to the project's id (login_failed in the log names each audience)",
  )
}

/** Nothing is found where a check returns nothing: it does not apply. */
const checks: readonly Check[] = [
  responseType,
  grantTypes,
  pkce,
  oktaAssertionAudience,
  checkScopes,
  par,
  dpop,
  idTokenAlg,
  unverifiedIdToken,
  audiences,
  accessToken,
]

/** All of these checks; of a plain OAuth 2.0 provider, the metadata is its configuration. */
export function checkMetadata(metadata: ServerMetadata, provider: ProviderConfig): Finding[] {
  return checks.flatMap((check) => check(metadata, provider) ?? [])
}
