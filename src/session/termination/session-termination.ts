import { isDeepStrictEqual } from 'node:util'
import { type NewSession, type PendingRevocation, type Session, toRefreshTokens } from '../session.ts'
import { isIn, type SessionGroup, toUserGroup } from '../session-groups.ts'
import type { EndOptions, EndResult, SessionStore } from '../store.ts'
import type { TokenRevocation } from './token-revocation.ts'

/** A session that takes the place of another one. */
type Successor = NewSession & { readonly handle: string }
/** A session that gives its place. */
type Heritable = Successor & Pick<Session, 'inherited'>

/** The one way sessions end: in the store first, for good; then their refresh tokens at the provider. */
export interface SessionTermination {
  end(handle: string, ending?: EndOptions): Promise<EndResult>
  /**
   * Ends a session, and those that logins of the same person in its browser put in its place within the last seconds.
   * Returns what the session itself left.
   */
  endWithSuccessors(handle: string, ending?: EndOptions): Promise<PendingRevocation | undefined>
  /**
   * Ends a session in whose browser a login made another one, and those that other logins of the same person put in its
   * place within the last seconds. Returns when that browser signed out, in milliseconds since the epoch, if it did.
   */
  replace(handle: string, successor: Successor): Promise<number | undefined>
  /**
   * Ends one session for another one of its browser. The new session of the same person inherits the refresh tokens:
   * many providers take the revocation of one for the end of all that came from one sign-in. Those of another person
   * are revoked. Undefined, and nothing done, where the successor has ended itself.
   */
  supersede(old: Heritable, successor: Successor): Promise<EndResult | undefined>
  /** The session; where it has ended, the living one that logins of the same person put in its place within the last seconds. */
  findLiving(handle: string): Promise<Session | undefined>
  /** Ends a session that came to nothing, and revokes nothing: one that lives may share its grant, or its tokens. */
  endWithoutRevoking(handle: string): Promise<EndResult>
  /** Undoes a replacement that failed halfway: the session before inherits if it lives, and the new one ends. */
  restorePrevious(own: Successor, previous: string): Promise<void>
  /**
   * Ends every session of a group, and keeps logins under way from making another. Sessions that `isMeant` says no to
   * live on.
   *
   * @returns the handles of those that ended
   */
  endAll(group: SessionGroup, isMeant?: (session: Session) => boolean): Promise<string[]>
  /** Ends all sessions of a person but this one; returns their handles. */
  endOthers(session: Session): Promise<string[]>
  /** Revokes what a session left that was cut off before it began. */
  revokePending(handle: string): Promise<void>
  /** Takes care of tokens that came when their session had ended already. */
  discardLateTokens(handle: string, late: NewSession): Promise<void>
}

interface SessionTerminationOptions {
  store: SessionStore
  tokenRevocation: Pick<TokenRevocation, 'revoke'>
}

/** Sessions that requests of one browser may have put in each other's place while they crossed. */
const maxSuccessors = 10

/** Sessions that end at once: a person with thousands of them must not keep the store from everybody else. */
const batch = 100

/** Creates the endings. Every method may throw AppError `store_unavailable`: then nobody may claim that anything ended. */
export function createSessionTermination({
  store,
  tokenRevocation,
}: SessionTerminationOptions): SessionTermination {
  async function end(handle: string, ending: EndOptions = {}): Promise<EndResult> {
    const ended = await store.end(handle, ending)
    if (ended.pendingRevocation !== undefined) tokenRevocation.revoke(ended.pendingRevocation)
    return ended
  }

  async function endAll(
    group: SessionGroup,
    isMeant: (session: Session) => boolean = () => true,
  ): Promise<string[]> {
    // First: a login that does not see it has written its session to the group before.
    await store.cutOff(group)
    const meant = (await store.find(group)).filter(isMeant).map(({ handle }) => handle)
    const ended: string[] = []
    for (let from = 0; from < meant.length; from += batch) {
      const some = meant.slice(from, from + batch)
      const outcomes = await Promise.all(some.map((handle) => end(handle)))
      ended.push(...some.filter((_handle, index) => outcomes[index]?.wasAlive))
    }
    return ended
  }

  const endWithoutRevoking = (handle: string) => store.end(handle, { withoutRevoking: true })

  async function discardLateTokens(handle: string, late: NewSession): Promise<void> {
    const { pendingRevocation, successor } = await store.keepForRevocation(handle, late)
    let heir = successor
    for (let count = 0; heir !== undefined && count < maxSuccessors; count += 1) {
      if (await store.inherit(heir, toRefreshTokens(late))) return
      // That one is over as well; another one may have taken its place.
      heir = (await endWithoutRevoking(heir)).successor
    }
    const left =
      pendingRevocation ?? (await store.keepForRevocation(handle, late, { isOver: true })).pendingRevocation
    if (left !== undefined) tokenRevocation.revoke(left)
  }

  async function supersede(old: Heritable, successor: Successor): Promise<EndResult | undefined> {
    if (!isIn(old.identity, toUserGroup(successor.identity))) return end(old.handle)
    // First: whatever fails afterwards, the tokens are answered for.
    const tokens = toRefreshTokens(old)
    if (!(await store.inherit(successor.handle, tokens))) return undefined
    const ended = await store.end(old.handle, { successor: successor.handle })
    const { pendingRevocation } = ended
    // A refresh may have changed them in between.
    if (pendingRevocation !== undefined && !isDeepStrictEqual(toRefreshTokens(pendingRevocation), tokens)) {
      await discardLateTokens(old.handle, pendingRevocation)
    }
    return ended
  }

  return {
    end,
    endWithoutRevoking,
    supersede,

    async restorePrevious(own, previous) {
      const before = await store.read(previous)
      const isGiven = before !== undefined && (await supersede(own, before)) !== undefined
      // Its tokens may be those of another session in the chain, which lives.
      if (!isGiven) await endWithoutRevoking(own.handle)
    },

    async endWithSuccessors(handle, ending) {
      const { pendingRevocation, successor } = await end(handle, ending)
      let next = successor
      for (let count = 0; next !== undefined && count < maxSuccessors; count += 1) {
        next = (await end(next, ending)).successor
      }
      return pendingRevocation
    },

    async replace(handle, by) {
      let next: string | undefined = handle
      let signedOutAt: number | undefined
      // The chain may end at the successor itself: two requests of the browser can come to the same conclusion.
      for (let count = 0; next !== undefined && next !== by.handle && count <= maxSuccessors; count += 1) {
        const old = await store.read(next)
        const isOthers = old !== undefined && !isIn(old.identity, toUserGroup(by.identity))
        // The browser's own session ends in any case; one that took its place, only if it is of the same person.
        if (next !== handle && isOthers) break
        // One that has just run out may be of the same person, and share a grant with the successor.
        const ended: EndResult | undefined =
          old === undefined ? await endWithoutRevoking(next) : await supersede(old, by)
        if (ended === undefined) break
        signedOutAt = Math.max(signedOutAt ?? 0, ended.signedOutAt ?? 0) || undefined
        next = ended.successor
      }
      return signedOutAt
    },

    async findLiving(handle) {
      let next: string | undefined = handle
      for (let count = 0; next !== undefined && count <= maxSuccessors; count += 1) {
        const session = await store.read(next)
        if (session !== undefined) return session
        // Over, and so it stays: this only asks for its successor.
        next = (await endWithoutRevoking(next)).successor
      }
      return undefined
    },

    endAll,
    endOthers: (session) => endAll(toUserGroup(session.identity), ({ handle }) => handle !== session.handle),

    async revokePending(handle) {
      const pendingRevocation = await store.readPendingRevocation(handle)
      if (pendingRevocation !== undefined) tokenRevocation.revoke(pendingRevocation)
    },

    discardLateTokens,
  }
}
