import type { Sealer } from '../../crypto/sealer.ts'
import { openTransactions, type SealedTransaction, toTransactionId } from '../../login/transaction.ts'
import type { Span, Tracing } from '../../telemetry/tracing/tracing.ts'

/** The login that a callback is for, as far as it is known. */
interface LoginInProgress {
  state: string
  transactions: readonly SealedTransaction[]
}

/**
 * Runs the second leg of a login in the trace of the first one, which its transaction carries, and links it
 * with the span of its own request. Without traces, the work gets no span.
 */
export type InLoginTrace = <T>(
  login: LoginInProgress,
  run: (span: Span | undefined) => Promise<T>,
) => Promise<T>

/** Creates what runs the second legs of logins. `sealer` opens transactions. */
export function createLoginTrace({ tracing, sealer }: { tracing: Tracing; sealer: Sealer }): InLoginTrace {
  if (!tracing.isOn) return (_login, run) => run(undefined)
  return ({ state, transactions }, run) => {
    const id = toTransactionId(state)
    const [own] = openTransactions(
      sealer,
      transactions.filter((one) => one.id === id),
    )
    const start = { name: 'login callback', attributes: { 'portico.provider': own?.providerName } }
    const { traceparent } = own ?? {}
    if (traceparent === undefined) return tracing.inSpan(start, run)
    return tracing.inSpan({ ...start, parent: { traceparent }, link: tracing.current() }, run)
  }
}
