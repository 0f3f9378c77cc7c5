import type { Request, Response } from 'express'
import type { CancelLogins } from '../../login/cancel.ts'
import type { PendingRevocation } from '../../session/session.ts'
import type { TransactionCookies } from '../request/cookies.ts'
import type { BrowserSessions } from '../session/browser-sessions.ts'

/**
 * Signs the browser out: its logins in progress are over, its session has ended, and its cookies are dropped. Returns what
 * the session left. Throws AppError `store_unavailable`: then the browser may still be signed in.
 */
export type SignOut = (req: Request, res: Response) => Promise<PendingRevocation | undefined>

interface SignOutOptions {
  sessions: Pick<BrowserSessions, 'end'>
  transactionCookies: Pick<TransactionCookies, 'readAll' | 'clear'>
  cancelLogins: Pick<CancelLogins, 'atSignOut'>
}

/** Creates the way out that every logout of a browser takes. */
export function createSignOut({ sessions, transactionCookies, cancelLogins }: SignOutOptions): SignOut {
  return async (req, res) => {
    const transactions = transactionCookies.readAll(req)
    // First: where the store fails here, the session lives on, as the answer says.
    await cancelLogins.atSignOut(transactions)
    const left = await sessions.end(req, res)
    for (const { id } of transactions) transactionCookies.clear(res, id)
    return left
  }
}
