import type { Session } from './session.ts'
import type { SessionLifetimes } from './store.ts'

/** Milliseconds a tombstone stands: longer than any request that might still hold the session. */
export const tombstoneLifetime = 60 * 60_000

/**
 * Milliseconds in which requests of one browser can cross: one is sent before the answer to the other, with its
 * cookies, has arrived. After that, cookies that were replaced are worth nothing.
 */
export const crossingTime = 15_000

/** Milliseconds that an ended session's tokens wait for a provider that cannot be told to revoke them. */
export const pendingRevocationLifetime = 24 * 60 * 60_000

/** Milliseconds in which the process that ended a session revokes its tokens, before another one does. */
export const revocationGrace = 15_000

/** Milliseconds for which a cut-off stands: longer than any login that began before it can take. */
export const cutoffLifetime = 15 * 60_000

/** When a session used now ends by itself unless it is used again; never after its absolute timeout. */
export function idleExpiry(
  now: number,
  absoluteExpiresAt: number,
  { idleTimeout }: SessionLifetimes,
): number {
  return Math.min(now + idleTimeout, absoluteExpiresAt)
}

/** Whether a use of the session is worth a write: at most one in a tenth of the idle timeout is. */
export function isDueForTouch(session: Session, now: number, { idleTimeout }: SessionLifetimes): boolean {
  return now - session.lastSeenAt >= idleTimeout / 10
}
