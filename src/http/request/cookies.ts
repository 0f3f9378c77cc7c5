import { parseCookie, stringifySetCookie } from 'cookie'
import type { Request, Response } from 'express'
import type { Config } from '../../config/config.ts'

/** What names and attributes of cookies depend on. */
export type CookieConfig = Pick<Config, 'secureCookies' | 'cookieName'>

/**
 * The names of this server's cookies. The prefix `__Host-` makes browsers insist on Secure, Path=/ and no
 * Domain, so that no other host of the site can set one of them (RFC 6265bis 4.1.3.2). It is left out where
 * cookies cannot be Secure, at http://localhost.
 */
export function createCookieNames({ secureCookies, cookieName }: CookieConfig): {
  session: string
  transactionPrefix: string
  logout: string
} {
  const prefix = `${secureCookies ? '__Host-' : ''}${cookieName}`
  return {
    session: `${prefix}_session`,
    transactionPrefix: `${prefix}_tx.`,
    logout: `${prefix}_logout`,
  }
}

/** The cookies of a request, parsed; empty where there are none. */
export function readCookies(req: Request): Record<string, string | undefined> {
  return parseCookie(req.headers.cookie ?? '')
}

/** What every cookie of this server has: a path, and no access for scripts. */
interface CookieAttributes {
  httpOnly: true
  secure: boolean
  sameSite: 'lax' | 'strict'
  path: '/'
}

/** The attributes of a cookie that browsers send as `sameSite` says. */
export const toCookieAttributes = (
  { secureCookies }: Pick<CookieConfig, 'secureCookies'>,
  sameSite: CookieAttributes['sameSite'],
): CookieAttributes => ({ httpOnly: true, secure: secureCookies, sameSite, path: '/' })

interface NewCookie {
  name: string
  value: string
  /** Milliseconds for which it lives. */
  lifetime: number
}

/** Sets a cookie. */
export function setCookie(res: Response, cookie: NewCookie, attributes: CookieAttributes): void {
  const { name, value, lifetime } = cookie
  const lives = { maxAge: Math.floor(lifetime / 1000), expires: new Date(Date.now() + lifetime) }
  addCookie(res, stringifySetCookie({ name, value, ...lives, ...attributes }))
}

/** Makes the browser forget the cookie with these attributes. */
export function clearCookie(res: Response, name: string, attributes: CookieAttributes): void {
  addCookie(res, stringifySetCookie({ name, value: '', expires: new Date(0), ...attributes }))
}

/** Adds the value of a Set-Cookie header to the response. */
export function addCookie(res: Response, setCookieHeader: string): void {
  res.locals.headers.push('Set-Cookie', setCookieHeader)
}
