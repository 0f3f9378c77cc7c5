import { decodeProtectedHeader, type JWTPayload } from 'jose'
import type { Clock } from '../../clock.ts'
import type { ProviderConfig } from '../../config/providers/provider-config.ts'
import type { JwksCache } from '../../jwks/jwks-cache.ts'
import { tokenError, translateTokenError } from '../transport/errors.ts'
import { audiencesAreTrusted, wasNotIssuedInTheFuture } from './claim-checks.ts'

/** Whose sessions a verified logout token ends: those of one session at the provider, or all of a person. */
export interface VerifiedLogoutToken {
  sub: string | undefined
  sid: string | undefined
  /** Names the token, which is good once. */
  jti: string
  /** Milliseconds since the epoch from which on nobody takes the token any more. */
  goodUntil: number
}

/** The member of `events` that makes a logout token what it is (BCL 2.4). */
const logoutEvent = 'http://schemas.openid.net/event/backchannel-logout'

/** Seconds that a token which may act once can be good for: each is remembered for as long. */
export const maxOneTimeTokenLifetime = 24 * 60 * 60

/** Seconds that a logout token without `exp` counts from its `iat`: what providers should give it at most (BCL 4). */
const lifeWithoutExp = 2 * 60

type Check = (claims: JWTPayload, now: number, clockTolerance: number) => string | undefined

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const hasTheEvent: Check = ({ events }) =>
  isObject(events) && isObject(events[logoutEvent]) ? undefined : 'events is not that of a logout'

const namesSomebody: Check = ({ sub, sid }) => {
  const names = [sub, sid].filter((name) => name !== undefined)
  const areTexts = names.every((name) => typeof name === 'string' && name !== '')
  return names.length > 0 && areTexts ? undefined : 'there is neither sub nor sid, or one is no text'
}

/** So that no ID token passes as a logout token. */
const hasNoNonce: Check = ({ nonce }) => (nonce === undefined ? undefined : 'there is a nonce')

const hasAnId: Check = ({ jti }) => (typeof jti === 'string' && jti !== '' ? undefined : 'jti is missing')

const endsSoon: Check = ({ exp = 0 }, now) =>
  exp <= now / 1000 + maxOneTimeTokenLifetime ? undefined : 'exp lies more than a day ahead'

/** Not every provider sends an `exp`: the first edition of BCL had none. Where there is one, jose has checked it. */
const isFreshWithoutExp: Check = ({ iat = 0, exp }, now, clockTolerance) =>
  exp !== undefined || iat + lifeWithoutExp > now / 1000 - clockTolerance
    ? undefined
    : 'iat lies more than two minutes back, and there is no exp'

const checks: readonly Check[] = [
  hasTheEvent,
  namesSomebody,
  hasNoNonce,
  hasAnId,
  endsSoon,
  isFreshWithoutExp,
]

interface LogoutTokenVerifierOptions {
  config: ProviderConfig
  keys: JwksCache
  clock: Clock
}

/**
 * Creates the check of one provider's logout tokens (OpenID Connect Back-Channel Logout 1.0, 2.6). Whether a token was used
 * before is for the caller to find out.
 *
 * @throws AppError `invalid_logout_token`, its reason naming the check; `provider_unavailable` where keys cannot be had
 */
export function createLogoutTokenVerifier({ config, keys, clock }: LogoutTokenVerifierOptions) {
  const { issuer, clientId, trustedAudiences, idTokenAlg: alg, requiresLogoutTokenTyp } = config
  const clockTolerance = config.clockTolerance / 1000

  /** As it comes, `typ` may be missing or say no more than JWT; but never that the token is something else. */
  function assertType(token: string): void {
    const { typ } = decodeProtectedHeader(token)
    const type = typ?.toLowerCase().replace(/^application\//, '')
    const isFine =
      type === 'logout+jwt' || (!requiresLogoutTokenTyp && (type === undefined || type === 'jwt'))
    if (!isFine) throw tokenError('invalid_logout_token', 'typ is not logout+jwt')
  }

  return async (token: string): Promise<VerifiedLogoutToken> => {
    const now = clock.now()
    const claims = await keys
      .verify(token, {
        issuer,
        audience: clientId,
        algorithms: [alg],
        requiredClaims: ['iat'],
        clockTolerance,
        currentDate: new Date(now),
      })
      .catch((error: unknown) => {
        throw translateTokenError(error, 'invalid_logout_token')
      })
    assertType(token)
    const problem =
      audiencesAreTrusted(claims, { clientId, trustedAudiences }) ??
      wasNotIssuedInTheFuture(claims, { now, clockTolerance }) ??
      checks.map((check) => check(claims, now, clockTolerance)).find((found) => found !== undefined)
    if (problem !== undefined) throw tokenError('invalid_logout_token', problem)
    const { sub, sid, jti = '', iat = 0, exp = iat + lifeWithoutExp } = claims
    return {
      sub,
      sid: typeof sid === 'string' ? sid : undefined,
      jti,
      // In whole seconds, as jose counts: it takes a token until the last of them is over.
      goodUntil: (Math.ceil(exp) + clockTolerance) * 1000,
    }
  }
}
