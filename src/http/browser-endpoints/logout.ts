import type { RequestHandler } from 'express'
import { z } from 'zod'
import type { Config } from '../../config/config.ts'
import { AppError } from '../../errors.ts'
import type { RpInitiatedLogout } from '../../logout/rp-initiated.ts'
import { readReturnTo } from '../../redirects/return-to.ts'
import type { SessionTermination } from '../../session/termination/session-termination.ts'
import { isNavigation, redirectTo } from '../request/navigation.ts'
import { readInput } from '../request/parameters.ts'
import type { BrowserSessions } from '../session/browser-sessions.ts'
import { sessionExpired } from '../session/require-session.ts'
import type { LogoutRedirect } from './logout-redirect.ts'
import type { SignOut } from './sign-out.ts'

const logoutParameters = z.object({
  return_to: z.string().optional(),
  // A form has nothing but texts.
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
 * POST /api/logout: ends the session here, for good, then tells the browser where to sign out at the provider. Being signed
 * out already is success.
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
    const { return_to: asked = config.logoutReturnTo, everywhere = false } = readInput(
      logoutParameters,
      req.body,
    )
    const returnTo = readReturnTo(asked, config.publicUrl, config.allowedOrigins) ?? '/'
    const { session } = await sessions.read(req).catch(stillSignedIn)
    // All others first: as long as one of them may live, the person can ask again.
    const others =
      everywhere && session !== undefined ? await termination.endOthers(session).catch(stillSignedIn) : []
    const left = await signOut(req, res).catch(stillSignedIn)
    res.locals.log('logout_succeeded', { session: session?.handle, others })
    // Whose other sessions these are, only a living session tells.
    if (everywhere && session === undefined) throw sessionExpired()
    const providerUrl = left && (await rpInitiatedLogout.begin(left, returnTo, res.locals.log))
    if (isNavigation(req)) return redirectTo(res, providerUrl ?? returnTo)
    const logoutUrl = providerUrl && logoutRedirect.issue(res, { providerUrl, returnTo })
    res.json({ logout_url: logoutUrl ?? null })
  }
}

/** GET /api/logout/callback: the browser comes back from signing out at the provider; it changes nothing. */
export function createLogoutCallbackHandler(rpInitiatedLogout: RpInitiatedLogout): RequestHandler {
  return (req, res) => {
    const { state } = req.query
    redirectTo(res, rpInitiatedLogout.finish(typeof state === 'string' ? state : undefined))
  }
}

/** A logout that the store did not take is none, and a person must know it. */
function stillSignedIn(error: unknown): never {
  if (!(error instanceof AppError) || error.code !== 'store_unavailable') throw error
  const detail = 'You are still signed in: the session store does not answer. Log out again in a moment.'
  throw new AppError(error.code, detail, { cause: error, ...(error.reason && { reason: error.reason }) })
}
