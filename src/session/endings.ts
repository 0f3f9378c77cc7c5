import type { Revocations } from './revocations.ts'
import type { NewSession, Session } from './session.ts'
import { type SessionGroup, toUserGroup } from './session-groups.ts'
import type { Ended, Ending, SessionStore } from './store.ts'

/** The one way sessions end: in the store first, for good; then their refresh tokens at the provider. */
export interface Endings {
  end(handle: string, ending?: Ending): Promise<Ended>
  /**
   * Ends a session and leaves its tokens to themselves: its person stays signed in by another one of the same login at the
   * provider, and many providers take the revocation of one refresh token for the end of all that came from that login.
   */
  endQuietly(handle: string, ending?: Ending): Promise<Ended>
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
  revokeLeft(handle: string): Promise<void>
  /** Takes care of tokens that came when their session had ended already. */
  discard(handle: string, late: NewSession): Promise<void>
}

interface EndingsOptions {
  store: SessionStore
  revocations: Pick<Revocations, 'revoke'>
}

/** Sessions that end at once: a person with thousands of them must not keep the store from everybody else. */
const batch = 100

/** Creates the endings. Every method may throw AppError `store_unavailable`: then nobody may claim that anything ended. */
export function createEndings({ store, revocations }: EndingsOptions): Endings {
  async function end(handle: string, ending: Ending = {}): Promise<Ended> {
    const ended = await store.end(handle, ending)
    if (ended.remains !== undefined) revocations.revoke(ended.remains)
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

  return {
    end,
    endQuietly: (handle, ending = {}) => store.end(handle, { ...ending, quietly: true }),
    endAll,
    endOthers: (session) => endAll(toUserGroup(session.identity), ({ handle }) => handle !== session.handle),

    async revokeLeft(handle) {
      const remains = await store.readRemains(handle)
      if (remains !== undefined) revocations.revoke(remains)
    },

    async discard(handle, late) {
      const remains = await store.leave(handle, late)
      if (remains !== undefined) revocations.revoke(remains)
    },
  }
}
