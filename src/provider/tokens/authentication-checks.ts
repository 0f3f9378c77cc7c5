import type { JWTPayload } from 'jose'
import { AppError } from '../../errors.ts'
import { type ExpectedIdToken, quote } from './claim-checks.ts'

type Expected = Pick<
  ExpectedIdToken,
  'maxAge' | 'acrValues' | 'mustBeFresh' | 'startedAt' | 'now' | 'clockTolerance'
>

/** Says how the authentication falls short of what the app asked for, or nothing. */
type Check = (claims: JWTPayload, expected: Expected) => string | undefined

/** acr_values (OpenID Connect Core 3.1.2.1). */
const contextIsAsAsked: Check = ({ acr }, { acrValues }) => {
  if (acrValues === undefined || acrValues.some((asked) => asked === acr)) return undefined
  const said = acr === undefined ? 'acr is missing' : `acr is ${quote(acr)}`
  return `${said}, asked for was ${quote(acrValues.join(' '))}`
}

/** max_age: the person signed in at most so many seconds ago. */
const isRecentAsAsked: Check = ({ auth_time: authTime }, { maxAge, now, clockTolerance }) => {
  if (maxAge === undefined) return undefined
  if (typeof authTime !== 'number') return `auth_time is missing, max_age was ${maxAge}`
  const age = now / 1000 - authTime
  if (age <= maxAge + clockTolerance) return undefined
  return `auth_time lies ${Math.floor(age)} s back, max_age was ${maxAge}`
}

/** A provider that says when the person signed in cannot say "before" where prompt=login asked for it anew. */
const isNewIfAsked: Check = ({ auth_time: authTime }, { mustBeFresh, startedAt, clockTolerance }) => {
  if (!mustBeFresh || authTime === undefined) return undefined
  const before = startedAt / 1000 - Number(authTime)
  return before <= clockTolerance
    ? undefined
    : `auth_time lies ${Math.floor(before)} s before the login that asked to sign in anew (prompt=login)`
}

const checks: readonly Check[] = [contextIsAsAsked, isRecentAsAsked, isNewIfAsked]

/**
 * Holds what a verified ID token says of the authentication against what the app asked for. The token is good; the provider
 * only asked the person for less.
 *
 * @throws AppError `unmet_authentication_requirements`, its reason naming both values
 */
export function assertAuthentication(claims: JWTPayload, expected: Expected): void {
  for (const check of checks) {
    const reason = check(claims, expected)
    if (reason === undefined) continue
    throw new AppError(
      'unmet_authentication_requirements',
      'This app demands a stronger or a fresh sign-in, and the provider did not ask you for it. Please sign in again; if that does not help, tell the people who run this app.',
      { reason },
    )
  }
}
