import type { SessionLifetimes } from './store.ts'

/** Milliseconds for which a tombstone is kept: longer than any request that may still use the session. */
export const tombstoneLifetime = 60 * 60_000

/**
 * Milliseconds within which requests of one browser can be concurrent: the browser sends one, with the
 * cookies it has, before the response to the other arrives. After that time, a cookie that was replaced is no
 * longer honoured.
 */
export const concurrentRequestWindow = 15_000

/**
 * Milliseconds for which the tokens of an ended session are kept while the provider cannot be asked to revoke
 * them.
 */
export const pendingRevocationLifetime = 24 * 60 * 60_000

/** Milliseconds in which only the process that ended a session revokes its tokens. */
export const revocationGrace = 15_000

/** Milliseconds for which earlier logins of a group are rejected: longer than any such login can take. */
export const loginCutoffLifetime = 15 * 60_000

/** When a session that is used now expires unless it is used again; never after its absolute timeout. */
export function idleExpiry(
  now: number,
  absoluteExpiresAt: number,
  { idleTimeout }: SessionLifetimes,
): number {
  return Math.min(now + idleTimeout, absoluteExpiresAt)
}

/** Milliseconds between two uses of a session that are written to the store. */
export const touchInterval = ({ idleTimeout }: SessionLifetimes): number => idleTimeout / 10
