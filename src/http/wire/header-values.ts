import type { IncomingHttpHeaders } from 'node:http'

/** Characters that the value of a header may have; browsers send far fewer. */
const maxLength = 512

/**
 * Headers with tokens, secrets, cookies or lists, which are never cut: the code that reads them limits their
 * length or takes linear time.
 */
const uncut: ReadonlySet<string> = new Set([
  'authorization',
  'cookie',
  'dpop',
  'x-forward-auth-secret',
  'x-forwarded-for',
])

/**
 * Cuts the values of all other headers, in place, before libraries and patterns read them: the time that they
 * take must not depend on how much a client sends.
 */
export function cutHeaderValues(headers: IncomingHttpHeaders): void {
  for (const name in headers) {
    const value = headers[name]
    if (typeof value === 'string' && value.length > maxLength && !uncut.has(name)) {
      headers[name] = value.slice(0, maxLength)
    }
  }
}
