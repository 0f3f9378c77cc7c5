import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { z } from 'zod'

/**
 * How the text of one environment variable becomes a value. Each parser says in plain words what it wanted; the
 * value itself is never repeated, because it may be a secret.
 */
export type Parser<T> = z.ZodType<T, string>

const loopbackHosts = new Set(['localhost', '127.0.0.1', '[::1]'])

/** Whether a URL's host can only be this machine. */
export function isLoopback(url: URL): boolean {
  return loopbackHosts.has(url.hostname)
}

/** Turns a function that may throw a plain-worded Error into a parser. */
export function parser<T>(parse: (text: string) => T): Parser<T> {
  return z.string().transform((text, context) => {
    try {
      return parse(text)
    } catch (error) {
      context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : 'is not valid' })
      return z.NEVER
    }
  })
}

/** An https URL, or http on a loopback host (BCP 2.6), without credentials and fragment. */
function readHttpsUrl(text: string): URL {
  const url = URL.parse(text)
  if (url === null || !/^https?:\/\//i.test(text)) throw new Error('must begin with https://')
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback(url))) {
    throw new Error('must be https (http is accepted on a loopback host only)')
  }
  if (url.username !== '' || url.password !== '') throw new Error('must not hold a user name or password')
  if (text.includes('#')) throw new Error('must not have a fragment (#...)')
  return url
}

function readOrigin(text: string): string {
  const url = readHttpsUrl(text)
  if (url.pathname !== '/' || text.includes('?')) throw new Error('must be an origin: no path, no query')
  return url.origin
}

export const origin: Parser<string> = parser(readOrigin)

export const issuer: Parser<string> = parser((text) => {
  const url = readHttpsUrl(text)
  if (text.includes('?')) throw new Error('must not have a query')
  if (url.pathname.includes('/.well-known/')) {
    throw new Error('must be the issuer itself, not the address of its discovery document')
  }
  return text
})

/** The address of an endpoint. It may have a query (RFC 6749 3.1). */
export const endpoint: Parser<string> = parser((text) => readHttpsUrl(text).href)

/** Where the userinfo URL names the user, filled in by `toUserinfoUrl`. */
export const userIdPlaceholder = '{user_id}'

/** A userinfo endpoint. `{user_id}` may be one whole segment of its path, or one whole value of its query. */
export const userinfoEndpoint: Parser<string> = parser((text) => {
  const stand = 'the-user-id'
  const { pathname, searchParams } = readHttpsUrl(text.replaceAll(userIdPlaceholder, stand))
  const count = text.split(userIdPlaceholder).length - 1
  const whole = [...pathname.split('/'), ...searchParams.values()].filter((part) => part === stand)
  if (/[{}]/.test(text.replaceAll(userIdPlaceholder, '')))
    throw new Error('holds another placeholder than {user_id}')
  if (count === whole.length && count <= 1) return text
  throw new Error('may hold {user_id} once, as a whole segment of the path or a whole value of the query')
})

export const redirectUri: Parser<string> = parser((text) => {
  const { href } = readHttpsUrl(text)
  // The provider compares texts, and both requests must name the same one.
  if (href !== text) throw new Error(`must be written as ${href}`)
  // openid-client cuts the query from the redirect_uri of the token request, which must equal the first one.
  if (text.includes('?')) throw new Error('must not have a query')
  return text
})

export const list: Parser<string[]> = parser((text) => {
  const items = text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
  if (items.length === 0) throw new Error('must name at least one')
  return items
})

export const origins: Parser<string[]> = list.transform((items, context) =>
  items.map((item, index) => {
    try {
      return readOrigin(item)
    } catch (error) {
      const problem = error instanceof Error ? error.message : 'is not valid'
      context.addIssue({ code: 'custom', message: `is wrong at value ${index + 1}, which ${problem}` })
      return z.NEVER
    }
  }),
)

const reservedClaims = new Set(
  'iss sub aud exp nbf iat jti sid idp client_id scope auth_time acr amr cnf act azp nonce at_hash events'.split(
    ' ',
  ),
)

/** Names of user claims; those that carry meaning in a token of their own cannot be copied. */
export const claimNames: Parser<string[]> = list.transform((items, context) => {
  if (items.every((item) => /^[a-z]/i.test(item) && !reservedClaims.has(item))) return items
  context.addIssue({
    code: 'custom',
    message: `must name claims about the user, none of: ${[...reservedClaims].join(', ')}`,
  })
  return z.NEVER
})

/** Space-separated scopes (RFC 6749 3.3). */
export const scopes: Parser<string[]> = parser((text) => {
  const items = [...new Set(text.split(/\s+/).filter((item) => item !== ''))]
  if (items.length === 0) throw new Error('must name at least one')
  if (text.includes(',')) throw new Error('must have spaces between the scopes, not commas')
  if (items.some((item) => !/^[\x21\x23-\x5b\x5d-\x7e]+$/.test(item))) {
    throw new Error('holds a character no scope may have')
  }
  return items
})

const units = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** Milliseconds of a duration such as 30s, 10m, 8h, 14d. */
function readDuration(text: string, atLeast: string, atMost: string): number {
  const read = (duration: string) => {
    const [, amount, unit] = /^(\d{1,6})([smhd])$/.exec(duration) ?? []
    if (amount === undefined) throw new Error('must be a duration such as 30s, 10m, 8h or 14d')
    return Number(amount) * units[unit as keyof typeof units]
  }
  const value = read(text)
  if (value < read(atLeast) || value > read(atMost)) {
    throw new Error(`must lie between ${atLeast} and ${atMost}`)
  }
  return value
}

/** A duration within two others, in milliseconds. */
export const duration = (atLeast: string, atMost: string): Parser<number> =>
  parser((text) => readDuration(text, atLeast, atMost))

/** At most so many requests within a window of so many milliseconds. */
export interface RateLimit {
  limit: number
  window: number
}

/** A rate such as 30/1m, or `off`. */
export const rateLimit: Parser<RateLimit | 'off'> = parser((text) => {
  if (text === 'off') return 'off'
  const [, limit = '', window = ''] = /^([1-9]\d{0,6})\/(\d{1,6}[smhd])$/.exec(text) ?? []
  if (limit === '') throw new Error('must be a rate such as 30/1m, or off')
  try {
    return { limit: Number(limit), window: readDuration(window, '1s', '1d') }
  } catch {
    throw new Error('must have a window between 1s and 1d')
  }
})

export const port: Parser<number> = parser((text) => {
  const value = Number(text)
  if (!/^\d{1,5}$/.test(text) || value > 65_535) throw new Error('must be a port number, 0 to 65535')
  return value
})

export const text: Parser<string> = parser((value) => value)

/** A path of one leading slash, or an absolute URL; all printable ASCII but the backslash. */
const pathOrUrl =
  /^(\/([\x21-\x2e\x30-\x5b\x5d-\x7e][\x21-\x5b\x5d-\x7e]*)?|https?:\/\/[\x21-\x5b\x5d-\x7e]*)$/

/** A path on this server's own origin, or an absolute URL; which origins are fine is checked across settings. */
export const returnTo: Parser<string> = parser((value) => {
  if (!pathOrUrl.test(value)) {
    throw new Error('must be a path such as / or a URL on one of SPA_ORIGINS')
  }
  return value
})

export function oneOf<const T extends string>(...values: T[]): Parser<T> {
  return parser((value) => {
    const found = values.find((candidate) => candidate === value)
    if (found === undefined) throw new Error(`must be one of: ${values.join(', ')}`)
    return found
  })
}

export const flag: Parser<boolean> = oneOf('true', 'false').transform((value) => value === 'true')

/** Master secrets, newest first: base64url, at least 32 bytes each, and not a typed pattern. */
export const secrets: Parser<Uint8Array[]> = list.transform((items, context) => {
  const problem = (message: string) => {
    context.addIssue({ code: 'custom', message })
    return z.NEVER
  }
  const keys = items.map((item) => (/^[\w-]+={0,2}$/.test(item) ? Buffer.from(item, 'base64url') : undefined))
  if (!keys.every((key) => key !== undefined)) return problem('must be base64url')
  if (keys.some((key) => key.length < 32)) return problem('must be at least 32 random bytes each')
  if (keys.some((key) => new Set(key).size < 16)) return problem('does not look random')
  if (new Set(items).size < items.length) return problem('holds the same secret twice')
  return keys
})

/** An address, or a block with a prefix of at least one bit: trusting everyone is no configuration. */
function isCidr(item: string): boolean {
  const [address = '', prefix, ...rest] = item.split('/')
  const bits = { 0: 0, 4: 32, 6: 128 }[isIP(address)] ?? 0
  if (bits === 0 || rest.length > 0) return false
  return prefix === undefined || (/^[1-9]\d{0,2}$/.test(prefix) && Number(prefix) <= bits)
}

/** CIDR list of reverse proxies, single addresses included. */
export const cidrs: Parser<string[]> = list.transform((items, context) => {
  if (items.every(isCidr)) return items
  context.addIssue({ code: 'custom', message: 'must be addresses or CIDR blocks such as 10.0.0.0/8' })
  return z.NEVER
})

/** Reads a secret from the mounted file that `X_FILE` names; one trailing newline is not part of it. */
export function readSecretFile(path: string): string {
  return readFileSync(path, 'utf8').replace(/\r?\n$/, '')
}
