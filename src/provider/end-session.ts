import * as client from 'openid-client'
import type { CircuitBreaker } from './circuit-breaker.ts'
import type { Discovery } from './discovery.ts'
import type { ProviderTokens } from './identity.ts'
import { isUnrevocable, toAppError } from './provider-errors.ts'

/** Where a browser comes back after it signed out at the provider, and what it brings. */
export interface EndSessionRequest {
  idToken: string | undefined
  state: string
  postLogoutRedirectUri: string
}

interface EndSessionOptions {
  issuer: string
  discovery: Discovery
  /** Stands before revocations: a provider that is down costs one call now and then. */
  breaker: CircuitBreaker
  /** What the client sends of itself; the provider's remarks may repeat it. */
  secret: string
}

/** Creates the provider's side of a logout: the address for the browser, and the revocation of what the server holds. */
export function createEndSession({ issuer, discovery, breaker, secret }: EndSessionOptions) {
  return {
    /** Where its pages are, so that one of them may show a page of ours in a frame. */
    async findOrigins(): Promise<string[]> {
      const { metadata } = await discovery.provider()
      return [issuer, metadata.end_session_endpoint ?? issuer].map((url) => new URL(url).origin)
    },

    /** RP-Initiated Logout 1.0, 2. Without an ID token the provider may ask the person. */
    async toEndSessionUrl(request: EndSessionRequest): Promise<URL | undefined> {
      const { configuration, metadata } = await discovery.provider()
      if (metadata.end_session_endpoint === undefined) return undefined
      return client.buildEndSessionUrl(configuration, {
        ...(request.idToken === undefined ? {} : { id_token_hint: request.idToken }),
        post_logout_redirect_uri: request.postLogoutRedirectUri,
        state: request.state,
      })
    },

    /** RFC 7009, 2.1. A token that the provider does not know any more is revoked as well. */
    async revoke({ refreshToken }: Pick<ProviderTokens, 'refreshToken'>): Promise<'revoked' | 'unsupported'> {
      const { configuration, metadata } = await discovery.provider()
      if (refreshToken === undefined || metadata.revocation_endpoint === undefined) return 'unsupported'
      return breaker.guard(() =>
        client.tokenRevocation(configuration, refreshToken, { token_type_hint: 'refresh_token' }).then(
          () => 'revoked' as const,
          (error: unknown) => {
            if (isUnrevocable(error)) return 'unsupported' as const
            throw toAppError(error, 'revocation', [refreshToken, secret])
          },
        ),
      )
    },
  }
}
