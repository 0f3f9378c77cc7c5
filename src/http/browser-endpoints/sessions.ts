import type { RequestHandler } from 'express'
import type { Clock } from '../../clock.ts'
import { AppError } from '../../errors.ts'
import { type Session, toLogFields } from '../../session/session.ts'
import { isIn, toUserGroup } from '../../session/session-groups.ts'
import type { SessionStore } from '../../session/store.ts'
import type { SessionTermination } from '../../session/termination/session-termination.ts'
import { currentSession } from '../middleware/require-session.ts'
import type { SignOut } from '../session/sign-out.ts'
import { toSessionView } from './session.ts'

/** A session in a list, at the time `now`. */
export const toListedSession = (session: Session, now: number) => ({
  ...toSessionView(session, now),
  device: session.identity.login.device,
  address: session.identity.login.address ?? null,
  last_seen_at: new Date(session.lastSeenAt).toISOString(),
})

interface SessionListOptions {
  store: SessionStore
  clock: Clock
}

/** GET /sessions: where the user is signed in, oldest first. */
export function createSessionListHandler({ store, clock }: SessionListOptions): RequestHandler {
  return async (_req, res) => {
    const session = currentSession(res)
    const found = await store.findByGroup(toUserGroup(session.identity))
    const now = clock.now()
    res.json({
      sessions: found.map((one) => ({
        ...toListedSession(one, now),
        current: one.handle === session.handle,
      })),
    })
  }
}

interface SessionEndOptions {
  signOut: SignOut
  store: SessionStore
  termination: SessionTermination
}

/**
 * DELETE /sessions/{id}: ends one of the user's own sessions. Sessions of other users look like missing
 * ones.
 */
export function createSessionEndHandler({
  signOut,
  store,
  termination,
}: SessionEndOptions): RequestHandler<{ id: string }> {
  return async (req, res) => {
    const session = currentSession(res)
    const asked = await store.read(req.params.id)
    if (asked === undefined || !isIn(asked.identity, toUserGroup(session.identity))) {
      throw new AppError('not_found', 'You have no session of this id.')
    }
    if (asked.handle === session.handle) await signOut(req, res)
    else await termination.endChain(asked.handle)
    res.locals.log('session_ended_by_user', toLogFields(asked))
    res.status(204).end()
  }
}

/** DELETE /sessions: ends all of the user's sessions except this one. */
export function createOtherSessionsEndHandler({
  termination,
}: Pick<SessionEndOptions, 'termination'>): RequestHandler {
  return async (req, res) => {
    // A client whose id is empty calls this address with a slash: it does not mean all the others.
    if (req.path.endsWith('/')) throw new AppError('not_found', 'There is no session without an id.')
    const session = currentSession(res)
    const ended = await termination.endOthers(session)
    for (const handle of ended)
      res.locals.log('session_ended_by_user', { ...toLogFields(session), session: handle })
    res.json({ ended: ended.length })
  }
}
