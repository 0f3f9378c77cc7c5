import type { Request, Response } from 'express'
import { isTransactionId, type SealedTransaction, transactionLifetime } from '../../login/transaction.ts'
import {
  type CookieConfig,
  clearCookie,
  createCookieNames,
  readCookies,
  setCookie,
  toCookieAttributes,
} from './cookies.ts'

/** The sealed cookies of the logins in progress, one for each login. */
export interface TransactionCookies {
  /** All of them, still sealed. */
  readAll(req: Request): SealedTransaction[]
  /** Whether the browser has a login in progress at all. */
  hasAny(req: Request): boolean
  /** Whether some may exist that this navigation could not bring. */
  mayBeWithheld(req: Request): boolean
  /**
   * Those that have to be dropped to make room for the cookie of a new login: the oldest ones beyond the
   * limits.
   */
  findSurplus(req: Request, added: SealedTransaction): SealedTransaction[]
  /** Sets the cookie of a new login, and clears the surplus ones. */
  add(res: Response, added: SealedTransaction, surplus: readonly SealedTransaction[]): void
  clear(res: Response, id: string): void
}

/** Logins that one browser may have in progress, one for each tab; one more drops the oldest. */
const maxTransactions = 10

/**
 * Characters that all transaction cookies may take in a request, names included. A browser sends all its
 * cookies in one header line; nginx accepts lines of 8 kB by default (large_client_header_buffers), Node 16
 * kB for all headers together. The limit leaves 3 kB for the session cookie (130 characters) and for the
 * app's own cookies. The cookie of a login takes 270 to 440 characters, and four more for every three of its
 * `return_to`: there is room for ten logins with links of 100 characters, six with 350, or two with 1,600.
 * Logins that are bound to keys of both the browser and this server are the longest: eight, five, or one.
 * Where traces are recorded, each cookie takes 100 more.
 */
const maxTransactionCharacters = 5_000

/** Creates the cookies of the login transactions. */
export function createTransactionCookies(config: CookieConfig): TransactionCookies {
  const { transactionPrefix: prefix } = createCookieNames(config)
  // Lax: the provider's redirect has to send it, and that is a navigation from another site. With None, which
  // a POST from another site would also send, every frame and every page there could send it.
  const attributes = toCookieAttributes(config, 'lax')

  const hasAny = (req: Request) => Object.keys(readCookies(req)).some((name) => name.startsWith(prefix))

  return {
    readAll,
    hasAny,
    // Lax cookies do not come with a POST from another site (RFC 6265bis 5.6.7.1). Browsers that do not say
    // where a request comes from behave alike.
    mayBeWithheld: (req) =>
      req.method === 'POST' && (req.get('sec-fetch-site') ?? 'cross-site') === 'cross-site' && !hasAny(req),
    findSurplus(req, added) {
      // Transaction ids sort by age.
      const newestFirst = readAll(req).sort((a, b) => (a.id < b.id ? 1 : -1))
      let characters = lengthOf(added)
      return newestFirst.filter((one, index) => {
        characters += lengthOf(one)
        return index >= maxTransactions - 1 || characters > maxTransactionCharacters
      })
    },
    add(res, added, surplus) {
      for (const { id } of surplus) clear(res, id)
      const cookie = { name: prefix + added.id, value: added.sealed, lifetime: transactionLifetime }
      setCookie(res, cookie, attributes)
    },
    clear,
  }

  function readAll(req: Request): SealedTransaction[] {
    return Object.entries(readCookies(req))
      .filter(([name]) => name.startsWith(prefix) && isTransactionId(name.slice(prefix.length)))
      .map(([name, sealed = '']) => ({ id: name.slice(prefix.length), sealed }))
  }

  /** Characters of a cookie in the header: its name, its value, and `=` and `; ` around them. */
  function lengthOf({ id, sealed }: SealedTransaction): number {
    return prefix.length + id.length + sealed.length + '=; '.length
  }

  function clear(res: Response, id: string): void {
    clearCookie(res, prefix + id, attributes)
  }
}
