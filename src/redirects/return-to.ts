import type { Config } from '../config/config.ts'

/** Characters, percent-encoded. With it, the sealed transaction still fits into a cookie of 4,096 bytes. */
const maxLength = 2_000

/** Where this server's own addresses begin, and the origins that its users may be sent to. */
type ReturnToRules = Pick<Config, 'apiUrl' | 'allowedOrigins'>

/**
 * Reads a `return_to`, the address to which the browser goes after a login or logout; undefined where it
 * could be an open redirect (RFC 9700 4.11.1). Allowed are paths of this origin, which are returned as paths,
 * and URLs on one of the allowed origins, which are returned whole. Both are in printable ASCII as in a
 * browser's location: everything else is percent-encoded.
 */
export function readReturnTo(value: string, { apiUrl, allowedOrigins }: ReturnToRules): string | undefined {
  if (!isUnambiguous(value)) return undefined
  // The URL parser would encode spaces inside, but drop those at the end.
  const url = URL.parse(value.replaceAll(' ', '%20'), apiUrl)
  if (url === null || url.username !== '' || url.password !== '') return undefined
  if (!allowedOrigins.includes(url.origin)) return undefined
  const own = new URL(apiUrl)
  const isOwn = url.origin === own.origin
  if (isOwn && !isPathOfApp(url.pathname, own.pathname)) return undefined
  const path = `${url.pathname}${url.search}${url.hash}`
  // A backslash can be left in the query or fragment, where the URL parser does not encode it.
  const returnTo = (isOwn ? path : url.href).replaceAll('\\', '%5C')
  return returnTo.length <= maxLength ? returnTo : undefined
}

/** Whether this server, proxies and browsers all read the text as the same address. */
function isUnambiguous(value: string): boolean {
  // URL parsers remove tabs and line breaks anywhere in the text.
  if (/\p{Cc}/u.test(value) || !value.isWellFormed()) return false
  // Browsers treat a backslash before the query as a slash.
  const [beforeQuery = ''] = value.split(/[?#]/, 1)
  if (beforeQuery.includes('\\')) return false
  // One slash only: two would begin a host.
  return /^(\/$|\/[^/]|https?:\/\/)/i.test(value)
}

/** Whether a path is one of the app; this server has its own below `apiPath`. */
function isPathOfApp(pathname: string, apiPath: string): boolean {
  // A parsed path can begin with two slashes ("/.//evil.example"), which a browser treats as a host.
  if (pathname.startsWith('//')) return false
  // The address of the login or callback would begin another login, again and again.
  return !pathname.startsWith(`${apiPath}/`)
}
