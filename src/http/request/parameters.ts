import { z } from 'zod'
import { AppError } from '../../errors.ts'

/**
 * The schema of a text parameter of at most `max` characters; an empty one is refused like a malformed one.
 */
export const parameter = (max: number) => z.string().min(1).max(max)

/**
 * Reads the parameters of a query or body by a schema and ignores unknown ones. A parameter that was given
 * twice arrives as an array and is refused (RFC 6749 3.1).
 *
 * @throws AppError `invalid_request`, which names the first parameter that does not fit
 */
export function readParameters<T>(schema: z.ZodType<T>, source: unknown): T {
  const result = schema.safeParse(source ?? {})
  if (result.success) return result.data
  const name = result.error.issues[0]?.path.join('.') || 'The body'
  throw new AppError('invalid_request', `${name} is missing, malformed, or given more than once.`)
}

/** A parameter that may be missing; undefined also where it was given more than once, and so is no text. */
export const optionalText = (value: unknown): string | undefined =>
  typeof value === 'string' ? value : undefined
