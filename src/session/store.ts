import type { ProviderTokens } from '../provider/identity.ts'
import type { NewSession, Session } from './session.ts'

/** How long sessions live, in milliseconds. */
export interface SessionLifetimes {
  idleTimeout: number
  absoluteTimeout: number
}

/**
 * Where sessions live. Every implementation passes `test/contract/session-store.ts`.
 *
 * Every method may throw an AppError `store_unavailable`: an error of the store is never "not signed in".
 */
export interface SessionStore {
  /**
   * Writes a new session. False, and nothing written, where the handle is in use or names a session that has
   * ended: an ended session stays dead (ASVS 7.4.1).
   */
  create(handle: string, session: NewSession): Promise<boolean>

  /** The session, or undefined where there is none, it ended, or one of its timeouts has passed. */
  read(handle: string): Promise<Session | undefined>

  /**
   * Moves the idle timeout and returns the session as it then is, undefined where it has ended meanwhile. Writes at
   * most once in a tenth of the idle timeout; never brings a session back.
   */
  touch(session: Session): Promise<Session | undefined>

  /** Replaces the provider's tokens if nobody else did since `expectedVersion` was read (compare-and-set). */
  replaceTokens(
    handle: string,
    expectedVersion: number,
    tokens: ProviderTokens,
  ): Promise<'replaced' | 'stale' | 'ended'>

  /** Ends a session for good, leaving a tombstone; true where it was alive. */
  end(handle: string): Promise<boolean>

  /** Claims a key once for `lifetime` milliseconds: true for the first caller, false for every later one. */
  claim(key: string, lifetime: number): Promise<boolean>

  /** Leaves a text under a claimed key for those who lost the claim, for `lifetime` milliseconds. */
  publish(key: string, text: string, lifetime: number): Promise<void>

  /** What the winner of a claim published, if it has. */
  published(key: string): Promise<string | undefined>

  /** Throws where the store cannot serve. */
  ping(): Promise<void>
}
