import { timingSafeEqual } from 'node:crypto'
import type { CookieOptions, Request, Response } from 'express'
import type { Config } from '../../config/config.ts'
import { deriveKeys } from '../../crypto/derive-key.ts'
import { createHmacSha256, type Hmac } from '../../crypto/hmac.ts'
import { createCookieNames, readCookies } from '../request/cookies.ts'

/** The session cookie: signed, and nothing in it but a random id. */
export interface SessionCookie {
  readonly name: string
  /** Keys that sign it, newest first: the first one signs, all of them verify. */
  readonly secrets: string[]
  readonly attributes: CookieOptions & { path: string }
  /** Whether the request brings a session cookie, good or not. */
  isPresent(req: Request): boolean
  /** The session id in the cookie; undefined where there is none, or its signature is not ours. */
  readId(req: Request): string | undefined
  /**
   * Whether a session cookie may exist that this request could not bring: a strict one does not come with a
   * navigation from another site (RFC 6265bis 5.6.7.1).
   */
  mayBeWithheld(req: Request): boolean
  /** Makes the browser forget it. */
  drop(res: Response): void
}

/** Creates the session cookie. The signature is the one of express-session, which sets the cookie. */
export function createSessionCookie({
  secrets: masterSecrets,
  secureCookies,
  session,
}: Config): SessionCookie {
  const { session: name } = createCookieNames(secureCookies)
  const secrets = deriveKeys(masterSecrets, 'session-cookie').map((key) => key.toString('base64url'))
  const { sameSite } = session
  const attributes = { httpOnly: true, secure: secureCookies, sameSite, path: '/' }
  const signers = secrets.map((secret) => createHmacSha256(Buffer.from(secret)))
  const isPresent = (req: Request) => readCookies(req)[name] !== undefined

  return {
    name,
    secrets,
    attributes,
    isPresent,

    readId(req) {
      // express-session writes `s:{id}.{signature}`.
      const value = readCookies(req)[name]
      if (value === undefined || !value.startsWith('s:')) return undefined
      const end = value.lastIndexOf('.')
      const id = value.slice(2, Math.max(2, end))
      const signature = value.slice(end + 1)
      return signers.some((sign) => isSignature(sign, id, signature)) ? id : undefined
    },

    // A frame shows no page of this server, and a silent login there has no strict cookie to lose.
    mayBeWithheld: (req) =>
      sameSite === 'strict' &&
      req.get('sec-fetch-dest') === 'document' &&
      req.get('sec-fetch-site') === 'cross-site' &&
      !isPresent(req),

    drop: (res) => void res.clearCookie(name, attributes),
  }
}

/** Whether express-session signed the id: an HMAC in base64 without padding. Compared in constant time. */
function isSignature(sign: Hmac, id: string, signature: string): boolean {
  const expected = Buffer.from(sign(id).replace(/=$/, ''))
  const given = Buffer.from(signature)
  return given.length === expected.length && timingSafeEqual(given, expected)
}
