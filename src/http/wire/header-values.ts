import type { IncomingHttpHeaders } from 'node:http'

/** Characters that the value of a header may have; browsers stay far below. */
const longest = 512

/** Headers that carry tokens, cookies or lists: their readers take linear time or bound them. */
const uncut: ReadonlySet<string> = new Set(['authorization', 'cookie', 'dpop', 'x-forwarded-for'])

/**
 * Cuts the values of all other headers, in place. Libraries and patterns read them: what they cost must not depend on how
 * much a stranger sends.
 */
export function cutHeaderValues(headers: IncomingHttpHeaders): void {
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value === 'string' && value.length > longest && !uncut.has(name)) {
      headers[name] = value.slice(0, longest)
    }
  }
}
