/** The origin form: a path and its query, in the characters that a URL may have (RFC 9112 3.2.1). */
const originForm = /^\/[\x21\x22\x24-\x7e]*$/

/** The absolute form: the same after a scheme and an authority (RFC 9112 3.2.2). */
const absoluteForm = /^https?:\/\/[^/?#]+((?:[/?][\x21\x22\x24-\x7e]*)?)$/i

/**
 * The asterisk form, which names no resource (RFC 9112 3.2.4). It replaces targets that cannot be parsed,
 * too.
 */
export const asteriskForm = '*'

/**
 * A request target in origin form, or `asteriskForm` where it has no path. Express's router throws at targets
 * that it cannot parse, before any middleware runs; and the log must not repeat an authority, which may
 * contain a password.
 */
export function toOriginForm(target: string): string {
  if (originForm.test(target)) return target
  const [, path] = absoluteForm.exec(target) ?? []
  if (path === undefined || !URL.canParse(target)) return asteriskForm
  return path.startsWith('/') ? path : `/${path}`
}
