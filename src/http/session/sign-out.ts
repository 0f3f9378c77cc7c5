import type { Request, Response } from 'express'
import type { CancelLogins } from '../../login/cancel.ts'
import type { PendingRevocation } from '../../session/session.ts'
import type { TransactionCookies } from '../request/transaction-cookies.ts'
import type { BrowserSessions } from './browser-sessions.ts'

/**
 * Signs the browser out: cancels its logins in progress, ends its session, and clears its cookies. Returns
 * the tokens of the session, which still have to be revoked.
 *
 * @throws AppError `store_unavailable`: the browser may still be signed in
 */
export type SignOut = (req: Request, res: Response) => Promise<PendingRevocation | undefined>

interface SignOutOptions {
  sessions: Pick<BrowserSessions, 'end'>
  transactionCookies: Pick<TransactionCookies, 'readAll' | 'clear'>
  cancelLogins: Pick<CancelLogins, 'atSignOut'>
}

/** Creates the step that every logout of a browser shares. */
export function createSignOut({ sessions, transactionCookies, cancelLogins }: SignOutOptions): SignOut {
  return async (req, res) => {
    const transactions = transactionCookies.readAll(req)
    // Before the session ends: where the store fails here, the user is still signed in, as the response says.
    await cancelLogins.atSignOut(transactions)
    const ended = await sessions.end(req, res)
    for (const { id } of transactions) transactionCookies.clear(res, id)
    return ended
  }
}
