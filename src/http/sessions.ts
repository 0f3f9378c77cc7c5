import type { RequestHandler } from 'express'
import type { Clock } from '../clock.ts'
import { AppError } from '../errors.ts'
import type { Session } from '../session/session.ts'
import type { SessionStore } from '../session/store.ts'
import { type BrowserSessions, currentSession } from './middleware/browser-session.ts'
import { toSessionView } from './session.ts'

interface SessionsOptions {
  sessions: BrowserSessions
  store: SessionStore
  clock: Clock
}

/** GET /api/sessions: where the person is signed in, oldest first. */
export function createSessionListHandler({ store, clock }: SessionsOptions): RequestHandler {
  const toListed = (session: Session, current: string) => ({
    ...toSessionView(session, clock),
    device: session.identity.login.device,
    last_seen_at: new Date(session.lastSeenAt).toISOString(),
    current: session.handle === current,
  })
  return async (_req, res) => {
    const session = currentSession(res)
    const found = await store.findByUser(session.identity)
    res.json({ sessions: found.map((one) => toListed(one, session.handle)) })
  }
}

/** DELETE /api/sessions/{id}: ends one of the person's own sessions; nobody learns of anyone else's. */
export function createSessionEndHandler({
  sessions,
  store,
}: SessionsOptions): RequestHandler<{ id: string }> {
  return async (req, res) => {
    const session = currentSession(res)
    const asked = await store.read(req.params.id)
    const { issuer, sub } = session.identity
    if (asked === undefined || asked.identity.issuer !== issuer || asked.identity.sub !== sub) {
      throw new AppError('not_found', 'You have no session of this id.')
    }
    await store.end(asked.handle)
    res.locals.log('session_ended_by_user', { session: asked.handle })
    if (asked.handle === session.handle) sessions.dropCookie(res)
    res.status(204).end()
  }
}
