import type { SignOutReason } from '../../embedding/hooks.ts'
import type { Log } from '../../telemetry/events.ts'
import { inBatches } from '../batches.ts'
import type { PendingRevocation, Session } from '../session.ts'
import { type SessionGroup, toUserGroup } from '../session-groups.ts'
import type { EndOptions, EndResult, SessionStore } from '../store.ts'
import type { SignOutNotices } from './sign-out-notices.ts'
import { createSupersession, maxSuccessors, type Supersession } from './supersession.ts'
import type { TokenRevocation } from './token-revocation.ts'

/**
 * Terminates sessions: first permanently in the store, then by revoking their refresh tokens at the provider.
 * No other part ends sessions.
 */
export interface SessionTermination extends Supersession {
  end(handle: string, options?: TerminationOptions): Promise<EndResult>
  /**
   * Ends a session without revoking its tokens, because an active session may use the same tokens or the same
   * grant: for an expired predecessor, an abandoned login, or a failed replacement.
   */
  endWithoutRevoking(handle: string): Promise<EndResult>
  /**
   * Ends a session and the sessions of the same user that superseded it within the last seconds. Returns the
   * pending revocation of the first one.
   */
  endChain(handle: string, options?: TerminationOptions): Promise<PendingRevocation | undefined>
  /**
   * Ends every session of a group, and keeps logins in progress from making another. Sessions for which
   * `shouldEnd` returns false stay active.
   *
   * @returns the handles of those that ended
   */
  endAll(
    group: SessionGroup,
    reason: SignOutReason,
    shouldEnd?: (session: Session) => boolean,
  ): Promise<string[]>
  /**
   * Ends every session whose login began before this call, and keeps logins in progress from making another.
   * Their tokens wait for `revokeDue`, which calls the providers for few of them at once.
   *
   * @param onEnded receives the handles of those that ended, some at a time
   */
  endEveryone(onEnded: (handles: readonly string[]) => void): Promise<void>
  /** Ends all sessions of a user except this one; returns their handles. */
  endOthers(session: Session): Promise<string[]>
  /** Revokes the tokens of a session that was rejected because its user had been signed out meanwhile. */
  revokePending(handle: string): Promise<void>
}

/** How a session ends, and why: a logout, unless another reason is given. */
export interface TerminationOptions extends EndOptions {
  reason?: SignOutReason
}

interface SessionTerminationOptions {
  store: SessionStore
  tokenRevocation: Pick<TokenRevocation, 'revoke'>
  log: Log
  /** Hears of each session that ended here for good; not of one that no browser ever got. */
  notices?: Pick<SignOutNotices, 'give'>
}

const noNotices: Pick<SignOutNotices, 'give'> = { give() {} }

/** Sessions that end at once: a user with thousands of them must not block the store for the others. */
const batchSize = 100

/**
 * Creates the session termination. Every method may throw AppError `store_unavailable`; sessions may be
 * active then.
 */
export function createSessionTermination({
  store,
  tokenRevocation,
  log,
  notices = noNotices,
}: SessionTerminationOptions): SessionTermination {
  return {
    end,
    endWithoutRevoking,
    ...createSupersession({ store, tokenRevocation, log, notices, end, endWithoutRevoking }),

    async endChain(handle, options) {
      const { pendingRevocation, successor } = await end(handle, options)
      let next = successor
      for (let count = 0; next !== undefined && count < maxSuccessors; count += 1) {
        next = (await end(next, options)).successor
      }
      return pendingRevocation
    },

    endAll,

    async endEveryone(onEnded) {
      // First, as in `endAll`.
      const cutoff = await store.rejectAllEarlierLogins()
      // A failover to a replica of the store may hide or bring back sessions: until none is left.
      for (let isDone = false; !isDone; ) {
        isDone = true
        for await (const handles of store.listHandles()) {
          const ended = await inBatches(handles, batchSize, (batch) => endEarlier(batch, cutoff))
          if (ended.length === 0) continue
          isDone = false
          onEnded(ended)
        }
      }
    },

    endOthers: (session) =>
      endAll(toUserGroup(session.identity), 'logout', ({ handle }) => handle !== session.handle),

    async revokePending(handle) {
      const pendingRevocation = await store.readPendingRevocation(handle)
      if (pendingRevocation !== undefined) tokenRevocation.revoke(pendingRevocation)
    },
  }

  async function end(
    handle: string,
    { reason = 'logout', ...options }: TerminationOptions = {},
  ): Promise<EndResult> {
    const ended = await store.end(handle, options)
    const { pendingRevocation, wasAlive } = ended
    if (pendingRevocation === undefined) return ended
    tokenRevocation.revoke(pendingRevocation)
    if (wasAlive) notices.give(pendingRevocation, reason)
    return ended
  }

  function endWithoutRevoking(handle: string): Promise<EndResult> {
    return store.end(handle, { withoutRevoking: true })
  }

  async function endAll(
    group: SessionGroup,
    reason: SignOutReason,
    shouldEnd: (session: Session) => boolean = () => true,
  ): Promise<string[]> {
    // First: a login that is not rejected by it has already written its session to the group.
    await store.rejectEarlierLogins(group)
    const sessions = (await store.findByGroup(group)).filter(shouldEnd)
    return inBatches(sessions, batchSize, (batch) => endBatch(batch, reason))
  }

  /** Ends those whose login began before `cutoff`, at once; returns the handles of those that were active. */
  async function endEarlier(handles: readonly string[], cutoff: number): Promise<string[]> {
    const results = await Promise.all(
      handles.map(async (handle) => {
        const session = await store.read(handle)
        const isLater = session !== undefined && session.identity.login.startedAt >= cutoff
        if (isLater) return false
        const { wasAlive, pendingRevocation } = await store.end(handle)
        if (wasAlive && pendingRevocation !== undefined) notices.give(pendingRevocation, 'operator')
        return wasAlive
      }),
    )
    return handles.filter((_handle, position) => results[position])
  }

  /** Ends sessions at once; returns the handles of those that were still active. */
  async function endBatch(sessions: readonly Session[], reason: SignOutReason): Promise<string[]> {
    const handles = sessions.map(({ handle }) => handle)
    const results = await Promise.all(handles.map((handle) => end(handle, { reason })))
    return handles.filter((_handle, position) => results[position]?.wasAlive)
  }
}
