import type { RequestHandler } from 'express'
import { AppError } from '../../errors.ts'
import { noPath } from '../wire/request-target.ts'

/** Refuses what HTTP forbids and Node lets pass: a target without a path, but for OPTIONS, and no Host (RFC 9112 3.2). */
export const refuseMalformed: RequestHandler = (req, _res, next) => {
  if (req.path === noPath && req.method !== 'OPTIONS') {
    throw new AppError('invalid_request', 'The request target is no path.', { reason: 'no path' })
  }
  if (req.httpVersion === '1.1' && req.headers.host === undefined) {
    // Who cannot write HTTP is not believed about where the next request begins.
    const headers = { Connection: 'close' }
    throw new AppError('invalid_request', 'The header Host is missing.', { reason: 'no Host', headers })
  }
  next()
}
