import type { Config } from '../config/config.ts'
import { AppError } from '../errors.ts'
import type { Provider } from '../provider/provider.ts'
import type { Providers } from '../provider/providers.ts'
import type { Session } from '../session/session.ts'
import { type SessionGroup, toEmailGroup, toUserGroup } from '../session/session-groups.ts'
import type { SessionTermination } from '../session/termination/session-termination.ts'
import type { Log } from '../telemetry/logger.ts'
import type { ReplayDetection } from './replay-detection.ts'

/** Who has to be signed out (RFC 9493 3.2.2, 3.2.4). */
export type RevokedSubject =
  | { format: 'iss_sub'; iss: string; sub: string }
  | { format: 'email'; email: string }

/** The path of the address that is told to the provider. */
const universalLogoutPath = '/api/universal-logout'

interface UniversalLogoutOptions {
  config: Pick<Config, 'publicUrl'>
  providers: Pick<Providers, 'findRevocable'>
  termination: Pick<SessionTermination, 'endAll'>
  replayDetection: ReplayDetection
}

/** Creates the use case "the provider has a person's sessions ended" (Global Token Revocation; Okta Universal Logout). */
export function createUniversalLogout({
  config,
  providers,
  termination,
  replayDetection,
}: UniversalLogoutOptions) {
  /** The sessions of the subject at one of the providers; undefined where its people are not meant. */
  function toGroup(
    { issuer, universalLogoutIssuer }: Provider,
    subject: RevokedSubject,
  ): SessionGroup | undefined {
    if (subject.format === 'email') return toEmailGroup(issuer, subject.email)
    const isMeant = subject.iss === issuer || subject.iss === universalLogoutIssuer
    return isMeant ? toUserGroup({ issuer, providerSub: subject.sub }) : undefined
  }

  async function endSessions(revocable: readonly Provider[], subject: RevokedSubject): Promise<string[]> {
    // Of all of them or none: an answer of success must not hide sessions that could not be found.
    const blind = revocable.find(({ claimNames }) => !claimNames.includes('email'))
    if (subject.format === 'email' && blind !== undefined) {
      throw new AppError('unprocessable', 'Sessions here do not know e-mail addresses. Send iss_sub.', {
        reason: `the claims of provider ${blind.name} have no email`,
      })
    }
    const groups = revocable.map((provider) => toGroup(provider, subject))
    const meant = groups.filter((group) => group !== undefined)
    if (meant.length === 0) throw new AppError('not_found', 'There are no people of this issuer here.')
    const names = revocable.map(({ name }) => name)
    const isMeant = ({ identity }: Session) => names.includes(identity.providerName)
    const ended = await Promise.all(meant.map((group) => termination.endAll(group, isMeant)))
    return ended.flat()
  }

  /** The subject is read once the caller is known. */
  return async function logOutUniversally(
    token: string,
    readSubject: () => RevokedSubject,
    log: Log,
  ): Promise<void> {
    const revocable = providers.findRevocable(token)
    const [provider] = revocable
    if (provider === undefined) {
      throw new AppError('invalid_token', 'The token is of no issuer that may sign people out here.', {
        reason: 'iss is none of the orgs that may call (OIDC_UNIVERSAL_LOGOUT_ISSUER)',
      })
    }
    const { universalLogoutIssuer: caller = '' } = provider
    const { name, goodUntil } = await provider.verifyUniversalLogoutToken(
      token,
      config.publicUrl + universalLogoutPath,
    )
    if (await replayDetection.isReplay(caller, name)) {
      throw new AppError('invalid_token', 'The token was used before.', { reason: 'used before' })
    }
    const ended = await endSessions(revocable, readSubject())
    await replayDetection.markUsed(caller, name, goodUntil)
    log('universal_logout_succeeded', {
      providers: revocable.map(({ name }) => name),
      sessions: ended,
    })
  }
}
