import { maxTokenClaims, type SelectTokenClaims } from '../app-token/token-claims.ts'
import type { Sealer } from '../crypto/sealer.ts'
import { AppError, signedOut } from '../errors.ts'
import { type Session, toLogFields, toSessionHandle } from '../session/session.ts'
import type { SessionStore } from '../session/store.ts'
import type { SessionTermination } from '../session/termination/session-termination.ts'
import type { Log } from '../telemetry/events.ts'
import { createConcurrentLogins } from './concurrent-logins.ts'
import type { LoginLedger } from './ledger.ts'
import { LoginFailed } from './login-failed.ts'
import type { SignedIn, VerifiedLogin } from './login-types.ts'
import type { CodeResponse, SealedTransaction } from './transaction.ts'

/** The end of a login: all replicas learn its outcome, so that repeated callbacks and logouts find it. */
export interface LoginSettlement {
  /**
   * Records the session that a verified login has started, and keeps one session where the same browser
   * finished several logins at the same time.
   *
   * @throws AppError `signed_out` where a logout came meanwhile, `store_unavailable`; LoginFailed with the
   * session that superseded this one
   */
  settle(
    login: VerifiedLogin,
    sessionId: string,
    transactions: readonly SealedTransaction[],
    log: Log,
  ): Promise<SignedIn>
  /**
   * Records why a login failed after its state was reserved; replaces an outcome that was recorded before.
   * Never rejects.
   */
  recordFailure(response: CodeResponse, error: unknown, log: Log): Promise<void>
}

interface LoginSettlementOptions {
  ledger: LoginLedger
  store: Pick<SessionStore, 'read'>
  termination: Pick<SessionTermination, 'end' | 'findActive' | 'supersede'>
  /** Opens transactions. */
  sealer: Sealer
  selectTokenClaims: SelectTokenClaims
}

/** Creates the settlement of logins. */
export function createLoginSettlement({
  ledger,
  store,
  termination,
  sealer,
  selectTokenClaims,
}: LoginSettlementOptions): LoginSettlement {
  const keepOneLogin = createConcurrentLogins({ ledger, store, termination, sealer })

  return {
    async settle(login, sessionId, transactions, log) {
      const { response, returnTo, transaction, arrivedAt } = login
      const handle = toSessionHandle(sessionId)
      const settled = await ledger.recordOutcome(response, { sessionId, returnTo })
      if (settled === undefined) {
        await termination.end(handle)
        throw signedOut()
      }
      const { settledAt } = settled
      await keepOneLogin({ handle, state: response.state, arrivedAt, settledAt }, transactions)
      const session = await termination.findActive(handle)
      // A logout has ended it already.
      if (session === undefined) throw signedOut()
      if (session.handle !== handle) throw new LoginFailed(signedOut(), transaction, { successor: session })
      logSuccess(session, settledAt - transaction.startedAt, log)
      return { session, returnTo, sessionId }
    },

    async recordFailure(response, error, log) {
      // The outcome of a superseded login is its session: repeated callbacks get what superseded it.
      if (error instanceof LoginFailed && error.successor !== undefined) return
      const { code, detail } =
        error instanceof AppError ? error : new AppError('internal_error', 'The sign-in failed.')
      await ledger.recordOutcome(response, { code, detail }).catch(() => log('login_outcome_lost'))
    },
  }

  function logSuccess(session: Session, duration: number, log: Log): void {
    const { identity, handle } = session
    log('login_succeeded', { ...toLogFields(session), duration_ms: duration })
    const { leftOut } = selectTokenClaims(identity)
    if (leftOut.length > 0)
      log('user_claims_dropped', { session: handle, names: leftOut, limit: maxTokenClaims })
  }
}
