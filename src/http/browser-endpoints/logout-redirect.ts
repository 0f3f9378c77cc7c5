import type { RequestHandler, Response } from 'express'
import type { Config } from '../../config/config.ts'
import { AppError } from '../../errors.ts'
import type { LogoutDestination, LogoutTickets } from '../../logout/ticket.ts'
import { createLogoutCookie } from '../request/cookies.ts'
import { isNavigation, redirectTo } from '../request/navigation.ts'

/** The way to the provider for a browser whose logout came by fetch: past the script, by an address of this server. */
export interface LogoutRedirect {
  /** The address that the script gets; the answer brings its browser the cookie without which the address leads nowhere. */
  issue(res: Response, destination: LogoutDestination): string
  /** GET /api/logout/provider: sends the browser on. */
  handler: RequestHandler
}

interface LogoutRedirectOptions {
  config: Pick<Config, 'secureCookies'>
  logoutTickets: LogoutTickets
}

/** Creates both ends of that way. */
export function createLogoutRedirect({ config, logoutTickets }: LogoutRedirectOptions): LogoutRedirect {
  const cookie = createLogoutCookie(config.secureCookies)
  return {
    issue(res, destination) {
      const { address, secret } = logoutTickets.issue(destination)
      cookie.set(res, secret)
      return address
    },

    async handler(req, res) {
      // Before the ticket is looked at: where it leads is nothing that a script may learn.
      if (!isNavigation(req)) {
        throw new AppError('invalid_request', 'Send the browser itself here, as location.assign() does.', {
          reason: 'no navigation',
        })
      }
      const { ticket } = req.query
      const { location, isGood } = await logoutTickets.redeem(
        { ticket: typeof ticket === 'string' ? ticket : '', secret: cookie.read(req) },
        res.locals.log,
      )
      if (isGood) cookie.clear(res)
      redirectTo(res, location)
    },
  }
}
