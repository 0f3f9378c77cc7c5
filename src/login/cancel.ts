import type { Clock } from '../clock.ts'
import type { Sealer } from '../crypto/sealer.ts'
import type { SessionTermination } from '../session/termination/session-termination.ts'
import { concurrentRequestWindow } from '../session/timeouts.ts'
import type { LoginLedger } from './ledger.ts'
import { openTransactions, type SealedTransaction } from './transaction.ts'

/**
 * Cancels the logins that one browser has in progress: their callbacks fail.
 *
 * Throws AppError `store_unavailable`: they may still succeed then.
 */
export interface CancelLogins {
  /**
   * For a browser that signs out. A login that succeeded within the last seconds loses its session: the
   * browser may have sent the logout before it received the cookie. The session of an older login lives on:
   * the browser has dropped that transaction with the cookie, so that this one is a copy.
   */
  atSignOut(transactions: readonly SealedTransaction[]): Promise<void>
  /**
   * For logins whose cookies make room for newer ones: no logout could bring these and find their sessions.
   */
  atOverflow(transactions: readonly SealedTransaction[]): Promise<void>
}

interface CancelLoginsOptions {
  ledger: Pick<LoginLedger, 'cancel'>
  termination: Pick<SessionTermination, 'end'>
  /** Opens transactions. */
  sealer: Sealer
  clock: Clock
}

/** Creates the use case "cancel logins in progress". */
export function createCancelLogins({
  ledger,
  termination,
  sealer,
  clock,
}: CancelLoginsOptions): CancelLogins {
  const cancel = (transactions: readonly SealedTransaction[]) =>
    Promise.all(openTransactions(sealer, transactions).map(({ state }) => ledger.cancel(state)))

  return {
    async atSignOut(transactions) {
      for (const login of await cancel(transactions)) {
        const isRecent = login !== undefined && clock.now() - login.settledAt <= concurrentRequestWindow
        if (isRecent && login.handle !== undefined) await termination.end(login.handle)
      }
    },
    async atOverflow(transactions) {
      await cancel(transactions)
    },
  }
}
