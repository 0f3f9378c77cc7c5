import { AppError } from '../errors.ts'
import type { Providers } from '../provider/providers.ts'
import { toUserGroup } from '../session/session-groups.ts'
import type { SessionTermination } from '../session/termination/session-termination.ts'
import type { Log } from '../telemetry/events.ts'

/**
 * Ends all sessions of a user, who is named by the `sub` of app tokens.
 *
 * @returns the handles of the sessions that ended
 * @throws AppError `not_found` where the subject is of no provider, `store_unavailable`
 */
export type OperatorLogout = (appSub: string, log: Log) => Promise<string[]>

interface OperatorLogoutOptions {
  providers: Pick<Providers, 'findByAppSub'>
  termination: Pick<SessionTermination, 'endAll'>
}

/** Creates the use case "an operator signs a user out everywhere". */
export function createOperatorLogout({ providers, termination }: OperatorLogoutOptions): OperatorLogout {
  return async (appSub, log) => {
    const subject = providers.findByAppSub(appSub)
    if (subject === undefined) {
      throw new AppError('not_found', 'The subject does not begin with the name of a provider and a colon.')
    }
    const { provider, providerSub } = subject
    const ended = await termination.endAll(
      toUserGroup({ issuer: provider.issuer, providerSub }),
      ({ identity }) => identity.providerName === provider.name,
    )
    log('sessions_ended_by_operator', { sub: appSub, sessions: ended })
    return ended
  }
}
