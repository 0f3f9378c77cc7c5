import type { JWTPayload } from 'jose'
import { userIdPlaceholder } from '../../config/values/url-parsers.ts'
import { tokenError } from '../transport/errors.ts'

/** Two segments that mean something in a path, and no user's id: they must not get into the userinfo URL. */
const dots: ReadonlySet<string> = new Set(['.', '..'])

/** A user id as a text, from a text or a whole number; undefined where there is none. */
function toUserId(value: unknown): string | undefined {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value)
  const isText = typeof value === 'string' && value !== '' && value.length <= 255 && value.isWellFormed()
  return isText && !dots.has(value) ? value : undefined
}

/** The user id in a field of a plain OAuth 2.0 provider's answer, if there is one. */
export const readUserId = (answer: object, field: string): string | undefined =>
  toUserId(Reflect.get(answer, field))

/** Whom a plain OAuth 2.0 provider's userinfo names: the user of the configured field, or else its `sub`. */
export const readUserinfoSubject = (claims: JWTPayload, field: string): string | undefined =>
  readUserId(claims, field) ?? toUserId(claims.sub)

/**
 * The userinfo URL with the user id in its place. Escaped, an id can be no more than its one segment or value.
 *
 * @throws AppError `invalid_token_response`
 */
export function toUserinfoUrl(template: string, userId: string | undefined): URL {
  if (!template.includes(userIdPlaceholder)) return new URL(template)
  if (userId === undefined) {
    throw tokenError('invalid_token_response', 'OAUTH_USER_ID_FIELD is missing or no user id')
  }
  return new URL(template.replace(userIdPlaceholder, encodeURIComponent(userId)))
}
