import type { ErrorRequestHandler, RequestHandler } from 'express'
import { z } from 'zod'
import type { BackChannelLogout } from '../../logout/back-channel.ts'
import { translateHttpError } from '../middleware/problem-details.ts'
import { parameter, readParameters } from '../request/parameters.ts'

/** What POST /backchannel-logout accepts. */
export const logoutTokenParameters = z.object({ logout_token: parameter(16_000) })

/**
 * POST /backchannel-logout: the provider reports that a user signed out there (OpenID Connect
 * Back-Channel Logout 1.0, 2.5).
 */
export function createBackChannelLogoutHandler(backChannelLogout: BackChannelLogout): RequestHandler {
  return async (req, res) => {
    const { logout_token: token } = readParameters(logoutTokenParameters, req.body)
    await backChannelLogout(token, res.locals.log)
    res.status(200).end()
  }
}

/**
 * Answers every error with 400, in the form that the provider expects (OpenID Connect Back-Channel Logout
 * 1.0, 2.8), and logs it.
 */
export const handleBackChannelLogoutError: ErrorRequestHandler = (error: unknown, _req, res, _next) => {
  const { code, detail, reason } = translateHttpError(error)
  res.locals.refusal = { code, reason }
  res.locals.log('backchannel_logout_refused', { code, reason })
  res.status(400).json({ error: code, error_description: detail })
}
