import type { TokenChoice } from '../config/proxy/proxy-route.ts'
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
