import { hash } from 'node:crypto'
import type { JWTPayload } from 'jose'
import { tokenError } from '../transport/errors.ts'
import type { ProviderIdentity } from '../types.ts'
import { type ClaimCheck, firstProblem, quote } from './claim-check.ts'

/** What every ID token is compared with. Times are milliseconds since the epoch. */
interface Expected {
  clientId: string
  /** Other audiences that it may name. */
  trustedAudiences: readonly string[]
  /** The pinned signature algorithm, which also determines the hash of `at_hash`. */
  alg: string
  /** The access token of the same response. */
  accessToken: string
  /** How far the provider's clock and ours may differ, in seconds. */
  clockTolerance: number
  now: number
}

/** What the ID token of a login is compared with. */
export interface ExpectedIdToken extends Expected {
  nonce: string
  /** When the login began, in milliseconds since the epoch. */
  startedAt: number
  /** Seconds, as asked for. */
  maxAge?: number | undefined
  /** The `acr_values` that were asked for, if any. */
  acrValues?: readonly string[] | undefined
  /** Whether the user had to sign in again (`prompt=login`). */
  mustBeFresh?: boolean
}

/** What the ID token of a refresh is compared with: the login it continues. */
export interface ExpectedRefreshedIdToken extends Expected {
  identity: ProviderIdentity
}

/** Seconds since an ID token was issued, at most: Entra ID sets `iat` five minutes back. */
const maxIdTokenAge = 600

const hasSubject: ClaimCheck<Expected> = ({ sub }) =>
  typeof sub === 'string' && sub !== '' && sub.length <= 255 ? undefined : 'sub is empty or not a text'

/** Every audience must be this client or trusted by the configuration (OpenID Connect Core 3.1.3.7, 3). */
export const audiencesAreTrusted: ClaimCheck<Pick<Expected, 'clientId' | 'trustedAudiences'>> = (
  { aud },
  { clientId, trustedAudiences },
) => {
  const other = [aud].flat().find((one) => one !== clientId && !trustedAudiences.includes(one ?? ''))
  return other === undefined
    ? undefined
    : `aud names ${quote(other)} as well, which OIDC_TRUSTED_AUDIENCES does not name`
}

const authorizedPartyIsThisClient: ClaimCheck<Expected> = ({ azp }, { clientId }) =>
  azp === undefined || azp === clientId ? undefined : `azp is ${quote(azp)}, another client`

export const wasNotIssuedInTheFuture: ClaimCheck<Pick<Expected, 'now' | 'clockTolerance'>> = (
  { iat = 0 },
  { now, clockTolerance },
) => {
  const ahead = iat - now / 1000
  return ahead <= clockTolerance ? undefined : `iat lies ${Math.ceil(ahead)} s in the future`
}

/** The nonce ties the token to this login; the time only distinguishes a new token from a stored one. */
const wasIssuedRecently: ClaimCheck<Expected> = ({ iat = 0 }, { now }) => {
  const age = now / 1000 - iat
  return age <= maxIdTokenAge ? undefined : `iat lies ${Math.ceil(age)} s back`
}

/**
 * at_hash: the left half of the access token's hash, by the hash of the signature algorithm (Core 3.1.3.6).
 */
const accessTokenHashMatches: ClaimCheck<Expected> = ({ at_hash: atHash }, { accessToken, alg }) => {
  if (atHash === undefined) return undefined
  const digest = hash(alg === 'EdDSA' ? 'sha512' : `sha${alg.slice(2)}`, accessToken, 'buffer')
  const expected = digest.subarray(0, digest.length / 2).toString('base64url')
  return atHash === expected ? undefined : 'at_hash belongs to another access token'
}

const nonceIsOfThisLogin: ClaimCheck<ExpectedIdToken> = ({ nonce }, expected) => {
  if (nonce === undefined) return 'nonce is missing'
  return nonce === expected.nonce ? undefined : 'nonce is that of another login'
}

const didNotSignInInTheFuture: ClaimCheck<Expected> = (
  { auth_time: authTime = 0 },
  { now, clockTolerance },
) =>
  typeof authTime === 'number' && authTime <= now / 1000 + clockTolerance
    ? undefined
    : 'auth_time lies in the future, or is no number'

/** With many tenants, the same `sub` of another issuer is another user. */
const issuerIsTheSame: ClaimCheck<ExpectedRefreshedIdToken> = ({ iss }, { identity }) =>
  iss === identity.issuer ? undefined : 'iss is another one than at the login'

const subjectIsTheSame: ClaimCheck<ExpectedRefreshedIdToken> = ({ sub }, { identity }) =>
  sub === identity.providerSub ? undefined : 'sub is another one than at the login'

/**
 * A later time is fine: the user signed in again, in this app or in another one of the same single sign-on.
 */
const authTimeIsNotEarlier: ClaimCheck<ExpectedRefreshedIdToken> = ({ auth_time: authTime }, { identity }) =>
  authTime === undefined || identity.authTime === undefined || Number(authTime) >= identity.authTime
    ? undefined
    : 'auth_time is earlier than at the login'

/** Some providers send an empty nonce instead of omitting it. */
const nonceIsTheSame: ClaimCheck<ExpectedRefreshedIdToken> = ({ nonce }, { identity }) =>
  nonce === undefined || nonce === '' || nonce === identity.nonce
    ? undefined
    : 'nonce is another one than at the login'

/** For every ID token (OpenID Connect Core 3.1.3.7); jose checks signature, iss, aud and exp. */
const commonChecks: readonly ClaimCheck<Expected>[] = [
  hasSubject,
  audiencesAreTrusted,
  authorizedPartyIsThisClient,
  wasNotIssuedInTheFuture,
  wasIssuedRecently,
  accessTokenHashMatches,
]

/** These tie the token to the login that asked for it. */
const loginChecks: readonly ClaimCheck<ExpectedIdToken>[] = [nonceIsOfThisLogin, didNotSignInInTheFuture]

/** These tie the token of a refresh to the login it continues (OpenID Connect Core 12.2). */
const refreshChecks: readonly ClaimCheck<ExpectedRefreshedIdToken>[] = [
  issuerIsTheSame,
  subjectIsTheSame,
  authTimeIsNotEarlier,
  nonceIsTheSame,
]

/** Checks that also fail where the clocks of provider and server differ too much. */
const clockChecks: ReadonlySet<unknown> = new Set([
  wasNotIssuedInTheFuture,
  wasIssuedRecently,
  didNotSignInInTheFuture,
])

/**
 * Checks the claims of the verified ID token of a login.
 *
 * @throws AppError `invalid_id_token`, its reason naming the claim
 */
export function assertIdTokenClaims(claims: JWTPayload, expected: ExpectedIdToken): void {
  assertAll([...commonChecks, ...loginChecks], claims, expected)
}

/**
 * Checks the claims of the verified ID token of a refresh.
 *
 * @throws AppError `invalid_id_token`, its reason naming the claim
 */
export function assertRefreshedIdTokenClaims(claims: JWTPayload, expected: ExpectedRefreshedIdToken): void {
  assertAll([...commonChecks, ...refreshChecks], claims, expected)
}

function assertAll<What>(checks: readonly ClaimCheck<What>[], claims: JWTPayload, expected: What): void {
  const failed = firstProblem(checks, claims, expected)
  if (failed === undefined) return
  const isClockProblem = clockChecks.has(failed.check)
  throw tokenError('invalid_id_token', failed.problem, { isClockProblem })
}
