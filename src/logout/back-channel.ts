import { AppError } from '../errors.ts'
import type { Providers } from '../provider/providers.ts'
import type { LogoutRequest } from '../provider/tokens/logout-token.ts'
import { toProviderSidGroup, toUserGroup } from '../session/session-groups.ts'
import type { SessionTermination } from '../session/termination/session-termination.ts'
import type { Log } from '../telemetry/logger.ts'
import type { ReplayDetection } from './replay-detection.ts'

interface BackChannelLogoutOptions {
  providers: Pick<Providers, 'findAddressed'>
  termination: Pick<SessionTermination, 'endAll'>
  replayDetection: ReplayDetection
}

const refuse = (reason: string) =>
  new AppError('invalid_logout_token', 'The logout token is not accepted, so nobody was signed out.', {
    reason,
  })

/** The sessions that a logout token means (BCL 2.7): those of its `sid`, without one all of its `sub`. */
const toGroup = (issuer: string, { sid, sub = '' }: LogoutRequest) =>
  sid === undefined ? toUserGroup({ issuer, providerSub: sub }) : toProviderSidGroup(issuer, sid)

/**
 * Creates the use case "the provider says that somebody signed out" (OpenID Connect Back-Channel Logout 1.0). That nobody
 * is signed in any more is success.
 */
export function createBackChannelLogout({
  providers,
  termination,
  replayDetection,
}: BackChannelLogoutOptions) {
  /** @throws AppError `invalid_logout_token`, `provider_unavailable`, `store_unavailable` */
  return async function logOutByBackChannel(logoutToken: string, log: Log): Promise<void> {
    const addressed = providers.findAddressed(logoutToken)
    const [provider] = addressed
    if (provider === undefined) throw refuse('iss and aud are of no provider of ours')
    const { issuer } = provider
    const names = addressed.map(({ name }) => name)
    const request = await provider.verifyLogoutToken(logoutToken)
    if (await replayDetection.isReplay(issuer, request.jti)) throw refuse('jti was used before')
    const ended = await termination.endAll(
      toGroup(issuer, request),
      ({ identity }) =>
        names.includes(identity.providerName) &&
        (request.sub === undefined || identity.providerSub === request.sub),
    )
    await replayDetection.markUsed(issuer, request.jti, request.goodUntil)
    log('backchannel_logout_succeeded', { providers: names, sessions: ended })
  }
}
