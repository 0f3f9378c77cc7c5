import type { RequestHandler, Response } from 'express'
import { AppError } from '../../errors.ts'
import type { LogoutDestination, LogoutTickets } from '../../logout/ticket.ts'
import type { CookieConfig } from '../request/cookies.ts'
import { createLogoutTicketCookie } from '../request/logout-ticket-cookie.ts'
import { isNavigation, redirectTo } from '../request/navigation.ts'
import { optionalText } from '../request/parameters.ts'

/**
 * Leads a browser to the provider after a logout by fetch. The script that called gets an address of this
 * server, not the provider's, which may contain the ID token.
 */
export interface LogoutRedirect {
  /** Returns the address for the script, and sets the cookie without which the address leads nowhere. */
  issue(res: Response, destination: LogoutDestination): string
  /** GET /logout/provider: redirects the browser to the provider. */
  handler: RequestHandler
}

interface LogoutRedirectOptions {
  config: CookieConfig
  logoutTickets: LogoutTickets
}

/** Creates both steps of this redirect. */
export function createLogoutRedirect({ config, logoutTickets }: LogoutRedirectOptions): LogoutRedirect {
  const cookie = createLogoutTicketCookie(config)
  return {
    issue(res, destination) {
      const { address, secret } = logoutTickets.issue(destination)
      cookie.set(res, secret)
      return address
    },

    async handler(req, res) {
      // Checked before the ticket is opened: a script must not learn where it leads.
      if (!isNavigation(req)) {
        throw new AppError(
          'invalid_request',
          'Navigate the browser to this address, for example with location.assign(). A fetch cannot use it.',
          { reason: 'no navigation' },
        )
      }
      const { location, isGood } = await logoutTickets.redeem(
        { ticket: optionalText(req.query.ticket) ?? '', secret: cookie.read(req) },
        res.locals.log,
      )
      if (isGood) cookie.clear(res)
      redirectTo(res, location)
    },
  }
}
