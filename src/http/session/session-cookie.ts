import type { Request, Response } from 'express'
import expressSession from 'express-session'
import type { Config } from '../../config/config.ts'
import { isEqualInConstantTime } from '../../crypto/constant-time.ts'
import { deriveKeys } from '../../crypto/derive-key.ts'
import { createHmacSha256, type Hmac } from '../../crypto/hmac.ts'
import { isSessionId } from '../../session/session.ts'
import {
  addCookie,
  clearCookie,
  createCookieNames,
  readCookies,
  toCookieAttributes,
} from '../request/cookies.ts'

/** The session cookie: signed, and nothing in it but a random id. */
export interface SessionCookie {
  /** Whether the request brings a session cookie, good or not. */
  isPresent(req: Request): boolean
  /** The session id in the cookie; undefined where there is none, or its signature is not ours. */
  readId(req: Request): string | undefined
  /**
   * Whether a session cookie may exist that this request could not bring: a strict one does not come with a
   * navigation from another site (RFC 6265bis 5.6.7.1).
   */
  mayBeWithheld(req: Request): boolean
  /** Gives the browser the cookie of a session, which may live on for so many milliseconds. */
  set(res: Response, sessionId: string, lifetime: number): void
  /** Makes the browser forget it. */
  drop(res: Response): void
}

/**
 * Creates the session cookie, which express-session writes. Its middleware is not used: it would read a
 * session for each request and write the whole of it, where a request only needs the id.
 */
export function createSessionCookie(config: Config): SessionCookie {
  const { secrets, session } = config
  const { session: name } = createCookieNames(config)
  const { sameSite, isPersistent } = session
  const attributes = toCookieAttributes(config, sameSite)
  // Newest first: the first one signs, all of them verify.
  const signers = deriveKeys(secrets, 'session-cookie').map((key) =>
    createHmacSha256(Buffer.from(key.toString('base64url'))),
  )
  const [newest] = signers
  if (newest === undefined) throw new TypeError('a session cookie needs at least one secret')
  const isPresent = (req: Request) => readCookies(req)[name] !== undefined

  return {
    isPresent,

    readId(req) {
      const value = readCookies(req)[name]
      if (value === undefined || !value.startsWith('s:')) return undefined
      const [id = '', signature = ''] = value.slice(2).split('.')
      if (!isSessionId(id)) return undefined
      return signers.some((sign) => isEqualInConstantTime(signature, toSignature(sign, id))) ? id : undefined
    },

    // A frame shows no page of this server, and a silent login there has no strict cookie to lose.
    mayBeWithheld: (req) =>
      sameSite === 'strict' &&
      req.get('sec-fetch-dest') === 'document' &&
      req.get('sec-fetch-site') === 'cross-site' &&
      !isPresent(req),

    // In the form of express-session: `s:{id}.{signature}`.
    set(res, id, lifetime) {
      const lives = isPersistent ? { maxAge: lifetime } : {}
      const written = Object.assign(new expressSession.Cookie() as WritableCookie, attributes, lives)
      addCookie(res, written.serialize(name, `s:${id}.${toSignature(newest, id)}`))
    },
    drop: (res) => clearCookie(res, name, attributes),
  }
}

/** express-session's cookie, with the method that its types leave out. */
type WritableCookie = InstanceType<typeof expressSession.Cookie> & {
  serialize(name: string, value: string): string
}

/** The HMAC of the id, in base64 without padding. */
const toSignature = (sign: Hmac, id: string) => sign(id).replace(/=$/, '')
