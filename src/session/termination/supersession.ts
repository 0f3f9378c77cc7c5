import { isDeepStrictEqual } from 'node:util'
import type { SignOutReason } from '../../embedding/hooks.ts'
import type { Log } from '../../telemetry/events.ts'
import { type NewSession, type Session, toLogFields, toRefreshTokens } from '../session.ts'
import { isIn, toUserGroup } from '../session-groups.ts'
import type { EndResult, SessionStore } from '../store.ts'
import type { SignOutNotices } from './sign-out-notices.ts'
import type { TokenRevocation } from './token-revocation.ts'

/** A session that supersedes another one. */
type Successor = NewSession & { readonly handle: string }
/** A session that is superseded. */
type SupersededSession = Successor & Pick<Session, 'inherited'>

/**
 * Ends sessions in favour of newer ones of the same browser. A session and the ones that superseded it, one
 * after the other, within the last seconds (`concurrentRequestWindow`) are a chain.
 */
export interface Supersession {
  /**
   * Ends one session in favour of another one of its browser. If both belong to the same user, the successor
   * inherits the refresh tokens, because for many providers the revocation of one token ends all that came
   * from one login. The tokens of another user are revoked. Returns undefined, and does nothing, if the
   * successor has ended itself.
   */
  supersede(old: SupersededSession, successor: Successor): Promise<EndResult | undefined>
  /**
   * Ends the session of a browser in which a login made another one, and the rest of its chain as far as it
   * belongs to the same user. Returns when that browser signed out, in milliseconds since the epoch, if it
   * did.
   */
  supersedeChain(handle: string, successor: Successor): Promise<number | undefined>
  /**
   * Undoes a supersession that failed halfway: the old session inherits if it is active, and the new one
   * ends.
   */
  restorePrevious(own: Successor, previous: string): Promise<void>
  /** Returns the active session of a chain, if there is one. */
  findActive(handle: string): Promise<Session | undefined>
  /** Passes tokens that arrived after their session had ended to its active successor, or revokes them. */
  discardLateTokens(handle: string, late: NewSession): Promise<void>
}

interface SupersessionOptions {
  store: SessionStore
  tokenRevocation: Pick<TokenRevocation, 'revoke'>
  log: Log
  notices: Pick<SignOutNotices, 'give'>
  /** Ends a session and revokes its tokens. */
  end(handle: string, options: { reason: SignOutReason }): Promise<EndResult>
  endWithoutRevoking(handle: string): Promise<EndResult>
}

/**
 * Upper bound for the successors of one session: concurrent requests of one browser may supersede each
 * other's.
 */
export const maxSuccessors = 10

/** Creates the supersession of sessions. Every method may throw AppError `store_unavailable`. */
export function createSupersession({
  store,
  tokenRevocation,
  log,
  notices,
  end,
  endWithoutRevoking,
}: SupersessionOptions): Supersession {
  return {
    supersede,

    async supersedeChain(handle, successor) {
      let next: string | undefined = handle
      let signedOutAt: number | undefined
      // The chain may lead to the successor itself, if two requests of the browser came to the same
      // conclusion.
      for (
        let count = 0;
        next !== undefined && next !== successor.handle && count <= maxSuccessors;
        count += 1
      ) {
        const old = await store.read(next)
        const isAnotherUsers = old !== undefined && !isIn(old.identity, toUserGroup(successor.identity))
        // The browser's own session ends in any case; the rest of the chain only if it belongs to the same
        // user.
        if (next !== handle && isAnotherUsers) break
        // A session that has just expired may belong to the same user, and share a grant with the successor.
        const ended: EndResult | undefined =
          old === undefined ? await endWithoutRevoking(next) : await supersede(old, successor)
        if (ended === undefined) break
        signedOutAt = Math.max(signedOutAt ?? 0, ended.signedOutAt ?? 0) || undefined
        next = ended.successor
      }
      return signedOutAt
    },

    async restorePrevious(own, previous) {
      const before = await store.read(previous)
      const isRestored = before !== undefined && (await supersede(own, before)) !== undefined
      // Without revoking: its tokens may be those of another session in the chain, which is active.
      if (!isRestored) await endWithoutRevoking(own.handle)
    },

    async findActive(handle) {
      let next: string | undefined = handle
      for (let count = 0; next !== undefined && count <= maxSuccessors; count += 1) {
        const session = await store.read(next)
        if (session !== undefined) return session
        // It has ended already: this only finds out its successor.
        next = (await endWithoutRevoking(next)).successor
      }
      return undefined
    },

    discardLateTokens,
  }

  async function supersede(old: SupersededSession, successor: Successor): Promise<EndResult | undefined> {
    const ended = await endFor(old, successor)
    if (ended?.wasAlive) log('session_superseded', { ...toLogFields(old), successor: successor.handle })
    return ended
  }

  async function endFor(old: SupersededSession, successor: Successor): Promise<EndResult | undefined> {
    if (!isIn(old.identity, toUserGroup(successor.identity))) {
      return end(old.handle, { reason: 'superseded' })
    }
    // First, so that the tokens are revoked with the successor's even if a later step fails.
    const tokens = toRefreshTokens(old)
    if (!(await store.inherit(successor.handle, tokens))) return undefined
    const ended = await store.end(old.handle, { successor: successor.handle })
    const { pendingRevocation } = ended
    if (ended.wasAlive) notices.give(old, 'superseded')
    // A refresh may have changed the tokens in between.
    if (pendingRevocation !== undefined && !isDeepStrictEqual(toRefreshTokens(pendingRevocation), tokens)) {
      await discardLateTokens(old.handle, pendingRevocation)
    }
    return ended
  }

  async function discardLateTokens(handle: string, late: NewSession): Promise<void> {
    const kept = await store.keepForRevocation(handle, late)
    let { successor } = kept
    for (let count = 0; successor !== undefined && count < maxSuccessors; count += 1) {
      if (await store.inherit(successor, toRefreshTokens(late))) return
      // This one has ended as well; another session may have superseded it.
      successor = (await endWithoutRevoking(successor)).successor
    }
    const { pendingRevocation } =
      kept.pendingRevocation === undefined
        ? await store.keepForRevocation(handle, late, { successorEnded: true })
        : kept
    if (pendingRevocation !== undefined) tokenRevocation.revoke(pendingRevocation)
  }
}
