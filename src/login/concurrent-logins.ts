import type { Sealer } from '../crypto/sealer.ts'
import type { SessionStore } from '../session/store.ts'
import type { SessionTermination } from '../session/termination/session-termination.ts'
import { concurrentRequestWindow } from '../session/timeouts.ts'
import type { LoginLedger } from './ledger.ts'
import { openTransactions, type SealedTransaction, toTransactionId } from './transaction.ts'

/** A login that has just got its session. Times are milliseconds since the epoch. */
interface FinishedLogin {
  handle: string
  state: string
  /**
   * When its callback came. The cookie of a login that was settled long before had reached the browser by
   * then.
   */
  arrivedAt: number
  settledAt: number
}

interface ConcurrentLoginsOptions {
  ledger: Pick<LoginLedger, 'find'>
  store: Pick<SessionStore, 'read'>
  termination: Pick<SessionTermination, 'supersede'>
  /** Opens transactions. */
  sealer: Sealer
}

/**
 * Keeps one session where one browser finishes several logins at the same time, in two tabs: that of the
 * login settled last. The browser has one cookie; a logout would not find the other sessions. The session of
 * this login may have ended afterwards.
 */
export type KeepOneLogin = (mine: FinishedLogin, transactions: readonly SealedTransaction[]) => Promise<void>

/**
 * Creates the rule for concurrent logins. Each callback brings the transactions of the others, and is settled
 * before it looks for theirs: at least one of two logins sees the other, and both come to the same decision.
 */
export function createConcurrentLogins(options: ConcurrentLoginsOptions): KeepOneLogin {
  const { ledger, store, termination, sealer } = options
  return async (mine, transactions) => {
    const others = transactions.filter(({ id }) => id !== toTransactionId(mine.state))
    for (const { state } of openTransactions(sealer, others)) {
      const { handle, settledAt = 0 } = (await ledger.find(state)) ?? {}
      // The response to a login that ended long ago dropped its transaction: this one is a copy.
      if (handle === undefined || mine.arrivedAt - settledAt > concurrentRequestWindow) continue
      const [own, other] = await Promise.all([store.read(mine.handle), store.read(handle)])
      // A session that has ended neither supersedes another nor is superseded.
      if (own === undefined || other === undefined) continue
      const isMineLast = mine.settledAt > settledAt || (mine.settledAt === settledAt && mine.state > state)
      await (isMineLast ? termination.supersede(other, own) : termination.supersede(own, other))
    }
  }
}
