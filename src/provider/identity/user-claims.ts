import type { JWTPayload } from 'jose'
import type { UserClaims } from '../types.ts'

/**
 * Bytes of JSON that the user claims of one session may take: room for 2,000 groups with long names, and an end to what
 * a provider can put into the store.
 */
export const maxSessionClaims = 256 * 1_024

/** User claims, and the names of those that found no room. */
export interface LimitedClaims {
  claims: UserClaims
  dropped: readonly string[]
}

/** Whether there is a claim of this name: what every object has is none, and null says nothing. */
const tells = (claims: UserClaims, name: string) =>
  Object.hasOwn(claims, name) && claims[name] !== undefined && claims[name] !== null

/** Claims that say whether an address was verified, and which one. */
const addresses: ReadonlyMap<string, string> = new Map([
  ['email_verified', 'email'],
  ['phone_number_verified', 'phone_number'],
])

/**
 * The named claims with their names, each from the first source that has it. Whether an address was verified is told by a
 * source that tells the same address: what one says of an old address must not count for a new one.
 */
export function selectUserClaims(names: readonly string[], ...sources: UserClaims[]): [string, unknown][] {
  const findSource = (name: string) => sources.find((source) => tells(source, name))
  return names.flatMap((name): [string, unknown][] => {
    const address = addresses.get(name) ?? name
    const told = findSource(address)?.[address]
    const source = sources.find(
      (one) => tells(one, name) && (told === undefined || one[address] === told || address === name),
    )
    return source === undefined ? [] : [[name, source[name]]]
  })
}

/**
 * Keeps the claims that fit into so many bytes of JSON (UTF-8) together, in their order. One that does not fit is
 * dropped whole: a part of it would be an arbitrary answer.
 */
export function limitUserClaims(found: readonly [string, unknown][], limit: number): LimitedClaims {
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

const isTrue = (value: unknown) =>
  value === true || value === 1 || (typeof value === 'string' && value.toLowerCase() === 'true')

/** Picks the named claims for a session, each from the first source that has it. */
export const selectSessionClaims = (
  names: readonly string[],
  first: JWTPayload,
  second: JWTPayload,
): LimitedClaims => limitUserClaims(selectUserClaims(names, first, second), maxSessionClaims)
