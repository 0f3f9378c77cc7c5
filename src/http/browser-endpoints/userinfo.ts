import type { RequestHandler } from 'express'
import type { Clock } from '../../clock.ts'
import { accessTokenRefused, sessionExpired } from '../../errors.ts'
import type { Providers } from '../../provider/providers.ts'
import { toFreshSession } from '../../session/refresh/refresh-result.ts'
import { isRefreshable } from '../../session/refresh/token-freshness.ts'
import type { TokenRefresher } from '../../session/refresh/token-refresher.ts'
import type { Session } from '../../session/session.ts'
import { currentSession } from '../middleware/require-session.ts'

interface UserinfoOptions {
  providers: Providers
  tokenRefresher: TokenRefresher
  clock: Clock
}

/** GET /userinfo, after `requireFreshTokens`: the provider's current claims about the user. */
export function createUserinfoHandler({ providers, tokenRefresher, clock }: UserinfoOptions): RequestHandler {
  async function ask(session: Session) {
    const provider = providers.findConfigured(session.identity)
    if (provider === undefined) throw sessionExpired()
    return provider.fetchUserinfo(session)
  }

  /**
   * Asks again after a refresh: the token may have been revoked early, and only a refresh shows whether the
   * grant ended.
   */
  async function askAgain(session: Session) {
    if (!isRefreshable(session.tokens, clock.now())) return undefined
    return ask(toFreshSession(await tokenRefresher.forceRefresh(session)))
  }

  return async (_req, res) => {
    const session = currentSession(res)
    const claims = (await ask(session)) ?? (await askAgain(session))
    if (claims === undefined) throw accessTokenRefused()
    res.json(claims)
  }
}
