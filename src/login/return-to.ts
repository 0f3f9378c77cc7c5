/**
 * Where the browser may be sent after a login or logout: a path on this server's own origin, or a URL on an allowed
 * origin. Everything else could be an open redirect (BCP 4.11.1).
 */

/** Printable ASCII without the backslash, which browsers read as a slash. */
const plainText = /^[\x21-\x5b\x5d-\x7e]+$/
/** So that the sealed transaction fits a cookie of 4096 bytes with all else it may hold. */
const maxLength = 1_500

/**
 * Reads a `return_to`; undefined where it must not be followed. A path of ours comes back as a path, an allowed
 * foreign URL whole.
 */
export function readReturnTo(
  value: string,
  publicUrl: string,
  allowedOrigins: readonly string[],
): string | undefined {
  if (value.length > maxLength || !plainText.test(value)) return undefined
  if (!/^(\/(?!\/)|https?:\/\/)/i.test(value)) return undefined
  const url = URL.parse(value, publicUrl)
  if (url === null || url.username !== '' || url.password !== '') return undefined
  if (!allowedOrigins.includes(url.origin)) return undefined
  // Normalizing escapes, and can treble a text.
  if (url.href.length > maxLength + publicUrl.length) return undefined
  if (url.origin !== publicUrl) return url.href
  // Normalizing can make a path of two leading slashes ("/.//evil.example"), which a browser reads as a host.
  if (url.pathname.startsWith('//')) return undefined
  // Landing on a login or callback address after a login would begin another one, for ever.
  if (url.pathname.startsWith('/api/')) return undefined
  return `${url.pathname}${url.search}${url.hash}`
}
