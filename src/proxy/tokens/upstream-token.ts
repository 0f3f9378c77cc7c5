import type { TokenChoice } from '../../config/proxy/proxy-route.ts'
import { sessionExpired } from '../../errors.ts'
import type { Provider } from '../../provider/provider.ts'
import type { Providers } from '../../provider/providers.ts'
import type { ProviderTokens } from '../../provider/types.ts'
import type { Session } from '../../session/session.ts'

/** A token for a call to an upstream. */
export interface UpstreamToken {
  readonly token: string
  /**
   * Makes a DPoP proof for a call (RFC 9449 7.1); absent for a bearer token. `url` is that of the upstream,
   * without query and fragment; `nonce` is the latest that the upstream sent.
   */
  readonly prove?:
    | ((call: { method: string; url: string; nonce: string | undefined }) => Promise<string>)
    | undefined
}

/** A session, and the token by which a call is made for it. */
export interface AuthorizedSession {
  readonly session: Session
  readonly token: UpstreamToken | undefined
}

/** The tokens that calls carry to upstreams. */
export interface UpstreamTokens {
  /**
   * Returns the token of a session for an upstream, and the session with fresh tokens; without a token where
   * the choice is `none`.
   *
   * @throws AppError `session_expired` where the session has ended; `provider_unavailable`,
   * `store_unavailable`, and for an exchange `provider_error`, `invalid_token_response`
   */
  get(session: Session, choice: TokenChoice): Promise<AuthorizedSession>
  /**
   * Returns another token after the upstream did not accept one (401), by one refresh or another exchange;
   * undefined where there is none, or it would not be accepted either.
   *
   * @throws AppError `session_expired` where the provider ended the grant
   */
  renew(refused: AuthorizedSession, choice: TokenChoice): Promise<AuthorizedSession | undefined>
}

/** Where to find the provider of a session. */
export type ConfiguredProviders = Pick<Providers, 'findConfigured'>

/** An access token of the provider, with what proves possession of the key that it is bound to. */
export function toUpstreamToken(
  { accessToken: token, dpopThumbprint }: Pick<ProviderTokens, 'accessToken' | 'dpopThumbprint'>,
  session: Session,
  providers: ConfiguredProviders,
): UpstreamToken {
  if (dpopThumbprint === undefined) return { token }
  return {
    token,
    prove: async (call) =>
      findProvider(session, providers).proveCall(dpopThumbprint, { ...call, accessToken: token }),
  }
}

/**
 * The provider of a session.
 *
 * @throws AppError `session_expired` where it is no longer configured
 */
export function findProvider({ identity }: Session, providers: ConfiguredProviders): Provider {
  const provider = providers.findConfigured(identity)
  if (provider === undefined) throw sessionExpired()
  return provider
}
