import type { Response } from 'express'
import type { Sealer } from '../../crypto/sealer.ts'
import { openTransactions, type SealedTransaction, toTransactionId } from '../../login/transaction.ts'
import type { Tracing } from '../../telemetry/tracing/tracing.ts'
import { addTraceId } from '../middleware/trace-requests.ts'

/**
 * Runs the second leg of a login in the trace of the first one, which the transaction of its state carries.
 * The span links that of the request, which may be in the trace of a reverse proxy. From then on, the lines
 * that the log writes about the request have the id of the login's trace.
 */
export type InLoginTrace = (
  res: Response,
  state: string,
  transactions: readonly SealedTransaction[],
  run: () => Promise<void>,
) => Promise<void>

/** Creates what runs the second legs of logins. `sealer` opens transactions. */
export function createLoginTrace({ tracing, sealer }: { tracing: Tracing; sealer: Sealer }): InLoginTrace {
  if (!tracing.isOn) return (_res, _state, _transactions, run) => run()
  return (res, state, transactions, run) => {
    const id = toTransactionId(state)
    const [own] = openTransactions(
      sealer,
      transactions.filter((one) => one.id === id),
    )
    const { traceparent, providerName } = own ?? {}
    const origin = traceparent && { parent: { traceparent }, link: tracing.current()?.toContext() }
    const start = { name: 'login callback', attributes: { 'portico.provider': providerName }, ...origin }
    return tracing.inSpan(start, (span) => {
      addTraceId(res, span.traceId)
      return run()
    })
  }
}
