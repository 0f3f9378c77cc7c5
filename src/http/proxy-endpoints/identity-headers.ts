import type { SelectTokenClaims } from '../../app-token/token-claims.ts'
import type { Session } from '../../session/session.ts'

/** A claim, and the header that a proxy receives it in. */
export interface ClaimHeader {
  readonly claim: string
  readonly header: string
}

/** Headers with other meanings: no claim may take their place. */
const taken: ReadonlySet<string> = new Set(['subject', 'session', 'scope', 'login', 'error'])

/**
 * The header of each claim: `X-Auth-Preferred-Username` for `preferred_username`. Undefined where one cannot
 * be part of a header's name, or would have the same header as another value.
 */
export function toClaimHeaders(claims: readonly string[]): readonly ClaimHeader[] | undefined {
  const suffixes = claims.map((claim) => claim.toLowerCase().replaceAll('_', '-'))
  if (new Set(suffixes).size < suffixes.length) return undefined
  if (suffixes.some((suffix) => taken.has(suffix) || !/^[a-z0-9][a-z0-9-]{0,63}$/.test(suffix)))
    return undefined
  return claims.map((claim) => ({
    claim,
    header: `X-Auth-${claim
      .split(/[_-]/)
      .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
      .join('-')}`,
  }))
}

/** Makes the headers that say who a request is from: a flat list of names and values. */
export type ToIdentityHeaders = (session: Session | undefined, claims: readonly ClaimHeader[]) => string[]

/**
 * Creates the identity headers. All of them are always there, if need be empty: a proxy that copies them
 * replaces what the client sent under the same names.
 */
export function createIdentityHeaders(selectTokenClaims: SelectTokenClaims): ToIdentityHeaders {
  return (session, claims) => {
    const headers = [
      'X-Auth-Subject',
      toHeaderValue(session?.identity.appSub),
      'X-Auth-Session',
      session?.handle ?? '',
      'X-Auth-Scope',
      toHeaderValue(session?.tokens.scope.join(' ')),
    ]
    if (claims.length === 0) return headers
    const values = session === undefined ? {} : selectTokenClaims(session.identity).claims
    for (const { claim, header } of claims) {
      headers.push(header, toHeaderValue(Object.hasOwn(values, claim) ? values[claim] : undefined))
    }
    return headers
  }
}

/**
 * A value as bytes of UTF-8, each of which Node writes for one character; empty where there is none. A list
 * has commas between its items, and `%` and commas of the items themselves percent-encoded. Control
 * characters, and a space at either end, are percent-encoded everywhere: left out, as HTTP leaves out such
 * spaces, they would make another user's name of one.
 */
function toHeaderValue(value: unknown): string {
  const text = Array.isArray(value)
    ? value.map((item) => toText(item).replace(/[%,]/g, encodeURIComponent)).join(',')
    : toText(value)
  if (/^[\x20-\x7e]*$/.test(text) && text.trim() === text) return text
  const safe = text.toWellFormed().replace(/^ | $|\p{Cc}/gu, encodeURIComponent)
  return Buffer.from(safe).toString('latin1')
}

function toText(value: unknown): string {
  if (value === undefined || value === null) return ''
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}
