import type { ProviderIdentity } from '../provider/types.ts'
import type { NewSession, PendingRevocation, RefreshToken, Session } from './session.ts'
import type { SessionGroup } from './session-groups.ts'
import type { SharedState } from './shared-state.ts'

/**
 * The store of this server, in this process or shared by replicas. Every implementation passes
 * `test/contract/store.ts`.
 *
 * Every method may throw AppError `store_unavailable`. An error of the store never means "not signed in".
 */
export interface Store extends SessionStore, SharedState {
  /** Throws AppError `store_unavailable` if the store cannot be used; its `reason` says why. */
  ping(): Promise<void>
  close(): Promise<void>
}

/** Where sessions are kept. */
export interface SessionStore {
  /**
   * Writes a new session. Returns `taken`, and writes nothing, if the handle is in use or belongs to a
   * session that has ended: an ended session never comes back (OWASP ASVS 5.0, 7.4.1). Returns `rejected` if
   * the logins of its user, or of everyone, that began before a later time are rejected: the session has
   * ended then, and its tokens are a pending revocation.
   */
  create(handle: string, session: NewSession): Promise<'created' | 'taken' | 'rejected'>

  /** Returns the session; undefined if it does not exist, has ended, or one of its timeouts has passed. */
  read(handle: string): Promise<Session | undefined>

  /**
   * As `read`, and extends the idle timeout, in one step. Writes at most once in a tenth of the idle timeout.
   * Never brings a session back.
   */
  touch(handle: string): Promise<Session | undefined>

  /**
   * Ends a session permanently. Its tombstone keeps the tokens until they are revoked, and records how the
   * session ended: a logout and a concurrent login of the same browser detect each other by it, whichever
   * comes first.
   */
  end(handle: string, options?: EndOptions): Promise<EndResult>

  /**
   * Adds to the session `handle` the refresh tokens of a session that it supersedes; they are revoked with
   * its own. Returns false, and changes nothing, if it has ended.
   */
  inherit(handle: string, tokens: readonly RefreshToken[]): Promise<boolean>

  /** Returns the active sessions of a group, the oldest first. */
  findByGroup(group: SessionGroup): Promise<Session[]>

  /**
   * Returns the handles of all active sessions, in batches of some hundred, so that no step holds up the
   * server or the store. Finds every session that is active from beginning to end, perhaps twice; whether it
   * finds those that begin or end meanwhile is left open.
   */
  listHandles(): AsyncIterable<readonly string[]>

  /** From now on, no login that began before this call makes a session of the group. */
  rejectEarlierLogins(group: SessionGroup): Promise<void>

  /**
   * From now on, no login that began before this call makes a session of anyone. Returns the time of the
   * call, in milliseconds since the epoch, which separates earlier logins from later ones.
   */
  rejectAllEarlierLogins(): Promise<number>

  /**
   * Keeps tokens that arrived after the session `handle` had ended: in its tombstone, until they are revoked.
   * If a successor exists and the browser has not signed out, keeps nothing and returns the successor; with
   * `successorEnded`, the caller says that the successor has ended as well, and the tokens are kept.
   */
  keepForRevocation(
    handle: string,
    late: NewSession,
    options?: { successorEnded?: boolean },
  ): Promise<LateTokensResult>

  /** Returns the tokens of an ended session that are not revoked yet. */
  readPendingRevocation(handle: string): Promise<PendingRevocation | undefined>

  /** Deletes the tokens of an ended session after their revocation, unless newer ones have arrived. */
  completeRevocation(handle: string, version: number): Promise<void>

  /**
   * Takes ended sessions whose tokens may still have to be revoked, and returns their handles. No other
   * caller gets them for `pause` milliseconds. A session is due only once the process that ended it has had
   * `revocationGrace` to do it.
   */
  takeDueRevocations(limit: number, pause: number): Promise<string[]>

  /** Returns how many ended sessions have tokens that are not revoked yet. */
  countPendingRevocations(): Promise<number>

  /** Tries to take the lock on a session's tokens for `lease` milliseconds of the store's own time. */
  lockTokens(handle: string, lease: number): Promise<TokenLock>

  /** Extends the lease to `lease` milliseconds; false if the lock was lost or the session has ended. */
  renewTokenLock(handle: string, fence: number, lease: number): Promise<boolean>

  /**
   * Releases the lock. With `pause`, nothing can take it for that many milliseconds. Does nothing if the
   * caller no longer holds it.
   */
  unlockTokens(handle: string, fence: number, pause?: number): Promise<void>

  /**
   * Writes refreshed tokens and the identity that came with them, then releases the lock. Returns `stale` if
   * the tokens have changed since they were read (compare-and-set), `lock-lost` if another holder has taken
   * the lock since.
   */
  commitTokens(
    handle: string,
    expected: ExpectedTokens,
    refreshed: NewSession,
  ): Promise<'committed' | 'stale' | 'lock-lost' | 'ended'>
}

/** How long sessions live, in milliseconds. */
export interface SessionLifetimes {
  idleTimeout: number
  absoluteTimeout: number
}

/** How a session ends. */
export interface EndOptions {
  /** Its own browser signs out, and is asked to drop the cookie. */
  byBrowser?: boolean | undefined
  /** Handle of the session that supersedes it and has inherited its tokens. */
  successor?: string | undefined
  /** Drops its tokens without revoking them. */
  withoutRevoking?: boolean | undefined
}

/** What was found when a session ended. */
export interface EndResult {
  /** False if it had ended before, or never existed. */
  wasAlive: boolean
  /** Its tokens; undefined if it had ended before, ended without revoking, or is not readable here. */
  pendingRevocation: PendingRevocation | undefined
  /** The session that superseded it within the last seconds (`concurrentRequestWindow`). */
  successor: string | undefined
  /** When its own browser first signed out, in milliseconds since the epoch; undefined if it did not. */
  signedOutAt: number | undefined
}

/** Result of keeping late tokens: they wait for their revocation, or another session superseded theirs. */
export type LateTokensResult =
  | { readonly pendingRevocation: PendingRevocation; readonly successor?: undefined }
  | { readonly pendingRevocation?: undefined; readonly successor: string }

/**
 * Result of trying to lock a session's tokens. `locked`: the caller holds the lock, with a fencing number
 * greater than any before. `held`: another caller holds it. `paused`: the last holder failed, and the lock is
 * free again in `remaining` milliseconds. `ended`: the session has ended.
 */
export type TokenLock =
  | { readonly state: 'locked'; readonly fence: number }
  | { readonly state: 'held' }
  | { readonly state: 'paused'; readonly remaining: number }
  | { readonly state: 'ended' }

/** The state that a commit of refreshed tokens expects. */
export interface ExpectedTokens {
  /** `tokensVersion` of the session that was read under the lock. */
  readonly version: number
  readonly fence: number
  /** Who the session belonged to until now: what the index has of that, it does not need again. */
  readonly identity?: ProviderIdentity
}
