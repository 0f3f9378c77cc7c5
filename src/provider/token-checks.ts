import { createHash } from 'node:crypto'
import type { JWTPayload } from 'jose'
import type { ProviderIdentity } from './identity.ts'
import { createTokenError } from './provider-errors.ts'

/** What an ID token is held against. Times are milliseconds since the epoch. */
export interface ExpectedIdToken {
  clientId: string
  /** The pinned signature algorithm, which also tells the hash of `at_hash`. */
  alg: string
  /** The access token that came with it. */
  accessToken: string
  /** When the login or the refresh began: an ID token made for it cannot be older. */
  startedAt: number
  /** The `acr_values` that were asked for, if any. */
  acrValues?: readonly string[]
  /** Whether the person had to sign in anew (`prompt=login`). */
  mustBeFresh?: boolean
  now: number
}

/** What the ID token of a refresh is held against: the login it continues as well. */
export interface ExpectedRefreshedIdToken extends Omit<ExpectedIdToken, 'acrValues' | 'mustBeFresh'> {
  identity: ProviderIdentity
}

/** Says what is wrong with the claims, or nothing. */
export type Check<Expected = ExpectedIdToken> = (claims: JWTPayload, expected: Expected) => string | undefined

/** How far the provider's clock and ours may differ, in seconds. */
export const clockTolerance = 30

const subjectIsThere: Check = ({ sub }) =>
  typeof sub === 'string' && sub !== '' && sub.length <= 255 ? undefined : 'sub is empty or not a text'

/** Any other audience would be one we have no reason to trust (OpenID Connect Core 3.1.3.7, 3). */
export const audienceIsThisClientAlone: Check<Pick<ExpectedIdToken, 'clientId'>> = ({ aud }, { clientId }) =>
  [aud].flat().every((audience) => audience === clientId) ? undefined : 'aud holds another audience'

const authorizedPartyIsThisClient: Check = ({ azp }, { clientId }) =>
  azp === undefined || azp === clientId ? undefined : 'azp is another client'

export const wasNotIssuedInTheFuture: Check<Pick<ExpectedIdToken, 'now'>> = ({ iat = 0 }, { now }) =>
  iat <= now / 1000 + clockTolerance ? undefined : 'iat lies in the future'

const wasIssuedForThisRequest: Check = ({ iat = 0 }, { startedAt }) =>
  iat >= startedAt / 1000 - clockTolerance ? undefined : 'iat lies before the request for it'

/** openid-client holds auth_time against max_age, but takes one that lies ahead. */
const didNotSignInInTheFuture: Check = ({ auth_time: authTime = 0 }, { now }) =>
  typeof authTime === 'number' && authTime <= now / 1000 + clockTolerance
    ? undefined
    : 'auth_time lies in the future'

/** A provider that says when the person signed in cannot say "before" where prompt=login asked for it anew. */
const signedInAnewIfAsked: Check = ({ auth_time: authTime }, { mustBeFresh, startedAt }) =>
  !mustBeFresh || authTime === undefined || Number(authTime) >= startedAt / 1000 - clockTolerance
    ? undefined
    : 'auth_time lies before the login that asked to sign in anew'

const authenticationContextIsAsAsked: Check = ({ acr }, { acrValues }) =>
  acrValues === undefined || acrValues.some((asked) => asked === acr)
    ? undefined
    : 'acr is none of those asked for'

/** at_hash: the left half of the access token's hash, by the hash of the signature algorithm (Core 3.1.3.6). */
const accessTokenHashFits: Check = ({ at_hash: atHash }, { accessToken, alg }) => {
  if (atHash === undefined) return undefined
  const digest = createHash(alg === 'EdDSA' ? 'sha512' : `sha${alg.slice(2)}`)
    .update(accessToken)
    .digest()
  const expected = digest.subarray(0, digest.length / 2).toString('base64url')
  return atHash === expected ? undefined : 'at_hash belongs to another access token'
}

const subjectIsTheSame: Check<ExpectedRefreshedIdToken> = ({ sub }, { identity }) =>
  sub === identity.sub ? undefined : 'sub is another one than at the login'

const authTimeIsTheSame: Check<ExpectedRefreshedIdToken> = ({ auth_time: authTime }, { identity }) =>
  authTime === undefined || authTime === identity.authTime
    ? undefined
    : 'auth_time is another one than at the login'

const nonceIsTheSame: Check<ExpectedRefreshedIdToken> = ({ nonce }, { identity }) =>
  nonce === undefined || nonce === identity.nonce ? undefined : 'nonce is another one than at the login'

/** What openid-client leaves out: it checks iss, aud, exp, nonce, auth_time, and azp beside several audiences. */
const idTokenChecks: readonly Check[] = [
  subjectIsThere,
  audienceIsThisClientAlone,
  authorizedPartyIsThisClient,
  wasNotIssuedInTheFuture,
  wasIssuedForThisRequest,
  didNotSignInInTheFuture,
  signedInAnewIfAsked,
  authenticationContextIsAsAsked,
  accessTokenHashFits,
]

/** The same for the ID token of a refresh (OpenID Connect Core 12.2), where openid-client checks iss, aud and exp. */
const refreshedIdTokenChecks: readonly Check<ExpectedRefreshedIdToken>[] = [
  subjectIsTheSame,
  audienceIsThisClientAlone,
  authorizedPartyIsThisClient,
  wasNotIssuedInTheFuture,
  wasIssuedForThisRequest,
  authTimeIsTheSame,
  nonceIsTheSame,
  accessTokenHashFits,
]

const clockChecks: ReadonlySet<unknown> = new Set([
  wasNotIssuedInTheFuture,
  wasIssuedForThisRequest,
  didNotSignInInTheFuture,
])

/**
 * Holds the claims of a verified ID token against what this login expects.
 *
 * @throws AppError `invalid_id_token`, its reason naming the check
 */
export function assertIdTokenClaims(claims: JWTPayload, expected: ExpectedIdToken): void {
  assertAll(idTokenChecks, claims, expected)
}

/**
 * Holds the claims of a refreshed, verified ID token against the login it continues.
 *
 * @throws AppError `invalid_id_token`, its reason naming the check
 */
export function assertRefreshedIdTokenClaims(claims: JWTPayload, expected: ExpectedRefreshedIdToken): void {
  assertAll(refreshedIdTokenChecks, claims, expected)
}

function assertAll<Expected>(
  checks: readonly Check<Expected>[],
  claims: JWTPayload,
  expected: Expected,
): void {
  for (const check of checks) {
    const problem = check(claims, expected)
    if (problem !== undefined) {
      throw createTokenError('invalid_id_token', problem, { isClockProblem: clockChecks.has(check) })
    }
  }
}

/**
 * Whether an access token was issued to this client: Okta says so in `cid`, RFC 9068 in `client_id`, others in `azp`.
 *
 * @throws AppError `invalid_access_token`
 */
export function assertIssuedToClient(
  { cid, client_id: clientIdClaim, azp }: JWTPayload,
  clientId: string,
): void {
  if ((cid ?? clientIdClaim ?? azp) !== clientId) {
    throw createTokenError('invalid_access_token', 'cid, client_id or azp is not this client')
  }
}

/**
 * Whether an access token is bound to our key (RFC 9449 6.1).
 *
 * @throws AppError `invalid_access_token`
 */
export function assertBoundToKey({ cnf }: JWTPayload, thumbprint: string): void {
  const isBound = typeof cnf === 'object' && cnf !== null && 'jkt' in cnf && cnf.jkt === thumbprint
  if (!isBound) throw createTokenError('invalid_access_token', 'cnf.jkt is not our key')
}

/** The granted scopes an access token names: Okta's `scp` array, or the space-separated `scope` of RFC 9068. */
export function toScopes({ scp, scope }: JWTPayload): string[] | undefined {
  if (Array.isArray(scp)) return scp.filter((item) => typeof item === 'string')
  return typeof scope === 'string' ? scope.split(' ') : undefined
}
