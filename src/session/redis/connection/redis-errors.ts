import { AppError } from '../../../errors.ts'
import { toLogText } from '../../../telemetry/events.ts'

/** Makes the error of a command that Redis did not carry out; `reason` is for the log. */
export function storeUnavailable(reason: string, cause?: unknown): AppError {
  return new AppError(
    'store_unavailable',
    'The session store does not answer right now. Try again in a moment.',
    { reason, cause },
  )
}

/** Whether Redis itself refused the command: its errors begin with a word in capitals (READONLY, OOM). */
export const isRefusal = (error: unknown): boolean =>
  error instanceof Error && /^[A-Z]{2,} /.test(error.message)

/**
 * Returns the log reason of an error of node-redis: for a refusal its first word, or its text if that word is
 * only `ERR`; for every other error its code or its class.
 */
export function toRedisReason(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  const [word = ''] = error.message.split(' ')
  if (isRefusal(error)) return word === 'ERR' ? toLogText(error.message).slice(0, 80) : word
  return toLogText('code' in error && typeof error.code === 'string' ? error.code : error.constructor.name)
}
