/** A path with its query, in the characters that a URL may have (RFC 9112 3.2.1). */
const originForm = /^\/[\x21\x22\x24-\x7e]*$/

/** The same behind a scheme and an authority (RFC 9112 3.2.2). */
const absoluteForm = /^https?:\/\/[^/?#]+((?:[/?][\x21\x22\x24-\x7e]*)?)$/i

/** The target that names no resource (RFC 9112 3.2.4). It stands for those that cannot be read as well. */
export const noPath = '*'

/**
 * The path and query that a request asks for; `noPath` where it asks for none. Express's router throws at targets that it
 * cannot parse, before any middleware runs, and a log line must not repeat what stands before the path.
 */
export function toPath(target: string): string {
  if (originForm.test(target)) return target
  const [, path] = absoluteForm.exec(target) ?? []
  if (path === undefined || !URL.canParse(target)) return noPath
  return path.startsWith('/') ? path : `/${path}`
}
