import * as client from 'openid-client'
import type { ProviderConfig } from '../../config/providers/provider-config.ts'
import { toClientSecret } from '../client/client-authentication.ts'
import type { Discovery } from '../metadata/discovery.ts'
import type { CircuitBreaker } from '../transport/circuit-breaker.ts'
import { isFinalRevocationRefusal, translateProviderError } from '../transport/errors.ts'
import type { ProviderTokens } from '../types.ts'

interface TokenRevocationOptions {
  config: Pick<ProviderConfig, 'clientAuth' | 'revocation'>
  discovery: Discovery
  /** A provider that is down costs only the breaker's trial calls. */
  breaker: CircuitBreaker
}

/**
 * Creates the revocation of refresh tokens at one provider (RFC 7009 2.1). A token that the provider does not
 * know (any longer) counts as revoked (RFC 7009 2.2).
 */
export function createRevocationRequest({ config, discovery, breaker }: TokenRevocationOptions) {
  return async ({
    refreshToken,
  }: Pick<ProviderTokens, 'refreshToken'>): Promise<'revoked' | 'unsupported'> => {
    const { configuration, metadata } = await discovery.server()
    const isOffered = metadata.revocation_endpoint !== undefined && config.revocation === 'auto'
    if (refreshToken === undefined || !isOffered) return 'unsupported'
    return breaker.guard(() =>
      client.tokenRevocation(configuration, refreshToken, { token_type_hint: 'refresh_token' }).then(
        () => 'revoked' as const,
        (error: unknown) => {
          if (isFinalRevocationRefusal(error)) return 'unsupported' as const
          throw translateProviderError(error, 'revocation', [refreshToken, toClientSecret(config.clientAuth)])
        },
      ),
    )
  }
}
