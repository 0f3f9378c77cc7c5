import type { Clock } from '../../clock.ts'
import type { TokenChoice } from '../../config/proxy/proxy-route.ts'
import { AppError, accessTokenRefused } from '../../errors.ts'
import { ExchangeRefused } from '../../provider/grants/token-exchange.ts'
import { isReplaceable } from '../../session/refresh/token-freshness.ts'
import type { Session } from '../../session/session.ts'
import { createTokenCache, type TokenTimes } from './token-cache.ts'
import {
  type AuthorizedSession,
  type ConfiguredProviders,
  findProvider,
  toUpstreamToken,
  type UpstreamToken,
  type UpstreamTokens,
} from './upstream-token.ts'

interface ExchangedTokensOptions {
  providers: ConfiguredProviders
  /** The session after a refresh; undefined where none is possible. */
  refresh(session: Session): Promise<Session | undefined>
  clock: Clock
}

/**
 * Creates the tokens that the provider exchanges for the user's (RFC 8693). The sessions that it is given
 * have fresh tokens.
 */
export function createExchangedTokens({ providers, refresh, clock }: ExchangedTokensOptions): UpstreamTokens {
  const cache = createTokenCache<UpstreamToken & TokenTimes>(clock)

  return {
    get,
    async renew({ session, token: refused }, choice) {
      try {
        const kept = cache.find(session, choice)
        // Otherwise another request has made a new one.
        if (kept !== undefined && kept === refused) {
          if (!isReplaceable(kept.obtainedAt, clock.now())) return undefined
          cache.drop(session, choice)
        }
        return await get(session, choice)
      } catch (error) {
        if (error instanceof AppError && error.code === 'session_expired') throw error
        return undefined
      }
    },
  }

  /**
   * Exchanges the user's token; once more after a refresh where the provider may refuse that token: only a
   * refresh shows whether the grant has ended.
   */
  async function get(session: Session, choice: TokenChoice): Promise<AuthorizedSession> {
    try {
      return { session, token: await exchangeOnce(session, choice) }
    } catch (error) {
      if (!(error instanceof ExchangeRefused && error.mayConcernToken)) throw error
      const refreshed = await refresh(session)
      if (refreshed === undefined) throw hasExpired(session) ? accessTokenRefused() : error
      return { session: refreshed, token: await exchangeOnce(refreshed, choice) }
    }
  }

  /** Whether the user's token has expired, although `session` has fresh tokens: it cannot be refreshed. */
  function hasExpired({ tokens: { accessTokenExpiresAt: expiresAt } }: Session): boolean {
    return expiresAt !== undefined && expiresAt <= clock.now()
  }

  async function exchangeOnce(session: Session, choice: TokenChoice): Promise<UpstreamToken> {
    return cache.find(session, choice) ?? cache.make(session, choice, () => exchange(session, choice))
  }

  /** The configuration requires an audience for it. */
  async function exchange(session: Session, { audience = '', scopes }: TokenChoice) {
    const exchanged = await findProvider(session, providers).exchangeToken(session, { audience, scopes })
    const { obtainedAt, expiresAt } = exchanged
    return { ...toUpstreamToken(exchanged, session, providers), obtainedAt, expiresAt }
  }
}
