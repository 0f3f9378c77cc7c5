import type * as client from 'openid-client'
import type { ProviderConfig, StaticEndpoints } from '../../config/providers/provider-config.ts'
import { omitEmpty } from './omit-empty.ts'

/** The metadata (RFC 8414 2) of a plain OAuth 2.0 provider, from the configuration. */
export const toStaticMetadata = (
  { issuer }: ProviderConfig,
  endpoints: StaticEndpoints,
): client.ServerMetadata =>
  omitEmpty({
    issuer,
    authorization_endpoint: endpoints.authorization,
    token_endpoint: endpoints.token,
    jwks_uri: endpoints.jwks,
    userinfo_endpoint: endpoints.userinfo,
    revocation_endpoint: endpoints.revocation,
    end_session_endpoint: endpoints.endSession,
  })
