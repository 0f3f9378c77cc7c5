import { decodeProtectedHeader } from 'jose'
import type { Clock } from '../../clock.ts'
import type { ProviderConfig } from '../../config/providers/provider-config.ts'
import type { JwksCache } from '../../jwks/jwks-cache.ts'
import { tokenError, translateTokenError } from '../transport/errors.ts'
import { type ClaimCheck, firstProblem } from './claim-check.ts'
import { audiencesAreTrusted, wasNotIssuedInTheFuture } from './id-token-checks.ts'
import { expectIssuer } from './tenants.ts'

/** Whose sessions a verified logout token ends: those of one session at the provider, or all of a user. */
export interface VerifiedLogoutToken {
  /** The issuer of the users that it is about. */
  issuer: string
  sub: string | undefined
  sid: string | undefined
  /** Identifies the token, which may be used once. */
  jti: string
  /** When the token expires, clock tolerance included, in milliseconds since the epoch. */
  expiresAt: number
}

interface LogoutTokenVerifierOptions {
  config: ProviderConfig
  keys: JwksCache
  clock: Clock
}

/** Seconds that a one-time token may be valid at most, because each is remembered until it expires. */
export const maxOneTimeTokenLifetime = 24 * 60 * 60

/**
 * Seconds after `iat` for which a logout token without `exp` is valid: the longest lifetime that providers
 * should give it (OpenID Connect Back-Channel Logout 1.0, 4).
 */
const lifetimeWithoutExp = 2 * 60

/**
 * Creates the verification of one provider's logout tokens (OpenID Connect Back-Channel Logout 1.0, 2.6).
 * Whether a token was used before is for the caller to check.
 *
 * @throws AppError `invalid_logout_token`, its reason naming the check; `provider_unavailable` without keys
 */
export function createLogoutTokenVerifier({ config, keys, clock }: LogoutTokenVerifierOptions) {
  const { clientId, trustedAudiences, idTokenAlg: alg, requiresLogoutTokenTyp } = config
  const clockTolerance = config.clockTolerance / 1000

  return async (token: string): Promise<VerifiedLogoutToken> => {
    const now = clock.now()
    const claims = await keys
      .verify(token, {
        ...expectIssuer(config, token),
        audience: clientId,
        algorithms: [alg],
        requiredClaims: ['iat'],
        clockTolerance,
        currentDate: new Date(now),
      })
      .catch((error: unknown) => {
        throw translateTokenError(error, 'invalid_logout_token')
      })
    assertType(token, requiresLogoutTokenTyp)
    const failed = firstProblem(checks, claims, { clientId, trustedAudiences, now, clockTolerance })
    if (failed !== undefined) throw tokenError('invalid_logout_token', failed.problem)
    const { iss = '', sub, sid, jti = '', iat = 0, exp = iat + lifetimeWithoutExp } = claims
    return {
      issuer: iss,
      sub,
      sid: typeof sid === 'string' ? sid : undefined,
      jti,
      // In whole seconds, as jose counts: it accepts a token until the end of the last one.
      expiresAt: (Math.ceil(exp) + clockTolerance) * 1000,
    }
  }
}

/** Without `isRequired`, `typ` may be missing or just "JWT"; but it must never name another kind of token. */
function assertType(token: string, isRequired: boolean): void {
  const { typ } = decodeProtectedHeader(token)
  const type = typ?.toLowerCase().replace(/^application\//, '')
  const isLogoutToken = type === 'logout+jwt' || (!isRequired && (type === undefined || type === 'jwt'))
  if (!isLogoutToken) throw tokenError('invalid_logout_token', 'typ is not logout+jwt')
}

/** What a logout token is compared with. */
interface Expected {
  clientId: string
  trustedAudiences: readonly string[]
  /** Milliseconds since the epoch. */
  now: number
  /** Seconds. */
  clockTolerance: number
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The member of `events` that makes a JWT a logout token (OpenID Connect Back-Channel Logout 1.0, 2.4). */
const logoutEvent = 'http://schemas.openid.net/event/backchannel-logout'

const hasLogoutEvent: ClaimCheck<Expected> = ({ events }) =>
  isObject(events) && isObject(events[logoutEvent]) ? undefined : 'events is not that of a logout'

const namesUserOrSession: ClaimCheck<Expected> = ({ sub, sid }) => {
  const names = [sub, sid].filter((name) => name !== undefined)
  const areTexts = names.every((name) => typeof name === 'string' && name !== '')
  return names.length > 0 && areTexts ? undefined : 'there is neither sub nor sid, or one is no text'
}

/** Prevents the use of an ID token as a logout token. */
const hasNoNonce: ClaimCheck<Expected> = ({ nonce }) => (nonce === undefined ? undefined : 'there is a nonce')

const hasId: ClaimCheck<Expected> = ({ jti }) =>
  typeof jti === 'string' && jti !== '' ? undefined : 'jti is missing'

const expiresSoon: ClaimCheck<Expected> = ({ exp = 0 }, { now }) =>
  exp <= now / 1000 + maxOneTimeTokenLifetime ? undefined : 'exp lies more than a day ahead'

/**
 * Some providers send no `exp`, as the first edition of the specification had none; jose checks one that is
 * sent.
 */
const isFreshWithoutExp: ClaimCheck<Expected> = ({ iat = 0, exp }, { now, clockTolerance }) =>
  exp !== undefined || iat + lifetimeWithoutExp > now / 1000 - clockTolerance
    ? undefined
    : 'iat lies more than two minutes back, and there is no exp'

const checks: readonly ClaimCheck<Expected>[] = [
  audiencesAreTrusted,
  wasNotIssuedInTheFuture,
  hasLogoutEvent,
  namesUserOrSession,
  hasNoNonce,
  hasId,
  expiresSoon,
  isFreshWithoutExp,
]
