import type { Clock } from '../clock.ts'
import type { TokenChoice } from '../config/proxy/proxy-route.ts'
import { sessionExpired } from '../errors.ts'
import type { Providers } from '../provider/providers.ts'
import { toFreshSession } from '../session/refresh/refresh-result.ts'
import { isRefreshable } from '../session/refresh/token-freshness.ts'
import type { TokenRefresher } from '../session/refresh/token-refresher.ts'
import type { Session } from '../session/session.ts'

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

/** A session, and the token by which a call is made for it. */
export interface AuthorizedSession {
  readonly session: Session
  readonly token: UpstreamToken | undefined
}

interface UpstreamTokensOptions {
  tokenRefresher: Pick<TokenRefresher, 'ensureFresh' | 'forceRefresh'>
  providers: Pick<Providers, 'findConfigured'>
  clock: Clock
}

/** Creates the tokens of upstreams. */
export function createUpstreamTokens({
  tokenRefresher,
  providers,
  clock,
}: UpstreamTokensOptions): UpstreamTokens {
  return {
    async get(session, { kind }) {
      if (kind === 'none') return { session, token: undefined }
      const fresh = toFreshSession(await tokenRefresher.ensureFresh(session))
      return { session: fresh, token: toProviderToken(fresh) }
    },

    async renew({ session }, { kind }) {
      return kind === 'provider' || kind === 'optional' ? refresh(session) : undefined
    },
  }

  /** The session after a refresh; one that another request has made since counts as well. */
  async function refresh(session: Session): Promise<AuthorizedSession | undefined> {
    if (!isRefreshable(session.tokens, clock.now())) return undefined
    const result = await tokenRefresher.forceRefresh(session)
    if (result.outcome === 'ended') throw sessionExpired()
    if (result.outcome === 'unknown') return undefined
    return { session: result.session, token: toProviderToken(result.session) }
  }

  function toProviderToken({ identity, tokens }: Session): UpstreamToken {
    const { accessToken: token, dpopThumbprint } = tokens
    return dpopThumbprint === undefined
      ? { token }
      : { token, prove: toProof(identity, token, dpopThumbprint) }
  }

  /** Makes the proofs of one token, by the key that the provider bound it to. */
  function toProof(
    identity: Session['identity'],
    accessToken: string,
    dpopThumbprint: string,
  ): UpstreamToken['prove'] {
    return async (call) => {
      const provider = providers.findConfigured(identity)
      if (provider === undefined) throw sessionExpired()
      return provider.proveCall(dpopThumbprint, { ...call, accessToken })
    }
  }
}
