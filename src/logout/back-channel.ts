import { AppError } from '../errors.ts'
import type { Providers } from '../provider/providers.ts'
import type { VerifiedLogoutToken } from '../provider/tokens/logout-token.ts'
import { toProviderSidGroup, toUserGroup } from '../session/session-groups.ts'
import type { SessionTermination } from '../session/termination/session-termination.ts'
import type { Log } from '../telemetry/events.ts'
import type { ReplayDetection } from './replay-detection.ts'

/**
 * Ends the sessions that a logout token names. Succeeds also where no such session exists any more.
 *
 * @throws AppError `invalid_logout_token`, `provider_unavailable`, `store_unavailable`
 */
export type BackChannelLogout = (logoutToken: string, log: Log) => Promise<void>

interface BackChannelLogoutOptions {
  providers: Pick<Providers, 'findByLogoutToken'>
  termination: Pick<SessionTermination, 'endAll'>
  replayDetection: ReplayDetection
}

/**
 * Creates the use case "the provider reports that a user signed out" (OpenID Connect Back-Channel Logout
 * 1.0).
 */
export function createBackChannelLogout({
  providers,
  termination,
  replayDetection,
}: BackChannelLogoutOptions): BackChannelLogout {
  return async (logoutToken, log) => {
    const addressed = providers.findByLogoutToken(logoutToken)
    const [provider] = addressed
    if (provider === undefined) throw invalidLogoutToken('iss and aud match no configured provider')
    const names = addressed.map(({ name }) => name)
    const request = await provider.verifyLogoutToken(logoutToken)
    const { issuer } = request
    if (await replayDetection.isReplay(issuer, request.jti)) throw invalidLogoutToken('jti was used before')
    const ended = await termination.endAll(
      toGroup(request),
      'back_channel_logout',
      ({ identity }) =>
        names.includes(identity.providerName) &&
        (request.sub === undefined || identity.providerSub === request.sub),
    )
    await replayDetection.markUsed(issuer, request.jti, request.expiresAt)
    log('backchannel_logout_succeeded', { providers: names, sessions: ended })
  }
}

/**
 * The sessions that a logout token names: those of its `sid`, or all of its `sub` where it has no `sid`
 * (OpenID Connect Back-Channel Logout 1.0, 2.7).
 */
const toGroup = ({ issuer, sid, sub = '' }: VerifiedLogoutToken) =>
  sid === undefined ? toUserGroup({ issuer, providerSub: sub }) : toProviderSidGroup(issuer, sid)

const invalidLogoutToken = (reason: string) =>
  new AppError('invalid_logout_token', 'The logout token is not accepted. No session was ended.', { reason })
