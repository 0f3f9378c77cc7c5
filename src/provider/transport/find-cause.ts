/** An error of this class: the one that was caught, or its cause, where openid-client or we have wrapped it. */
export function findCause<T extends Error>(
  error: unknown,
  type: abstract new (...args: never[]) => T,
): T | undefined {
  const cause = error instanceof Error ? error.cause : undefined
  return [error, cause].find((one): one is T => one instanceof type)
}
