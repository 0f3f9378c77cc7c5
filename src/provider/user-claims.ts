import type { JWTPayload } from 'jose'

/**
 * Characters of JSON that the user claims of one person may take. They travel in every app token, and an API refuses
 * a request whose headers are too large (Node: 16 kB, many proxies: 8 kB).
 */
export const maxUserClaims = 4_096

/** A claim, never something that every object has. */
const own = (claims: JWTPayload, name: string) => (Object.hasOwn(claims, name) ? claims[name] : undefined)

/** Picks the named claims, each from the first source that has it; those that no longer fit are left out. */
export function pickUserClaims(
  names: readonly string[],
  first: JWTPayload,
  second: JWTPayload,
): { claims: Record<string, unknown>; dropped: string[] } {
  const claims: Record<string, unknown> = {}
  const dropped: string[] = []
  let room = maxUserClaims
  for (const name of names) {
    const value = own(first, name) ?? own(second, name)
    if (value === undefined || value === null) continue
    const length = JSON.stringify({ [name]: value }).length
    if (length > room) {
      dropped.push(name)
      continue
    }
    room -= length
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
