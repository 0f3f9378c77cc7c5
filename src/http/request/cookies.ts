import { parseCookie } from 'cookie'
import type { Request } from 'express'

/**
 * The names of this server's cookies. The prefix `__Host-` makes browsers insist on Secure, Path=/ and no
 * Domain, so that no other host of the site can set one of them (RFC 6265bis 4.1.3.2). It is left out where
 * cookies cannot be Secure, at http://localhost.
 */
export function createCookieNames(secure: boolean): {
  session: string
  transactionPrefix: string
  logout: string
} {
  const prefix = secure ? '__Host-' : ''
  return {
    session: `${prefix}bff_session`,
    transactionPrefix: `${prefix}bff_tx.`,
    logout: `${prefix}bff_logout`,
  }
}

/** The cookies of a request, parsed; empty where there are none. */
export function readCookies(req: Request): Record<string, string | undefined> {
  return parseCookie(req.headers.cookie ?? '')
}
