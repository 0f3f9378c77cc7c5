import type { Sealer } from '../crypto/sealer.ts'
import type { SessionStore } from '../session/store.ts'
import type { SessionTermination } from '../session/termination/session-termination.ts'
import { crossingTime } from '../session/timeouts.ts'
import type { LoginLedger } from './ledger.ts'
import { openTransactions, type SealedTransaction } from './transaction.ts'

/** A login that has just been settled with a session. Times are milliseconds since the epoch. */
interface FinishedLogin {
  handle: string
  state: string
  /** When its callback came: what was settled long before that had reached the browser. */
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
 * Creates the rule for logins that one browser finishes at the same time, in two tabs: it keeps one cookie, so that one
 * session stays, that of the login settled last. The other would outlive a logout.
 *
 * Each login brings the transactions of the others. It is settled before it looks for theirs, so that of two logins at
 * least one sees the other; and both would decide the same. The session of this login may have ended afterwards.
 */
export function createConcurrentLogins({ ledger, store, termination, sealer }: ConcurrentLoginsOptions) {
  return async (mine: FinishedLogin, transactions: readonly SealedTransaction[]): Promise<void> => {
    const others = openTransactions(sealer, transactions).filter(({ state }) => state !== mine.state)
    for (const { state } of others) {
      const { handle, settledAt = 0 } = (await ledger.find(state)) ?? {}
      // The answer to a login that ended long before dropped its transaction: this one is a copy.
      if (handle === undefined || mine.arrivedAt - settledAt > crossingTime) continue
      const [own, other] = await Promise.all([store.read(mine.handle), store.read(handle)])
      // One that has ended gives way to none, and takes no place.
      if (own === undefined || other === undefined) continue
      const isMineLast = mine.settledAt > settledAt || (mine.settledAt === settledAt && mine.state > state)
      await (isMineLast ? termination.supersede(other, own) : termination.supersede(own, other))
    }
  }
}
