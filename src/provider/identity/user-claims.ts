import type { JWTPayload } from 'jose'
import type { UserClaims } from '../types.ts'

/**
 * Bytes of JSON that the user claims of one session may take: enough for 2,000 groups with long names, and a
 * limit to what a provider can put into the store.
 */
export const maxSessionClaims = 256 * 1_024

/** User claims within a size limit, and the names of those that exceeded it. */
export interface LimitedClaims {
  claims: UserClaims
  dropped: readonly string[]
}

/** Selects the user claims of a session: the named ones, each from the first source that has it. */
export const selectSessionClaims = (
  names: readonly string[],
  first: JWTPayload,
  second: JWTPayload,
): LimitedClaims => limitUserClaims(selectUserClaims(names, first, second), maxSessionClaims)

/** For each claim that says whether something was verified: the claim that it is about. */
const verifiedClaims: ReadonlyMap<string, string> = new Map([
  ['email_verified', 'email'],
  ['phone_number_verified', 'phone_number'],
])

/**
 * The named claims as entries, each from the first source that has it. Whether an address was verified is
 * read only from a source with the selected address: a statement about an old address must not count for a
 * new one.
 */
function selectUserClaims(names: readonly string[], ...sources: UserClaims[]): [string, unknown][] {
  const findSource = (name: string) => sources.find((source) => hasClaim(source, name))
  return names.flatMap((name): [string, unknown][] => {
    const subject = verifiedClaims.get(name) ?? name
    const selected = findSource(subject)?.[subject]
    const source = sources.find(
      (candidate) =>
        hasClaim(candidate, name) &&
        (selected === undefined || candidate[subject] === selected || subject === name),
    )
    return source === undefined ? [] : [[name, source[name]]]
  })
}

/** Whether there is a claim of this name; inherited members of objects do not count, and null is no value. */
export const hasClaim = (claims: UserClaims, name: string) =>
  Object.hasOwn(claims, name) && claims[name] !== undefined && claims[name] !== null

/**
 * Keeps the claims that together fit into so many bytes of JSON (UTF-8), in their order. One that does not
 * fit is dropped whole, because a part of it would be misleading.
 */
export function limitUserClaims(
  entries: readonly (readonly [string, unknown])[],
  maxBytes: number,
): LimitedClaims {
  const all = Object.fromEntries(entries)
  // A character takes three bytes at most: few claims need no closer look, and this runs in each check.
  if (JSON.stringify(all).length * 3 <= maxBytes) return { claims: all, dropped: [] }
  const claims: Record<string, unknown> = {}
  const dropped: string[] = []
  // The opening brace; each claim then adds a comma or the closing brace.
  let size = 1
  for (const [name, value] of entries) {
    const added = Buffer.byteLength(JSON.stringify({ [name]: value })) - 1
    if (size + added > maxBytes) {
      dropped.push(name)
      continue
    }
    size += added
    claims[name] = value
  }
  return { claims, dropped }
}

/**
 * Claims in the form of OpenID Connect Core 5.1, however the provider writes them: null is omitted, and
 * whether an address was verified is a boolean. Cognito and Apple send a text there, and "false" would count
 * as true.
 */
export function toStandardClaims(claims: JWTPayload): JWTPayload {
  const given = Object.entries(claims).filter(([, value]) => value !== null)
  const standard = given.map(([name, value]) => [name, verifiedClaims.has(name) ? isTrue(value) : value])
  return Object.fromEntries(standard)
}

const isTrue = (value: unknown) =>
  value === true || value === 1 || (typeof value === 'string' && value.toLowerCase() === 'true')
