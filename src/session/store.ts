import type { NewSession, PendingRevocation, RefreshToken, Session } from './session.ts'
import type { SessionGroup } from './session-groups.ts'

/** How long sessions live, in milliseconds. */
export interface SessionLifetimes {
  idleTimeout: number
  absoluteTimeout: number
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

/** How a session ends. */
export interface EndOptions {
  /** Its own browser signs out, and is told to drop the cookie. */
  byBrowser?: boolean
  /** Handle of the session that a login of the same browser puts in its place, and that has inherited its tokens. */
  successor?: string
  /** Its tokens are not to be revoked: nothing of them is kept. */
  withoutRevoking?: boolean
}

/** What was found when a session ended. */
export interface EndResult {
  /** False where it was over already, or never was. */
  wasAlive: boolean
  /** What it had; undefined where it was over already, ended quietly, or cannot be read here. */
  pendingRevocation: PendingRevocation | undefined
  /** The session that a login put in its place within the last seconds (`crossingTime`). */
  successor: string | undefined
  /** When its own browser first signed out, in milliseconds since the epoch; undefined where it did not. */
  signedOutAt: number | undefined
}

/** What became of tokens that came late: kept to be revoked, or left to the session that took their session's place. */
export type LateTokens =
  | { readonly pendingRevocation: PendingRevocation; readonly successor?: undefined }
  | { readonly pendingRevocation?: undefined; readonly successor: string }

/** Where sessions live. */
export interface SessionStore {
  /**
   * Writes a new session. `taken`, and nothing written, where the handle is in use or names a session that has
   * ended: an ended session stays dead (ASVS 7.4.1). `cut-off` where one of its groups was cut off since its login began:
   * the session is over then, and its remains are to be revoked.
   */
  create(handle: string, session: NewSession): Promise<'created' | 'taken' | 'cut-off'>

  /** The session, or undefined where there is none, it ended, or one of its timeouts has passed. */
  read(handle: string): Promise<Session | undefined>

  /**
   * Moves the idle timeout and returns the session with it, undefined where it has ended meanwhile. Writes at most
   * once in a tenth of the idle timeout; never brings a session back.
   */
  touch(session: Session): Promise<Session | undefined>

  /**
   * Ends a session for good. Its tombstone keeps the tokens until they are revoked, and remembers how it ended, so that a
   * logout and a login of one browser that cross each other find out, whichever comes first.
   */
  end(handle: string, ending?: EndOptions): Promise<EndResult>

  /**
   * Makes a session answer for refresh tokens of one it replaces: they are revoked with its own. False, and nothing
   * changed, where it has ended.
   */
  inherit(handle: string, tokens: readonly RefreshToken[]): Promise<boolean>

  /** The living sessions of a group, oldest first. */
  find(group: SessionGroup): Promise<Session[]>

  /** From now on, no login that began before makes a session of this group. */
  cutOff(group: SessionGroup): Promise<void>

  /**
   * Keeps tokens that came after their session had ended, in its tombstone, until they are revoked. Where a login put
   * another session in its place, keeps nothing and names that one, unless told that it `isOver` as well.
   */
  keepForRevocation(handle: string, late: NewSession, options?: { isOver?: boolean }): Promise<LateTokens>

  /** What a session left that nobody has revoked yet. */
  readPendingRevocation(handle: string): Promise<PendingRevocation | undefined>

  /** Drops what a session left, but for tokens that came later than this version. */
  completeRevocation(handle: string, version: number): Promise<void>

  /**
   * Handles of sessions whose remains may be waiting for somebody to revoke them, for the caller alone: nobody else gets
   * them for `pause` milliseconds, nor anybody's while the process that ended a session is still likely to do it.
   */
  takeDueRevocations(limit: number, pause: number): Promise<string[]>

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

/** What is known of a claim: not made yet, held, cancelled, or settled with what its holder left for others. */
export type Reservation =
  | { readonly state: 'open' | 'held' | 'cancelled' }
  | { readonly state: 'settled'; readonly note: string; readonly text: string | undefined }

/** What the holder of a claim leaves for others: a note for as long as the claim stands, and a text for less. */
export interface ReservationRecord {
  note: string
  text: string
}

/** What replicas share beside sessions. */
export interface SharedState {
  /** Claims a key once for `lifetime` milliseconds: true for the first caller, false for every later one. */
  reserveOnce(key: string, lifetime: number): Promise<boolean>

  /** Settles a claim; its text is gone after `textLifetime` milliseconds. False where the claim was cancelled before. */
  settle(key: string, record: ReservationRecord, textLifetime: number): Promise<boolean>

  /**
   * Cancels a claim, made or not, for `lifetime` milliseconds: it can be neither made nor settled any more. Returns what
   * was known of it before; one that is settled stays so.
   */
  cancelReservation(key: string, lifetime: number): Promise<Reservation>

  findReservation(key: string): Promise<Reservation>

  /** Publishes a text for all replicas, for `lifetime` milliseconds. */
  publish(key: string, text: string, lifetime: number): Promise<void>

  /** The text that was published under a key, if it still stands. */
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
