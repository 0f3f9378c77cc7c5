import type { JWTPayload } from 'jose'
import { AppError } from '../../errors.ts'
import { type ClaimCheck, firstProblem, quote } from './claim-check.ts'
import type { ExpectedIdToken } from './id-token-checks.ts'

type Expected = Pick<
  ExpectedIdToken,
  'maxAge' | 'acrValues' | 'mustBeFresh' | 'startedAt' | 'now' | 'clockTolerance'
>

/** acr_values (OpenID Connect Core 3.1.2.1). */
const contextIsAsAsked: ClaimCheck<Expected> = ({ acr }, { acrValues }) => {
  if (acrValues === undefined || acrValues.some((asked) => asked === acr)) return undefined
  const problem = acr === undefined ? 'acr is missing' : `acr is ${quote(acr)}`
  return `${problem}, asked for was ${quote(acrValues.join(' '))}`
}

/** max_age: the user signed in at most so many seconds ago. */
const isRecentAsAsked: ClaimCheck<Expected> = ({ auth_time: authTime }, { maxAge, now, clockTolerance }) => {
  if (maxAge === undefined) return undefined
  if (typeof authTime !== 'number') return `auth_time is missing, max_age was ${maxAge}`
  const age = now / 1000 - authTime
  if (age <= maxAge + clockTolerance) return undefined
  return `auth_time lies ${Math.floor(age)} s back, max_age was ${maxAge}`
}

/** prompt=login: if the provider states when the user signed in, that must not be before this login began. */
const isNewIfAsked: ClaimCheck<Expected> = (
  { auth_time: authTime },
  { mustBeFresh, startedAt, clockTolerance },
) => {
  if (!mustBeFresh || authTime === undefined) return undefined
  const before = startedAt / 1000 - Number(authTime)
  return before <= clockTolerance
    ? undefined
    : `auth_time lies ${Math.floor(before)} s before the login that required a new sign-in (prompt=login)`
}

const checks: readonly ClaimCheck<Expected>[] = [contextIsAsAsked, isRecentAsAsked, isNewIfAsked]

/**
 * Compares the authentication that a verified ID token describes with what the app asked for. The token is
 * valid; the provider only asked less of the user.
 *
 * @throws AppError `unmet_authentication_requirements`, its reason naming both values
 */
export function assertAuthentication(claims: JWTPayload, expected: Expected): void {
  const failed = firstProblem(checks, claims, expected)
  if (failed === undefined) return
  throw new AppError(
    'unmet_authentication_requirements',
    'This app requires a stronger or a fresh sign-in, and the provider did not ask you for it. ' +
      'Please sign in again; if that does not help, contact the people who run this app.',
    { reason: failed.problem },
  )
}
