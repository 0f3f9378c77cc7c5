import { AppError } from '../errors.ts'

/**
 * Checks the path of a call to an upstream, which goes there as it came. Refused is every path that servers
 * read in different ways (CWE-22, CWE-180): with dot segments, empty segments, encoded slashes, dots and
 * control characters, backslashes, parameters after a dot segment, or what is encoded twice or wrongly.
 *
 * @throws AppError `invalid_request`
 */
export function assertNormalPath(path: string): void {
  if (isPlain.test(path) && !hasOddSegment.test(path)) return
  const reason = findProblem(path)
  if (reason === undefined) return
  throw new AppError('invalid_request', `The path ${reason}.`, { reason: 'path' })
}

/** Nothing in it is encoded, or has a meaning for some servers alone; most paths are like this. */
const isPlain = /^[\w\-./~!$&'()*+,=:@]*$/
/** A segment that is empty, or consists of dots. */
const hasOddSegment = /\/(?:\/|\.{1,2}(?:\/|$))/

/** Characters that a browser sends in a path: those of RFC 3986 3.3, and four that it does not encode. */
const isSendable = /^[\w\-./~!$&'()*+,;=:@%|^[\]]*$/

/** What is wrong with a path, as the rest of a sentence. */
function findProblem(path: string): string | undefined {
  if (!isSendable.test(path)) return 'contains a character that must be percent-encoded'
  if (path.includes('//')) return 'contains an empty segment'
  for (const segment of path.split('/')) {
    const decoded = decode(segment)
    if (decoded === undefined) return 'is not UTF-8 that was percent-encoded once'
    if (/[/\\]/.test(decoded)) return 'contains an encoded slash or backslash'
    if (/\p{Cc}/u.test(decoded)) return 'contains a control character'
    // Servlet containers drop what follows the semicolon, then resolve the segment.
    const [name = ''] = decoded.split(';', 1)
    if (/^\.{1,2}$/.test(name.trim())) return 'contains a dot segment'
    if (/%[\da-f]{2}/i.test(decoded)) return 'is encoded twice'
  }
  return undefined
}

/** The text of a segment; undefined where its percent-encoding is no UTF-8. */
function decode(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment)
  } catch {
    return undefined
  }
}
