/**
 * The error itself or its cause, whichever is of this class: openid-client and this code both wrap errors.
 */
export function findCause<T extends Error>(
  error: unknown,
  type: abstract new (...args: never[]) => T,
): T | undefined {
  const cause = error instanceof Error ? error.cause : undefined
  return [error, cause].find((candidate): candidate is T => candidate instanceof type)
}
