import type * as client from 'openid-client'
import type { ProviderConfig, StaticEndpoints } from '../../config/providers/provider-config.ts'

/** The metadata (RFC 8414 2) of a plain OAuth 2.0 provider, from the configuration. */
export function toStaticMetadata(
  { issuer }: ProviderConfig,
  endpoints: StaticEndpoints,
): client.ServerMetadata {
  const { authorization, token, jwks, userinfo, revocation, endSession } = endpoints
  return {
    issuer,
    authorization_endpoint: authorization,
    token_endpoint: token,
    ...(jwks === undefined ? {} : { jwks_uri: jwks }),
    ...(userinfo === undefined ? {} : { userinfo_endpoint: userinfo }),
    ...(revocation === undefined ? {} : { revocation_endpoint: revocation }),
    ...(endSession === undefined ? {} : { end_session_endpoint: endSession }),
  }
}
