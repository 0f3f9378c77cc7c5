import type { JWTPayload } from 'jose'
import { userIdPlaceholder } from '../../config/values/url-parsers.ts'
import { tokenError } from '../transport/errors.ts'

/** The user id in a field of a plain OAuth 2.0 provider's response, if there is one. */
export const readUserId = (response: object, field: string): string | undefined =>
  toUserId(Reflect.get(response, field))

/** The user that a plain OAuth 2.0 provider's userinfo names: by the configured field, or else by `sub`. */
export const readUserinfoSubject = (claims: JWTPayload, field: string): string | undefined =>
  readUserId(claims, field) ?? toUserId(claims.sub)

/** Path segments with a meaning of their own: as user ids they would change the userinfo URL. */
const dotSegments: ReadonlySet<string> = new Set(['.', '..'])

/** A user id as a text, from a text or an integer; undefined for anything else. */
function toUserId(value: unknown): string | undefined {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value)
  const isText = typeof value === 'string' && value !== '' && value.length <= 255 && value.isWellFormed()
  return isText && !dotSegments.has(value) ? value : undefined
}

/**
 * The userinfo URL with the user id in place of its placeholder. The id is escaped, so that it cannot be more
 * than one path segment or query value.
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
