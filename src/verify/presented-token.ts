import type { Scheme } from './challenge.ts'

/** The headers of a request: a `Headers` object, or a record with names in lower case, as Node makes it. */
export type RequestHeaders =
  | { get(name: string): string | null }
  | Readonly<Record<string, string | readonly string[] | undefined>>

/** A request of an API, as far as its token depends on it. `Request` of Fetch and of Node fit as they are. */
export interface TokenRequest {
  method?: string | undefined
  /** An absolute URL, or path and query. */
  url?: string | undefined
  headers: RequestHeaders
}

/** A token as it came: with its scheme, and the proof beside it. */
export interface PresentedToken {
  scheme: Scheme
  token: string
  /** The header `DPoP`; empty where there is none. */
  proof: string
}

/**
 * Reads the token in the header Authorization (RFC 6750 2.1, RFC 9449 7.1); undefined where there is none.
 */
export function readPresentedToken({ headers }: TokenRequest): PresentedToken | undefined {
  const authorization = readHeader(headers, 'authorization')
  const [, given, token] = /^(Bearer|DPoP) +([\w.~+/-]+=*)$/i.exec(authorization) ?? []
  if (given === undefined || token === undefined) return undefined
  const scheme = given.toLowerCase() === 'dpop' ? 'DPoP' : 'Bearer'
  return { scheme, token, proof: readHeader(headers, 'dpop') }
}

/** A list of values is no value: which of them counts would be a guess. */
function readHeader(headers: RequestHeaders, name: string): string {
  const value = hasGetter(headers) ? headers.get(name) : headers[name]
  return typeof value === 'string' ? value : ''
}

const hasGetter = (headers: RequestHeaders): headers is { get(name: string): string | null } =>
  typeof headers.get === 'function'

/**
 * The path of a request. The origin of an absolute URL does not count: it comes from the header Host, which
 * the caller chooses.
 */
export function readPath({ url = '' }: TokenRequest): string {
  // Not parsed, because `//orders` would be a host.
  if (url.startsWith('/')) return url.split('?', 1)[0] ?? ''
  return URL.parse(url)?.pathname ?? ''
}
