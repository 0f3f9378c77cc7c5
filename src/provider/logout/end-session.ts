import { decodeJwt } from 'jose'
import * as client from 'openid-client'
import type { ProviderConfig } from '../../config/providers/provider-config.ts'
import type { Discovery } from '../metadata/discovery.ts'
import type { CircuitBreaker } from '../transport/circuit-breaker.ts'
import { isFinalRevocationRefusal, translateProviderError } from '../transport/errors.ts'
import type { ProviderTokens } from '../types.ts'

/** Where a browser comes back after it signed out at the provider, and what it brings. */
export interface EndSessionRequest {
  /** Of the session that ends, verified when it came. */
  idToken: string | undefined
  state: string
  postLogoutRedirectUri: string
}

interface EndSessionOptions {
  config: Pick<ProviderConfig, 'issuer' | 'logoutHint'>
  discovery: Discovery
  /** Stands before revocations: a provider that is down costs one call now and then. */
  breaker: CircuitBreaker
  /** What the client sends of itself; the provider's remarks may repeat it. */
  secret: string
}

/** Characters of an address that every server on the way takes; of much longer ones, some providers take none. */
const maxAddressLength = 2_000

/**
 * The claims of an ID token that providers know a person by at a logout, the best one first: Microsoft Entra ID wants the
 * `login_hint` it gave, Auth0 its `sid`.
 */
const hintClaims = ['login_hint', 'sid', 'preferred_username', 'email']

/** Names the person to the provider without the ID token; its value is for each provider to define (RP-Initiated Logout 1.0, 2). */
function toLogoutHint(idToken: string): { logout_hint?: string } {
  const claims = decodeJwt(idToken)
  const hint = hintClaims
    .map((name) => claims[name])
    .find((value) => typeof value === 'string' && value !== '')
  return typeof hint === 'string' ? { logout_hint: hint } : {}
}

/** Creates the provider's side of a logout: the address for the browser, and the revocation of what the server holds. */
export function createEndSession({ config, discovery, breaker, secret }: EndSessionOptions) {
  const { issuer, logoutHint } = config

  return {
    /** Where its pages are, so that one of them may show a page of ours in a frame. */
    async pageOrigins(): Promise<string[]> {
      const { metadata } = await discovery.server()
      return [issuer, metadata.end_session_endpoint ?? issuer].map((url) => new URL(url).origin)
    },

    /** RP-Initiated Logout 1.0, 2. Without the ID token the provider may ask the person. */
    async toEndSessionUrl({
      idToken,
      state,
      postLogoutRedirectUri,
    }: EndSessionRequest): Promise<URL | undefined> {
      const { configuration, metadata } = await discovery.server()
      if (metadata.end_session_endpoint === undefined) return undefined
      // openid-client adds the client_id.
      const toUrl = (hint: { id_token_hint?: string; logout_hint?: string }) =>
        client.buildEndSessionUrl(configuration, {
          ...hint,
          post_logout_redirect_uri: postLogoutRedirectUri,
          state,
        })
      if (idToken === undefined) return toUrl({})
      const url = toUrl({ id_token_hint: idToken })
      const isShort = url.href.length <= maxAddressLength
      const isHinted = logoutHint === 'id_token' || (logoutHint === 'auto' && isShort)
      return isHinted ? url : toUrl(toLogoutHint(idToken))
    },

    /** RFC 7009, 2.1. A token that the provider does not know any more is revoked as well. */
    async revoke({ refreshToken }: Pick<ProviderTokens, 'refreshToken'>): Promise<'revoked' | 'unsupported'> {
      const { configuration, metadata } = await discovery.server()
      if (refreshToken === undefined || metadata.revocation_endpoint === undefined) return 'unsupported'
      return breaker.guard(() =>
        client.tokenRevocation(configuration, refreshToken, { token_type_hint: 'refresh_token' }).then(
          () => 'revoked' as const,
          (error: unknown) => {
            if (isFinalRevocationRefusal(error)) return 'unsupported' as const
            throw translateProviderError(error, 'revocation', [refreshToken, secret])
          },
        ),
      )
    },
  }
}
