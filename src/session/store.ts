import type { NewSession, Session } from './session.ts'

/** How long sessions live, in milliseconds. */
export interface SessionLifetimes {
  idleTimeout: number
  absoluteTimeout: number
}

/** Whose sessions: users are keyed by (issuer, sub), never by e-mail (ASVS 6.8.1). */
export interface User {
  readonly issuer: string
  readonly sub: string
}

/**
 * An attempt to become the one who renews a session's tokens: won, with a fencing number greater than any before; held
 * by somebody else; paused for some milliseconds, because the last holder failed; or for nothing, as the session ended.
 */
export type TokenLock =
  | { readonly state: 'locked'; readonly fence: number }
  | { readonly state: 'held' }
  | { readonly state: 'paused'; readonly remaining: number }
  | { readonly state: 'ended' }

/** What a commit of renewed tokens expects to find. */
export interface ExpectedTokens {
  /** `tokensVersion` of the session that was read under the lock. */
  readonly version: number
  readonly fence: number
}

/** Where sessions live. */
export interface SessionStore {
  /**
   * Writes a new session. False, and nothing written, where the handle is in use or names a session that has
   * ended: an ended session stays dead (ASVS 7.4.1).
   */
  create(handle: string, session: NewSession): Promise<boolean>

  /** The session, or undefined where there is none, it ended, or one of its timeouts has passed. */
  read(handle: string): Promise<Session | undefined>

  /**
   * Moves the idle timeout and returns the session with it, undefined where it has ended meanwhile. Writes at most
   * once in a tenth of the idle timeout; never brings a session back.
   */
  touch(session: Session): Promise<Session | undefined>

  /** Ends a session for good, leaving a tombstone; true where it was alive. */
  end(handle: string): Promise<boolean>

  /** The living sessions of a user, oldest first. */
  findByUser(user: User): Promise<Session[]>

  /** The living sessions that came from one session at the provider (the ID token's `sid`), oldest first. */
  findByProviderSid(issuer: string, sid: string): Promise<Session[]>

  /** Tries to take the lock on a session's tokens for `lease` milliseconds, by the store's own time. */
  lockTokens(handle: string, lease: number): Promise<TokenLock>

  /** Makes the lease `lease` milliseconds again; false where the lock went to somebody else or the session ended. */
  renewTokenLock(handle: string, fence: number, lease: number): Promise<boolean>

  /** Gives the lock back; with `pause` milliseconds, nobody gets it before. Does nothing where it is not ours. */
  unlockTokens(handle: string, fence: number, pause?: number): Promise<void>

  /**
   * Writes renewed tokens, and what they say of the person, then gives the lock back. `stale` where the tokens have
   * changed since they were read (compare-and-set), `fenced` where a later holder took the lock since.
   */
  commitTokens(
    handle: string,
    expected: ExpectedTokens,
    renewed: NewSession,
  ): Promise<'committed' | 'stale' | 'fenced' | 'ended'>
}

/** A text that all replicas share, changed by compare-and-set. */
export interface SharedText {
  readonly text: string
  readonly version: number
}

/** What replicas share beside sessions. */
export interface SharedState {
  /** Claims a key once for `lifetime` milliseconds: true for the first caller, false for every later one. */
  claim(key: string, lifetime: number): Promise<boolean>

  /** Leaves a text under a claimed key for those who lost the claim, for `lifetime` milliseconds. */
  publish(key: string, text: string, lifetime: number): Promise<void>

  /** What the winner of a claim published, if it has. */
  published(key: string): Promise<string | undefined>

  /** Counts one more in a window of `window` milliseconds that began with the first; tells how long it still lasts. */
  count(key: string, window: number): Promise<{ hits: number; remaining: number }>

  /** The shared text of a name, if there is one. */
  readShared(name: string): Promise<SharedText | undefined>

  /** Writes a shared text; false where it is no longer at `expectedVersion` (0: there is none yet). */
  writeShared(name: string, expectedVersion: number, text: string): Promise<boolean>
}

/**
 * The store of this server, in this process or shared by replicas. Every implementation passes
 * `test/contract/store.ts`.
 *
 * Every method may throw an AppError `store_unavailable`: an error of the store is never "not signed in".
 */
export interface Store extends SessionStore, SharedState {
  /** Throws where the store cannot serve, its `reason` telling why. */
  ping(): Promise<void>
  close(): Promise<void>
}
