import type { RequestHandler } from 'express'
import { AppError } from '../../errors.ts'
import type { OperatorLogout } from '../../logout/operator.ts'
import { hasBearerSecret } from '../request/client-authentication.ts'

/** Middleware: lets a request pass only with OPERATOR_SECRET as its bearer token. */
export function createOperatorGuard(secret: string): RequestHandler {
  return (req, res, next) => {
    if (hasBearerSecret(req, secret)) return next()
    res.locals.log('operator_refused')
    throw new AppError('invalid_token', 'Send OPERATOR_SECRET as a Bearer token.', {
      headers: { 'WWW-Authenticate': 'Bearer' },
    })
  }
}

/**
 * DELETE /operator/subjects/{sub}/sessions: ends all sessions of a user; `sub` is the one in app tokens and
 * in the log. Answers with their number.
 */
export function createOperatorLogoutHandler(operatorLogout: OperatorLogout): RequestHandler<{ sub: string }> {
  return async (req, res) => {
    const ended = await operatorLogout(req.params.sub, res.locals.log)
    res.json({ ended: ended.length })
  }
}
