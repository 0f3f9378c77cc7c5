import type { Request, Response } from 'express'
import { ticketLifetime } from '../../logout/ticket.ts'
import {
  type CookieConfig,
  clearCookie,
  createCookieNames,
  readCookies,
  setCookie,
  toCookieAttributes,
} from './cookies.ts'

/** The cookie with the secret of a logout ticket: only the browser that has it can use the ticket. */
export interface LogoutTicketCookie {
  read(req: Request): string | undefined
  set(res: Response, secret: string): void
  clear(res: Response): void
}

/** Creates the cookie of logout tickets. */
export function createLogoutTicketCookie(config: CookieConfig): LogoutTicketCookie {
  const { logout: name } = createCookieNames(config)
  // Strict: the navigation that needs it starts on a page of this site.
  const attributes = toCookieAttributes(config, 'strict')
  return {
    read: (req) => readCookies(req)[name],
    set: (res, secret) => setCookie(res, { name, value: secret, lifetime: ticketLifetime }, attributes),
    clear: (res) => clearCookie(res, name, attributes),
  }
}
