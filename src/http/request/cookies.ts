import { parseCookie } from 'cookie'
import type { CookieOptions, Request, Response } from 'express'
import { isTransactionId, type SealedTransaction, transactionLifetime } from '../../login/transaction.ts'
import { ticketLifetime } from '../../logout/ticket.ts'

/**
 * The names and attributes of our cookies. `__Host-` makes the browser insist on Secure, Path=/ and no Domain, so
 * that no other host of the site can plant one (RFC 6265bis 4.1.3.2); http://localhost cannot have it.
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

/** As many logins at once as one browser has tabs; the oldest gives way. */
const maxTransactions = 10
/**
 * Characters that all transaction cookies may take in a request, names included. A browser sends all its cookies in one
 * header line; by default nginx takes 8 kB of a line (large_client_header_buffers), and Node 16 kB of all headers together.
 * This leaves 3 kB to the session cookie (130 characters) and to the app's own cookies. The cookie of a login takes 270 to
 * 340 characters, and four for every three of its `return_to`: ten with links of 100 characters fit, six with 350, two
 * with 1,600.
 */
const maxTransactionCharacters = 5_000

/** The sealed cookies of logins in progress, one for each. */
export interface TransactionCookies {
  /** All of them, unopened. */
  readAll(req: Request): SealedTransaction[]
  /** Whether the browser has a login in progress at all. */
  hasAny(req: Request): boolean
  /** Those that have to give way to the cookie of a new login: the oldest ones beyond the limits. */
  findSurplus(req: Request, added: SealedTransaction): SealedTransaction[]
  /** Sets the cookie of a new login, and drops those that give way to it. */
  add(res: Response, added: SealedTransaction, surplus: readonly SealedTransaction[]): void
  clear(res: Response, id: string): void
}

/** Creates the cookies of the login transactions; `secure` follows PUBLIC_URL. */
export function createTransactionCookies(secure: boolean): TransactionCookies {
  const { transactionPrefix: prefix } = createCookieNames(secure)
  // Lax: the provider's redirect, a navigation from another site, must bring it.
  const options: CookieOptions = { httpOnly: true, secure, sameSite: 'lax', path: '/' }

  function readAll(req: Request): SealedTransaction[] {
    return Object.entries(readCookies(req))
      .filter(([name]) => name.startsWith(prefix) && isTransactionId(name.slice(prefix.length)))
      .map(([name, sealed = '']) => ({ id: name.slice(prefix.length), sealed }))
  }

  const lengthOf = ({ id, sealed }: SealedTransaction) => prefix.length + id.length + sealed.length + 3

  function findSurplus(req: Request, added: SealedTransaction): SealedTransaction[] {
    // Ids sort by age.
    const newestFirst = readAll(req).sort((a, b) => (a.id < b.id ? 1 : -1))
    let characters = lengthOf(added)
    return newestFirst.filter((one, index) => {
      characters += lengthOf(one)
      return index >= maxTransactions - 1 || characters > maxTransactionCharacters
    })
  }

  const clear = (res: Response, id: string) => void res.clearCookie(prefix + id, options)

  return {
    readAll,
    hasAny: (req) => Object.keys(readCookies(req)).some((name) => name.startsWith(prefix)),
    findSurplus,
    add(res, added, surplus) {
      for (const { id } of surplus) clear(res, id)
      res.cookie(prefix + added.id, added.sealed, { ...options, maxAge: transactionLifetime })
    },
    clear,
  }
}

/** The cookie that lets one browser alone use the ticket of its logout: it holds the secret that came with it. */
export interface LogoutCookie {
  read(req: Request): string | undefined
  set(res: Response, secret: string): void
  clear(res: Response): void
}

/** Creates the cookie of logout tickets; `secure` follows PUBLIC_URL. */
export function createLogoutCookie(secure: boolean): LogoutCookie {
  const { logout: name } = createCookieNames(secure)
  // Strict: pages of this site alone send the browser on.
  const options: CookieOptions = { httpOnly: true, secure, sameSite: 'strict', path: '/' }
  return {
    read: (req) => readCookies(req)[name],
    set: (res, secret) => void res.cookie(name, secret, { ...options, maxAge: ticketLifetime }),
    clear: (res) => void res.clearCookie(name, options),
  }
}
