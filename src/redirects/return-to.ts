/**
 * Where the browser may be sent after a login or logout: a path on this server's own origin, or a URL on an allowed
 * origin. Everything else could be an open redirect (BCP 4.11.1).
 */

/** Characters, percent-encoded. So the sealed transaction fits a cookie of 4096 bytes with all else it may hold. */
const maxLength = 2_000

/**
 * Reads a `return_to`; undefined where it must not be followed. A path of ours comes back as a path, an allowed
 * foreign URL whole; both as a browser's location has them, in printable ASCII: all else is percent-encoded.
 */
export function readReturnTo(
  value: string,
  publicUrl: string,
  allowedOrigins: readonly string[],
): string | undefined {
  if (!isUnambiguous(value)) return undefined
  // The URL parser encodes spaces inside, and drops those at the end.
  const url = URL.parse(value.replaceAll(' ', '%20'), publicUrl)
  if (url === null || url.username !== '' || url.password !== '') return undefined
  if (!allowedOrigins.includes(url.origin)) return undefined
  if (url.origin === publicUrl && !isPathOfApp(url.pathname)) return undefined
  const path = `${url.pathname}${url.search}${url.hash}`
  // In queries and fragments, where the URL parser leaves it alone.
  const returnTo = (url.origin === publicUrl ? path : url.href).replaceAll('\\', '%5C')
  return returnTo.length <= maxLength ? returnTo : undefined
}

/** Whether all programs that read the text, from here to the browser, understand the same by it. */
function isUnambiguous(value: string): boolean {
  // Tabs and line breaks vanish when a URL is parsed, wherever they stand.
  if (/\p{Cc}/u.test(value) || !value.isWellFormed()) return false
  // Browsers read a backslash before the query as a slash.
  const [beforeQuery = ''] = value.split(/[?#]/, 1)
  if (beforeQuery.includes('\\')) return false
  // One slash alone: two begin a host.
  return /^(\/$|\/[^/]|https?:\/\/)/i.test(value)
}

function isPathOfApp(pathname: string): boolean {
  // Parsing can make a path of two leading slashes ("/.//evil.example"), which a browser reads as a host.
  if (pathname.startsWith('//')) return false
  // Landing on a login or callback address after a login would begin another one, for ever.
  return !pathname.startsWith('/api/')
}
