import type { ErrorRequestHandler, RequestHandler } from 'express'
import { z } from 'zod'
import { AppError } from '../../errors.ts'
import type { createUniversalLogout, RevokedSubject } from '../../logout/universal.ts'
import { translateHttpError } from '../middleware/problem-details.ts'
import { readBearer } from '../request/client-authentication.ts'
import { parameter } from '../request/parameters.ts'

const subject = z.discriminatedUnion('format', [
  z.object({ format: z.literal('iss_sub'), iss: parameter(500), sub: parameter(255) }),
  z.object({ format: z.literal('email'), email: parameter(320) }),
])

/** Okta's first version called it `subject`. */
const revocationRequest = z.union([
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

/** POST /api/universal-logout: the provider has all sessions of a person ended (Okta Universal Logout). */
export function createUniversalLogoutHandler(
  logOutUniversally: ReturnType<typeof createUniversalLogout>,
): RequestHandler {
  return async (req, res) => {
    const token = readBearer(req)
    if (token === undefined) throw new AppError('invalid_token', 'Send a signed JWT as Bearer token.')
    await logOutUniversally(token, () => readSubject(req.body), res.locals.log)
    res.status(204).end()
  }
}

/** Refusals name the scheme (RFC 6750 3), and the log knows of each. */
export const noteUniversalLogoutError: ErrorRequestHandler = (error: unknown, req, res, next) => {
  const { code, reason, status } = translateHttpError(error)
  res.locals.log('universal_logout_refused', { code, reason })
  const isAnonymous = req.get('authorization') === undefined
  if (status === 401) res.set('WWW-Authenticate', isAnonymous ? 'Bearer' : `Bearer error="${code}"`)
  next(error)
}
