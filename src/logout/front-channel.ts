import type { Providers } from '../provider/providers.ts'
import { toProviderSidGroup } from '../session/session-groups.ts'
import type { SessionStore } from '../session/store.ts'
import type { SessionTermination } from '../session/termination/session-termination.ts'
import type { Log } from '../telemetry/events.ts'

/**
 * The query parameters by which a provider names a session of its own; undefined where one is missing.
 * Microsoft Entra ID sends no `iss`.
 */
export interface FrontChannelLogoutRequest {
  iss: string | undefined
  sid: string | undefined
}

/**
 * Ends the sessions that came from the provider's session `sid`. A request that names no known session
 * changes nothing, and only the log says so.
 *
 * @returns the origins of the provider's pages, which may show the response in a frame
 * @throws AppError `store_unavailable`
 */
export type FrontChannelLogout = (request: FrontChannelLogoutRequest, log: Log) => Promise<string[]>

interface FrontChannelLogoutOptions {
  providers: Pick<Providers, 'all' | 'findByIssuer'>
  store: Pick<SessionStore, 'findByGroup'>
  termination: Pick<SessionTermination, 'endAll'>
}

/**
 * Creates the use case "the provider's page signs the user out" (OpenID Connect Front-Channel Logout 1.0, 3).
 */
export function createFrontChannelLogout({
  providers,
  store,
  termination,
}: FrontChannelLogoutOptions): FrontChannelLogout {
  return async ({ iss, sid }, log) => {
    // Without iss, the session may be of any provider: a stranger who knew its sid would know iss as well.
    const matching = iss === undefined ? providers.all : providers.findByIssuer(iss)
    const issuers = new Set(
      matching.flatMap(({ tokenIssuers }) => (iss === undefined ? tokenIssuers : [iss])),
    )
    if (issuers.size === 0) log('frontchannel_logout_refused', { reason: 'iss is of no provider here' })
    else if (sid === undefined) log('frontchannel_logout_refused', { reason: 'sid is missing' })
    else for (const issuer of issuers) await endSessions(issuer, sid, log)
    const origins = await Promise.all(matching.map((each) => each.pageOrigins()))
    return [...new Set(origins.flat())]
  }

  async function endSessions(issuer: string, sid: string, log: Log): Promise<void> {
    const group = toProviderSidGroup(issuer, sid)
    // Anyone can send this request: without this check, guessed values of sid would fill the store.
    if ((await store.findByGroup(group)).length === 0) return
    const ended = await termination.endAll(group, 'front_channel_logout')
    if (ended.length > 0) log('frontchannel_logout_succeeded', { sessions: ended })
  }
}
