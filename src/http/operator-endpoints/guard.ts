import type { RequestHandler } from 'express'
import { AppError } from '../../errors.ts'
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
