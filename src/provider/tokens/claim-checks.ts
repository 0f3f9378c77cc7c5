import { createHash } from 'node:crypto'
import type { JWTPayload } from 'jose'
import { toLogText } from '../../telemetry/logger.ts'
import { tokenError } from '../transport/errors.ts'
import type { ProviderIdentity } from '../types.ts'

/** What an ID token is held against, whether it is that of a login or of a refresh. Times are milliseconds since the epoch. */
interface Expected {
  clientId: string
  /** Other audiences that it may name. */
  trustedAudiences: readonly string[]
  /** The pinned signature algorithm, which also tells the hash of `at_hash`. */
  alg: string
  /** The access token that came with it. */
  accessToken: string
  /** How far the provider's clock and ours may differ, in seconds. */
  clockTolerance: number
  now: number
}

/** What the ID token of a login is held against. */
export interface ExpectedIdToken extends Expected {
  nonce: string
  /** When the login began, in milliseconds since the epoch. */
  startedAt: number
  /** Seconds, as asked for. */
  maxAge?: number
  /** The `acr_values` that were asked for, if any. */
  acrValues?: readonly string[]
  /** Whether the person had to sign in anew (`prompt=login`). */
  mustBeFresh?: boolean
}

/** What the ID token of a refresh is held against: the login it continues. */
export interface ExpectedRefreshedIdToken extends Expected {
  identity: ProviderIdentity
}

/** Says what is wrong with the claims, or nothing. */
type Check<What> = (claims: JWTPayload, expected: What) => string | undefined

/** How long ago an ID token may have been made, in seconds: Entra ID dates its tokens five minutes back. */
const longestAge = 600

/** Anything, as the log may show it. */
export const quote = (value: unknown) =>
  `"${toLogText(typeof value === 'string' ? value : (JSON.stringify(value) ?? 'undefined'))}"`

const subjectIsThere: Check<Expected> = ({ sub }) =>
  typeof sub === 'string' && sub !== '' && sub.length <= 255 ? undefined : 'sub is empty or not a text'

/** Any other audience would be one we have no reason to trust (OpenID Connect Core 3.1.3.7, 3). */
export const audiencesAreTrusted: Check<Pick<Expected, 'clientId' | 'trustedAudiences'>> = (
  { aud },
  { clientId, trustedAudiences },
) => {
  const other = [aud].flat().find((one) => one !== clientId && !trustedAudiences.includes(one ?? ''))
  return other === undefined
    ? undefined
    : `aud names ${quote(other)} as well, which OIDC_TRUSTED_AUDIENCES does not name`
}

const authorizedPartyIsThisClient: Check<Expected> = ({ azp }, { clientId }) =>
  azp === undefined || azp === clientId ? undefined : `azp is ${quote(azp)}, another client`

export const wasNotIssuedInTheFuture: Check<Pick<Expected, 'now' | 'clockTolerance'>> = (
  { iat = 0 },
  { now, clockTolerance },
) => {
  const ahead = iat - now / 1000
  return ahead <= clockTolerance ? undefined : `iat lies ${Math.ceil(ahead)} s in the future`
}

/** What ties the token to this login is the nonce; its time only tells a fresh token from a stored one. */
const wasIssuedLately: Check<Expected> = ({ iat = 0 }, { now }) => {
  const age = now / 1000 - iat
  return age <= longestAge ? undefined : `iat lies ${Math.ceil(age)} s back`
}

const nonceIsOfThisLogin: Check<ExpectedIdToken> = ({ nonce }, expected) => {
  if (nonce === undefined) return 'nonce is missing'
  return nonce === expected.nonce ? undefined : 'nonce is that of another login'
}

const didNotSignInInTheFuture: Check<Expected> = ({ auth_time: authTime = 0 }, { now, clockTolerance }) =>
  typeof authTime === 'number' && authTime <= now / 1000 + clockTolerance
    ? undefined
    : 'auth_time lies in the future, or is no number'

/** at_hash: the left half of the access token's hash, by the hash of the signature algorithm (Core 3.1.3.6). */
const accessTokenHashFits: Check<Expected> = ({ at_hash: atHash }, { accessToken, alg }) => {
  if (atHash === undefined) return undefined
  const digest = createHash(alg === 'EdDSA' ? 'sha512' : `sha${alg.slice(2)}`)
    .update(accessToken)
    .digest()
  const expected = digest.subarray(0, digest.length / 2).toString('base64url')
  return atHash === expected ? undefined : 'at_hash belongs to another access token'
}

const subjectIsTheSame: Check<ExpectedRefreshedIdToken> = ({ sub }, { identity }) =>
  sub === identity.providerSub ? undefined : 'sub is another one than at the login'

/** It may be later: the person signed in anew, in this app or in another one of the same single sign-on. */
const authTimeIsNotEarlier: Check<ExpectedRefreshedIdToken> = ({ auth_time: authTime }, { identity }) =>
  authTime === undefined || identity.authTime === undefined || Number(authTime) >= identity.authTime
    ? undefined
    : 'auth_time is earlier than at the login'

/** Some providers leave it empty where they mean to leave it out. */
const nonceIsTheSame: Check<ExpectedRefreshedIdToken> = ({ nonce }, { identity }) =>
  nonce === undefined || nonce === '' || nonce === identity.nonce
    ? undefined
    : 'nonce is another one than at the login'

/** What holds for every ID token, beside signature, iss, aud and exp, which jose checks (OpenID Connect Core 3.1.3.7). */
const commonChecks: readonly Check<Expected>[] = [
  subjectIsThere,
  audiencesAreTrusted,
  authorizedPartyIsThisClient,
  wasNotIssuedInTheFuture,
  wasIssuedLately,
  accessTokenHashFits,
]

/** What ties one to the login that asked for it. */
const loginChecks: readonly Check<ExpectedIdToken>[] = [nonceIsOfThisLogin, didNotSignInInTheFuture]

/** What ties the one of a refresh to the login it continues (OpenID Connect Core 12.2). */
const refreshChecks: readonly Check<ExpectedRefreshedIdToken>[] = [
  subjectIsTheSame,
  authTimeIsNotEarlier,
  nonceIsTheSame,
]

const clockChecks: ReadonlySet<unknown> = new Set([
  wasNotIssuedInTheFuture,
  wasIssuedLately,
  didNotSignInInTheFuture,
])

/**
 * Holds the claims of a verified ID token against what this login expects.
 *
 * @throws AppError `invalid_id_token`, its reason naming the claim
 */
export function assertIdTokenClaims(claims: JWTPayload, expected: ExpectedIdToken): void {
  assertAll([...commonChecks, ...loginChecks], claims, expected)
}

/**
 * Holds the claims of a refreshed, verified ID token against the login it continues.
 *
 * @throws AppError `invalid_id_token`, its reason naming the claim
 */
export function assertRefreshedIdTokenClaims(claims: JWTPayload, expected: ExpectedRefreshedIdToken): void {
  assertAll([...commonChecks, ...refreshChecks], claims, expected)
}

function assertAll<What>(checks: readonly Check<What>[], claims: JWTPayload, expected: What): void {
  for (const check of checks) {
    const problem = check(claims, expected)
    if (problem !== undefined) {
      throw tokenError('invalid_id_token', problem, { isClockProblem: clockChecks.has(check) })
    }
  }
}

/**
 * Whether an access token was issued to this client: Okta says so in `cid`, RFC 9068 in `client_id`, others in `azp`. Where it
 * has none of them (Spring Authorization Server), signature, issuer and audience have to do.
 *
 * @throws AppError `invalid_access_token`
 */
export function assertIssuedToClient(
  { cid, client_id: clientIdClaim, azp }: JWTPayload,
  clientId: string,
): void {
  const named = cid ?? clientIdClaim ?? azp
  if (named === undefined || named === clientId) return
  throw tokenError('invalid_access_token', 'cid, client_id or azp is not this client')
}

/**
 * Whether an access token is bound to our key (RFC 9449 6.1).
 *
 * @throws AppError `invalid_access_token`
 */
export function assertBoundToKey({ cnf }: JWTPayload, thumbprint: string): void {
  const isBound = typeof cnf === 'object' && cnf !== null && 'jkt' in cnf && cnf.jkt === thumbprint
  if (!isBound) throw tokenError('invalid_access_token', 'cnf.jkt is not our key')
}

/** The granted scopes an access token names: Okta's `scp` array, or the space-separated `scope` of RFC 9068. */
export function toScopes({ scp, scope }: JWTPayload): string[] | undefined {
  if (Array.isArray(scp)) return scp.filter((item) => typeof item === 'string')
  return typeof scope === 'string' ? scope.split(' ') : undefined
}
