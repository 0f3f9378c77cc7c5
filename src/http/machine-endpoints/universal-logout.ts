import type { ErrorRequestHandler, RequestHandler } from 'express'
import { z } from 'zod'
import { AppError } from '../../errors.ts'
import type { RevokedSubject, UniversalLogout } from '../../logout/universal.ts'
import { translateHttpError } from '../middleware/problem-details.ts'
import { readBearerToken } from '../request/client-authentication.ts'
import { parameter } from '../request/parameters.ts'

/**
 * POST /universal-logout: the provider requests that all sessions of a user end (Okta Universal Logout).
 */
export function createUniversalLogoutHandler(universalLogout: UniversalLogout): RequestHandler {
  return async (req, res) => {
    const token = readBearerToken(req)
    if (token === undefined) throw new AppError('invalid_token', 'Send a signed JWT as a Bearer token.')
    await universalLogout(token, () => readSubject(req.body), res.locals.log)
    res.status(204).end()
  }
}

/** Logs every error of this endpoint, and adds the challenge to a 401 (RFC 6750 3). */
export const handleUniversalLogoutError: ErrorRequestHandler = (error: unknown, req, res, next) => {
  const { code, reason, status } = translateHttpError(error)
  res.locals.log('universal_logout_refused', { code, reason })
  const isAnonymous = req.get('authorization') === undefined
  if (status === 401) res.set('WWW-Authenticate', isAnonymous ? 'Bearer' : `Bearer error="${code}"`)
  next(error)
}

const subject = z.discriminatedUnion('format', [
  z.object({ format: z.literal('iss_sub'), iss: parameter(500), sub: parameter(255) }),
  z.object({ format: z.literal('email'), email: parameter(320) }),
])

/** What POST /universal-logout accepts. The draft has `sub_id`; Okta's first version has `subject`. */
export const revocationRequest = z.union([
  z.object({ sub_id: subject }),
  z.object({ subject }).transform(({ subject: sub_id }) => ({ sub_id })),
])

function readSubject(body: unknown): RevokedSubject {
  const { data } = revocationRequest.safeParse(body)
  if (data !== undefined) return data.sub_id
  throw new AppError(
    'invalid_request',
    'sub_id must have the format iss_sub, with iss and sub, or email, with email.',
  )
}
