import type { RequestHandler } from 'express'
import { toTransactionId } from '../../login/transaction.ts'
import { readUnverifiedClaims } from '../../provider/tokens/unverified-claims.ts'
import { withFields } from '../../telemetry/events.ts'

/**
 * Middleware: from here on the log names the login that a callback belongs to, also where a limit refuses the
 * callback, or where this browser has no transaction of it. A signed answer has its state inside (JARM 2.1).
 */
export const nameLogin: RequestHandler<{ provider?: string }> = (
  { method, query, body },
  { locals },
  next,
) => {
  const answer: { state?: unknown; response?: unknown } = (method === 'POST' ? body : query) ?? {}
  const { state } =
    typeof answer.response === 'string' ? (readUnverifiedClaims(answer.response) ?? {}) : answer
  const login = typeof state === 'string' ? toTransactionId(state) : undefined
  if (login !== undefined) locals.log = withFields(locals.log, { login })
  next()
}
