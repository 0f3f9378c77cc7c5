import { z } from 'zod'
import { list, type Parser, parser } from './parsers.ts'
import { isPrivate } from './private-url.ts'

/** Where browsers reach this server: an origin, perhaps with a path, without a slash at its end. */
export const publicUrl: Parser<string> = parser((text) => {
  const { origin, pathname } = readHttpsUrl(text)
  const path = pathname.replace(/\/$/, '')
  // Plain ones, which no proxy and no router reads as another path.
  if (text.includes('?') || !/^(\/[a-z\d][\w.~-]*)*$/i.test(path)) {
    throw new Error(
      'must be an origin, perhaps with a path of letters, digits and . _ ~ - (no query): https://app.example.com/shop',
    )
  }
  return origin + path
})

/** Below PUBLIC_URL, where the addresses of this server begin. */
export const apiPrefix: Parser<string> = parser((text) => {
  const [, first = ''] = /^\/([a-z\d][\w.~-]*)(\/[a-z\d][\w.~-]*)*$/i.exec(text) ?? []
  if (first === '') {
    throw new Error(
      'must be a path of letters, digits and . _ ~ - below PUBLIC_URL, without a slash at its end: /auth',
    )
  }
  if (taken.has(first.toLowerCase()))
    throw new Error(`must not begin with /${first}, which has another meaning here`)
  return text
})

/** What probes and operators call, and what metrics are read at. */
const taken: ReadonlySet<string> = new Set(['livez', 'readyz', 'metrics', 'operator'])

/** An issuer identifier (RFC 8414 2), kept as it is written. */
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

/** The place of the user id in a userinfo URL; `toUserinfoUrl` fills it in. */
export const userIdPlaceholder = '{user_id}'

/** A userinfo endpoint; `{user_id}` may be one whole segment of its path, or one whole value of its query. */
export const userinfoEndpoint: Parser<string> = parser((text) => {
  const sample = 'the-user-id'
  const { pathname, searchParams } = readHttpsUrl(text.replaceAll(userIdPlaceholder, sample))
  const count = text.split(userIdPlaceholder).length - 1
  const whole = [...pathname.split('/'), ...searchParams.values()].filter((part) => part === sample)
  if (/[{}]/.test(text.replaceAll(userIdPlaceholder, '')))
    throw new Error('contains a placeholder other than {user_id}')
  if (count === whole.length && count <= 1) return text
  throw new Error('may contain {user_id} once, as a whole segment of the path or a whole value of the query')
})

/** The redirect URI of the client (RFC 6749 3.1.2), exactly as it is sent. */
export const redirectUri: Parser<string> = parser((text) => {
  const { href } = readHttpsUrl(text)
  // The provider compares texts, and both requests must send the same one.
  if (href !== text) throw new Error(`must be written as ${href}`)
  // openid-client removes the query from the redirect_uri of the token request, which must equal the first
  // one.
  if (text.includes('?')) throw new Error('must not have a query')
  return text
})

/** Origins with commas between them. */
export const origins: Parser<string[]> = list.transform((items, context) => {
  if (items.some((item) => item.includes('*'))) {
    const message = 'contains *, with which browsers use no credentials (cookies): list the origins'
    context.addIssue({ code: 'custom', message })
    return z.NEVER
  }
  return items.map((item, index) => {
    try {
      return readOrigin(item)
    } catch (error) {
      const problem = error instanceof Error ? error.message : 'is not valid'
      context.addIssue({ code: 'custom', message: `is wrong at value ${index + 1}, which ${problem}` })
      return z.NEVER
    }
  })
})

/** A path on this server's origin, or an absolute URL; `crossCheckSettings` checks its origin. */
export const returnTo: Parser<string> = parser((value) => {
  if (!pathOrUrl.test(value)) {
    throw new Error('must be a path such as / or a URL on one of SPA_ORIGINS')
  }
  return value
})

/** Reads an https URL, or http on a loopback host, without credentials and fragment. */
function readHttpsUrl(text: string): URL {
  const url = readHttpUrl(text)
  if (!isPrivate(url)) throw new Error('must be https (http is accepted on a loopback host only)')
  return url
}

/** Reads an https or http URL without credentials and fragment. */
export function readHttpUrl(text: string): URL {
  const url = URL.parse(text)
  if (url === null || !/^https?:\/\//i.test(text))
    throw new Error('must begin with https://, or http:// on a loopback host')
  if (url.username !== '' || url.password !== '') throw new Error('must not contain a user name or password')
  if (text.includes('#')) throw new Error('must not have a fragment (#...)')
  return url
}

const readOrigin = (text: string): string => toOrigin(readHttpsUrl(text), text)

/** The origin of a URL whose text has nothing else. */
export function toOrigin(url: URL, text: string): string {
  if (url.pathname !== '/' || text.includes('?')) throw new Error('must be an origin: no path, no query')
  return url.origin
}

/** A path with one leading slash, or an absolute URL; any printable ASCII but the backslash. */
const pathOrUrl =
  /^(\/([\x21-\x2e\x30-\x5b\x5d-\x7e][\x21-\x5b\x5d-\x7e]*)?|https?:\/\/[\x21-\x5b\x5d-\x7e]*)$/
