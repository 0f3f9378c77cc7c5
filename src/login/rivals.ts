import type { Clock } from '../clock.ts'
import type { Sealer } from '../crypto/sealer.ts'
import { createSignedOut } from '../errors.ts'
import type { Endings } from '../session/endings.ts'
import type { NewSession } from '../session/session.ts'
import { crossingTime } from '../session/timeouts.ts'
import type { LoginLedger } from './ledger.ts'
import { openTransactions, type SealedTransaction } from './transaction.ts'

/** A login that has just been settled with a session. Times are milliseconds since the epoch. */
interface FinishedLogin extends NewSession {
  handle: string
  state: string
  /** When its callback came: what was settled long before that had reached the browser. */
  arrivedAt: number
  settledAt: number
}

interface RivalsOptions {
  ledger: Pick<LoginLedger, 'find'>
  endings: Pick<Endings, 'end' | 'replace'>
  /** Opens transactions. */
  sealer: Sealer
  clock: Clock
}

/**
 * Creates the rule for logins that one browser finishes at the same time, in two tabs: it keeps one cookie, so that one
 * session stays, that of the login settled last. The other would outlive a logout.
 *
 * Each login brings the transactions of the others. It is settled before it looks for theirs, so that of two logins at
 * least one sees the other; and both would decide the same.
 *
 * The returned function throws AppError `signed_out` where this login is the one to give way, its session ended.
 */
export function createRivals({ ledger, endings, sealer, clock }: RivalsOptions) {
  return async (mine: FinishedLogin, transactions: readonly SealedTransaction[]): Promise<void> => {
    const rivals = openTransactions(sealer, transactions, clock).filter(({ state }) => state !== mine.state)
    const found = await Promise.all(
      rivals.map(async ({ state }) => ({ state, ...(await ledger.find(state)) })),
    )
    for (const { state, handle, settledAt = 0 } of found) {
      // The cookie of a login that ended long ago was dropped with its answer: this one is a copy.
      if (handle === undefined || mine.arrivedAt - settledAt > crossingTime) continue
      const isMineLast = mine.settledAt > settledAt || (mine.settledAt === settledAt && mine.state > state)
      if (isMineLast) await endings.replace(handle, mine)
      else {
        await endings.end(mine.handle)
        throw createSignedOut()
      }
    }
  }
}
