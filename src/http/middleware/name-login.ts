import type { RequestHandler } from 'express'
import { toTransactionId } from '../../login/transaction.ts'
import { withFields } from '../../telemetry/events.ts'

/**
 * Middleware: from here on the log names the login that a callback belongs to, also where a limit refuses the
 * callback, or where this browser has no transaction of it.
 */
export const nameLogin: RequestHandler<{ provider?: string }> = (
  { method, query, body },
  { locals },
  next,
) => {
  const { state }: { state?: unknown } = (method === 'POST' ? body : query) ?? {}
  const login = typeof state === 'string' ? toTransactionId(state) : undefined
  if (login !== undefined) locals.log = withFields(locals.log, { login })
  next()
}
