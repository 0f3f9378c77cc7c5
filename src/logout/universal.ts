import type { Config } from '../config/config.ts'
import { AppError } from '../errors.ts'
import type { Provider } from '../provider/provider.ts'
import type { Providers } from '../provider/providers.ts'
import type { Session } from '../session/session.ts'
import { type SessionGroup, toEmailGroup, toUserGroup } from '../session/session-groups.ts'
import type { SessionTermination } from '../session/termination/session-termination.ts'
import type { Log } from '../telemetry/events.ts'
import type { ReplayDetection } from './replay-detection.ts'

/** The user who has to be signed out (RFC 9493 3.2.2, 3.2.4). */
export type RevokedSubject =
  | { format: 'iss_sub'; iss: string; sub: string }
  | { format: 'email'; email: string }

/**
 * Ends all sessions of a user. `token` authenticates the caller; `readSubject` is called only after it has
 * been verified.
 *
 * @throws AppError `invalid_token`, `insufficient_authorization`, `not_found`, `unprocessable`,
 * `provider_unavailable`, `store_unavailable`, and what `readSubject` throws
 */
export type UniversalLogout = (token: string, readSubject: () => RevokedSubject, log: Log) => Promise<void>

interface UniversalLogoutOptions {
  config: Pick<Config, 'apiUrl'>
  providers: Pick<Providers, 'findByUniversalLogoutToken'>
  termination: Pick<SessionTermination, 'endAll'>
  replayDetection: ReplayDetection
}

/**
 * Creates the use case "the provider requests that all sessions of a user end" (Global Token Revocation; Okta
 * Universal Logout).
 */
export function createUniversalLogout({
  config,
  providers,
  termination,
  replayDetection,
}: UniversalLogoutOptions): UniversalLogout {
  /** The address of this endpoint, which the provider's token has to name. */
  const audience = `${config.apiUrl}/universal-logout`

  return async (token, readSubject, log) => {
    const revocable = providers.findByUniversalLogoutToken(token)
    const [provider] = revocable
    if (provider === undefined) {
      throw new AppError('invalid_token', 'The issuer of the token may not sign users out here.', {
        reason: 'iss is not an issuer that may call (OIDC_UNIVERSAL_LOGOUT_ISSUER)',
      })
    }
    const { universalLogoutIssuer: callerIssuer = '' } = provider
    const { id, expiresAt } = await provider.verifyUniversalLogoutToken(token, audience)
    if (await replayDetection.isReplay(callerIssuer, id)) {
      throw new AppError('invalid_token', 'The token was used before.', { reason: 'used before' })
    }
    const ended = await endSessions(revocable, readSubject())
    await replayDetection.markUsed(callerIssuer, id, expiresAt)
    log('universal_logout_succeeded', {
      providers: revocable.map(({ name }) => name),
      sessions: ended,
    })
  }

  async function endSessions(revocable: readonly Provider[], subject: RevokedSubject): Promise<string[]> {
    // All sessions or none: a response of success must not hide sessions that could not be found.
    const withoutEmail = revocable.find(({ claimNames }) => !claimNames.includes('email'))
    if (subject.format === 'email' && withoutEmail !== undefined) {
      throw new AppError(
        'unprocessable',
        'Sessions here cannot be found by e-mail address. Send a subject of the format iss_sub.',
        { reason: `the claims of provider ${withoutEmail.name} have no email` },
      )
    }
    const groups = revocable
      .map((provider) => toGroup(provider, subject))
      .filter((group) => group !== undefined)
    if (groups.length === 0) throw new AppError('not_found', 'No user of this issuer can sign in here.')
    const names = revocable.map(({ name }) => name)
    const isOfProviders = ({ identity }: Session) => names.includes(identity.providerName)
    const ended = await Promise.all(
      groups.map((group) => termination.endAll(group, 'universal_logout', isOfProviders)),
    )
    return ended.flat()
  }
}

/** The subject's sessions at one provider; undefined where the subject is of another issuer. */
function toGroup(
  { issuer, universalLogoutIssuer }: Provider,
  subject: RevokedSubject,
): SessionGroup | undefined {
  if (subject.format === 'email') return toEmailGroup(issuer, subject.email)
  const isOfProvider = subject.iss === issuer || subject.iss === universalLogoutIssuer
  return isOfProvider ? toUserGroup({ issuer, providerSub: subject.sub }) : undefined
}
