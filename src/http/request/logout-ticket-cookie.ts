import type { CookieOptions, Request, Response } from 'express'
import { ticketLifetime } from '../../logout/ticket.ts'
import { createCookieNames, readCookies } from './cookies.ts'

/** The cookie with the secret of a logout ticket: only the browser that has it can use the ticket. */
export interface LogoutTicketCookie {
  read(req: Request): string | undefined
  set(res: Response, secret: string): void
  clear(res: Response): void
}

/** Creates the cookie of logout tickets; `secure` follows PUBLIC_URL. */
export function createLogoutTicketCookie(secure: boolean): LogoutTicketCookie {
  const { logout: name } = createCookieNames(secure)
  // Strict: the navigation that needs it starts on a page of this site.
  const options: CookieOptions = { httpOnly: true, secure, sameSite: 'strict', path: '/' }
  return {
    read: (req) => readCookies(req)[name],
    set: (res, secret) => void res.cookie(name, secret, { ...options, maxAge: ticketLifetime }),
    clear: (res) => void res.clearCookie(name, options),
  }
}
