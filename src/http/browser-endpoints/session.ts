import type { RequestHandler } from 'express'
import type { SelectTokenClaims } from '../../app-token/token-claims.ts'
import type { Clock } from '../../clock.ts'
import type { Session } from '../../session/session.ts'
import { sendJson } from '../send-json.ts'
import type { BrowserSessions } from '../session/browser-sessions.ts'

const secondsFrom = (now: number, time: number) => Math.max(0, Math.floor((time - now) / 1000))

/** The user, as the SPA sees them. */
export function toUserView({ identity }: Session) {
  return { sub: identity.appSub, ...identity.claims }
}

/**
 * The session, as the SPA sees it at the time `now`; its id is the public handle, and durations are seconds.
 */
export function toSessionView(session: Session, now: number) {
  return {
    id: session.handle,
    created_at: new Date(session.createdAt).toISOString(),
    idle_expires_in: secondsFrom(now, session.idleExpiresAt),
    absolute_expires_in: secondsFrom(now, session.absoluteExpiresAt),
  }
}

interface SessionOptions {
  sessions: Pick<BrowserSessions, 'use'>
  selectTokenClaims: SelectTokenClaims
  clock: Clock
}

/** GET /session: the user who is signed in, or `active: false` (RFC 10017 6.1.2.1). */
export function createSessionHandler({ sessions, selectTokenClaims, clock }: SessionOptions): RequestHandler {
  return async (req, res) => {
    const { session } = await sessions.use(req)
    if (session === undefined) {
      sendJson(res, { active: false })
      return
    }
    const now = clock.now()
    const { accessTokenExpiresAt, refreshToken } = session.tokens
    sendJson(res, {
      active: true,
      user: toUserView(session),
      session: toSessionView(session, now),
      provider_token: {
        expires_in: accessTokenExpiresAt === undefined ? null : secondsFrom(now, accessTokenExpiresAt),
        refreshable: refreshToken !== undefined,
      },
      app_token: { left_out: selectTokenClaims(session.identity).leftOut },
    })
  }
}
