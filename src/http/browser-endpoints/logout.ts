import type { RequestHandler } from 'express'
import { z } from 'zod'
import type { Config } from '../../config/config.ts'
import { AppError, sessionExpired } from '../../errors.ts'
import type { RpInitiatedLogout } from '../../logout/rp-initiated.ts'
import { readReturnTo } from '../../redirects/return-to.ts'
import { toLogFields } from '../../session/session.ts'
import type { SessionTermination } from '../../session/termination/session-termination.ts'
import { isNavigation, redirectTo } from '../request/navigation.ts'
import { optionalText, readParameters } from '../request/parameters.ts'
import type { BrowserSessions } from '../session/browser-sessions.ts'
import type { SignOut } from '../session/sign-out.ts'
import type { LogoutRedirect } from './logout-redirect.ts'

/** What POST /logout accepts. */
export const logoutParameters = z.object({
  return_to: z.string().optional(),
  // JSON has a boolean, a form only a text.
  everywhere: z
    .union([z.boolean(), z.enum(['true', 'false']).transform((text) => text === 'true')])
    .optional(),
})

interface LogoutOptions {
  config: Config
  signOut: SignOut
  sessions: Pick<BrowserSessions, 'read'>
  termination: Pick<SessionTermination, 'endOthers'>
  rpInitiatedLogout: RpInitiatedLogout
  logoutRedirect: Pick<LogoutRedirect, 'issue'>
}

/**
 * POST /logout: ends the session here permanently, then says where the browser signs out at the provider.
 * Succeeds also where the user was signed out already.
 */
export function createLogoutHandler({
  config,
  signOut,
  sessions,
  termination,
  rpInitiatedLogout,
  logoutRedirect,
}: LogoutOptions): RequestHandler {
  return async (req, res) => {
    const input = readParameters(logoutParameters, req.body)
    const { return_to: requested = config.logoutReturnTo, everywhere = false } = input
    const returnTo = readReturnTo(requested, config) ?? '/'
    const { session } = await sessions.read(req).catch(stillSignedIn)
    // All others first: while one of them may be alive, this session stays, so that the user can try again.
    const others =
      everywhere && session !== undefined ? await termination.endOthers(session).catch(stillSignedIn) : []
    const ended = await signOut(req, res).catch(stillSignedIn)
    res.locals.log('logout_succeeded', { ...(session && toLogFields(session)), others })
    // Without a living session, it is unknown whose other sessions to end.
    if (everywhere && session === undefined) throw sessionExpired()
    const providerUrl = ended && (await rpInitiatedLogout.begin(ended, returnTo, res.locals.log))
    if (isNavigation(req)) return redirectTo(res, providerUrl ?? returnTo)
    const logoutUrl = providerUrl && logoutRedirect.issue(res, { providerUrl, returnTo })
    res.json({ logout_url: logoutUrl ?? null })
  }
}

/**
 * GET /logout/callback: the browser comes back from the provider and is redirected; nothing else happens.
 */
export function createLogoutCallbackHandler(rpInitiatedLogout: RpInitiatedLogout): RequestHandler {
  return (req, res) => {
    redirectTo(res, rpInitiatedLogout.finish(optionalText(req.query.state)))
  }
}

/** Adds to an outage of the store what it means for the user: the logout has not happened. */
function stillSignedIn(error: unknown): never {
  if (!(error instanceof AppError) || error.code !== 'store_unavailable') throw error
  const detail = 'You are still signed in: the session store does not answer. Log out again in a moment.'
  throw new AppError(error.code, detail, { cause: error, reason: error.reason })
}
