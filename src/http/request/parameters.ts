import { z } from 'zod'
import { AppError } from '../../errors.ts'

/** A text parameter of at most `max` characters; an empty one is refused like a malformed one. */
export const parameter = (max: number) => z.string().min(1).max(max)

/**
 * Reads parameters by a schema; unknown ones are ignored. A parameter given twice arrives as an array and is refused
 * (RFC 6749 3.1).
 *
 * @throws AppError `invalid_request`, naming the first parameter that does not fit
 */
export function readInput<T>(schema: z.ZodType<T>, source: unknown): T {
  const result = schema.safeParse(source ?? {})
  if (result.success) return result.data
  const name = result.error.issues[0]?.path.join('.') || 'The body'
  throw new AppError('invalid_request', `${name} is missing, malformed, or given more than once.`)
}
