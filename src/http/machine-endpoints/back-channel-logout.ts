import type { ErrorRequestHandler, RequestHandler } from 'express'
import { z } from 'zod'
import type { createBackChannelLogout } from '../../logout/back-channel.ts'
import { translateHttpError } from '../middleware/problem-details.ts'
import { parameter, readInput } from '../request/parameters.ts'

const logoutParameters = z.object({ logout_token: parameter(16_000) })

/** POST /api/backchannel-logout: the provider tells that somebody signed out there (BCL 2.5). */
export function createBackChannelLogoutHandler(
  logOutByBackChannel: ReturnType<typeof createBackChannelLogout>,
): RequestHandler {
  return async (req, res) => {
    const { logout_token: token } = readInput(logoutParameters, req.body)
    await logOutByBackChannel(token, res.locals.log)
    res.status(200).end()
  }
}

/** Whatever went wrong, a provider is answered with 400, in the form that it expects (BCL 2.8). */
export const answerBackChannelError: ErrorRequestHandler = (error: unknown, _req, res, _next) => {
  const { code, detail, reason } = translateHttpError(error)
  res.locals.refusal = { code, reason }
  res.locals.log('backchannel_logout_refused', { code, reason })
  res.status(400).json({ error: code, error_description: detail })
}
