import { AppError } from '../errors.ts'
import type { Providers } from '../provider/providers.ts'
import type { Session } from '../session/session.ts'
import { toUserGroup } from '../session/session-groups.ts'
import type { SessionStore } from '../session/store.ts'
import type { SessionTermination } from '../session/termination/session-termination.ts'
import type { Log } from '../telemetry/events.ts'

/**
 * What an operator does with sessions. A user is named by the `sub` of app tokens.
 *
 * Every method may throw AppError `store_unavailable`; those with a subject `not_found` where it is of no
 * provider.
 */
export interface OperatorSessions {
  /** Returns the active sessions of a user, the oldest first. */
  find(appSub: string): Promise<Session[]>
  /** Ends all sessions of a user; returns the handles of those that ended. */
  endOfSubject(appSub: string, log: Log): Promise<string[]>
  /**
   * Ends one session, with those that superseded it a moment ago.
   *
   * @throws AppError `not_found`
   */
  endOne(handle: string, log: Log): Promise<void>
  /** Ends the sessions of everyone, and of logins in progress; returns how many. */
  endEveryone(log: Log): Promise<number>
}

interface OperatorSessionsOptions {
  providers: Pick<Providers, 'findByAppSub'>
  store: Pick<SessionStore, 'findByGroup' | 'read'>
  termination: Pick<SessionTermination, 'endAll' | 'endChain' | 'endEveryone'>
}

/** Creates the use cases. */
export function createOperatorSessions({
  providers,
  store,
  termination,
}: OperatorSessionsOptions): OperatorSessions {
  return {
    async find(appSub) {
      const { group, isOfProvider } = toSubject(appSub)
      return (await store.findByGroup(group)).filter(isOfProvider)
    },

    async endOfSubject(appSub, log) {
      const { group, isOfProvider } = toSubject(appSub)
      const ended = await termination.endAll(group, 'operator', isOfProvider)
      log('sessions_ended_by_operator', { sub: appSub, sessions: ended })
      return ended
    },

    async endOne(handle, log) {
      const session = await store.read(handle)
      if (session === undefined) throw new AppError('not_found', 'There is no session of this id.')
      await termination.endChain(handle, { reason: 'operator' })
      log('sessions_ended_by_operator', { sub: session.identity.appSub, sessions: [handle] })
    },

    async endEveryone(log) {
      let count = 0
      // In several lines: there may be more sessions than a line of the log can take.
      await termination.endEveryone((sessions) => {
        count += sessions.length
        log('sessions_ended_by_operator', { sessions })
      })
      log('operator_acted', { act: 'end_all_sessions', ended: count })
      return count
    },
  }

  function toSubject(appSub: string) {
    const subject = providers.findByAppSub(appSub)
    if (subject === undefined) {
      throw new AppError('not_found', 'The subject does not begin with the name of a provider and a colon.')
    }
    const { provider, issuer, providerSub } = subject
    return {
      group: toUserGroup({ issuer, providerSub }),
      // Several providers may share an issuer.
      isOfProvider: ({ identity }: Session) => identity.providerName === provider.name,
    }
  }
}
