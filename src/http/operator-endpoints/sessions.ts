import type { RequestHandler } from 'express'
import type { Clock } from '../../clock.ts'
import { AppError } from '../../errors.ts'
import type { OperatorSessions } from '../../logout/operator.ts'
import { toListedSession } from '../browser-endpoints/sessions.ts'

/** The endpoints by which an operator sees and ends sessions. */
export function createOperatorSessionHandlers(operatorSessions: OperatorSessions, clock: Clock) {
  /**
   * GET /operator/subjects/{sub}/sessions: where a user is signed in, oldest first; `sub` is that of app
   * tokens.
   */
  const list: RequestHandler<{ sub: string }> = async (req, res) => {
    const found = await operatorSessions.find(req.params.sub)
    const now = clock.now()
    res.json({
      sessions: found.map((session) => ({
        ...toListedSession(session, now),
        provider: session.identity.providerName,
      })),
    })
  }

  /** DELETE /operator/subjects/{sub}/sessions: ends all sessions of a user; answers with their number. */
  const endOfSubject: RequestHandler<{ sub: string }> = async (req, res) => {
    const ended = await operatorSessions.endOfSubject(req.params.sub, res.locals.log)
    res.json({ ended: ended.length })
  }

  /** DELETE /operator/sessions/{id}: ends one session; `id` is the public one of lists and of the log. */
  const endOne: RequestHandler<{ id: string }> = async (req, res) => {
    await operatorSessions.endOne(req.params.id, res.locals.log)
    res.json({ ended: 1 })
  }

  /**
   * DELETE /operator/sessions: ends the sessions of everyone, and logins in progress. Goes on to the end also
   * if the operator does not wait for the answer, which has the number of sessions.
   */
  const endEveryone: RequestHandler = async (req, res) => {
    // A script whose id is empty calls this address with a slash: it does not mean everyone.
    if (req.path.endsWith('/')) throw new AppError('not_found', 'There is no session without an id.')
    res.json({ ended: await operatorSessions.endEveryone(res.locals.log) })
  }

  return { list, endOfSubject, endOne, endEveryone }
}
