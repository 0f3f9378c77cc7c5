import type { Clock } from '../clock.ts'
import type { Sealer } from '../crypto/sealer.ts'
import type { SessionTermination } from '../session/termination/session-termination.ts'
import { crossingTime } from '../session/timeouts.ts'
import type { LoginLedger } from './ledger.ts'
import { openTransactions, type SealedTransaction } from './transaction.ts'

/** Cancels logins in progress of one browser. Throws AppError `store_unavailable`: then they may still succeed. */
export interface CancelLogins {
  /**
   * The browser signs out. A login that succeeded seconds ago, so that the browser had not received its cookie when
   * it sent the logout, loses its session. The session of an older one lives on: a browser that has its cookie has
   * no transaction any more, so that the one here is a copy.
   */
  atSignOut(transactions: readonly SealedTransaction[]): Promise<void>
  /** Their cookies give way to newer ones: no logout could bring them any more, and find the session they make. */
  atOverflow(transactions: readonly SealedTransaction[]): Promise<void>
}

interface CancelLoginsOptions {
  ledger: Pick<LoginLedger, 'cancel'>
  termination: Pick<SessionTermination, 'end'>
  /** Opens transactions. */
  sealer: Sealer
  clock: Clock
}

/** Creates the use case "logins in progress are over". */
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
        const isRecent = login !== undefined && clock.now() - login.settledAt <= crossingTime
        if (isRecent && login.handle !== undefined) await termination.end(login.handle)
      }
    },
    async atOverflow(transactions) {
      await cancel(transactions)
    },
  }
}
