import type { RequestHandler } from 'express'
import type { Clock } from '../../clock.ts'
import { AppError } from '../../errors.ts'
import type { Providers } from '../../provider/providers.ts'
import type { TokenRefresher } from '../../session/refresh/token-refresher.ts'
import type { Session } from '../../session/session.ts'
import { toFreshSession } from '../middleware/require-fresh-tokens.ts'
import { currentSession, sessionExpired } from '../session/require-session.ts'

interface UserinfoOptions {
  providers: Providers
  tokenRefresher: TokenRefresher
  clock: Clock
}

/** Milliseconds between two renewals of tokens that userinfo refuses before their time. */
const renewalPause = 60_000

/** GET /api/userinfo, after `requireFreshTokens`: what the provider says of the person right now. */
export function createUserinfoHandler({ providers, tokenRefresher, clock }: UserinfoOptions): RequestHandler {
  async function ask(session: Session) {
    const provider = providers.findConfigured(session.identity)
    if (provider === undefined) throw sessionExpired()
    return provider.fetchUserinfo(session)
  }

  /** A token may be revoked before its time; only a refresh tells whether the person may stay. */
  async function askAnew(session: Session) {
    const { refreshToken, obtainedAt } = session.tokens
    // Where the provider refuses a token it has just given, another one would be refused as well.
    if (refreshToken === undefined || clock.now() - obtainedAt < renewalPause) return undefined
    return ask(toFreshSession(await tokenRefresher.renew(session)))
  }

  return async (_req, res) => {
    const session = currentSession(res)
    const claims = (await ask(session)) ?? (await askAnew(session))
    if (claims === undefined) {
      throw new AppError('login_required', 'The provider takes your access no more. Sign in again.')
    }
    res.json(claims)
  }
}
