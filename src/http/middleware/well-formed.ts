import type { RequestHandler } from 'express'
import { AppError } from '../../errors.ts'
import { asteriskForm } from '../wire/request-target.ts'

/**
 * Middleware: refuses what HTTP forbids and Node accepts, which is a request without Host, and a target
 * without a path unless the method is OPTIONS (RFC 9112 3.2).
 */
export const refuseMalformed: RequestHandler = (req, _res, next) => {
  if (req.path === asteriskForm && req.method !== 'OPTIONS') {
    throw new AppError('invalid_request', 'The request target is not a path.', { reason: 'no path' })
  }
  if (req.httpVersion === '1.1' && req.headers.host === undefined) {
    // Closed, because the client's idea of where the next request begins cannot be trusted either.
    const headers = { Connection: 'close' }
    throw new AppError('invalid_request', 'The Host header is missing.', { reason: 'no Host', headers })
  }
  next()
}
