import type { Clock } from '../clock.ts'
import type { Sealer } from '../crypto/sealer.ts'
import type { Endings } from '../session/endings.ts'
import { crossingTime } from '../session/timeouts.ts'
import type { LoginLedger } from './ledger.ts'
import { openTransactions, type SealedTransaction } from './transaction.ts'

/** Cancels the logins in progress of one browser. Throws AppError `store_unavailable`: then they may still succeed. */
export type CancelLogins = (transactions: readonly SealedTransaction[]) => Promise<void>

interface CancelLoginsOptions {
  ledger: Pick<LoginLedger, 'cancel'>
  endings: Pick<Endings, 'end'>
  /** Opens transactions. */
  sealer: Sealer
  clock: Clock
}

/**
 * Creates the use case "a logout ends the logins of its browser". A login that succeeded seconds ago, so that the browser
 * had not received its cookie when it sent the logout, loses its session. The session of an older one lives on: a browser
 * that has its cookie has no transaction any more, so that the one here is a copy.
 */
export function createCancelLogins({ ledger, endings, sealer, clock }: CancelLoginsOptions): CancelLogins {
  async function cancel(state: string): Promise<void> {
    const { handle, settledAt = 0 } = (await ledger.cancel(state)) ?? {}
    if (handle !== undefined && clock.now() - settledAt <= crossingTime) await endings.end(handle)
  }

  return async (transactions) => {
    await Promise.all(openTransactions(sealer, transactions).map(({ state }) => cancel(state)))
  }
}
