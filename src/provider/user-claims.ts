import type { JWTPayload } from 'jose'
import type { UserClaims } from './identity.ts'

/**
 * Bytes of JSON that the user claims of one session may take: room for 2,000 groups with long names, and an end to what
 * a provider can put into the store.
 */
export const maxSessionClaims = 256 * 1_024

/** User claims, and the names of those that found no room. */
export interface FittingClaims {
  claims: UserClaims
  dropped: readonly string[]
}

/** Whether there is a claim of this name: what every object has is none, and null says nothing. */
const tells = (claims: UserClaims, name: string) =>
  Object.hasOwn(claims, name) && claims[name] !== undefined && claims[name] !== null

/** The named claims with their names, each from the first source that has it. */
export function findUserClaims(names: readonly string[], ...sources: UserClaims[]): [string, unknown][] {
  return names.flatMap((name) =>
    sources
      .filter((source) => tells(source, name))
      .slice(0, 1)
      .map((source): [string, unknown] => [name, source[name]]),
  )
}

/**
 * Keeps the claims that fit into so many bytes of JSON (UTF-8) together, in their order. One that does not fit is
 * dropped whole: a part of it would be an arbitrary answer.
 */
export function fitUserClaims(found: readonly [string, unknown][], limit: number): FittingClaims {
  const claims: Record<string, unknown> = {}
  const dropped: string[] = []
  // The opening brace; each claim then brings the comma or the closing brace behind it.
  let size = 1
  for (const [name, value] of found) {
    const added = Buffer.byteLength(JSON.stringify({ [name]: value })) - 1
    if (size + added > limit) {
      dropped.push(name)
      continue
    }
    size += added
    claims[name] = value
  }
  return { claims, dropped }
}

const flags: ReadonlySet<string> = new Set(['email_verified', 'phone_number_verified'])

/**
 * Claims as they have to be (OpenID Connect Core 5.1), whatever habits the provider has: what is null is left out, and what
 * says whether an address was verified is a boolean. Cognito and Apple send texts there, and "false" would count as true.
 */
export function toStandardClaims(claims: JWTPayload): JWTPayload {
  const given = Object.entries(claims).filter(([, value]) => value !== null)
  const read = given.map(([name, value]) => [name, flags.has(name) ? isTrue(value) : value])
  return Object.fromEntries(read)
}

const isTrue = (value: unknown) => value === 1 || String(value).toLowerCase() === 'true'

/** Picks the named claims for a session, each from the first source that has it. */
export const pickUserClaims = (
  names: readonly string[],
  first: JWTPayload,
  second: JWTPayload,
): FittingClaims => fitUserClaims(findUserClaims(names, first, second), maxSessionClaims)
