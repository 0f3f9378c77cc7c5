import { isOktaHost } from '../../config/providers/okta.ts'
import type { ProviderConfig } from '../../config/providers/provider-config.ts'
import { toLogText } from '../../telemetry/events.ts'
import { type Finding, fail, pass, unknown, warn } from '../finding.ts'
import { isZitadel } from '../refusals/known-providers.ts'
import { formatList, readList, type ServerMetadata } from '../server-metadata.ts'

/** Checks whether the provider signs ID tokens with OIDC_ID_TOKEN_ALG. */
export function checkIdTokenAlg(
  metadata: ServerMetadata,
  { verifiesIdToken, idTokenAlg: ours }: ProviderConfig,
): Finding | undefined {
  const offered = readList(metadata, 'id_token_signing_alg_values_supported')
  if (!verifiesIdToken || offered === undefined) return undefined
  const others = offered.filter((alg) => alg !== ours && alg !== 'none')
  if (offered.includes(ours)) {
    if (others.length === 0) return pass('ID token', `signed by ${ours}`)
    return unknown(
      'ID token',
      `the provider can sign by ${ours}, and by ${formatList(others)}: only a login shows which one it uses for this client`,
      'log in once; if login_failed says "its alg is not OIDC_ID_TOKEN_ALG", set that to the algorithm of this client at the provider',
    )
  }
  const [other = 'another one'] = others.filter((alg) => /^(RS|PS|ES)\d|^EdDSA$/.test(alg))
  return fail(
    'ID token',
    `the provider signs by ${formatList(offered)}, not ${ours}`,
    `set OIDC_ID_TOKEN_ALG=${toLogText(other)}`,
  )
}

/** Checks whether ID tokens are requested although they cannot be verified. */
export function checkUnverifiedIdToken(
  _metadata: ServerMetadata,
  { verifiesIdToken, scopes }: ProviderConfig,
): Finding | undefined {
  if (verifiesIdToken) return undefined
  if (!scopes.includes('openid')) {
    return pass(
      'ID token',
      'none is requested: the user is the one that the provider names in its answer over TLS',
    )
  }
  return warn(
    'ID token',
    'openid is requested, but without OAUTH_JWKS_URI an ID token cannot be verified and is ignored',
    'set OAUTH_ISSUER and OAUTH_JWKS_URI, or drop openid from OIDC_SCOPES',
  )
}

/** Checks whether access tokens may be verified as JWTs. */
export function checkAccessToken(
  _metadata: ServerMetadata,
  { accessToken: { format }, issuer, endpoints }: ProviderConfig,
): Finding {
  const isOrgServer = endpoints === undefined && isOktaHost(issuer) && new URL(issuer).pathname === '/'
  if (format === 'jwt' && isOrgServer) {
    return fail(
      'access token',
      "those of Okta's org server are only for Okta itself, and cannot be verified",
      'drop OIDC_ACCESS_TOKEN and OIDC_ACCESS_TOKEN_AUDIENCE, or use a custom authorization server',
    )
  }
  return pass('access token', format === 'jwt' ? 'verified as a JWT' : 'opaque: never parsed')
}

/** Checks whether ID tokens may name audiences besides the client. */
export function checkAudiences(
  metadata: ServerMetadata,
  { trustedAudiences, verifiesIdToken }: ProviderConfig,
): Finding | undefined {
  if (!verifiesIdToken) return undefined
  if (trustedAudiences.length > 0) {
    return pass('audiences', `ID tokens may name ${formatList(trustedAudiences)} besides the client`)
  }
  if (!isZitadel(metadata)) return undefined
  return warn(
    'audiences',
    'this looks like Zitadel, whose ID tokens also name the project as audience: they will be refused',
    "set OIDC_TRUSTED_AUDIENCES to the project's id (login_failed in the log names each audience)",
  )
}
