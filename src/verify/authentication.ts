import { type Clock, systemClock } from '../clock.ts'
import type { AppTokenClaims } from './claims.ts'

/** How a user must have signed in; at least one of the first two. */
export interface AuthenticationRequirement {
  /** The token's `acr` must be one of these. */
  acrValues?: readonly string[]
  /** Seconds since the user last authenticated (`auth_time`). */
  maxAge?: number
  /** The time, for tests; the system's clock by default. */
  clock?: Clock
}

/** A requirement that was checked, and its parameters of a challenge (RFC 9470 3). */
interface CheckedRequirement extends Required<Pick<AuthenticationRequirement, 'acrValues' | 'clock'>> {
  maxAge: number | undefined
  parameters: Record<string, string>
}

/** Seconds by which the clocks of the provider and of this API may differ. */
const clockTolerance = 5

/**
 * Checks a requirement. An empty one, such as that of an unset variable, must not let everyone pass.
 *
 * @throws TypeError
 */
export function readRequirement(requirement: AuthenticationRequirement): CheckedRequirement {
  const { acrValues = [], maxAge, clock = systemClock } = requirement
  if (acrValues.some((value) => typeof value !== 'string' || !/^[\x21\x23-\x5b\x5d-\x7e]+$/.test(value))) {
    throw new TypeError('acrValues must be texts without spaces, quotes and backslashes')
  }
  if (maxAge !== undefined && !(Number.isInteger(maxAge) && maxAge >= 0)) {
    throw new TypeError('maxAge must be a whole number of seconds')
  }
  if (acrValues.length === 0 && maxAge === undefined) throw new TypeError('acrValues or maxAge is required')
  const parameters = {
    ...(acrValues.length === 0 ? {} : { acr_values: acrValues.join(' ') }),
    ...(maxAge === undefined ? {} : { max_age: String(maxAge) }),
  }
  return { acrValues, maxAge, clock, parameters }
}

/** What a sign-in lacks, in words for the user; undefined where it lacks nothing. */
export function findUnmet(
  { acrValues, maxAge, clock }: Omit<CheckedRequirement, 'parameters'>,
  { acr, auth_time: authTime }: AppTokenClaims,
): string | undefined {
  if (acrValues.length > 0 && (acr === undefined || !acrValues.includes(acr))) {
    return 'A stronger sign-in is required'
  }
  if (maxAge === undefined) return undefined
  const age = typeof authTime === 'number' ? clock.now() / 1000 - authTime : Number.POSITIVE_INFINITY
  return age <= maxAge + clockTolerance ? undefined : 'A more recent sign-in is required'
}
