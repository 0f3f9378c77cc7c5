import type { RequestHandler } from 'express'
import type { Clock } from '../../clock.ts'
import { AppError } from '../../errors.ts'
import type { Providers } from '../../provider/providers.ts'
import type { TokenRefresher } from '../../session/refresh/token-refresher.ts'
import type { Session } from '../../session/session.ts'
import { toFreshSession } from '../middleware/require-fresh-tokens.ts'
import { currentSession, sessionExpired } from '../middleware/require-session.ts'

interface UserinfoOptions {
  providers: Providers
  tokenRefresher: TokenRefresher
  clock: Clock
}

/** Milliseconds between two refreshes of tokens that userinfo refuses before they expire. */
const renewalPause = 60_000

/** GET /api/userinfo, after `requireFreshTokens`: the provider's current claims about the user. */
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
    const { refreshToken, obtainedAt } = session.tokens
    // The provider refuses a token that it has just issued: it would refuse the next one as well.
    if (refreshToken === undefined || clock.now() - obtainedAt < renewalPause) return undefined
    return ask(toFreshSession(await tokenRefresher.forceRefresh(session)))
  }

  return async (_req, res) => {
    const session = currentSession(res)
    const claims = (await ask(session)) ?? (await askAgain(session))
    if (claims === undefined) {
      throw new AppError('login_required', 'The provider no longer accepts your access token. Sign in again.')
    }
    res.json(claims)
  }
}
